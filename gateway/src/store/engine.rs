//! The store's thread: what arrived while the last commit ran is the next commit.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Instant;

use apns_net::credentials::Environment;
use apns_proto::Token;
use apns_proto::feedback::Tuple;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;

use super::ids::{AppId, FeedbackId, LetterId, RowId};
use super::ledger::Ledger;
use super::records::{
    AppState, Append, Appended, Counts, DeadLetter, DeadTokenChange, FeedbackRow, Line, Portion,
    Read, Requeue, Requeued, Row, Settle,
};
use super::schema::Opened;
use super::{Shared, StoreOptions};

/// Messages in one commit, at most.
const GROUP_MESSAGES_MAX: usize = 256;

/// Records written in one commit, about, so that nobody waits long for a commit that others fill.
const GROUP_RECORDS_MAX: usize = 8_192;

/// Bytes of pages in the write-ahead log that make a checkpoint due.
const CHECKPOINT_LEN: u64 = 16 << 20;

/// What callers ask for. Every variant carries where its answer goes.
pub(super) enum Request {
    App {
        topic: String,
        environment: Environment,
        scope: String,
        reply: oneshot::Sender<AppState>,
    },
    Append {
        append: Append,
        reply: oneshot::Sender<Appended>,
    },
    Page {
        app: AppId,
        after: Option<RowId>,
        rows_max: usize,
        bytes_max: usize,
        reply: oneshot::Sender<Vec<Row>>,
    },
    Read {
        read: Read,
        reply: oneshot::Sender<Vec<Portion>>,
    },
    Line {
        line: Line,
        reply: oneshot::Sender<Vec<Row>>,
    },
    RandomRow {
        app: AppId,
        rather_not: Vec<Token>,
        reply: oneshot::Sender<Option<Row>>,
    },
    Settle {
        app: AppId,
        settle: Settle,
        reply: oneshot::Sender<Counts>,
    },
    DeadTokens {
        app: AppId,
        changes: Vec<DeadTokenChange>,
        reply: oneshot::Sender<()>,
    },
    DeadLetters {
        app: AppId,
        after: Option<LetterId>,
        letters_max: usize,
        reply: oneshot::Sender<Vec<DeadLetter>>,
    },
    Requeue {
        app: AppId,
        which: Requeue,
        reply: oneshot::Sender<Requeued>,
    },
    FeedbackAppend {
        app: AppId,
        tuples: Vec<Tuple>,
        reply: oneshot::Sender<()>,
    },
    FeedbackCursor {
        app: AppId,
        backend: Arc<str>,
        reply: oneshot::Sender<Option<FeedbackId>>,
    },
    FeedbackPage {
        app: AppId,
        after: Option<FeedbackId>,
        tuples_max: usize,
        reply: oneshot::Sender<Vec<FeedbackRow>>,
    },
    FeedbackAdvance {
        app: AppId,
        backend: Arc<str>,
        to: FeedbackId,
        reply: oneshot::Sender<()>,
    },
    Counts {
        app: AppId,
        reply: oneshot::Sender<Counts>,
    },
    Measure {
        reply: oneshot::Sender<()>,
    },
    Close {
        reply: oneshot::Sender<()>,
    },
}

impl Request {
    /// Whether it changes anything. A group without a change needs no transaction and waits for no lock.
    fn writes(&self) -> bool {
        match self {
            Self::App { .. }
            | Self::Append { .. }
            | Self::Settle { .. }
            | Self::DeadTokens { .. }
            | Self::Requeue { .. }
            | Self::FeedbackAppend { .. }
            | Self::FeedbackAdvance { .. } => true,
            Self::Page { .. }
            | Self::Read { .. }
            | Self::Line { .. }
            | Self::RandomRow { .. }
            | Self::DeadLetters { .. }
            | Self::FeedbackCursor { .. }
            | Self::FeedbackPage { .. }
            | Self::Counts { .. }
            | Self::Measure { .. }
            | Self::Close { .. } => false,
        }
    }

    /// Records it writes, about.
    fn records(&self) -> usize {
        match self {
            Self::Append { append, .. } => append.rows.len(),
            Self::Settle { settle, .. } => settle.rows.len() + settle.dead_tokens.len(),
            Self::DeadTokens { changes, .. } => changes.len(),
            Self::FeedbackAppend { tuples, .. } => tuples.len(),
            _ => 1,
        }
    }
}

/// An answer that waits for its commit.
struct Answer(Box<dyn FnOnce() + Send>);

impl Answer {
    /// Holds `value` for `reply`. A caller that no longer listens is not an error: what it asked for is done.
    fn new<T: Send + 'static>(reply: oneshot::Sender<T>, value: T) -> Self {
        Self(Box::new(move || drop(reply.send(value))))
    }
}

/// Everything the thread owns.
pub(super) struct Engine {
    pub(super) connection: Connection,
    pub(super) options: StoreOptions,
    pub(super) ledgers: HashMap<AppId, Ledger>,
    pub(super) shared: Arc<Shared>,
    pub(super) path: PathBuf,
    pub(super) page_len: u64,
    wal_pages: Arc<AtomicI32>,
    /// Let go of last, so that the next owner finds the database closed.
    _lock: File,
}

impl Engine {
    pub(super) fn new(opened: Opened, options: StoreOptions, shared: Arc<Shared>) -> Self {
        let Opened {
            connection,
            path,
            page_len,
            wal_pages,
            lock,
            run: _,
            installation: _,
        } = opened;
        Self {
            connection,
            options,
            ledgers: HashMap::new(),
            shared,
            path,
            page_len,
            wal_pages,
            _lock: lock,
        }
    }

    /// Serves until every handle is gone, a `Close` comes, or the database fails. Returns the answer to `Close`, which is due once the
    /// file is closed.
    pub(super) fn run(
        &mut self,
        requests: &mut Receiver<Request>,
    ) -> rusqlite::Result<Option<oneshot::Sender<()>>> {
        let mut group = Vec::new();
        while let Some(first) = requests.blocking_recv() {
            let mut records = first.records();
            group.push(first);
            while group.len() < GROUP_MESSAGES_MAX && records < GROUP_RECORDS_MAX {
                let Ok(next) = requests.try_recv() else { break };
                records += next.records();
                group.push(next);
            }
            if let Some(close) = self.group(&mut group)? {
                return Ok(Some(close));
            }
            self.checkpoint_when_due()?;
        }
        Ok(None)
    }

    /// After an error: closing would move the write-ahead log into the database and delete it, and a disk that has failed once may say yes to
    /// what it lost before. The log stays; the next start moves all of it again.
    pub(super) fn leave_the_disk_alone(&self) {
        let config = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        if let Err(error) = self.connection.set_db_config(config, true) {
            tracing::error!(%error, "the write-ahead log is moved at the close, though the disk failed");
        }
    }

    /// One group: a transaction if it writes, then every answer.
    fn group(&mut self, group: &mut Vec<Request>) -> rusqlite::Result<Option<oneshot::Sender<()>>> {
        let writes = group.iter().any(Request::writes);
        let begun = Instant::now();
        if writes {
            // Immediate: a lock held elsewhere is waited for here, with nothing done yet.
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
        }
        let mut answers = Vec::with_capacity(group.len());
        let mut close = None;
        for request in group.drain(..) {
            if let Request::Close { reply } = request {
                close = Some(reply);
                continue;
            }
            answers.push(self.handle(request)?);
        }
        if writes {
            self.write_ledgers()?;
            self.connection.execute_batch("COMMIT")?;
            self.shared.commits.add(begun.elapsed());
            self.measure()?;
            for ledger in self.ledgers.values_mut() {
                ledger.publish();
            }
        }
        for Answer(answer) in answers {
            answer();
        }
        Ok(close)
    }

    fn handle(&mut self, request: Request) -> rusqlite::Result<Answer> {
        Ok(match request {
            Request::App {
                topic,
                environment,
                scope,
                reply,
            } => Answer::new(reply, self.app(&topic, environment, &scope)?),
            Request::Append { append, reply } => Answer::new(reply, self.append(append)?),
            Request::Page {
                app,
                after,
                rows_max,
                bytes_max,
                reply,
            } => Answer::new(reply, self.page(app, after, rows_max, bytes_max)?),
            Request::Read { read, reply } => Answer::new(reply, self.read(&read)?),
            Request::Line { line, reply } => Answer::new(reply, self.line(&line)?),
            Request::RandomRow {
                app,
                rather_not,
                reply,
            } => Answer::new(reply, self.random_row(app, &rather_not)?),
            Request::Settle { app, settle, reply } => Answer::new(reply, self.settle(app, settle)?),
            Request::DeadTokens {
                app,
                changes,
                reply,
            } => Answer::new(reply, self.change_dead_tokens(app, &changes)?),
            Request::DeadLetters {
                app,
                after,
                letters_max,
                reply,
            } => Answer::new(reply, self.dead_letters(app, after, letters_max)?),
            Request::Requeue { app, which, reply } => Answer::new(reply, self.requeue(app, which)?),
            Request::FeedbackAppend { app, tuples, reply } => {
                Answer::new(reply, self.feedback_append(app, &tuples)?)
            }
            Request::FeedbackCursor {
                app,
                backend,
                reply,
            } => Answer::new(reply, self.feedback_cursor(app, &backend)?),
            Request::FeedbackPage {
                app,
                after,
                tuples_max,
                reply,
            } => Answer::new(reply, self.feedback_page(app, after, tuples_max)?),
            Request::FeedbackAdvance {
                app,
                backend,
                to,
                reply,
            } => Answer::new(reply, self.feedback_advance(app, &backend, to)?),
            Request::Counts { app, reply } => Answer::new(reply, self.ledger(app).counts),
            Request::Measure { reply } => Answer::new(reply, self.measure()?),
            Request::Close { reply } => Answer::new(reply, ()),
        })
    }

    /// Moves the write-ahead log into the database. Here and not inside SQLite, which would ignore a failing disk and try again later.
    fn checkpoint_when_due(&mut self) -> rusqlite::Result<()> {
        let pages = u64::try_from(self.wal_pages.load(Ordering::Relaxed)).unwrap_or(0);
        if pages * self.page_len < CHECKPOINT_LEN {
            return Ok(());
        }
        // Passive: a reader elsewhere holds it back, and is not an error.
        self.connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        self.wal_pages.store(0, Ordering::Relaxed);
        Ok(())
    }
}
