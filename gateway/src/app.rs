//! One app as the daemon runs it: what its connections, its dispatcher and its poller share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use apns_net::credentials::Environment;
use tokio::sync::{Notify, watch};

use crate::contract::{self, AppOptions, Mode};
use crate::store::{AppId, AppState, Committed, Space};
use crate::traffic::Traffic;

/// One app of the configuration.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) id: AppId,
    pub(crate) topic: String,
    pub(crate) environment: Environment,
    /// How its backends are answered.
    pub(crate) mode: Mode,
    /// Queued notifications from which on its backends are not read.
    backlog_rows_max: u64,
    /// The store's, whose end is the end of accepting, too.
    space: watch::Receiver<Space>,
    /// As of the newest commit.
    pub(crate) committed: watch::Receiver<Committed>,
    pub(crate) traffic: Traffic,
    rules: Mutex<contract::App>,
    /// Somebody beside its dispatcher has changed them.
    changed: Notify,
}

impl App {
    pub(crate) fn new(
        topic: String,
        environment: Environment,
        state: &AppState,
        options: AppOptions,
        backlog_rows_max: u64,
        space: watch::Receiver<Space>,
    ) -> Self {
        Self {
            id: state.id,
            topic,
            environment,
            mode: options.mode,
            backlog_rows_max,
            space,
            committed: state.committed.clone(),
            traffic: Traffic::default(),
            rules: Mutex::new(contract::App::new(state, options)),
            changed: Notify::new(),
        }
    }

    /// What the order contract knows of it. Never held over an await.
    pub(crate) fn rules(&self) -> MutexGuard<'_, contract::App> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops it, or lets it go on, because an operator says so. Its dispatcher makes that durable.
    pub(crate) fn order(&self, order: impl FnOnce(&mut contract::App)) {
        order(&mut self.rules());
        self.changed.notify_one();
    }

    /// Waits for the next order; for its dispatcher.
    pub(crate) async fn ordered(&self) {
        self.changed.notified().await;
    }

    /// Whether more may be accepted.
    pub(crate) fn has_room(&self) -> bool {
        self.committed.borrow().counts.queued < self.backlog_rows_max
            && !self.space.borrow().is_full
    }

    /// Waits until more may be accepted; forever, if the store has stopped.
    pub(crate) async fn room(&self) {
        let (mut committed, mut space) = (self.committed.clone(), self.space.clone());
        let max = self.backlog_rows_max;
        while !self.has_room() {
            let waited = async {
                committed.wait_for(|now| now.counts.queued < max).await?;
                space.wait_for(|now| !now.is_full).await?;
                Ok::<_, watch::error::RecvError>(())
            };
            if waited.await.is_err() {
                std::future::pending().await
            }
        }
    }
}
