//! What becomes of a batch: each notification is shown to the faults, and then to the world.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use apns_proto::server::{Reply, Session, Step};
use apns_proto::{ErrorPacket, Identifier, Malformed, Notification, Status};
use bytes::BytesMut;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::connections::Presence;
use crate::face::breakage::{Break, Manner};
use crate::faults::{Action, Injection};
use crate::shared::Inner;
use crate::world::{Answer, DeviceId, Provider, Pushed};

/// The world and its phones, locked, with what is needed to show them one notification.
pub(super) struct Judge<'a> {
    pub(super) all: &'a mut Inner,
    pub(super) now: SystemTime,
    pub(super) provider: &'a Provider,
    /// The connection, as faults count it.
    pub(super) connection: u64,
    pub(super) session: &'a mut Session,
    /// How long a notification waits for room.
    pub(super) room: Duration,
    /// What status 10 would name [P-42].
    pub(super) taken: &'a mut Option<Identifier>,
    pub(super) presence: &'a Presence,
    /// Phones that had no room for too long.
    pub(super) gave_up: Vec<DeviceId>,
}

/// A notification that is not decided yet: its phone's outbox is full, or a fault holds it back.
pub(super) struct Waiting {
    seq: u64,
    notification: Notification,
    /// Until when it waits for room.
    pub(super) until: Instant,
    /// What breaks the connection once it is taken.
    then: Option<Injection>,
}

/// What comes after a batch.
pub(super) enum Next {
    Read,
    Wait,
    Pause(Duration),
    End(Last, Why),
}

/// The last thing that is done on a connection.
pub(super) enum Last {
    /// As always [P-41].
    Reply(Reply),
    /// As a fault will have it.
    Odd(Reply, Manner),
    /// Nothing is said.
    Break(Break),
}

/// Why a connection ends.
pub(super) enum Why {
    Refused {
        seq: u64,
        notification: Notification,
        status: Status,
        clause: &'static str,
    },
    Malformed {
        seq: u64,
        malformed: Malformed,
        /// What it is answered with; `None` is a bare close.
        status: Option<Status>,
    },
    Fault {
        seq: u64,
        fault: Arc<str>,
        action: &'static str,
    },
}

impl Why {
    /// One line, with the reason. Not written while the world is locked.
    pub(super) fn log(&self) {
        match self {
            Self::Refused {
                seq,
                notification,
                status,
                clause,
            } => {
                let identifier = notification.answer_identifier();
                info!(seq, ?identifier, token = %notification.token, %status, clause, "refused a notification");
            }
            Self::Malformed { seq, malformed, .. } if malformed.farewell() => {
                debug!(seq, clause = "P-44", "the provider said farewell");
            }
            Self::Malformed {
                seq,
                malformed,
                status,
            } => {
                let (fault, clause) = (malformed.fault, malformed.fault.clause());
                match status {
                    Some(status) => {
                        warn!(seq, reason = %fault, %status, clause, "refused a malformed notification");
                    }
                    None => {
                        warn!(seq, reason = %fault, clause, "hung up on a malformed notification");
                    }
                }
            }
            Self::Fault { seq, fault, action } => {
                info!(seq, fault = &**fault, action, "a fault ends the connection");
            }
        }
    }
}

impl Judge<'_> {
    pub(super) fn batch(
        &mut self,
        buf: &mut BytesMut,
        received_at: std::time::Instant,
        waiting: &mut Option<Waiting>,
    ) -> Next {
        if let Some(waited) = waiting.take()
            && let Some(next) = self.push(waited, waiting)
        {
            return next;
        }
        while let Some(step) = self.session.receive(buf, received_at) {
            let next = match step {
                Step::Notification { seq, notification } => {
                    let arrived = Waiting {
                        seq,
                        notification,
                        until: Instant::from_std(received_at) + self.room,
                        then: None,
                    };
                    self.arrived(arrived, waiting)
                }
                Step::Malformed { seq, malformed } => Some(self.malformed(seq, malformed)),
            };
            if let Some(next) = next {
                return next;
            }
        }
        Next::Read
    }

    /// `None`, here and below: go on with the next one.
    fn arrived(&mut self, arrived: Waiting, waiting: &mut Option<Waiting>) -> Option<Next> {
        let (provider, connection) = (self.provider, self.connection);
        let notification = &arrived.notification;
        match self
            .all
            .world
            .inject_push(self.now, provider, connection, notification)
        {
            None => self.push(arrived, waiting),
            Some(injection) => self.fault(arrived, injection, waiting),
        }
    }

    fn push(&mut self, waited: Waiting, waiting: &mut Option<Waiting>) -> Option<Next> {
        loop {
            match self
                .all
                .world
                .push(self.now, self.provider, &waited.notification)
            {
                Pushed::Answer(Answer::Accepted) => {
                    self.took(waited.notification.identifier);
                    // While its phone is still at hand: what waits for the end of the batch has left the caches by then.
                    self.all.wake(self.now);
                    return waited.then.map(|then| self.end(waited.seq, then));
                }
                Pushed::Answer(Answer::Rejected { status, clause }) => {
                    let identifier = waited.notification.answer_identifier();
                    let packet = self.all.world.knobs().answer(identifier, status);
                    let why = Why::Refused {
                        seq: waited.seq,
                        notification: waited.notification,
                        status,
                        clause,
                    };
                    return Some(self.answer(waited.seq, packet, why));
                }
                Pushed::Wait(_) if Instant::now() < waited.until => {
                    *waiting = Some(waited);
                    return Some(Next::Wait);
                }
                Pushed::Wait(device) => {
                    self.gave_up.push(device);
                    self.all.world.give_up(self.now, device);
                }
            }
        }
    }

    fn took(&mut self, identifier: Option<Identifier>) {
        *self.taken = identifier;
        self.presence.carried(1);
    }

    /// Does what a fault says about a notification that has just come.
    fn fault(
        &mut self,
        mut arrived: Waiting,
        injection: Injection,
        waiting: &mut Option<Waiting>,
    ) -> Option<Next> {
        match injection.action {
            Action::Latency { delay, .. } => {
                arrived.until += delay;
                *waiting = Some(arrived);
                Some(Next::Pause(delay))
            }
            Action::Swallow { delay } => {
                self.took(arrived.notification.identifier);
                (!delay.is_zero()).then_some(Next::Pause(delay))
            }
            ref action if action.taken() => {
                arrived.then = Some(injection);
                self.push(arrived, waiting)
            }
            ref action => {
                let own = arrived.notification.answer_identifier();
                match refusal(action, own) {
                    Some(reply) => {
                        self.session.hang_up();
                        let last = match Manner::of(action) {
                            Some(manner) => Last::Odd(reply, manner),
                            None => Last::Reply(reply),
                        };
                        Some(Next::End(last, why(arrived.seq, injection)))
                    }
                    None => Some(self.end(arrived.seq, injection)),
                }
            }
        }
    }

    /// Ends the connection as a fault says that does not answer the notification.
    fn end(&mut self, seq: u64, injection: Injection) -> Next {
        self.session.hang_up();
        let last = match Break::of(&injection.action) {
            Some(how) => Last::Break(how),
            // Status 10: what came last before it is the last that counts [P-42].
            None => Last::Reply(packet(Status::SHUTDOWN, *self.taken)),
        };
        Next::End(last, why(seq, injection))
    }

    fn malformed(&mut self, seq: u64, malformed: Malformed) -> Next {
        self.all
            .world
            .malformed(self.now, self.provider, &malformed);
        let knobs = self.all.world.knobs();
        let packet = knobs.answer_fault(malformed.answer_identifier(), malformed.fault);
        let why = Why::Malformed {
            seq,
            malformed,
            status: packet.map(|packet| packet.status),
        };
        self.answer(seq, packet, why)
    }

    /// The newest can always be answered, once; and it is only the newest that is judged. What is said is the world's word.
    fn answer(&mut self, seq: u64, packet: Option<ErrorPacket>, why: Why) -> Next {
        let reply = match self.session.answer(seq, packet.map(|packet| packet.status)) {
            Some(_) => packet.map_or(Reply::Close, Reply::Packet),
            None => Reply::Close,
        };
        Next::End(Last::Reply(reply), why)
    }
}

/// What a fault says to a notification whose answer would name `own`. `None`: it does not answer it.
fn refusal(action: &Action, own: Option<Identifier>) -> Option<Reply> {
    Some(match *action {
        Action::Status { status }
        | Action::Slicer { status, .. }
        | Action::LimitData { status, .. }
        | Action::SlowClose { status, .. } => packet(status, own),
        Action::WrongIdentifier { status, identifier } => {
            let turned = || Identifier(own.unwrap_or(Identifier::ZERO).0.map(|byte| !byte));
            packet(status, Some(identifier.unwrap_or_else(turned)))
        }
        Action::ZeroIdentifier { status } => packet(status, Some(Identifier::ZERO)),
        Action::NoPacket => Reply::Close,
        _ => return None,
    })
}

/// Without an identifier there is no packet [P-39].
fn packet(status: Status, identifier: Option<Identifier>) -> Reply {
    identifier.map_or(Reply::Close, |identifier| {
        Reply::Packet(ErrorPacket { status, identifier })
    })
}

fn why(seq: u64, injection: Injection) -> Why {
    Why::Fault {
        seq,
        fault: injection.fault,
        action: injection.action.name(),
    }
}
