//! The receiving side of one provider connection: what has come, what may be answered, when it is over.
//!
//! It knows no verdict: the caller judges notifications and says so with [`Session::answer`]. The driver around it reads into
//! a buffer, calls [`Session::receive`] until nothing comes any more, writes the one [`Reply`] there can be, and hangs up.
//!
//! ```text
//! open ──malformed──▶ waiting ──pass──▶ open
//!  │                     │
//!  └── answer, shutdown, hang_up, overdue ──▶ over: what still arrives is dropped and counted [P-40]
//! ```

use std::time::{Duration, Instant};

use bytes::BytesMut;

use crate::{ErrorPacket, Identifier, Limits, Malformed, Notification, Status, decode};

/// One provider connection, seen from the server.
#[derive(Debug)]
pub struct Session {
    limits: Limits,
    frame_timeout: Duration,
    phase: Phase,
    /// The newest seq handed out; 0 before the first.
    newest: u64,
    /// What an answer about the newest would name.
    newest_identifier: Option<Identifier>,
    /// The identifier the newest *taken* one came with; a malformed one is taken when it is passed.
    taken_identifier: Option<Identifier>,
    begun: Option<Begun>,
    discarded_len: u64,
}

#[derive(Debug)]
enum Phase {
    Open,
    /// A malformed frame was handed out; nothing follows before it is answered or passed.
    Waiting {
        delimited: bool,
        identifier: Option<Identifier>,
    },
    Over,
}

/// A frame of which only the first `len` bytes are there.
#[derive(Debug)]
struct Begun {
    at: Instant,
    len: usize,
}

/// What [`Session::receive`] took off the stream. `seq` counts from 1 on each connection.
#[derive(Debug)]
pub enum Step {
    /// A notification.
    Notification {
        /// Its place on the connection.
        seq: u64,
        /// The notification.
        notification: Notification,
    },
    /// A frame that is none. Nothing more is given out before [`Session::answer`] or [`Session::pass`].
    Malformed {
        /// Its place on the connection.
        seq: u64,
        /// What is wrong with it.
        malformed: Malformed,
    },
}

/// The last thing that is done on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Write it in one record, then close gracefully [P-41].
    Packet(ErrorPacket),
    /// Close without a word: there is nothing that could be said [P-39].
    Close,
}

/// How the stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Between two frames, or after the answer.
    Clean,
    /// Inside a frame, which is lost.
    Truncated {
        /// How many of its bytes had come.
        len: usize,
    },
}

/// A frame was begun and not completed in time [P-19]; the session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("frame still incomplete {after:?} after its first byte, with {len} bytes")]
pub struct Overdue {
    /// How many of its bytes had come.
    pub len: usize,
    /// The time it was given.
    pub after: Duration,
}

impl Session {
    /// A new connection. A frame has `frame_timeout` from its first byte to its last [P-19].
    #[must_use]
    pub fn new(limits: Limits, frame_timeout: Duration) -> Self {
        Self {
            limits,
            frame_timeout,
            phase: Phase::Open,
            newest: 0,
            newest_identifier: None,
            taken_identifier: None,
            begun: None,
            discarded_len: 0,
        }
    }

    /// Takes the next frame off the front of `buf`. Call it until `None`; then read more.
    ///
    /// Once the session is over `buf` is emptied and counted: what follows an answer is for the client to send again [P-40].
    pub fn receive(&mut self, buf: &mut BytesMut, now: Instant) -> Option<Step> {
        match self.phase {
            Phase::Open => {}
            Phase::Waiting { .. } => return None,
            Phase::Over => {
                self.discarded_len += buf.len() as u64;
                buf.clear();
                return None;
            }
        }
        let Some(decoded) = decode(buf, &self.limits) else {
            self.begun = (!buf.is_empty()).then(|| Begun {
                at: self.begun.as_ref().map_or(now, |begun| begun.at),
                len: buf.len(),
            });
            return None;
        };
        self.begun = None;
        self.newest += 1;
        let seq = self.newest;
        Some(match decoded {
            Ok(notification) => {
                self.newest_identifier = notification.answer_identifier();
                self.taken_identifier = notification.identifier;
                Step::Notification { seq, notification }
            }
            Err(malformed) => {
                self.newest_identifier = malformed.answer_identifier();
                self.phase = Phase::Waiting {
                    delimited: malformed.delimited,
                    identifier: malformed.identifier,
                };
                Step::Malformed { seq, malformed }
            }
        })
    }

    /// Goes on behind the malformed frame `seq`, unanswered. Only where its end is known; says whether it did.
    pub fn pass(&mut self, seq: u64) -> bool {
        match self.phase {
            Phase::Waiting {
                delimited: true,
                identifier,
            } if seq == self.newest => {
                self.taken_identifier = identifier;
                self.phase = Phase::Open;
                true
            }
            _ => false,
        }
    }

    /// Answers `seq`; the session is over then. No status is a bare close, and so is any status for command 0 [P-39].
    ///
    /// `None`, and nothing happens, unless `seq` is the newest handed out and the session is not over: an answer says that
    /// everything before was accepted and everything after was not [P-40], and it is given once.
    pub fn answer(&mut self, seq: u64, status: Option<Status>) -> Option<Reply> {
        if matches!(self.phase, Phase::Over) || seq != self.newest || seq == 0 {
            return None;
        }
        self.hang_up();
        Some(match (status, self.newest_identifier) {
            (Some(status), Some(identifier)) => Reply::Packet(ErrorPacket { status, identifier }),
            _ => Reply::Close,
        })
    }

    /// Ends the connection from this side: status 10 names the newest notification taken [P-42]. A bare close where there is
    /// none, where that one came without an identifier, and where the session is over already.
    ///
    /// Everything handed out counts as taken, except a malformed frame that was not passed.
    pub fn shutdown(&mut self) -> Reply {
        let over = matches!(self.phase, Phase::Over);
        self.hang_up();
        match self.taken_identifier {
            Some(identifier) if !over => Reply::Packet(ErrorPacket {
                status: Status::SHUTDOWN,
                identifier,
            }),
            _ => Reply::Close,
        }
    }

    /// Ends the session without a reply.
    pub fn hang_up(&mut self) {
        self.phase = Phase::Over;
        self.begun = None;
    }

    /// The newest seq handed out.
    #[must_use]
    pub fn newest(&self) -> Option<u64> {
        (self.newest > 0).then_some(self.newest)
    }

    /// When [`Session::tick`] is due; `None` while no frame is incomplete.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match (&self.phase, &self.begun) {
            (Phase::Open, Some(begun)) => Some(begun.at + self.frame_timeout),
            _ => None,
        }
    }

    /// Says when a frame has taken too long, and ends the session: close without a word [P-19].
    pub fn tick(&mut self, now: Instant) -> Option<Overdue> {
        let len = self.begun.as_ref()?.len;
        if self.deadline()? > now {
            return None;
        }
        self.hang_up();
        Some(Overdue {
            len,
            after: self.frame_timeout,
        })
    }

    /// The driver reads again after a pause of its own (a full store, a slow commit): the peer's time starts anew.
    pub fn resumed(&mut self, now: Instant) {
        if let Some(begun) = &mut self.begun {
            begun.at = now;
        }
    }

    /// The peer closed, and `unread` is what [`Session::receive`] left in the buffer, having been called until `None` [P-45].
    #[must_use]
    pub fn end(&self, unread: &[u8]) -> End {
        if matches!(self.phase, Phase::Over) || unread.is_empty() {
            End::Clean
        } else {
            End::Truncated { len: unread.len() }
        }
    }

    /// How many bytes were dropped after the end.
    #[must_use]
    pub fn discarded_len(&self) -> u64 {
        self.discarded_len
    }
}

#[cfg(test)]
mod tests;
