//! Why a gateway does not start, why it ends, and what the process should exit with.

use std::net::SocketAddr;

use apns_net::listen::BindError;
use thiserror::Error;

use crate::setup::SetupError;
use crate::store::{OpenError, StoreDown};

/// Why the gateway did not start. With its sources one line: what, where, what to do.
#[derive(Debug, Error)]
pub enum StartError {
    /// The configuration cannot be put to work.
    #[error("the configuration cannot be used")]
    Setup(#[from] SetupError),
    /// A listener cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// An upstream is ourselves: every notification would go round and round.
    #[error(
        "app {topic}: the upstream {upstream} leads to {own}, our own listener: name another server in app.upstream, or \
         let the gateway listen elsewhere"
    )]
    OwnUpstream {
        /// The app.
        topic: String,
        /// Its upstream as configured.
        upstream: String,
        /// What that name leads to.
        own: SocketAddr,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store was opened and failed at once.
    #[error(transparent)]
    Store(#[from] StoreDown),
}

impl StartError {
    /// What the process should exit with: 78 for what the configuration has to change for, 74 for the disk, 1 else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Setup(_)
            | Self::OwnUpstream { .. }
            | Self::Open(OpenError::Foreign { .. } | OpenError::Newer { .. }) => 78,
            Self::Open(OpenError::InUse { .. }) | Self::Bind(_) => 1,
            Self::Open(_) | Self::Store(_) => 74,
        }
    }
}

/// Why a running gateway ended.
#[derive(Clone, Debug, Error)]
pub enum Failure {
    /// The disk failed; nothing is accepted that could not be kept.
    #[error("{0}: see to the disk, then start the gateway again; what was accepted is there")]
    Store(#[from] StoreDown),
    /// A task that has to run as long as the gateway does ended.
    #[error("the task {task} ended: {reason}")]
    Task {
        /// Which.
        task: String,
        /// A panic's message.
        reason: String,
    },
}

impl Failure {
    /// What the process should exit with: 74 for the disk, 1 else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Store(_) => 74,
            Self::Task { .. } => 1,
        }
    }
}
