//! The store on real files.

mod accounting;
mod disk;
mod lists;
mod model;
mod tables;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use apns_net::credentials::Environment;
use apns_proto::feedback::Tuple;
use apns_proto::{Command, Expiry, Identifier, Priority, Status, Token};
use bytes::Bytes;
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;

/// A store in a folder of its own, with one app.
struct Bench {
    folder: TempDir,
    store: Store,
    app: AppState,
}

impl Bench {
    async fn new() -> Self {
        Self::with(StoreOptions::default()).await
    }

    async fn with(options: StoreOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db"), options).unwrap();
        let app = app(&store).await;
        Self { folder, store, app }
    }

    /// Another connection to the same file.
    fn outside(&self) -> Connection {
        let outside = Connection::open(self.folder.path().join("store.db")).unwrap();
        outside.busy_timeout(Duration::from_secs(10)).unwrap();
        outside
    }

    /// Closes and opens again.
    async fn reopen(self) -> Self {
        self.store.close().await.unwrap();
        let store = Store::open(
            &self.folder.path().join("store.db"),
            StoreOptions::default(),
        )
        .unwrap();
        let app = app(&store).await;
        Self {
            folder: self.folder,
            store,
            app,
        }
    }

    /// What a crash at this moment leaves: the files as they are, with nothing said to the store.
    fn crash(&self) -> TempDir {
        let crashed = tempfile::tempdir().unwrap();
        for name in ["store.db", "store.db-wal"] {
            std::fs::copy(self.folder.path().join(name), crashed.path().join(name)).unwrap();
        }
        crashed
    }

    fn batch(&self, rows: Vec<NewRow>) -> Append {
        Append {
            app: self.app.id,
            backend: Arc::from("mail"),
            connection: 1,
            rows,
        }
    }

    /// Appends good rows with these seqs and returns them as stored.
    async fn append(&self, seqs: std::ops::RangeInclusive<u64>) -> Vec<Row> {
        let before = self.app.committed.borrow().newest;
        self.store
            .append(self.batch(seqs.map(new_row).collect()))
            .await
            .unwrap();
        self.store
            .page(self.app.id, before, usize::MAX, usize::MAX)
            .await
            .unwrap()
    }

    async fn settle(&self, rows: Vec<Settlement>) -> Counts {
        self.store
            .settle(
                self.app.id,
                Settle {
                    rows,
                    ..Settle::default()
                },
            )
            .await
            .unwrap()
    }
}

async fn app(store: &Store) -> AppState {
    store
        .app("com.example.Mail", Environment::Production, "scope")
        .await
        .unwrap()
}

fn token(number: u64) -> Token {
    let mut bytes = [0xa1; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Token::new(Bytes::copy_from_slice(&bytes))
}

fn new_row(seq: u64) -> NewRow {
    NewRow {
        seq,
        command: Command::FRAMED,
        identifier: Some(Identifier::from_u32(seq as u32)),
        expiry: Some(Expiry(i32::MAX)),
        priority: Some(Priority::IMMEDIATE),
        token: token(seq),
        payload: Bytes::from_static(br#"{"aps":{"alert":"hi"}}"#),
        accepted_at: 1_700_000_000,
        end: None,
    }
}

fn bad_row(seq: u64, cause: AtOnce) -> NewRow {
    let end = RejectedAtOnce {
        status: Status::INVALID_TOKEN,
        reason: "known".to_owned(),
        cause,
    };
    NewRow {
        end: Some(end),
        ..new_row(seq)
    }
}

fn dead_token(number: u64, mark: u64, used: u64) -> DeadToken {
    DeadToken {
        token: token(number),
        status: Status::INVALID_TOKEN,
        inserted_at: 1_700_000_000,
        expires_at: 9_000_000_000,
        mark,
        used,
    }
}

fn settled(row: &Row, end: End) -> Settlement {
    Settlement {
        row: row.id,
        token: row.token.clone(),
        end,
    }
}

fn rejected() -> End {
    End::Rejected {
        status: Status::INVALID_TOKEN,
        reason: "upstream said so".to_owned(),
    }
}

fn given_up() -> End {
    End::GivenUp {
        reason: "tried for long".to_owned(),
    }
}

fn unregistered(number: u64) -> End {
    End::Unregistered {
        tuple: Tuple {
            timestamp: 100,
            token: token(number),
        },
        reason: "the app is gone".to_owned(),
    }
}

/// The identity, and that the counters count what is there.
fn audit(outside: &Connection) {
    let broken: i64 = outside
        .query_row(
            "SELECT count(*) FROM app WHERE accepted <> delivered + rejected + expired + given_up + queued
             OR queued <> (SELECT count(*) FROM notification WHERE notification.id >> 47 = app.id)
             OR dead_letters <> (SELECT count(*) FROM dead_letter WHERE dead_letter.id >> 47 = app.id)
             OR feedback <> (SELECT count(*) FROM feedback WHERE feedback.app = app.id)",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(broken, 0, "an app's counters do not count its rows");
}
