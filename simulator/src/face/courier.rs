//! The courier face, port 5223: frames from a phone to the world, and its outbox back.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use apns_net::listen::Accepted;
use apns_proto::courier::{self, Fault, Message};
use bytes::BytesMut;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;
use tracing::{Instrument, debug, info_span, warn};

use super::{Door, Visit, part};
use crate::config::Timeouts;
use crate::connections::{Presence, Who};
use crate::event::Offline;
use crate::io_step::{read_batch, until, write_some};
use crate::shared::Shared;
use crate::world::{ConnectionId, CourierFault, World};

/// Messages are gathered up to this before they are written.
const WRITE_LEN: usize = 16 * 1024;

/// Serves one phone until it closes, breaks the rules, takes nothing any more, or connects anew.
pub(crate) async fn serve(door: Door, accepted: Accepted) {
    let Some(visit) = door.device(accepted).await else {
        return;
    };
    let Visit {
        shared,
        environment,
        timeouts,
        mut stream,
        peer,
        certificate,
    } = visit;
    let Some(certificate) = certificate else {
        return; // The listener's policy requires one.
    };
    let (device, project) = (&*certificate.common_name, shared.name());
    let span = info_span!("courier", %peer, device, %environment, project);
    let who = Who::Phone {
        device: device.into(),
    };
    let presence = Presence::new(&shared, who, environment, peer);
    let serving = async {
        match shared.connect(&certificate, environment) {
            Ok((id, woken)) => {
                let connection = Connection {
                    shared,
                    timeouts,
                    id,
                    woken,
                    presence,
                };
                connection.run(stream).await;
            }
            Err(refused) => {
                warn!(reason = %refused, "turned a phone away");
                part(&mut stream, timeouts.stop).await;
            }
        }
    };
    Box::pin(serving.instrument(span)).await;
}

struct Connection {
    shared: Arc<Shared>,
    timeouts: Timeouts,
    id: ConnectionId,
    /// The world has something for this phone.
    woken: Arc<Notify>,
    presence: Presence,
}

/// Why the connection is over.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the phone closed")]
    Closed,
    #[error("the world has ended the connection")]
    Dismissed,
    #[error("this side ends it")]
    Stopped,
    #[error("{0}")]
    Fault(#[from] Fault),
    #[error("{0}")]
    OutOfPlace(#[from] CourierFault),
    #[error("a frame was not completed within {0:?}")]
    Overdue(Duration),
    #[error("the phone took nothing for {0:?}")]
    Stalled(Duration),
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
}

impl Connection {
    async fn run(self, mut stream: Box<TlsStream<TcpStream>>) {
        debug!("a phone connected");
        let ended = self
            .converse(&mut stream)
            .await
            .err()
            .unwrap_or(Ended::Dismissed);
        let why = match &ended {
            Ended::Closed | Ended::Dismissed | Ended::Stopped | Ended::Io(_) => {
                debug!(reason = %ended, "a phone is gone");
                Offline::Closed
            }
            Ended::Fault(fault) => {
                warn!(reason = %fault, clause = fault.clause(), "hung up on a phone");
                Offline::Fault
            }
            Ended::OutOfPlace(_) | Ended::Overdue(_) => {
                warn!(reason = %ended, "hung up on a phone");
                Offline::Fault
            }
            Ended::Stalled(_) => {
                warn!(reason = %ended, "hung up on a phone");
                Offline::Stalled
            }
        };
        self.shared.disconnect(self.id, why);
        if !matches!(ended, Ended::Stalled(_) | Ended::Io(_)) {
            part(&mut stream, self.timeouts.stop).await;
        }
    }

    /// One loop for both directions: we must not wait for a phone to read while it waits for us to read its acknowledgements.
    async fn converse(&self, stream: &mut TlsStream<TcpStream>) -> Result<(), Ended> {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
        let mut frame_deadline = None;
        let mut write_deadline = None;
        let mut outbox = Outbox::Filled;
        loop {
            if outbox == Outbox::Filled && output.len() < WRITE_LEN {
                outbox = self.shared.with(|world, _| self.take(world, &mut output))?;
            }
            if !output.is_empty() && write_deadline.is_none() {
                write_deadline = Some(Instant::now() + self.timeouts.write);
            }
            if outbox == Outbox::Closed && write_deadline.is_none() {
                return Ok(());
            }
            tokio::select! {
                read = read_batch(&mut reader, &mut input), if outbox != Outbox::Closed => match read {
                    Ok(len) if len > 0 => {
                        self.hear(&mut input)?;
                        frame_deadline = match frame_deadline {
                            _ if input.is_empty() => None,
                            Some(deadline) => Some(deadline),
                            None => Some(Instant::now() + self.timeouts.frame),
                        };
                        if outbox == Outbox::Empty {
                            outbox = Outbox::Filled;
                        }
                    }
                    Ok(_) => return Err(Ended::Closed),
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(Ended::Closed),
                    Err(error) => return Err(error.into()),
                },
                written = write_some(&mut writer, &mut output), if write_deadline.is_some() => {
                    write_deadline = if written? { None } else { Some(Instant::now() + self.timeouts.write) };
                }
                () = self.woken.notified(), if outbox == Outbox::Empty => outbox = Outbox::Filled,
                () = until(write_deadline) => return Err(Ended::Stalled(self.timeouts.write)),
                () = until(frame_deadline) => return Err(Ended::Overdue(self.timeouts.frame)),
                () = self.presence.stop().cancelled() => return Err(Ended::Stopped),
            }
        }
    }

    /// Tells the world every whole message in `input`, under one lock.
    fn hear(&self, input: &mut BytesMut) -> Result<(), Ended> {
        let mut messages = Vec::new();
        let mut fault = None;
        loop {
            match courier::decode(input).and_then(|frame| frame.map(Message::try_from).transpose())
            {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(found) => {
                    fault = Some(found);
                    break;
                }
            }
        }
        self.shared.with(|world, now| {
            messages
                .into_iter()
                .try_for_each(|message| world.receive(now, self.id, message))
        })?;
        fault.map_or(Ok(()), |fault| Err(fault.into()))
    }

    /// Encodes what the world has for this phone, up to a write's worth.
    fn take(&self, world: &mut World, output: &mut BytesMut) -> Result<Outbox, Ended> {
        while output.len() < WRITE_LEN {
            let Some(message) = world.next_message(self.id) else {
                return Ok(if world.hangs_up(self.id) {
                    Outbox::Closed
                } else {
                    Outbox::Empty
                });
            };
            let carries = matches!(message, Message::Notification { .. });
            self.presence.carried(u64::from(carries));
            message.encode(output).map_err(io::Error::other)?;
        }
        Ok(Outbox::Filled)
    }
}

/// What is known of the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outbox {
    Empty,
    /// There is something in it, or there may be.
    Filled,
    /// It is empty for good; what was taken from it is still to be written.
    Closed,
}
