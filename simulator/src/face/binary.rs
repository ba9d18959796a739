//! The binary provider face, port 2195: notifications in; silence [P-30], six bytes [P-31] or a bare close out.

mod judge;

use std::io;
use std::sync::Arc;

use apns_net::linger::{Linger, linger};
use apns_net::listen::Accepted;
use apns_proto::server::{End, Reply, Session};
use apns_proto::{ErrorPacket, Identifier};
use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::server::TlsStream;
use tracing::{Instrument, debug, info, info_span, warn};

use self::judge::{Judge, Last, Next, Waiting};
use super::breakage::{Break, pace};
use super::{Door, Visit, part};
use crate::config::Timeouts;
use crate::connections::{Presence, Who};
use crate::faults::{Action, Face, Injection};
use crate::io_step::{read_batch, until};
use crate::knobs::Close;
use crate::shared::Shared;
use crate::world::Provider;

/// Serves one provider until it closes, is answered, or breaks the rules.
pub(crate) async fn serve(door: Door, accepted: Accepted) {
    let Some(visit) = door.provider(accepted).await else {
        return;
    };
    let Some(provider) = visit.provider() else {
        return; // The listener's policy requires a topic.
    };
    let Visit {
        shared,
        environment,
        timeouts,
        stream,
        peer,
        certificate,
    } = visit;
    let limits = shared
        .with(|world, _| world.knobs())
        .limits(certificate.is_some_and(|certificate| certificate.is_voip()));
    let project = shared.name();
    let span = info_span!("provider", %peer, topic = provider.topic(), %environment, project);
    let (number, fault) =
        shared.with(|world, now| world.inject_connection(now, provider.topic(), Face::Binary));
    let who = Who::provider(Face::Binary, &provider, number);
    let presence = Presence::new(&shared, who, environment, peer);
    let connection = Connection {
        shared,
        timeouts,
        provider,
        stream,
        number,
        fault,
        buf: BytesMut::new(),
        session: Session::new(limits, timeouts.frame),
        waiting: None,
        taken: None,
        presence,
    };
    Box::pin(connection.run()).instrument(span).await;
}

struct Connection {
    shared: Arc<Shared>,
    timeouts: Timeouts,
    provider: Provider,
    stream: Box<TlsStream<TcpStream>>,
    /// Its number among those of this face, for faults.
    number: u64,
    /// What a fault does from the start.
    fault: Option<Injection>,
    buf: BytesMut,
    session: Session,
    waiting: Option<Waiting>,
    /// What came with the last notification taken.
    taken: Option<Identifier>,
    presence: Presence,
}

impl Connection {
    async fn run(mut self) {
        debug!("a provider connected");
        let (shared, provider, number) = (self.shared.clone(), self.provider.clone(), self.number);
        let stop = self.presence.stop().clone();
        let last = tokio::select! {
            last = self.receive() => last,
            () = shared.certificate_refused(provider.topic(), number) => {
                Some(Last::Break(Break::Close))
            }
            () = stop.cancelled() => Some(if shared.stop().is_cancelled() {
                Last::Reply(self.shutdown())
            } else {
                info!("closing without a word, as asked");
                Last::Break(Break::Close)
            }),
        };
        let timeouts = self.timeouts;
        let ending = async {
            match last {
                Some(last) => self.end(last).await,
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
    async fn receive(&mut self) -> Option<Last> {
        let mut rate = None;
        if let Some(Injection { fault, action }) = self.fault.take() {
            match action {
                Action::Latency { delay, .. } => sleep(delay).await,
                Action::Bandwidth { bytes_per_second } => rate = Some(bytes_per_second),
                action => {
                    self.session.hang_up();
                    info!(
                        fault = &*fault,
                        action = action.name(),
                        "a fault ends the connection"
                    );
                    return Break::of(&action).map(Last::Break);
                }
            }
        }
        let mut room = self.shared.room();
        loop {
            room.mark_unchanged();
            match self.judge() {
                Next::Read => {}
                Next::End(last, why) => {
                    why.log();
                    return Some(last);
                }
                Next::Pause(pause) => {
                    sleep(pause).await;
                    self.session.resumed(now());
                    continue;
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
                    Ok(len) if len > 0 => {
                        if let Some(rate) = rate {
                            sleep(pace(len, rate)).await;
                            self.session.resumed(now());
                        }
                    }
                    ended => {
                        self.note_end(ended.err().as_ref());
                        return None;
                    }
                },
                () = until(deadline) => {
                    if let Some(overdue) = self.session.tick(now()) {
                        warn!(reason = %overdue, clause = "P-19", "closing without a word");
                        return Some(Last::Reply(Reply::Close));
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
            number,
            buf,
            session,
            waiting,
            taken,
            presence,
            ..
        } = self;
        let received_at = now();
        let (next, gave_up) = shared.with_all(|all, now| {
            let mut judge = Judge {
                all,
                now,
                provider,
                connection: *number,
                session,
                room: timeouts.room,
                taken,
                presence,
                gave_up: Vec::new(),
            };
            let next = judge.batch(buf, received_at, waiting);
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

    /// Says the last word, and waits until it is read [P-41], unless a fault will have it otherwise.
    async fn end(&mut self, last: Last) {
        self.session.hang_up();
        // Counts what is left.
        while self.session.receive(&mut self.buf, now()).is_some() {}
        let written = match last {
            Last::Break(how) => return how.apply(&mut self.stream).await,
            Last::Reply(Reply::Packet(packet)) => self.write(packet).await,
            Last::Odd(Reply::Packet(packet), manner) => manner
                .say(&mut self.stream, &packet.encode())
                .await
                .map(drop),
            Last::Reply(Reply::Close) | Last::Odd(Reply::Close, _) => Ok(()),
        };
        if let Err(error) = written {
            debug!(%error, "the answer could not be written");
            return;
        }
        let mut len = self.session.discarded_len();
        match self.shared.with(|world, _| world.knobs().close) {
            Close::Linger => {
                let lingered = linger(&mut self.stream, Linger::default()).await;
                len += lingered.dropped_len;
                debug!(len, end = ?lingered.end, "closed");
            }
            Close::Abrupt => {
                part(&mut self.stream, self.timeouts.write).await;
                debug!(len, "closed at once");
            }
        }
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

fn now() -> std::time::Instant {
    Instant::now().into_std()
}
