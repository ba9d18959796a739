//! What is durable: one SQLite file, owned by one thread, reached through narrow messages.
//!
//! ```text
//! many tasks ──Store (a clone each)──▶ bounded channel ──▶ the store's thread ──▶ one transaction ──▶ fsync ──▶ all answers
//! ```
//!
//! **Group commit.** While the thread commits, messages queue up; all of them, up to a bound, are the next commit. Nobody
//! waits on purpose, and a busy gateway makes few commits. An answer comes only after the commit that did what was asked, so
//! what [`Store::append`] has answered is accepted, in the sense of the order contract. Messages are served in the order
//! sent: a page asked for after a settle sees it.
//!
//! **Accounting.** Each app's counters change in the commit that changes its rows: [`Counts::balanced`] holds at every
//! commit, and the table has a CHECK that says so. Settling is idempotent: a row is counted by the commit that removes it.
//!
//! **Failure.** The first error of the disk or the database stops the store for good: whoever waits, and whoever comes, is
//! told [`StoreDown`], and [`Store::stopped`] wakes whoever has to end the process (exit code 74). Nothing is tried again:
//! after a failed fsync nobody knows what is on the disk. A lock held by another process is not a failure, it delays
//! commits (up to [`StoreOptions::busy_timeout`]).
//!
//! **Use.** [`Store::open`] at start (it blocks), [`Store::app`] for each configured app, then from a connection
//! `append(..).await` before the next read, from dispatch `page` after the newest row it has, and `settle` with what
//! [`contract::App::settle`](crate::contract::App::settle) made. [`AppState::committed`] says when there is something new
//! to page and how long the queue is. At the end [`Store::close`].
//!
//! A call that is dropped before its answer is not undone: what was sent is served.

mod dead_letters;
mod dead_tokens;
mod engine;
mod feedback;
mod fresh;
mod ids;
mod latency;
mod ledger;
mod lines;
mod queue;
mod records;
mod roster;
mod schema;
mod space;
#[cfg(test)]
mod tests;
mod turn;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use apns_net::credentials::Environment;
use apns_proto::Token;
use apns_proto::feedback::Tuple;
use tokio::sync::{mpsc, oneshot, watch};

use engine::{Engine, Request};
pub use ids::{AppId, FeedbackId, Installation, LetterId, RowId};
pub use latency::CommitTimes;
use latency::Latency;
pub use records::{
    AppState, Append, Appended, AtOnce, Committed, Counts, DeadLetter, DeadLetterEnd, DeadToken,
    DeadTokenChange, End, FeedbackRow, Hold, Line, NewRow, Portion, Read, RejectedAtOnce, Requeue,
    Requeued, Row, Settle, Settlement, Trust,
};
pub use schema::OpenError;
pub use space::Space;

/// Messages that wait while a commit runs. When they are this many, senders wait too, and so do the backends behind them.
const MESSAGES_MAX: usize = 256;

/// Limits of a store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Dead letters kept per app; beyond them the oldest goes.
    pub dead_letters_max: u64,
    /// Feedback tuples kept per app; beyond them the oldest goes.
    pub feedback_max: u64,
    /// Bytes of the file at most; what is accepted ends before that ([`Store::space`]).
    pub size_max: u64,
    /// Bytes of them that are kept for what has been read by then; an eighth of them are in any case.
    pub reserve: u64,
    /// How long a commit waits for a lock that another process holds.
    pub busy_timeout: Duration,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            dead_letters_max: 100_000,
            feedback_max: 1_000_000,
            size_max: 16 << 30,
            reserve: 0,
            busy_timeout: Duration::from_secs(60),
        }
    }
}

/// The store is not there any more; what was asked for may or may not have been done.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the store has stopped: {reason}")]
pub struct StoreDown {
    reason: Arc<str>,
}

/// A handle on the store. Clones are cheap and all alike.
#[derive(Clone, Debug)]
pub struct Store {
    requests: mpsc::Sender<Request>,
    shared: Arc<Shared>,
}

/// What handles and thread share beside the channel.
#[derive(Debug)]
struct Shared {
    installation: Installation,
    commits: Latency,
    space: watch::Sender<Space>,
    connections: AtomicU64,
    /// Set once, by an error.
    down: watch::Sender<Option<StoreDown>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens the store at `path`, creating it where it is missing, and starts its thread. Blocks on the disk.
    ///
    /// # Errors
    /// The file cannot be opened, another gateway has it, or it is not one this gateway can read.
    pub fn open(path: &Path, options: StoreOptions) -> Result<Self, OpenError> {
        let opened = schema::open(path, &options)?;
        let shared = Arc::new(Shared {
            installation: opened.installation,
            commits: Latency::default(),
            space: watch::Sender::new(Space::default()),
            // Above every number of every earlier run, so that no row of those speaks to a connection of this one.
            connections: AtomicU64::new(u64::from(opened.run) << 32),
            down: watch::Sender::new(None),
            thread: Mutex::new(None),
        });
        let (requests, received) = mpsc::channel(MESSAGES_MAX);
        let engine = Engine::new(opened, options, Arc::clone(&shared));
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || serve(engine, received, &shared)
            })
            .map_err(|source| OpenError::File {
                path: path.to_owned(),
                source,
            })?;
        *shared.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(Self { requests, shared })
    }

    /// Serves what was asked before, closes the file and lets go of its lock. Other handles find the store stopped.
    ///
    /// # Errors
    /// The store had stopped already.
    pub async fn close(self) -> Result<(), StoreDown> {
        self.ask(|reply| Request::Close { reply }).await?;
        let thread = self
            .shared
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // The answer was the last thing it did.
            drop(thread.join());
        }
        Ok(())
    }

    /// Waits until an error has stopped the store: the gateway cannot go on then. A closed store never gets here.
    pub async fn stopped(&self) -> StoreDown {
        let mut down = self.shared.down.subscribe();
        let down = down
            .wait_for(Option::is_some)
            .await
            .expect("this handle keeps the sender");
        down.clone().expect("it was waited for")
    }

    /// What tells this store from every other.
    pub fn installation(&self) -> Installation {
        self.shared.installation
    }

    /// Commits so far, for whoever doubts that they are grouped.
    pub fn commits(&self) -> u64 {
        self.commit_times().count()
    }

    /// How long they took, from the first statement to the disk's word.
    pub fn commit_times(&self) -> CommitTimes {
        self.shared.commits.read()
    }

    /// How full it is, as of the newest commit or [`Store::measure`].
    pub fn space(&self) -> watch::Receiver<Space> {
        self.shared.space.subscribe()
    }

    /// Looks how full it is: others may have freed or filled the disk since the last commit.
    pub async fn measure(&self) -> Result<(), StoreDown> {
        self.ask(|reply| Request::Measure { reply }).await
    }

    /// A number for a backend's connection that no connection to this store ever had, nor 0.
    pub fn next_connection(&self) -> u64 {
        self.shared.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Creates or loads an app. `scope` fingerprints what upstream's verdicts depend on (its address and kind, the topic, the
    /// credentials): under another scope than last time, trust, hold and dead tokens are forgotten in this commit.
    pub async fn app(
        &self,
        topic: &str,
        environment: Environment,
        scope: &str,
    ) -> Result<AppState, StoreDown> {
        let (topic, scope) = (topic.to_owned(), scope.to_owned());
        self.ask(|reply| Request::App {
            topic,
            environment,
            scope,
            reply,
        })
        .await
    }

    /// Accepts a batch: when this answers, its rows are durable, and rejected ones counted and buried.
    pub async fn append(&self, append: Append) -> Result<Appended, StoreDown> {
        self.ask(|reply| Request::Append { append, reply }).await
    }

    /// Unsettled rows behind `after` (or from the oldest), in order, until either limit; never none while there is one.
    pub async fn page(
        &self,
        app: AppId,
        after: Option<RowId>,
        rows_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Row>, StoreDown> {
        self.ask(|reply| Request::Page {
            app,
            after,
            rows_max,
            bytes_max,
            reply,
        })
        .await
    }

    /// The next rows that the app's one reader has not read yet, of each backend for itself.
    pub async fn read(&self, read: Read) -> Result<Vec<Portion>, StoreDown> {
        self.ask(|reply| Request::Read { read, reply }).await
    }

    /// Queued rows to one token.
    pub async fn line(&self, line: Line) -> Result<Vec<Row>, StoreDown> {
        self.ask(|reply| Request::Line { line, reply }).await
    }

    /// The oldest unsettled row to any token, to others than these if there are any near: what a held app probes with (order contract, rule 7).
    pub async fn random_row(
        &self,
        app: AppId,
        rather_not: Vec<Token>,
    ) -> Result<Option<Row>, StoreDown> {
        let ask = |reply| Request::RandomRow {
            app,
            rather_not,
            reply,
        };
        self.ask(ask).await
    }

    /// Gives rows their ends. Idempotent.
    pub async fn settle(&self, app: AppId, settle: Settle) -> Result<Counts, StoreDown> {
        self.ask(|reply| Request::Settle { app, settle, reply })
            .await
    }

    /// Changes the dead-token table outside of a settle.
    pub async fn dead_tokens(
        &self,
        app: AppId,
        changes: Vec<DeadTokenChange>,
    ) -> Result<(), StoreDown> {
        self.ask(|reply| Request::DeadTokens {
            app,
            changes,
            reply,
        })
        .await
    }

    /// Dead letters behind `after`, in the order they died.
    pub async fn dead_letters(
        &self,
        app: AppId,
        after: Option<LetterId>,
        letters_max: usize,
    ) -> Result<Vec<DeadLetter>, StoreDown> {
        self.ask(|reply| Request::DeadLetters {
            app,
            after,
            letters_max,
            reply,
        })
        .await
    }

    /// Puts dead letters back at the end of the queue, except malformed ones, and deletes their tokens' dead-token entries.
    pub async fn requeue(&self, app: AppId, which: Requeue) -> Result<Requeued, StoreDown> {
        self.ask(|reply| Request::Requeue { app, which, reply })
            .await
    }

    /// Keeps feedback tuples: the newest per token, once.
    pub async fn feedback_append(&self, app: AppId, tuples: Vec<Tuple>) -> Result<(), StoreDown> {
        self.ask(|reply| Request::FeedbackAppend { app, tuples, reply })
            .await
    }

    /// How far a backend has read the feedback of an app; none where it never did.
    pub async fn feedback_cursor(
        &self,
        app: AppId,
        backend: Arc<str>,
    ) -> Result<Option<FeedbackId>, StoreDown> {
        self.ask(|reply| Request::FeedbackCursor {
            app,
            backend,
            reply,
        })
        .await
    }

    /// Feedback tuples behind `after`, in the order they became known.
    pub async fn feedback_page(
        &self,
        app: AppId,
        after: Option<FeedbackId>,
        tuples_max: usize,
    ) -> Result<Vec<FeedbackRow>, StoreDown> {
        self.ask(|reply| Request::FeedbackPage {
            app,
            after,
            tuples_max,
            reply,
        })
        .await
    }

    /// A backend has taken everything up to `to`, to the close [P-53].
    pub async fn feedback_advance(
        &self,
        app: AppId,
        backend: Arc<str>,
        to: FeedbackId,
    ) -> Result<(), StoreDown> {
        self.ask(|reply| Request::FeedbackAdvance {
            app,
            backend,
            to,
            reply,
        })
        .await
    }

    /// The counters as of the newest commit. [`AppState::committed`] has the same without asking.
    pub async fn counts(&self, app: AppId) -> Result<Counts, StoreDown> {
        self.ask(|reply| Request::Counts { app, reply }).await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, StoreDown> {
        let (reply, answer) = oneshot::channel();
        if self.requests.send(request(reply)).await.is_ok()
            && let Ok(answer) = answer.await
        {
            return Ok(answer);
        }
        // The thread says why before it lets go of the channel.
        self.requests.closed().await;
        let down = self.shared.down.borrow().clone();
        Err(down.unwrap_or_else(|| StoreDown {
            reason: Arc::from("it was closed"),
        }))
    }
}

/// A time as the store keeps it: UNIX seconds.
pub(crate) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// The thread's whole life.
fn serve(mut engine: Engine, mut requests: mpsc::Receiver<Request>, shared: &Shared) {
    let mut last_words = LastWords {
        shared,
        reason: Some("its thread panicked".to_owned()),
    };
    let end = engine.run(&mut requests);
    if end.is_err() {
        engine.leave_the_disk_alone();
    }
    last_words.reason = end.as_ref().err().map(ToString::to_string);
    drop(last_words);
    drop(engine);
    if let Ok(Some(close)) = end {
        let _nobody_waits_any_more = close.send(());
    }
}

/// Sees to it that the reason is known before the channel closes, however the thread ends.
struct LastWords<'a> {
    shared: &'a Shared,
    reason: Option<String>,
}

impl Drop for LastWords<'_> {
    fn drop(&mut self) {
        if let Some(reason) = self.reason.take() {
            tracing::error!(%reason, "the store has stopped for good");
            self.shared.down.send_replace(Some(StoreDown {
                reason: reason.into(),
            }));
        }
    }
}
