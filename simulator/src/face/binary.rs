//! The binary provider face, port 2195: notifications in; silence [P-30], six bytes [P-31] or a bare close out.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use apns_net::linger::{Linger, linger};
use apns_net::listen::Accepted;
use apns_proto::server::{End, Reply, Session, Step};
use apns_proto::{ErrorPacket, Limits, Malformed, Notification, Status};
use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, info, info_span, warn};

use super::part;
use crate::config::Timeouts;
use crate::io_step::{read_batch, until};
use crate::shared::Shared;
use crate::world::{Answer, DeviceId, Provider, Pushed, World};

/// Serves one provider until it closes, is answered, or breaks the rules.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    timeouts: Timeouts,
    accepted: Accepted,
    stop: CancellationToken,
) {
    let Accepted {
        stream,
        peer,
        certificate: Some(certificate),
    } = accepted
    else {
        return; // The listener's policy requires one.
    };
    let limits = if certificate.is_voip() {
        Limits::VOIP
    } else {
        Limits::BINARY
    };
    let Some(provider) = shared.provider(&certificate) else {
        return; // The listener's policy requires a topic.
    };
    let span = info_span!("provider", %peer, topic = provider.topic());
    let connection = Connection {
        shared,
        timeouts,
        provider,
        stream,
        buf: BytesMut::new(),
        session: Session::new(limits, timeouts.frame),
        waiting: None,
    };
    Box::pin(connection.run(stop)).instrument(span).await;
}

struct Connection {
    shared: Arc<Shared>,
    timeouts: Timeouts,
    provider: Provider,
    stream: TlsStream<TcpStream>,
    buf: BytesMut,
    session: Session,
    waiting: Option<Waiting>,
}

/// A notification for a phone whose outbox is full, and until when it waits.
struct Waiting {
    seq: u64,
    notification: Notification,
    until: Instant,
}

/// What comes after a batch.
enum Next {
    Read,
    Wait,
    End(Reply, Refused),
}

/// Why the provider is answered.
enum Refused {
    Notification {
        seq: u64,
        notification: Notification,
        status: Status,
        clause: &'static str,
    },
    Malformed {
        seq: u64,
        malformed: Malformed,
    },
}

impl Refused {
    /// One line, with the reason. Not written while the world is locked.
    fn log(&self) {
        match self {
            Self::Notification {
                seq,
                notification,
                status,
                clause,
            } => {
                let identifier = notification.answer_identifier();
                info!(seq, ?identifier, token = %notification.token, %status, clause, "refused a notification");
            }
            Self::Malformed { seq, malformed } if malformed.farewell() => {
                debug!(seq, clause = "P-44", "the provider said farewell");
            }
            Self::Malformed { seq, malformed } => {
                let (fault, clause) = (malformed.fault, malformed.fault.clause());
                match malformed.status {
                    Some(status) => {
                        warn!(seq, reason = %fault, %status, clause, "refused a malformed notification");
                    }
                    None => {
                        warn!(seq, reason = %fault, clause, "hung up on a malformed notification");
                    }
                }
            }
        }
    }
}

impl Connection {
    async fn run(mut self, stop: CancellationToken) {
        debug!("a provider connected");
        let reply = tokio::select! {
            reply = self.receive() => reply,
            () = stop.cancelled() => Some(self.shutdown()),
        };
        let timeouts = self.timeouts;
        let ending = async {
            match reply {
                Some(reply) => self.end(reply).await,
                None => part(&mut self.stream, timeouts.write).await,
            }
        };
        let stopped = async {
            stop.cancelled().await;
            sleep(timeouts.stop).await;
        };
        tokio::select! {
            () = ending => {}
            () = stopped => {}
        }
    }

    /// Reads and judges. `None`: the provider closed first.
    async fn receive(&mut self) -> Option<Reply> {
        let mut room = self.shared.room();
        loop {
            room.mark_unchanged();
            match self.judge() {
                Next::Read => {}
                Next::End(reply, refused) => {
                    refused.log();
                    return Some(reply);
                }
                Next::Wait => {
                    // Not reading is what slows the provider down. The world outlives its faces, so this does not fail.
                    let given_up = self.waiting.as_ref().map(|waiting| waiting.until);
                    tokio::select! {
                        _ = room.changed() => {}
                        () = until(given_up) => {}
                    }
                    self.session.resumed(now());
                    continue;
                }
            }
            let deadline = self.session.deadline().map(Instant::from_std);
            tokio::select! {
                read = read_batch(&mut self.stream, &mut self.buf) => match read {
                    Ok(len) if len > 0 => {}
                    ended => {
                        self.note_end(ended.err().as_ref());
                        return None;
                    }
                },
                () = until(deadline) => {
                    if let Some(overdue) = self.session.tick(now()) {
                        warn!(reason = %overdue, clause = "P-19", "closing without a word");
                        return Some(Reply::Close);
                    }
                }
            }
        }
    }

    /// Shows the world everything received, under one lock, up to the first refusal [P-40].
    fn judge(&mut self) -> Next {
        let Self {
            shared,
            timeouts,
            provider,
            buf,
            session,
            waiting,
            ..
        } = self;
        let received_at = now();
        let (next, gave_up) = shared.with(|world, now| {
            let mut judge = Judge {
                world,
                now,
                provider,
                session,
                gave_up: Vec::new(),
            };
            let next = judge.batch(buf, received_at, timeouts.room, waiting);
            (next, judge.gave_up)
        });
        for device in gave_up {
            warn!(%device, after = ?timeouts.room, "a phone acknowledges nothing: it counts as offline");
        }
        next
    }

    /// What the provider sent is processed [P-45]; a frame it did not finish is lost.
    fn note_end(&self, error: Option<&io::Error>) {
        if let End::Truncated { len } = self.session.end(&self.buf) {
            warn!(
                len,
                clause = "P-45",
                "the provider closed in the middle of a frame"
            );
        }
        match error {
            Some(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                debug!(%error, "the connection broke")
            }
            _ => debug!("the provider closed"),
        }
    }

    /// This side closes [P-42]. The session counts what waits for room as taken, but the world has not taken it: then nothing is
    /// said, and the provider sends again what it is not sure of.
    fn shutdown(&mut self) -> Reply {
        if self.waiting.take().is_some() {
            self.session.hang_up();
            return Reply::Close;
        }
        self.session.shutdown()
    }

    /// Says the last word, and waits until it is read [P-41].
    async fn end(&mut self, reply: Reply) {
        // Counts what is left.
        while self.session.receive(&mut self.buf, now()).is_some() {}
        if let Reply::Packet(packet) = reply
            && let Err(error) = self.write(packet).await
        {
            debug!(%error, "the answer could not be written");
            return;
        }
        let lingered = linger(&mut self.stream, Linger::default()).await;
        let len = self.session.discarded_len() + lingered.dropped_len;
        debug!(len, end = ?lingered.end, "closed");
        if len > 0 {
            self.shared
                .with(|world, now| world.discarded(now, &self.provider, len));
        }
    }

    /// All six bytes in one write, and so in one record: clients read them with one `recv` [P-31].
    async fn write(&mut self, packet: ErrorPacket) -> io::Result<()> {
        let writing = async {
            self.stream.write_all(&packet.encode()).await?;
            self.stream.flush().await
        };
        timeout(self.timeouts.write, writing).await?
    }
}

/// The world, locked, with what is needed to show it one notification.
struct Judge<'a> {
    world: &'a mut World,
    now: SystemTime,
    provider: &'a Provider,
    session: &'a mut Session,
    /// Phones that had no room for too long.
    gave_up: Vec<DeviceId>,
}

impl Judge<'_> {
    fn batch(
        &mut self,
        buf: &mut BytesMut,
        received_at: std::time::Instant,
        room: Duration,
        waiting: &mut Option<Waiting>,
    ) -> Next {
        if let Some(Waiting {
            seq,
            notification,
            until,
        }) = waiting.take()
            && let Some(next) = self.notification(seq, notification, until, waiting)
        {
            return next;
        }
        while let Some(step) = self.session.receive(buf, received_at) {
            let next = match step {
                Step::Notification { seq, notification } => {
                    self.notification(seq, notification, Instant::now() + room, waiting)
                }
                Step::Malformed { seq, malformed } => Some(self.malformed(seq, malformed)),
            };
            if let Some(next) = next {
                return next;
            }
        }
        Next::Read
    }

    /// `None`: go on with the next one.
    fn notification(
        &mut self,
        seq: u64,
        notification: Notification,
        until: Instant,
        waiting: &mut Option<Waiting>,
    ) -> Option<Next> {
        loop {
            match self.world.push(self.now, self.provider, &notification) {
                Pushed::Answer(Answer::Accepted) => return None,
                Pushed::Answer(Answer::Rejected { status, clause }) => {
                    let refused = Refused::Notification {
                        seq,
                        notification,
                        status,
                        clause,
                    };
                    return Some(self.answer(seq, Some(status), refused));
                }
                Pushed::Wait(_) if Instant::now() < until => {
                    *waiting = Some(Waiting {
                        seq,
                        notification,
                        until,
                    });
                    return Some(Next::Wait);
                }
                Pushed::Wait(device) => {
                    self.gave_up.push(device);
                    self.world.give_up(self.now, device);
                }
            }
        }
    }

    fn malformed(&mut self, seq: u64, malformed: Malformed) -> Next {
        self.world.malformed(self.now, self.provider, &malformed);
        self.answer(seq, malformed.status, Refused::Malformed { seq, malformed })
    }

    /// The newest can always be answered, once; and it is only the newest that is judged.
    fn answer(&mut self, seq: u64, status: Option<Status>, refused: Refused) -> Next {
        let reply = self.session.answer(seq, status).unwrap_or(Reply::Close);
        Next::End(reply, refused)
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}
