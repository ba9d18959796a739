//! One backend's connection: what is accepted, what is answered, what nobody can be told (rules 1 to 4, 8, 11).

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use apns_proto::server::{End, Overdue, Reply, Session, Step};
use apns_proto::{ErrorPacket, Fault, Identifier, Limits, Malformed, Notification, Status, Token};
use bytes::{Bytes, BytesMut};

use super::app::App;
use super::mode::Mode;
use crate::store::{AtOnce, NewRow, RejectedAtOnce, unix_seconds};

/// What has come on one connection and what may still be said on it.
#[derive(Debug)]
pub struct Receipt {
    mode: Mode,
    session: Session,
    /// The connection ends at this one, unless it turns out that nobody is there to be told.
    stopped: Option<Stop>,
    /// In mode `exact`: until when nothing more is taken, unless the newest notification reaches its end before.
    waits_until: Option<Instant>,
    /// The newest notification taken, if it could be answered: command 0 has no answer [P-39].
    answerable: Option<u64>,
    /// The identifier of the newest accepted notification, if that had one.
    accepted: Option<Identifier>,
    peer_closed: bool,
    over: bool,
}

/// What one read brought: to be appended, in one commit, before anything else is done.
#[derive(Debug, Default)]
pub struct Batch {
    /// Notifications to accept, in order. Those with an `end` are rejected in the same commit.
    pub rows: Vec<NewRow>,
    /// The connection stops here: see [`Stop`].
    pub stop: Option<Stop>,
    /// The peer has closed, and what it sent cannot be read any further than this. Nobody can be told; for the log.
    pub lost: Option<Fault>,
}

/// An answer is due. Once the batch is durable, read ahead for the peer's close; then either [`Receipt::peer_closed`] and
/// take the rest, or [`Receipt::answer`], write, and linger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// What is answered.
    pub seq: u64,
    /// The status of the answer; none is a bare close.
    pub status: Option<Status>,
    /// For the log.
    pub why: Why,
}

/// Why a connection stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Upstream has called the token bad, and has been believed. A dead letter.
    DeadToken,
    /// The frame is no notification. A dead letter.
    Malformed(Fault),
    /// The frame's end cannot be found. It is not even a dead letter, and nothing behind it can be read.
    Undelimited(Fault),
    /// The client says goodbye [P-44]. Nobody's loss.
    Farewell,
}

impl Why {
    /// The clause of `docs/protocol.md` behind the answer.
    pub fn clause(self) -> &'static str {
        match self {
            Self::DeadToken => "P-37",
            Self::Malformed(fault) | Self::Undelimited(fault) => fault.clause(),
            Self::Farewell => "P-44",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeadToken => f.write_str("known bad token"),
            Self::Malformed(fault) | Self::Undelimited(fault) => fault.fmt(f),
            Self::Farewell => f.write_str("farewell"),
        }
    }
}

impl Receipt {
    /// A new connection. A frame has `frame_timeout` from its first byte to its last [P-19].
    pub fn new(mode: Mode, limits: Limits, frame_timeout: Duration) -> Self {
        Self {
            mode,
            session: Session::new(limits, frame_timeout),
            stopped: None,
            waits_until: None,
            answerable: None,
            accepted: None,
            peer_closed: false,
            over: false,
        }
    }

    /// Takes what is in `buf`, up to the first notification that has to be answered, or in mode `exact` to be settled, before
    /// anything behind it is accepted. Nothing while a [`Stop`] is undecided or the connection [waits](Self::waits_until); once the connection is over `buf` is emptied, and counted as discarded [P-40].
    pub fn take(
        &mut self,
        buf: &mut BytesMut,
        now: Instant,
        accepted_at: SystemTime,
        app: &mut App,
    ) -> Batch {
        let mut batch = Batch::default();
        let accepted_at = unix_seconds(accepted_at);
        while self.stopped.is_none()
            && self.waits_until.is_none()
            && let Some(step) = self.session.receive(buf, now)
        {
            match step {
                Step::Notification { seq, notification } => {
                    let row = self.notification(seq, notification, accepted_at, app);
                    if let Mode::Exact { answer_wait } = self.mode
                        && row.end.is_none()
                    {
                        self.waits_until = Some(now + answer_wait);
                    }
                    batch.rows.push(row);
                }
                Step::Malformed { seq, malformed } => {
                    batch
                        .rows
                        .extend(self.malformed(seq, malformed, accepted_at));
                }
            }
            batch.stop = self.stopped;
        }
        batch
    }

    /// Whether the peer's close is looked for before an answer (rule 3). Not in mode `exact`: Apple gave its answer, and dropped
    /// what was behind it, whether anybody was there or not.
    pub fn reads_ahead(&self) -> bool {
        !matches!(self.mode, Mode::Exact { .. })
    }

    /// The peer has closed its side: nobody can be told anything any more (rule 3). What it sent before is taken all the
    /// same: call [`Receipt::take`] again [P-45].
    pub fn peer_closed(&mut self) {
        if !self.reads_ahead() {
            return;
        }
        self.peer_closed = true;
        if let Some(stop) = self.stopped.take() {
            self.go_on(stop);
        }
    }

    /// The answer that is due; everything behind it is dropped from here on.
    pub fn answer(&mut self, stop: Stop) -> Reply {
        self.stopped = None;
        self.last_word(stop.seq, stop.status)
            .unwrap_or(Reply::Close)
    }

    /// Upstream's word on `seq` has been settled. A rejection is answered only where `seq` is the newest this connection has
    /// taken, and somebody is there to be told (rule 4); whatever it was, what waits for it may be taken.
    pub fn late(&mut self, seq: u64, status: Option<Status>, now: Instant) -> Option<Reply> {
        if self.session.newest() != Some(seq) {
            return None;
        }
        self.stop_waiting(now);
        let tells = match self.mode {
            Mode::NextTime => self.answerable == Some(seq),
            Mode::Continue => false,
            Mode::Exact { .. } => true,
        };
        let status = status.filter(|_| tells)?;
        self.last_word(seq, Some(status))
    }

    /// Until when nothing more is taken because the newest notification is not settled; then call [`Receipt::waited`]. Nothing
    /// need be read until then.
    pub fn waits_until(&self) -> Option<Instant> {
        self.waits_until
    }

    /// The newest notification has had its time: it counts as accepted, and its rejection will be a late one.
    pub fn waited(&mut self, now: Instant) {
        if self.waits_until.is_some_and(|until| until <= now) {
            self.stop_waiting(now);
        }
    }

    /// The last word of a gateway that stops (rule 11): status 10 and the identifier of the newest accepted notification; a
    /// bare close where that came without one, and where there is none. Everything taken must be durable by now.
    pub fn shutdown(&mut self) -> Reply {
        let silent = self.over || self.peer_closed;
        self.hang_up();
        match self.accepted {
            Some(identifier) if !silent => Reply::Packet(ErrorPacket {
                status: Status::SHUTDOWN,
                identifier,
            }),
            _ => Reply::Close,
        }
    }

    /// When [`Receipt::tick`] is due; none while no frame is incomplete.
    pub fn deadline(&self) -> Option<Instant> {
        self.session.deadline()
    }

    /// Says when a frame has taken too long; the connection is over then, without a word [P-19].
    pub fn tick(&mut self, now: Instant) -> Option<Overdue> {
        let overdue = self.session.tick(now)?;
        self.over = true;
        Some(overdue)
    }

    /// Reading goes on after a pause that was not the peer's fault (a commit, a full backlog): its frame gets its time anew.
    pub fn resumed(&mut self, now: Instant) {
        self.session.resumed(now);
    }

    /// How the stream ended; `unread` is what is left in the buffer after the last [`Receipt::take`].
    pub fn end(&self, unread: &[u8]) -> End {
        self.session.end(unread)
    }

    /// Bytes dropped behind the answer.
    pub fn discarded_len(&self) -> u64 {
        self.session.discarded_len()
    }

    fn notification(
        &mut self,
        seq: u64,
        notification: Notification,
        accepted_at: u64,
        app: &mut App,
    ) -> NewRow {
        let answerable = notification.answer_identifier().is_some();
        self.answerable = answerable.then_some(seq);
        let identifier = notification.identifier;
        let mut row = accept(seq, notification, accepted_at);
        let Some(known) = app.known_bad(&row.token, accepted_at) else {
            self.accepted = identifier;
            return row;
        };
        row.end = Some(RejectedAtOnce {
            status: known.status,
            reason: format!("{} [{}]", Why::DeadToken, Why::DeadToken.clause()),
            cause: AtOnce::DeadToken { used: known.used },
        });
        if self.stops_at(answerable) {
            self.stopped = Some(Stop {
                seq,
                status: Some(known.status),
                why: Why::DeadToken,
            });
        }
        row
    }

    fn malformed(&mut self, seq: u64, malformed: Malformed, accepted_at: u64) -> Option<NewRow> {
        let why = if !malformed.delimited {
            Why::Undelimited(malformed.fault)
        } else if malformed.farewell() {
            Why::Farewell
        } else {
            Why::Malformed(malformed.fault)
        };
        let stop = Stop {
            seq,
            status: malformed.status,
            why,
        };
        let is_letter = matches!(why, Why::Malformed(_));
        // A goodbye and a lost stream stop the connection, whatever the command.
        let stops = if is_letter {
            self.stops_at(malformed.answer().is_some())
        } else {
            !self.peer_closed
        };
        if stops {
            self.stopped = Some(stop);
        } else {
            self.go_on(stop);
        }
        is_letter.then(|| refuse(seq, malformed, accepted_at))
    }

    fn stop_waiting(&mut self, now: Instant) {
        if self.waits_until.take().is_some() {
            self.session.resumed(now);
        }
    }

    /// Whether the connection stops at a bad notification: where somebody can be told, and reads what he is told. In mode `exact`
    /// it does in any case, for a bad command 0 without a word [P-39].
    fn stops_at(&self, answerable: bool) -> bool {
        match self.mode {
            Mode::NextTime => answerable && !self.peer_closed,
            Mode::Continue => false,
            Mode::Exact { .. } => true,
        }
    }

    /// Takes the stream up again behind something nobody can be told about, where it has a behind.
    fn go_on(&mut self, stop: Stop) {
        match stop.why {
            Why::DeadToken => {}
            Why::Malformed(_) | Why::Farewell => {
                let passed = self.session.pass(stop.seq);
                debug_assert!(passed, "a delimited frame can be passed");
            }
            Why::Undelimited(_) => self.hang_up(),
        }
    }

    fn hang_up(&mut self) {
        self.over = true;
        self.stopped = None;
        self.session.hang_up();
    }

    fn last_word(&mut self, seq: u64, status: Option<Status>) -> Option<Reply> {
        if self.over || self.peer_closed {
            return None;
        }
        let reply = self.session.answer(seq, status)?;
        self.over = true;
        Some(reply)
    }
}

/// The row of a notification.
fn accept(seq: u64, notification: Notification, accepted_at: u64) -> NewRow {
    NewRow {
        seq,
        command: notification.command,
        identifier: notification.identifier,
        expiry: notification.expiry,
        priority: notification.priority,
        token: notification.token,
        payload: notification.payload,
        accepted_at,
        end: None,
    }
}

/// The row of a frame that is none. It has the status of its fault even in command 0, where nobody can be told.
fn refuse(seq: u64, malformed: Malformed, accepted_at: u64) -> NewRow {
    let fault = malformed.fault;
    NewRow {
        seq,
        command: malformed.command,
        identifier: malformed.identifier,
        expiry: None,
        priority: None,
        token: malformed.token.unwrap_or_else(|| Token::new(Bytes::new())),
        payload: malformed.payload.unwrap_or_default(),
        accepted_at,
        end: Some(RejectedAtOnce {
            status: fault.status().unwrap_or(Status::PROTOCOL_ERROR),
            reason: format!("{fault} [{}]", fault.clause()),
            cause: AtOnce::Malformed,
        }),
    }
}
