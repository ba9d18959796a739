//! What every task of the daemon has a hand on.

use std::sync::Arc;
use std::time::Duration;

use apns_net::credentials::Environment;
use apns_net::readers::Readers;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::caller::Callers;
use crate::clock::Clock;
use crate::config::ShutdownConfig;
use crate::counters::Counters;
use crate::ends::Ends;
use crate::late::OpenConnections;
use crate::silences::Silences;
use crate::store::{AppId, Requeue, Store, StoreDown};

/// Everything a task may need of another.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) callers: Arc<Callers>,
    /// In the order of the configuration.
    pub(crate) apps: Vec<Arc<App>>,
    pub(crate) open: OpenConnections,
    pub(crate) counters: Arc<Counters>,
    /// Of the certificates that were read last.
    pub(crate) ends: watch::Sender<Ends>,
    pub(crate) silences: Silences,
    /// Of feedback: each backend of an app has a list of its own.
    pub(crate) readers: Readers<(AppId, Arc<str>)>,
    pub(crate) frame_timeout: Duration,
    pub(crate) shutdown: ShutdownConfig,
    /// No new connections; those there are come to their end.
    pub(crate) drain: CancellationToken,
    /// Everything ends where it is. What is committed is safe.
    pub(crate) abort: CancellationToken,
}

impl Shared {
    /// An app of the configuration.
    pub(crate) fn app(&self, topic: &str, environment: Environment) -> Option<&Arc<App>> {
        self.apps
            .iter()
            .find(|app| app.topic == topic && app.environment == environment)
    }

    /// Puts dead letters back into the queue, and forgets what was known against their tokens. Returns how many.
    pub(crate) async fn requeue(&self, app: &App, which: Requeue) -> Result<u64, StoreDown> {
        let requeued = self.store.requeue(app.id, which).await?;
        app.rules().forget(&requeued.tokens);
        Ok(requeued.rows)
    }
}
