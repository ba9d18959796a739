//! What every task of the daemon has a hand on.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::caller::Callers;
use crate::config::ShutdownConfig;
use crate::counters::Counters;
use crate::late::OpenConnections;
use crate::silences::Silences;
use crate::store::Store;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) callers: Arc<Callers>,
    /// In the order of the configuration.
    pub(crate) apps: Vec<Arc<App>>,
    pub(crate) open: OpenConnections,
    pub(crate) counters: Arc<Counters>,
    pub(crate) silences: Silences,
    pub(crate) frame_timeout: Duration,
    pub(crate) shutdown: ShutdownConfig,
    /// No new connections; those there are come to their end.
    pub(crate) drain: CancellationToken,
    /// Everything ends where it is. What is committed is safe.
    pub(crate) abort: CancellationToken,
}
