//! A gateway without sockets: real receipts, a real app, a real store; backends' bytes and upstream's verdicts are played.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use apns_gateway::contract::{Alarm, App, AppOptions, Receipt, Stop};
use apns_gateway::store::{
    AppState, Append, Counts, DeadLetter, Requeue, RowId, Store, StoreOptions,
};
use apns_net::credentials::Environment;
use apns_proto::server::Reply;
use apns_proto::{ErrorPacket, Identifier, Limits, Status};
use bytes::{Bytes, BytesMut};
use tempfile::TempDir;

use crate::frames::number;
use crate::upstream::{Flight, Upstream};

/// What a gateway reads ahead for the peer's close (order contract, rule 3).
const READ_AHEAD_MAX: usize = 1 << 20;

/// The gateway and both its sides.
pub(crate) struct World {
    folder: TempDir,
    pub(crate) store: Store,
    pub(crate) app: AppState,
    pub(crate) contract: App,
    pub(crate) options: AppOptions,
    pub(crate) now: SystemTime,
    pub(crate) upstream: Upstream,
    pub(crate) connections: BTreeMap<u64, Connection>,
    /// Everything any backend was ever told.
    pub(crate) told: Vec<Told>,
    pub(crate) alarms: Vec<Alarm>,
    /// Whatever a commit has accepted: payload by connection and seq.
    pub(crate) accepted: BTreeMap<(u64, u64), Bytes>,
    pub(crate) in_flight: VecDeque<Flight>,
    pub(crate) cursor: Option<RowId>,
}

/// A backend's connection, both ends of it.
pub(crate) struct Connection {
    pub(crate) receipt: Receipt,
    buf: BytesMut,
    wire: VecDeque<u8>,
    fin: bool,
    /// What is to be answered, and how much upstream's history had grown when that was decided.
    stop: Option<(Stop, usize)>,
    pub(crate) ended: bool,
}

/// Something said to a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) connection: u64,
    pub(crate) seq: u64,
    pub(crate) late: bool,
    pub(crate) reply: Reply,
    /// How much upstream's history had grown when it was decided.
    pub(crate) history_len: usize,
}

impl Told {
    pub(crate) fn packet(status: u8, identifier: u32) -> Reply {
        Reply::Packet(ErrorPacket {
            status: Status(status),
            identifier: Identifier::from_u32(identifier),
        })
    }
}

impl World {
    pub(crate) async fn new(options: AppOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db"), StoreOptions::default()).unwrap();
        let app = store
            .app("com.example.Mail", Environment::Production, "scope")
            .await
            .unwrap();
        let contract = App::new(&app, options);
        Self {
            folder,
            store,
            app,
            contract,
            options,
            now: SystemTime::now(),
            upstream: Upstream::default(),
            connections: BTreeMap::new(),
            told: Vec::new(),
            alarms: Vec::new(),
            accepted: BTreeMap::new(),
            in_flight: VecDeque::new(),
            cursor: None,
        }
    }

    // Backends.

    pub(crate) fn connect(&mut self) -> u64 {
        let id = self.store.next_connection();
        let connection = Connection {
            receipt: Receipt::new(self.options.mode, Limits::BINARY, Duration::from_secs(60)),
            buf: BytesMut::new(),
            wire: VecDeque::new(),
            fin: false,
            stop: None,
            ended: false,
        };
        self.connections.insert(id, connection);
        id
    }

    /// The backend writes.
    pub(crate) fn write(&mut self, connection: u64, bytes: &[u8]) {
        self.connections
            .get_mut(&connection)
            .unwrap()
            .wire
            .extend(bytes);
    }

    /// The backend closes its side.
    pub(crate) fn fin(&mut self, connection: u64) {
        self.connections.get_mut(&connection).unwrap().fin = true;
    }

    /// The gateway reads up to `len` bytes, and makes what it took durable. An answer that is due is not given yet.
    pub(crate) async fn read(&mut self, id: u64, len: usize) {
        let connection = self.connections.get_mut(&id).unwrap();
        if connection.stop.is_some() || connection.ended {
            return;
        }
        let len = len.min(connection.wire.len());
        connection.buf.extend(connection.wire.drain(..len));
        if connection.wire.is_empty() && connection.fin {
            connection.receipt.peer_closed();
        }
        self.take(id).await;
    }

    /// The gateway reads, and dies before the commit.
    pub(crate) async fn read_and_crash(&mut self, id: u64, len: usize) {
        let connection = self.connections.get_mut(&id).unwrap();
        let len = len.min(connection.wire.len());
        connection.buf.extend(connection.wire.drain(..len));
        let _lost = connection.receipt.take(
            &mut connection.buf,
            Instant::now(),
            self.now,
            &mut self.contract,
        );
        self.crash().await;
    }

    async fn take(&mut self, id: u64) {
        let connection = self.connections.get_mut(&id).unwrap();
        let batch = connection.receipt.take(
            &mut connection.buf,
            Instant::now(),
            self.now,
            &mut self.contract,
        );
        connection.stop = batch.stop.map(|stop| (stop, self.upstream.history.len()));
        if connection.stop.is_none()
            && connection.receipt.waits_until().is_none()
            && connection.fin
            && connection.wire.is_empty()
        {
            connection.ended = true;
        }
        if batch.rows.is_empty() {
            return;
        }
        let rows: Vec<_> = batch
            .rows
            .iter()
            .map(|row| ((id, row.seq), row.payload.clone()))
            .collect();
        self.store
            .append(Append {
                app: self.app.id,
                backend: Arc::from("mail"),
                connection: id,
                rows: batch.rows,
            })
            .await
            .unwrap();
        for (place, payload) in rows {
            assert!(
                self.accepted.insert(place, payload).is_none(),
                "{place:?} was accepted twice"
            );
        }
        self.audit();
    }

    /// The gateway gives the answer that is due, unless reading ahead shows that the backend is gone.
    pub(crate) async fn answer(&mut self, id: u64) {
        let connection = self.connections.get_mut(&id).unwrap();
        let Some((stop, history_len)) = connection.stop.take() else {
            return;
        };
        if connection.receipt.reads_ahead() {
            let room = READ_AHEAD_MAX.saturating_sub(connection.buf.len());
            let len = room.min(connection.wire.len());
            connection.buf.extend(connection.wire.drain(..len));
            if connection.fin && connection.wire.is_empty() {
                connection.receipt.peer_closed();
                self.take(id).await;
                return;
            }
        }
        let reply = connection.receipt.answer(stop);
        self.tell(id, stop.seq, false, reply, history_len);
    }

    pub(crate) fn tell(&mut self, id: u64, seq: u64, late: bool, reply: Reply, history_len: usize) {
        self.told.push(Told {
            connection: id,
            seq,
            late,
            reply,
            history_len,
        });
        let connection = self.connections.get_mut(&id).unwrap();
        connection.ended = true;
        // The linger: what follows is read and dropped.
        connection.buf.extend(connection.wire.drain(..));
        let dropped = connection.receipt.take(
            &mut connection.buf,
            Instant::now(),
            self.now,
            &mut self.contract,
        );
        assert!(
            dropped.rows.is_empty() && dropped.stop.is_none(),
            "accepted behind an answer"
        );
        assert!(connection.buf.is_empty());
    }

    /// Reads and answers until nothing is left to do on the connection.
    pub(crate) async fn serve(&mut self, id: u64) {
        self.read(id, usize::MAX).await;
        while self.connections[&id].stop.is_some() {
            self.answer(id).await;
        }
    }

    /// What waited for a settlement may be taken now.
    pub(crate) async fn go_on(&mut self, id: u64) {
        let connection = &self.connections[&id];
        if connection.ended || connection.stop.is_some() {
            return;
        }
        self.take(id).await;
        while self.connections[&id].stop.is_some() {
            self.answer(id).await;
        }
    }

    /// Whatever waits for a settlement has waited long enough.
    pub(crate) async fn answer_wait_passes(&mut self) {
        let later = Instant::now() + Duration::from_secs(3600);
        for id in self.connections.keys().copied().collect::<Vec<_>>() {
            let connection = self.connections.get_mut(&id).unwrap();
            if connection.receipt.waits_until().is_some() {
                connection.receipt.waited(later);
                self.go_on(id).await;
            }
        }
    }

    /// A backend that opens a connection, writes, and is served.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> u64 {
        let id = self.connect();
        self.write(id, bytes);
        self.serve(id).await;
        id
    }

    pub(crate) fn shutdown(&mut self, id: u64) -> Reply {
        let connection = self.connections.get_mut(&id).unwrap();
        connection.ended = true;
        connection.receipt.shutdown()
    }

    // The gateway's life.

    /// The gateway dies: memory and connections are gone, the files are as they are.
    pub(crate) async fn crash(&mut self) {
        let crashed = tempfile::tempdir().unwrap();
        for name in ["store.db", "store.db-wal"] {
            std::fs::copy(self.folder.path().join(name), crashed.path().join(name)).unwrap();
        }
        self.bare_close();
        self.connections.clear();
        self.folder = crashed;
        self.restart("scope").await;
    }

    /// The gateway is stopped, and started with another configuration.
    pub(crate) async fn reconfigure(&mut self, scope: &str) {
        self.store.clone().close().await.unwrap();
        self.bare_close();
        self.connections.clear();
        self.restart(scope).await;
    }

    async fn restart(&mut self, scope: &str) {
        self.store = Store::open(
            &self.folder.path().join("store.db"),
            StoreOptions::default(),
        )
        .unwrap();
        self.app = self
            .store
            .app("com.example.Mail", Environment::Production, scope)
            .await
            .unwrap();
        self.contract = App::new(&self.app, self.options);
        self.cursor = None;
        self.time_comes();
        self.audit();
    }

    pub(crate) async fn requeue(&mut self) {
        let requeued = self.store.requeue(self.app.id, Requeue::All).await.unwrap();
        self.contract.forget(&requeued.tokens);
        self.audit();
    }

    // What can be seen.

    pub(crate) fn counts(&self) -> Counts {
        self.app.committed.borrow().counts
    }

    pub(crate) async fn dead_letters(&self) -> Vec<DeadLetter> {
        self.store
            .dead_letters(self.app.id, None, usize::MAX)
            .await
            .unwrap()
    }

    /// The numbers in the payloads shown, in order.
    pub(crate) fn shown(&self) -> Vec<u64> {
        self.upstream
            .shown
            .iter()
            .map(|row| number(&row.payload))
            .collect()
    }

    pub(crate) fn replies(&self) -> Vec<Reply> {
        self.told.iter().map(|told| told.reply).collect()
    }

    /// The identity, as another process would find it (order contract, rule 14).
    pub(crate) fn audit(&self) {
        let outside = rusqlite::Connection::open(self.folder.path().join("store.db")).unwrap();
        let broken: i64 = outside
            .query_row(
                "SELECT count(*) FROM app WHERE accepted <> delivered + rejected + expired + given_up + queued
                 OR queued <> (SELECT count(*) FROM notification)
                 OR dead_letters <> (SELECT count(*) FROM dead_letter)
                 OR dead_letters <> rejected + given_up",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(broken, 0, "{:?}", self.counts());
    }
}
