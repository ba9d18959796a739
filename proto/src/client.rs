//! The sending side of one provider connection: what to write, what became of it, what to send again.
//!
//! Silence is success [P-30], so a notification counts as confirmed when the server has had time to object: when `quiet` has
//! passed, not counting the time a write was pending, since the write that carried it was finished. The first byte from the
//! server stops that clock for good.
//!
//! A session that asks does not go by that. When its caller wants to know, it sends a [farewell](Session::farewell), which the server has
//! to refuse: the refusal says that everything before it was taken [P-44]. A quiet period after the farewell is as good, for servers that do
//! not answer one.
//!
//! The driver, per connection:
//!
//! 1. while there is [`Session::room`], [`Session::push`] into a buffer;
//! 2. [`Session::write_started`], write and flush, [`Session::write_finished`]; read at the same time;
//! 3. take what is [`Session::confirmed`], at [`Session::next_confirmation`] at the latest;
//! 4. when it wants to be told, where the session asks: [`Session::farewell`], and push no more;
//! 5. when the server closes or something came out of [`Session::receive`]: [`Session::finish`], and a new session on a
//!    new connection.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use crate::{ErrorPacket, Identifier, NotAnErrorPacket, Push, Status, TooLong, frame::framed};

/// How many identifiers there are: 0 is never used, because servers say 0 when they do not know [P-38].
const IDENTIFIERS: u64 = u32::MAX as u64;

/// Most that can be pending: half of the identifiers would be ambiguous after a wrap.
const WINDOW_MAX: usize = 1 << 30;

/// One provider connection, seen from the client; `T` is the caller's name for a notification.
///
/// Notifications have places, counted from 0 without end; place p is called p mod (2³² − 1) + 1 on the wire. So identifiers
/// start at 1, wrap past `u32::MAX` to 1 [P-47], and are compared by place.
#[derive(Debug)]
pub struct Session<T> {
    quiet: Duration,
    window: usize,
    /// What is not confirmed, oldest first.
    pending: VecDeque<T>,
    /// Place of the first session notification.
    first: u64,
    /// Place of the oldest pending one.
    front: u64,
    /// Place behind the newest one of which a byte may be on the wire.
    started: u64,
    /// Finished writes that carried something not confirmed, oldest first.
    writes: VecDeque<Write>,
    clock: QuietClock,
    /// The server has said something: no silence is a consent any more.
    heard: bool,
    /// No silence before a farewell is one either.
    asks: bool,
    /// Place of the farewell, behind everything else.
    farewell: Option<u64>,
}

#[derive(Debug)]
struct Write {
    /// Place behind the last notification it carried.
    end: u64,
    /// The quiet clock when it was finished.
    finished: Duration,
}

/// Adds up the time in which no write was pending.
#[derive(Debug, Default)]
struct QuietClock {
    total: Duration,
    running_since: Option<Instant>,
}

impl QuietClock {
    fn stop(&mut self, now: Instant) {
        self.total = self.read(now);
        self.running_since = None;
    }

    fn start(&mut self, now: Instant) {
        self.running_since = Some(now);
    }

    fn read(&self, now: Instant) -> Duration {
        self.total
            + self
                .running_since
                .map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// When it will show `reading`, if it is not stopped before.
    fn when(&self, reading: Duration) -> Option<Instant> {
        Some(self.running_since? + reading.saturating_sub(self.total))
    }
}

/// What became of everything that was not confirmed when the connection ended. Each notification is in exactly one list.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome<T> {
    /// The server took these.
    pub confirmed: Vec<T>,
    /// The server refused this one, with this status. What 0, 1, 128, 255 mean for it is the caller's to decide [P-43].
    pub rejected: Option<(T, Status)>,
    /// To be sent again on a new connection, in this order.
    pub resend: Vec<T>,
    /// The first so many of those to be sent again may have been taken, so that sending them makes duplicates; the others were thrown away
    /// by the server [P-40], or never left.
    pub doubtful: usize,
    /// Set when the server named something it should not have.
    pub surprise: Option<Surprise>,
}

/// The server named a notification that was not pending [P-47].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surprise {
    /// It had counted as confirmed already: the quiet period is too short for this server. The `behind` notifications
    /// confirmed after it were thrown away; the named one was refused, unless the status is 10.
    AlreadyConfirmed {
        /// How many were confirmed after it.
        behind: u64,
    },
    /// Nothing with that identifier was sent on this connection.
    NeverSent,
}

impl fmt::Display for Surprise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyConfirmed { behind } => {
                write!(
                    f,
                    "named a notification that counted as confirmed, with {behind} confirmed after it"
                )
            }
            Self::NeverSent => f.write_str("named a notification that was never sent"),
        }
    }
}

impl<T> Session<T> {
    /// A new connection. At most `window` (1 to 2³⁰) notifications are pending; each is confirmed by `quiet` of silence.
    #[must_use]
    pub fn new(quiet: Duration, window: usize) -> Self {
        Self::from_place(quiet, window, 0)
    }

    /// A new connection on which silence confirms nothing before a [farewell](Self::farewell).
    #[must_use]
    pub fn asking(quiet: Duration, window: usize) -> Self {
        Self {
            asks: true,
            ..Self::new(quiet, window)
        }
    }

    fn from_place(quiet: Duration, window: usize, place: u64) -> Self {
        Self {
            quiet,
            window: window.clamp(1, WINDOW_MAX),
            pending: VecDeque::new(),
            first: place,
            front: place,
            started: place,
            writes: VecDeque::new(),
            clock: QuietClock::default(),
            heard: false,
            asks: false,
            farewell: None,
        }
    }

    /// How many more may be pushed now.
    #[must_use]
    pub fn room(&self) -> usize {
        if self.heard || self.farewell.is_some() {
            0
        } else {
            self.window.saturating_sub(self.pending.len())
        }
    }

    /// How many are pushed and neither confirmed nor finished.
    #[must_use]
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// Appends `push` to `out` as command 2 under the next identifier. The caller asks for [`Session::room`] first.
    ///
    /// # Errors
    /// When it does not fit into a frame; nothing was appended, no identifier was used, `tag` is dropped.
    pub fn push(
        &mut self,
        push: &Push<'_>,
        tag: T,
        out: &mut BytesMut,
    ) -> Result<Identifier, TooLong> {
        debug_assert!(self.room() > 0, "pushed without room");
        let identifier = identifier(self.end());
        framed::encode(Some(identifier), push, out)?;
        self.pending.push_back(tag);
        Ok(identifier)
    }

    /// Appends a farewell to `out`: command 2 with nothing but an identifier. The server refuses it for its missing token, which confirms
    /// everything before it [P-44]. Nothing is pushed after it.
    pub fn farewell(&mut self, out: &mut BytesMut) -> Identifier {
        debug_assert!(self.farewell.is_none(), "one is enough");
        let place = self.end();
        let identifier = identifier(place);
        framed::encode_farewell(identifier, out);
        self.farewell = Some(place);
        identifier
    }

    /// Whether it has said farewell.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.farewell.is_some()
    }

    /// A write of everything pushed so far begins. The quiet clock stands still until it is finished.
    pub fn write_started(&mut self, now: Instant) {
        self.clock.stop(now);
        self.started = self.end();
    }

    /// The write (and the flush) begun with [`Session::write_started`] is done.
    pub fn write_finished(&mut self, now: Instant) {
        self.clock.start(now);
        if self.asks && self.farewell.is_none_or(|place| self.started <= place) {
            return;
        }
        if self.started > self.writes.back().map_or(self.front, |write| write.end) {
            self.writes.push_back(Write {
                end: self.started,
                finished: self.clock.total,
            });
        }
    }

    /// Takes what has been confirmed by silence.
    pub fn confirmed(&mut self, now: Instant) -> Vec<T> {
        let mut end = self.front;
        if !self.heard {
            let reading = self.clock.read(now);
            let ripe = |write: &Write| write.finished + self.quiet <= reading;
            let ripe_len = self.writes.iter().take_while(|write| ripe(write)).count();
            end = self
                .writes
                .drain(..ripe_len)
                .next_back()
                .map_or(end, |write| write.end);
        }
        self.take_until(end)
    }

    /// When the next one is confirmed, if nothing is written or heard before.
    #[must_use]
    pub fn next_confirmation(&self) -> Option<Instant> {
        let write = self.writes.front().filter(|_| !self.heard)?;
        self.clock.when(write.finished + self.quiet)
    }

    /// Looks for the error packet in what the server sent; `None`: it is not complete. From its first byte on nothing is
    /// confirmed by silence. Hand what comes out to [`Session::finish`]: a packet as it is, anything else as `None`.
    pub fn receive(&mut self, buf: &mut BytesMut) -> Option<Result<ErrorPacket, NotAnErrorPacket>> {
        self.heard |= !buf.is_empty();
        ErrorPacket::decode(buf)
    }

    /// The connection has ended, with the server's packet or without one. What had been pushed but not written counts as
    /// pending too.
    #[must_use]
    pub fn finish(mut self, packet: Option<ErrorPacket>) -> Outcome<T> {
        let mut outcome = Outcome {
            confirmed: vec![],
            rejected: None,
            resend: vec![],
            doubtful: 0,
            surprise: None,
        };
        let mut discarded = false;
        if let Some(ErrorPacket { status, identifier }) = packet {
            let shutdown = status == Status::SHUTDOWN;
            discarded = true;
            match self.named(identifier, status) {
                Named::Farewell => outcome.confirmed = self.pending.drain(..).collect(), // [P-44]
                Named::Pending(place) if shutdown => {
                    outcome.confirmed = self.take_until(place + 1); // [P-42]
                }
                Named::Pending(place) => {
                    outcome.confirmed = self.take_until(place); // [P-40]
                    outcome.rejected = self.pending.pop_front().map(|tag| (tag, status));
                }
                Named::Confirmed { behind } => {
                    // A shutdown that names the newest confirmed one says what was believed anyway.
                    outcome.surprise =
                        (!shutdown || behind > 0).then_some(Surprise::AlreadyConfirmed { behind });
                }
                Named::Nothing => {
                    discarded = false;
                    outcome.surprise = Some(Surprise::NeverSent); // [P-47]
                }
            }
        }
        if !discarded {
            let started = usize::try_from(self.started.saturating_sub(self.front));
            outcome.doubtful =
                started.map_or(self.pending.len(), |len| len.min(self.pending.len()));
        }
        outcome.resend = self.pending.into();
        outcome
    }

    /// Place behind the newest one that was encoded.
    fn end(&self) -> u64 {
        let pushed = self.front + self.pending.len() as u64;
        self.farewell.map_or(pushed, |place| place + 1)
    }

    fn take_until(&mut self, place: u64) -> Vec<T> {
        let len = usize::try_from(place - self.front)
            .map_or(self.pending.len(), |len| len.min(self.pending.len()));
        self.front = place;
        self.pending.drain(..len).collect()
    }

    /// Which notification the server means: counted from the oldest pending one, forwards to those on the wire, backwards
    /// to those confirmed, so that a wrap in between does not matter.
    fn named(&self, identifier: Identifier, status: Status) -> Named {
        let farewell = self.farewell.filter(|&place| place < self.started);
        let Some(residue) = u64::from(identifier.to_u32()).checked_sub(1) else {
            // A server that does not know an identifier [P-38] can still mean nothing but the farewell: all others have a token.
            return match farewell {
                Some(_) if status == Status::MISSING_TOKEN => Named::Farewell,
                _ => Named::Nothing,
            };
        };
        if farewell.is_some_and(|place| identifier == self::identifier(place)) {
            return Named::Farewell;
        }
        let ahead = (residue + IDENTIFIERS - self.front % IDENTIFIERS) % IDENTIFIERS;
        if ahead < self.started - self.front {
            return Named::Pending(self.front + ahead);
        }
        let back = IDENTIFIERS - ahead;
        if back <= (self.front - self.first).min(WINDOW_MAX as u64) {
            return Named::Confirmed { behind: back - 1 };
        }
        Named::Nothing
    }
}

enum Named {
    Farewell,
    Pending(u64),
    Confirmed { behind: u64 },
    Nothing,
}

/// What the notification at `place` is called on the wire.
fn identifier(place: u64) -> Identifier {
    let number =
        u32::try_from(place % IDENTIFIERS + 1).expect("a remainder of u32::MAX, plus 1, is a u32");
    Identifier::from_u32(number)
}

#[cfg(test)]
mod tests;
