//! A client session and a server session joined by a link that drops: whatever happens, every notification ends as
//! confirmed, rejected or to be sent again, and what the client believes is what the server did.
//!
//! The link keeps bytes in flight. It drops at any byte of either direction, and then both sides learn of it at once.
//! Silence is only worth something if bytes arrive: time passes when nothing is in flight, or while a write is pending or
//! an answer half read, when silence confirms nothing. Without that no sender of this protocol can be sure of anything
//! [P-30].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use apns_proto::client;
use apns_proto::server::{self, Reply, Step};
use apns_proto::{Expiry, Limits, Priority, Push, Status};
use bytes::{Buf as _, BytesMut};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

const QUIET: Duration = Duration::from_secs(1);
const WINDOW: usize = 12;

/// A notification's name; it is its payload too.
type Tag = u32;

#[derive(Debug, Clone)]
enum Action {
    /// The client pushes so many, as far as there is room.
    Push(usize),
    /// So many bytes leave the client; when all have, the write is finished.
    Write(usize),
    /// So many bytes reach the server.
    Arrive(usize),
    /// So many bytes of the answer reach the client.
    Return(usize),
    /// Time passes.
    Wait(u64),
    /// The client wants to know, if its session asks.
    Farewell,
    /// The server shuts down.
    Shutdown,
    /// The link drops, after so many more bytes in each direction.
    Drop(usize, usize),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (1..8_usize).prop_map(Action::Push),
        6 => (1..400_usize).prop_map(Action::Write),
        6 => (1..400_usize).prop_map(Action::Arrive),
        3 => (1..7_usize).prop_map(Action::Return),
        4 => (1..1_500_u64).prop_map(Action::Wait),
        1 => Just(Action::Farewell),
        1 => Just(Action::Shutdown),
        1 => (0..600_usize, 0..7_usize).prop_map(|(to, from)| Action::Drop(to, from)),
    ]
}

/// One connection: both sessions and what is between them.
struct Connection {
    client: client::Session<Tag>,
    server: server::Session,
    /// Encoded, no write begun.
    out: BytesMut,
    /// The write in progress.
    writing: BytesMut,
    write_pending: bool,
    to_server: BytesMut,
    unread: BytesMut,
    to_client: BytesMut,
    heard: BytesMut,
    server_closed: bool,
    pushed: Vec<Tag>,
    confirmed: Vec<Tag>,
    accepted: Vec<Tag>,
    rejected: Option<Tag>,
}

impl Connection {
    fn new(asks: bool) -> Self {
        let client = if asks {
            client::Session::asking(QUIET, WINDOW)
        } else {
            client::Session::new(QUIET, WINDOW)
        };
        Self {
            client,
            server: server::Session::new(Limits::BINARY, Duration::from_secs(3600)),
            out: BytesMut::new(),
            writing: BytesMut::new(),
            write_pending: false,
            to_server: BytesMut::new(),
            unread: BytesMut::new(),
            to_client: BytesMut::new(),
            heard: BytesMut::new(),
            server_closed: false,
            pushed: vec![],
            confirmed: vec![],
            accepted: vec![],
            rejected: None,
        }
    }
}

/// Everything outside the connection: what is still to be sent, what has become of the rest.
struct Run {
    now: Instant,
    asks: bool,
    bad: BTreeSet<Tag>,
    waiting: VecDeque<Tag>,
    connection: Connection,
    /// What the client believes in the end.
    confirmed: BTreeSet<Tag>,
    rejected: BTreeSet<Tag>,
    /// How often the server took each, and how often it may have without the client knowing.
    accepted: BTreeMap<Tag, u32>,
    doubtful: BTreeMap<Tag, u32>,
}

impl Run {
    #[expect(
        clippy::disallowed_methods,
        reason = "the simulation has to count from some instant"
    )]
    fn new(len: u32, bad: BTreeSet<Tag>, asks: bool) -> Self {
        Self {
            now: Instant::now(),
            asks,
            bad,
            waiting: (0..len).collect(),
            connection: Connection::new(asks),
            confirmed: BTreeSet::new(),
            rejected: BTreeSet::new(),
            accepted: BTreeMap::new(),
            doubtful: BTreeMap::new(),
        }
    }

    fn act(&mut self, action: &Action) {
        match *action {
            Action::Push(len) => self.push(len),
            Action::Write(len) => self.write(len),
            Action::Arrive(len) => self.arrive(len),
            Action::Return(len) => self.back(len),
            Action::Wait(ms) => self.wait(Duration::from_millis(ms)),
            Action::Farewell => self.farewell(),
            Action::Shutdown => {
                if !self.connection.server_closed {
                    let reply = self.connection.server.shutdown();
                    self.reply(reply);
                }
            }
            Action::Drop(to, from) => {
                self.arrive(to);
                self.back(from);
                self.end();
            }
        }
    }

    fn push(&mut self, len: usize) {
        let connection = &mut self.connection;
        for _ in 0..len.min(connection.client.room()) {
            let Some(tag) = self.waiting.pop_front() else {
                break;
            };
            let push = Push {
                token: &[0xa1; 32],
                payload: &tag.to_be_bytes(),
                expiry: Some(Expiry(0)),
                priority: Some(Priority::IMMEDIATE),
            };
            connection
                .client
                .push(&push, tag, &mut connection.out)
                .expect("it is short");
            connection.pushed.push(tag);
        }
    }

    fn farewell(&mut self) {
        let Connection { client, out, .. } = &mut self.connection;
        if self.asks && client.pending_len() > 0 && !client.is_leaving() {
            client.farewell(out);
        }
    }

    fn write(&mut self, len: usize) {
        let connection = &mut self.connection;
        if !connection.write_pending {
            if connection.out.is_empty() {
                return;
            }
            connection.client.write_started(self.now);
            connection.write_pending = true;
            connection.writing = connection.out.split();
        }
        let len = len.min(connection.writing.len());
        connection
            .to_server
            .extend_from_slice(&connection.writing.split_to(len));
        if connection.writing.is_empty() {
            connection.client.write_finished(self.now);
            connection.write_pending = false;
        }
    }

    fn arrive(&mut self, len: usize) {
        let len = len.min(self.connection.to_server.len());
        let arrived = self.connection.to_server.split_to(len);
        self.connection.unread.extend_from_slice(&arrived);
        loop {
            let connection = &mut self.connection;
            match connection.server.receive(&mut connection.unread, self.now) {
                None => return,
                Some(Step::Malformed { seq, malformed }) => {
                    let status = malformed.status;
                    assert_eq!(status, Some(Status::MISSING_TOKEN), "the farewell [P-44]");
                    let reply = connection.server.answer(seq, status);
                    self.reply(reply.expect("the newest can be answered"));
                }
                Some(Step::Notification { seq, notification }) => {
                    let tag = notification.payload.clone().get_u32();
                    if self.bad.contains(&tag) {
                        assert_eq!(connection.rejected, None, "one answer a connection");
                        connection.rejected = Some(tag);
                        let reply = connection.server.answer(seq, Some(Status::INVALID_TOKEN));
                        self.reply(reply.expect("the newest can be answered"));
                    } else {
                        connection.accepted.push(tag);
                        *self.accepted.entry(tag).or_default() += 1;
                    }
                }
            }
        }
    }

    fn reply(&mut self, reply: Reply) {
        if let Reply::Packet(packet) = reply {
            self.connection
                .to_client
                .extend_from_slice(&packet.encode());
        }
        self.connection.server_closed = true;
    }

    /// The client reads, and sees the close when everything before it is read.
    fn back(&mut self, len: usize) {
        let connection = &mut self.connection;
        let len = len.min(connection.to_client.len());
        connection
            .heard
            .extend_from_slice(&connection.to_client.split_to(len));
        if let Some(packet) = connection.client.receive(&mut connection.heard.clone()) {
            packet.expect("the server speaks the protocol");
            self.end();
        } else if connection.server_closed && connection.to_client.is_empty() {
            self.end();
        }
    }

    fn wait(&mut self, time: Duration) {
        if !self.connection.write_pending && self.connection.heard.is_empty() {
            self.arrive(usize::MAX);
            self.back(usize::MAX);
        }
        self.now += time;
        let confirmed = self.connection.client.confirmed(self.now);
        if !confirmed.is_empty() && !self.connection.write_pending {
            assert_eq!(self.connection.to_server.len(), 0);
        }
        self.connection.confirmed.extend(confirmed);
    }

    /// The connection is over for both sides: the outcome is compared with what the server did, and a new one is made.
    fn end(&mut self) {
        let mut old = std::mem::replace(&mut self.connection, Connection::new(self.asks));
        let packet = old.client.receive(&mut old.heard).map(Result::unwrap);
        let outcome = old.client.finish(packet);
        assert_eq!(
            outcome.surprise, None,
            "this server names nothing it should not"
        );
        old.confirmed.extend(&outcome.confirmed);

        let rejected = outcome.rejected.map(|(tag, status)| {
            assert_eq!(status, Status::INVALID_TOKEN);
            tag
        });
        let told: Vec<Tag> = old
            .confirmed
            .iter()
            .copied()
            .chain(rejected)
            .chain(outcome.resend.iter().copied())
            .collect();
        assert_eq!(
            told, old.pushed,
            "every notification is told of once, in order"
        );
        assert!(
            old.accepted.starts_with(&old.confirmed),
            "what is confirmed was accepted"
        );
        if rejected.is_some() {
            assert_eq!(rejected, old.rejected);
        }
        let (doubtful, others) = outcome.resend.split_at(outcome.doubtful);
        for &tag in doubtful {
            *self.doubtful.entry(tag).or_default() += 1;
        }
        assert!(
            !others.iter().any(|tag| old.accepted.contains(tag)),
            "what is called discarded was not accepted"
        );

        for tag in old.confirmed {
            assert!(self.confirmed.insert(tag), "{tag} is confirmed once");
        }
        if let Some(tag) = rejected {
            assert!(self.rejected.insert(tag), "{tag} is rejected once");
        }
        for tag in outcome.resend.into_iter().rev() {
            self.waiting.push_front(tag);
        }
    }

    /// Nothing goes wrong any more until everything is told of.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            if self.waiting.is_empty() && self.connection.client.pending_len() == 0 {
                break;
            }
            self.push(usize::MAX);
            self.farewell();
            self.write(usize::MAX);
            self.arrive(usize::MAX);
            self.back(usize::MAX);
            self.wait(QUIET);
        }
        self.end();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4 * ProptestConfig::default().cases))]

    #[test]
    fn over_a_dropping_link_nothing_is_lost_unreported(
        len in 1..60_u32,
        bad in btree_set(0..60_u32, 0..6),
        asks in any::<bool>(),
        actions in vec(action(), 0..150),
    ) {
        let mut run = Run::new(len, bad.clone(), asks);
        for action in &actions {
            run.act(action);
        }
        run.settle();

        let all: BTreeSet<Tag> = (0..len).collect();
        let refused: BTreeSet<Tag> = all.intersection(&bad).copied().collect();
        prop_assert_eq!(&run.rejected, &refused);
        prop_assert_eq!(run.confirmed, &all - &refused);
        prop_assert_eq!(run.accepted.keys().copied().collect::<BTreeSet<_>>(), &all - &refused);
        for (tag, times) in run.accepted {
            let doubts = run.doubtful.get(&tag).copied().unwrap_or_default();
            prop_assert!(times <= 1 + doubts, "{tag} was accepted {times} times after {doubts} doubts");
        }
    }
}
