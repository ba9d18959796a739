//! The file: its lock, its settings, its tables, and who may open it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::StoreOptions;
use super::ids::Installation;

/// What `PRAGMA user_version` says once the tables below are there.
const VERSION: i64 = 1;

/// What `PRAGMA application_id` says: "APNG", so that no other program's database is taken for ours.
const APPLICATION_ID: i64 = 0x4150_4e47;

/// Bytes of a page: some fifty usual notifications. What commits write a page at a time costs less with larger ones.
const PAGE_LEN: u32 = 16 * 1024;

/// Prepared statements kept.
const STATEMENTS_MAX: usize = 64;

/// The tables. Keys are those of [`ids`](super::ids); times are UNIX seconds.
const TABLES: &str = "
    CREATE TABLE gateway (
        run INTEGER NOT NULL,
        installation BLOB NOT NULL
    ) STRICT;
    INSERT INTO gateway (run, installation) VALUES (0, randomblob(16));

    CREATE TABLE app (
        id INTEGER PRIMARY KEY,
        topic TEXT NOT NULL,
        environment TEXT NOT NULL,
        scope TEXT NOT NULL,
        serial INTEGER NOT NULL DEFAULT 0,
        accepted INTEGER NOT NULL DEFAULT 0,
        delivered INTEGER NOT NULL DEFAULT 0,
        rejected INTEGER NOT NULL DEFAULT 0,
        expired INTEGER NOT NULL DEFAULT 0,
        given_up INTEGER NOT NULL DEFAULT 0,
        queued INTEGER NOT NULL DEFAULT 0,
        dead_letters INTEGER NOT NULL DEFAULT 0,
        dead_letters_dropped INTEGER NOT NULL DEFAULT 0,
        requeued INTEGER NOT NULL DEFAULT 0,
        feedback INTEGER NOT NULL DEFAULT 0,
        feedback_dropped INTEGER NOT NULL DEFAULT 0,
        vouched INTEGER NOT NULL DEFAULT 0,
        recent INTEGER NOT NULL DEFAULT 0,
        bad_run INTEGER NOT NULL DEFAULT 0,
        held TEXT,
        held_by_operator INTEGER NOT NULL DEFAULT 0,
        UNIQUE (topic, environment),
        CHECK (accepted = delivered + rejected + expired + given_up + queued)
    ) STRICT;

    CREATE TABLE notification (
        id INTEGER PRIMARY KEY,
        backend TEXT NOT NULL,
        connection INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        command INTEGER NOT NULL,
        identifier INTEGER,
        expiry INTEGER,
        priority INTEGER,
        token BLOB NOT NULL,
        payload BLOB NOT NULL,
        accepted_at INTEGER NOT NULL,
        origin INTEGER
    ) STRICT;

    CREATE TABLE dead_letter (
        id INTEGER PRIMARY KEY,
        origin INTEGER NOT NULL,
        backend TEXT NOT NULL,
        connection INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        command INTEGER NOT NULL,
        identifier INTEGER,
        expiry INTEGER,
        priority INTEGER,
        token BLOB NOT NULL,
        payload BLOB NOT NULL,
        accepted_at INTEGER NOT NULL,
        status INTEGER,
        reason TEXT NOT NULL,
        malformed INTEGER NOT NULL,
        died_at INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE dead_token (
        app INTEGER NOT NULL,
        token BLOB NOT NULL,
        status INTEGER NOT NULL,
        inserted_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        mark INTEGER NOT NULL,
        used INTEGER NOT NULL,
        PRIMARY KEY (app, token)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE feedback (
        id INTEGER PRIMARY KEY,
        app INTEGER NOT NULL,
        token BLOB NOT NULL,
        timestamp INTEGER NOT NULL,
        UNIQUE (app, token)
    ) STRICT;

    CREATE TABLE feedback_cursor (
        app INTEGER NOT NULL,
        backend TEXT NOT NULL,
        last INTEGER NOT NULL,
        PRIMARY KEY (app, backend)
    ) STRICT, WITHOUT ROWID;
";

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder is missing, or not ours to write.
    #[error("cannot open the store {path}: check that its folder exists and can be written")]
    File {
        /// The store's file, or its lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another gateway has it.
    #[error(
        "the store {path} is in use by another gateway: stop that one, or give this one a store of its own"
    )]
    InUse {
        /// The store's file.
        path: PathBuf,
    },
    /// A database, but not one of ours.
    #[error("{path} is another program's database: give the gateway a file of its own")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Written by a newer gateway.
    #[error(
        "the store {path} has schema version {found} and this gateway knows {VERSION}: run the newer gateway"
    )]
    Newer {
        /// The store's file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
    },
    /// A write-ahead log needs shared memory, which network file systems do not have.
    #[error(
        "the file system of the store {path} cannot hold a write-ahead log: put it on a local disk"
    )]
    NoLog {
        /// The store's file.
        path: PathBuf,
    },
    /// The database refused.
    #[error("cannot use the store {path}")]
    Database {
        /// The store's file.
        path: PathBuf,
        /// What it said.
        source: rusqlite::Error,
    },
}

/// An open file that nobody else has.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    /// Bytes of a page.
    pub(super) page_len: u64,
    /// Pages in the write-ahead log after the newest commit.
    pub(super) wal_pages: Arc<AtomicI32>,
    /// How many times this store has been opened, this time included.
    pub(super) run: u32,
    pub(super) installation: Installation,
    /// Held as long as the connection is.
    pub(super) lock: File,
}

/// Opens `path`, creating it where it is missing.
pub(super) fn open(path: &Path, options: &StoreOptions) -> Result<Opened, OpenError> {
    let lock = lock(path)?;
    // SQLite gives its two side files the mode of the main one: payloads are nobody else's to read.
    private(path).map_err(|source| OpenError::File {
        path: path.to_owned(),
        source,
    })?;
    let database = |source| OpenError::Database {
        path: path.to_owned(),
        source,
    };
    let mut connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(database)?;
    connection
        .busy_timeout(options.busy_timeout)
        .map_err(database)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    refuse_what_is_not_ours(path, &connection)?;
    // Of a new file; one that there is keeps its own.
    connection
        .pragma_update(None, "page_size", PAGE_LEN)
        .map_err(database)?;
    // Otherwise every other limit that is bound to a statement prepares it again.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map_err(database)?;
    let mode = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))
        .map_err(database)?;
    if mode != "wal" {
        return Err(OpenError::NoLog {
            path: path.to_owned(),
        });
    }
    let wal_pages = Arc::new(AtomicI32::new(0));
    let (run, installation) = prepare(&mut connection, &wal_pages).map_err(database)?;
    let page_len = limit(&connection, options.size_max).map_err(database)?;
    Ok(Opened {
        connection,
        path: path.to_owned(),
        page_len,
        wal_pages,
        run,
        installation,
        lock,
    })
}

/// Keeps the file from growing beyond `size_max` bytes. Says how many bytes a page has.
fn limit(connection: &Connection, size_max: u64) -> rusqlite::Result<u64> {
    let page_len: u64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    let pages = i64::try_from(size_max / page_len).unwrap_or(i64::MAX);
    // Answers with the limit there is now: never less than there are pages, nor more than SQLite has numbers for.
    connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    Ok(page_len)
}

/// Takes the lock file beside the store. SQLite's own locks keep two writers apart, not two gateways.
fn lock(path: &Path) -> Result<File, OpenError> {
    // Under whatever name the store is opened, it is one store. A missing file has but one name.
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut name = real.into_os_string();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    let file = private(&lock_path).map_err(|source| OpenError::File {
        path: lock_path.clone(),
        source,
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(OpenError::File {
            path: lock_path,
            source,
        }),
    }
}

/// Opens a file for reading and writing, creating it for its owner alone.
fn private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// Looks before anything is written.
fn refuse_what_is_not_ours(path: &Path, connection: &Connection) -> Result<(), OpenError> {
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let database = |source| OpenError::Database {
        path: path.to_owned(),
        source,
    };
    let version = number("PRAGMA user_version").map_err(database)?;
    let application = number("PRAGMA application_id").map_err(database)?;
    let tables = number("SELECT count(*) FROM sqlite_schema").map_err(database)?;
    if application != APPLICATION_ID && tables > 0 {
        return Err(OpenError::Foreign {
            path: path.to_owned(),
        });
    }
    if version > VERSION {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found: version,
        });
    }
    Ok(())
}

/// Settings, tables, this run's number and the store's own.
fn prepare(
    connection: &mut Connection,
    wal_pages: &Arc<AtomicI32>,
) -> rusqlite::Result<(u32, Installation)> {
    // Every commit is on the disk when it is answered; on macOS, too, where fsync alone stops at the drive's cache.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // Checkpoints are run, and their errors seen, by the engine: SQLite's own ignores them.
    let pages = Arc::clone(wal_pages);
    connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, count| {
        pages.store(count, Ordering::Relaxed);
        Ok(())
    }))?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version == 0 {
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    let opened = transaction.query_row(
        "UPDATE gateway SET run = run + 1 RETURNING run, installation",
        [],
        |row| Ok((row.get(0)?, Installation(row.get(1)?))),
    )?;
    transaction.commit()?;
    Ok(opened)
}
