//! What a gateway's store holds, read from the file with a connection of our own: what is committed, and nothing else.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

/// A store's file.
#[derive(Clone, Debug)]
pub struct Ledger {
    path: PathBuf,
}

/// Where everything that was accepted is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words of the order contract, rule 14")]
pub struct Counts {
    pub accepted: u64,
    pub delivered: u64,
    pub rejected: u64,
    pub expired: u64,
    pub given_up: u64,
    pub queued: u64,
}

/// A notification that ended badly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The status that says why; none where it was given up.
    pub status: Option<u8>,
    /// Why, for people.
    pub reason: String,
    /// Its JSON.
    pub payload: Vec<u8>,
}

impl Ledger {
    /// The store at `path`; it need not exist yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// The counters of the newest commit, over all apps.
    ///
    /// # Panics
    ///
    /// When they do not add up (order contract, rule 14), or the store cannot be read.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let sql = "SELECT total(accepted), total(delivered), total(rejected), total(expired), total(given_up), total(queued) FROM app";
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counters of a test are small and positive"
        )]
        let number =
            |row: &rusqlite::Row<'_>, index| row.get::<_, f64>(index).map(|number| number as u64);
        let counts = |row: &rusqlite::Row<'_>| {
            Ok(Counts {
                accepted: number(row, 0)?,
                delivered: number(row, 1)?,
                rejected: number(row, 2)?,
                expired: number(row, 3)?,
                given_up: number(row, 4)?,
                queued: number(row, 5)?,
            })
        };
        let counts = self
            .open()
            .query_row(sql, [], counts)
            .expect("the store has counters");
        let ended = counts.delivered + counts.rejected + counts.expired + counts.given_up;
        assert_eq!(
            counts.accepted,
            ended + counts.queued,
            "the identity does not hold: {counts:?}"
        );
        counts
    }

    /// Whether an app is held, and why.
    #[must_use]
    pub fn held(&self) -> Option<String> {
        self.open()
            .query_row("SELECT max(held) FROM app", [], |row| row.get(0))
            .expect("the store has apps")
    }

    /// Tokens in the dead-token tables.
    #[must_use]
    pub fn dead_tokens(&self) -> Vec<Vec<u8>> {
        self.column("SELECT token FROM dead_token ORDER BY inserted_at, token")
    }

    /// Says whether this many feedback tuples are kept.
    ///
    /// # Errors
    ///
    /// How many are.
    pub fn has_feedback(&self, count: usize) -> Result<(), String> {
        match self.column("SELECT token FROM feedback").len() {
            kept if kept == count => Ok(()),
            kept => Err(format!("{kept} tuples")),
        }
    }

    /// The payloads that are queued, in the order accepted.
    #[must_use]
    pub fn queued(&self) -> Vec<Vec<u8>> {
        self.column("SELECT payload FROM notification ORDER BY id")
    }

    /// The dead letters, in the order they died.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        let connection = self.open();
        let mut statement = connection
            .prepare("SELECT status, reason, payload FROM dead_letter ORDER BY id")
            .expect("the store has dead letters");
        let letter = |row: &rusqlite::Row<'_>| {
            Ok(DeadLetter {
                status: row.get(0)?,
                reason: row.get(1)?,
                payload: row.get(2)?,
            })
        };
        let letters = statement
            .query_map([], letter)
            .expect("dead letters can be read");
        letters
            .collect::<Result<_, _>>()
            .expect("dead letters can be read")
    }

    /// Takes SQLite's write lock until what is given out is dropped: no commit of the gateway gets through.
    #[must_use]
    pub fn lock(&self) -> WriteLock {
        let connection = Connection::open(&self.path).expect("the store can be opened");
        connection
            .busy_timeout(crate::eventually::PATIENCE)
            .expect("a timeout can be set");
        connection
            .execute_batch("BEGIN IMMEDIATE")
            .expect("the write lock can be taken");
        WriteLock { connection }
    }

    fn column(&self, sql: &str) -> Vec<Vec<u8>> {
        let connection = self.open();
        let mut statement = connection.prepare(sql).expect("the store has the table");
        let rows = statement
            .query_map([], |row| row.get(0))
            .expect("the table can be read");
        rows.collect::<Result<_, _>>()
            .expect("the table can be read")
    }

    /// Read-only, so that looking at the store of a gateway that was killed repairs nothing.
    fn open(&self) -> Connection {
        let connection = Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .expect("the store can be read");
        connection
            .busy_timeout(crate::eventually::PATIENCE)
            .expect("a timeout can be set");
        connection
    }
}

/// SQLite's write lock, held from outside the gateway.
#[derive(Debug)]
pub struct WriteLock {
    connection: Connection,
}

impl Drop for WriteLock {
    fn drop(&mut self) {
        let _ = self.connection.execute_batch("ROLLBACK");
    }
}
