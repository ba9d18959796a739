//! What goes into the store and what comes out of it: plain values, no behaviour.

use std::collections::BTreeMap;
use std::sync::Arc;

use apns_proto::feedback::Tuple;
use apns_proto::{Command, Expiry, Identifier, Priority, Status, Token};
use bytes::Bytes;
use tokio::sync::watch;

use super::ids::{AppId, FeedbackId, LetterId, RowId};

/// One batch of notifications of one connection: one commit, or part of one.
#[derive(Clone, Debug)]
pub struct Append {
    /// The app they are for.
    pub app: AppId,
    /// The backend's name, or its pin where it has none.
    pub backend: Arc<str>,
    /// From [`Store::next_connection`](super::Store::next_connection).
    pub connection: u64,
    /// In the order received.
    pub rows: Vec<NewRow>,
}

/// A notification about to be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRow {
    /// Its place on its connection.
    pub seq: u64,
    /// The frame it came in.
    pub command: Command,
    /// The backend's identifier, where the frame had one.
    pub identifier: Option<Identifier>,
    /// When it stops being worth delivering, where the frame said.
    pub expiry: Option<Expiry>,
    /// Its priority, where the frame said.
    pub priority: Option<Priority>,
    /// Whom it is for; empty where a malformed frame had none.
    pub token: Token,
    /// What it says; empty where a malformed frame had none.
    pub payload: Bytes,
    /// UNIX seconds.
    pub accepted_at: u64,
    /// Set: accepted and rejected in one commit, and a dead letter from the start (order contract, rule 2).
    pub end: Option<RejectedAtOnce>,
}

impl NewRow {
    /// It is queued now.
    pub(super) fn queued(self, id: RowId, backend: Arc<str>, connection: u64) -> Row {
        Row {
            id,
            origin: id,
            backend,
            connection,
            seq: self.seq,
            command: self.command,
            identifier: self.identifier,
            expiry: self.expiry,
            priority: self.priority,
            token: self.token,
            payload: self.payload,
            accepted_at: self.accepted_at,
        }
    }
}

/// Why a notification is rejected in the commit that accepts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedAtOnce {
    /// The status that says so on the wire.
    pub status: Status,
    /// For the dead letter and the log.
    pub reason: String,
    /// What made it bad.
    pub cause: AtOnce,
}

/// The two reasons for which a notification is rejected on sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtOnce {
    /// The frame itself is bad. No requeueing will mend it.
    Malformed,
    /// Its token is in the dead-token table.
    DeadToken {
        /// The entry's new place in the order of use ([`DeadToken::used`]).
        used: u64,
    },
}

/// What an append left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The newest row of the batch that is queued; none where every row was rejected at once.
    pub last: Option<RowId>,
}

/// An accepted, unsettled notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its key.
    pub id: RowId,
    /// The key it was first accepted under: another one only if it was requeued since.
    pub origin: RowId,
    /// The backend that sent it.
    pub backend: Arc<str>,
    /// The connection it came on; 0, which no connection has, after a requeue.
    pub connection: u64,
    /// Its place on that connection.
    pub seq: u64,
    /// The frame it came in.
    pub command: Command,
    /// The backend's identifier.
    pub identifier: Option<Identifier>,
    /// When it stops being worth delivering.
    pub expiry: Option<Expiry>,
    /// Its priority.
    pub priority: Option<Priority>,
    /// Whom it is for.
    pub token: Token,
    /// What it says.
    pub payload: Bytes,
    /// UNIX seconds.
    pub accepted_at: u64,
}

/// What a row weighs in memory beside its token and payload.
const ROW_OVERHEAD: usize = 128;

impl Row {
    /// What it weighs in memory, about.
    pub(super) fn weight(&self) -> usize {
        self.token.as_bytes().len() + self.payload.len() + ROW_OVERHEAD
    }
}

#[cfg(test)]
impl Row {
    /// A row of app 1 that no store gave out, for tests without one.
    pub(crate) fn fake(serial: u64, token: Token) -> Self {
        Self {
            id: RowId::fake(serial),
            origin: RowId::fake(serial),
            backend: Arc::from("billing"),
            connection: 1,
            seq: serial,
            command: Command::FRAMED,
            identifier: None,
            expiry: None,
            priority: None,
            token,
            payload: Bytes::from_static(b"{}"),
            accepted_at: 0,
        }
    }
}

/// What the one reader of an app's queue asks for: the next rows of each backend that it has not read yet.
#[derive(Clone, Debug)]
pub struct Read {
    /// The app.
    pub app: AppId,
    /// Forget what was read, and begin with the oldest row of each backend.
    pub rewind: bool,
    /// How many rows of a backend there is room for.
    pub room: BTreeMap<Arc<str>, usize>,
    /// The same for each of those that are not named.
    pub room_of_others: usize,
    /// Bytes of each backend's rows from which on no more are read, about.
    pub bytes_max: usize,
}

/// The next rows of one backend, and before them those of others that have to go first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portion {
    /// Whose turn it is.
    pub backend: Arc<str>,
    /// In order.
    pub rows: Vec<Row>,
    /// Whether it has unread ones left.
    pub more: bool,
}

/// The next queued rows to one token, whoever sent them and whether they were read or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The token.
    pub token: Token,
    /// They are behind this one,
    pub after: RowId,
    /// up to this one,
    pub up_to: RowId,
    /// and no more than this. Fewer: there are no others.
    pub rows_max: usize,
}

/// How one row ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The row.
    pub row: RowId,
    /// Whom it was for.
    pub token: Token,
    /// Its end.
    pub end: End,
}

/// The ends of an accepted notification: until one of them it is queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Upstream took it.
    Delivered,
    /// Upstream refused it; a dead letter.
    Rejected {
        /// Upstream's status.
        status: Status,
        /// For the dead letter.
        reason: String,
    },
    /// Upstream says that the app is gone from the phone: rejected, a dead letter, and a feedback tuple in the same commit
    /// (order contract, rule 5).
    Unregistered {
        /// What backends read from the feedback service.
        tuple: Tuple,
        /// For the dead letter.
        reason: String,
    },
    /// Its expiry passed while it waited (order contract, rule 9).
    Expired,
    /// Its retry budget is spent; a dead letter.
    GivenUp {
        /// For the dead letter.
        reason: String,
    },
}

/// Everything one settling changes in an app: applied in one commit, made by
/// [`contract::App::settle`](crate::contract::App::settle).
#[derive(Clone, Debug, Default)]
pub struct Settle {
    /// Rows that reached their end. A row that is already settled is passed over: nothing is counted twice.
    pub rows: Vec<Settlement>,
    /// Changes of the dead-token table, in order.
    pub dead_tokens: Vec<DeadTokenChange>,
    /// What the app's answers are worth now.
    pub trust: Trust,
    /// Why nothing is sent, if so.
    pub held: Option<Hold>,
}

/// Why an app sends nothing (order contract, rule 7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// For people.
    pub reason: String,
    /// Somebody said so, and has to say when it is over; else a probe a minute finds out.
    pub by_operator: bool,
}

/// What upstream's verdicts on an app are worth (order contract, rules 6 and 7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Deliveries, or 410s, since the app's scope last changed.
    pub vouched: u64,
    /// Upstream's last five answers, the newest in the lowest bit; 1 = a delivery or a 410.
    pub recent: u8,
    /// Refusals that may be the configuration's fault, bad tokens above all, since the last delivery or 410.
    pub bad_run: u32,
}

/// An entry of the dead-token table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadToken {
    /// The token.
    pub token: Token,
    /// What a backend is told.
    pub status: Status,
    /// UNIX seconds.
    pub inserted_at: u64,
    /// UNIX seconds; from then on it answers nobody.
    pub expires_at: u64,
    /// [`Trust::vouched`] when it was inserted: it answers only once that has grown.
    pub mark: u64,
    /// Its place in the order of use: the smallest is the first to go.
    pub used: u64,
}

/// A change of the dead-token table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeadTokenChange {
    /// Insert or replace.
    Put(DeadToken),
    /// Remove one.
    Delete(Token),
    /// Remove every entry that still waits for a delivery: those with a mark of at least this.
    DeleteWaiting {
        /// [`Trust::vouched`] now.
        vouched: u64,
    },
}

/// Where everything an app ever accepted is now. `accepted` = `delivered` + `rejected` + `expired` + `given_up` + `queued` at every commit
/// (order contract, rule 14).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Made durable, ever.
    pub accepted: u64,
    /// Taken by upstream.
    pub delivered: u64,
    /// Refused by upstream, or by us on sight.
    pub rejected: u64,
    /// Expired while waiting.
    pub expired: u64,
    /// Retry budget spent.
    pub given_up: u64,
    /// Without an end yet.
    pub queued: u64,
    /// Dead letters kept.
    pub dead_letters: u64,
    /// Dead letters dropped for want of room, oldest first.
    pub dead_letters_dropped: u64,
    /// Dead letters put back into the queue, ever.
    pub requeued: u64,
    /// Feedback tuples kept.
    pub feedback: u64,
    /// Feedback tuples dropped for want of room, oldest first.
    pub feedback_dropped: u64,
}

impl Counts {
    /// Whether the identity holds.
    pub fn balanced(&self) -> bool {
        self.accepted == self.delivered + self.rejected + self.expired + self.given_up + self.queued
    }
}

/// An app as of its newest commit. Watched, never polled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// The newest row ever queued: when it grows there is something new to page.
    pub newest: Option<RowId>,
    /// The counters.
    pub counts: Counts,
}

/// What the store knows of an app when it is opened.
#[derive(Clone, Debug)]
pub struct AppState {
    /// Its key.
    pub id: AppId,
    /// What its verdicts are worth.
    pub trust: Trust,
    /// Why it is held, if it is.
    pub held: Option<Hold>,
    /// Unexpired entries, least recently used first.
    pub dead_tokens: Vec<DeadToken>,
    /// Whether this opening found another scope and therefore forgot trust, hold and dead tokens.
    pub reset: bool,
    /// Newest row and counters, as of each commit, in the order of the commits.
    pub committed: watch::Receiver<Committed>,
}

/// A notification that ended badly and can be looked at, and mostly requeued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its key.
    pub id: LetterId,
    /// The notification; `row.id` is the key it was first accepted under.
    pub row: Row,
    /// What ended it.
    pub end: DeadLetterEnd,
    /// For people.
    pub reason: String,
    /// Whether the frame itself was bad: such a one is not requeued.
    pub malformed: bool,
    /// UNIX seconds.
    pub died_at: u64,
}

/// The two ends that leave a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadLetterEnd {
    /// With the status that says so.
    Rejected(Status),
    /// Its retry budget was spent.
    GivenUp,
}

/// Which dead letters to put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requeue {
    /// One.
    One(LetterId),
    /// All that are not malformed.
    All,
}

/// What a requeue did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requeued {
    /// How many are queued again.
    pub rows: u64,
    /// Their tokens, without repetition: their entries in the dead-token table are gone from the store, and must go from memory
    /// ([`contract::App::forget`](crate::contract::App::forget)).
    pub tokens: Vec<Token>,
}

/// A feedback tuple and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedbackRow {
    /// Its key.
    pub id: FeedbackId,
    /// The tuple as it goes on the wire.
    pub tuple: Tuple,
}
