//! Certificates and keys that are read again while the daemon runs. Connections that are open stay as they are; those made from then on
//! have what was read.

use std::sync::Arc;

use apns_net::credentials::Environment;
use thiserror::Error;
use tokio::sync::{Mutex, watch};
use tokio_rustls::rustls::{ClientConfig, ServerConfig};
use tracing::{info, warn};

use crate::config::Config;
use crate::setup::{Setup, SetupError};
use crate::shared::Shared;
use crate::store::StoreDown;

/// How TLS is spoken now.
#[derive(Clone, Debug)]
pub(crate) struct Current<T>(watch::Receiver<Arc<T>>);

impl<T> Current<T> {
    pub(crate) fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.borrow())
    }
}

/// Everything that has to know of newly read certificates and keys.
#[derive(Debug)]
pub(crate) struct Reload {
    config: Config,
    listeners: Vec<(Environment, watch::Sender<Arc<ServerConfig>>)>,
    /// In the order of the configuration.
    apps: Vec<watch::Sender<Arc<ClientConfig>>>,
    /// On what each app's upstream decides; locked by whoever reads anew.
    scopes: Mutex<Vec<String>>,
}

/// Why everything stays as it was.
#[derive(Debug, Error)]
pub enum ReloadError {
    /// A certificate or key cannot be used.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The store has stopped, and the gateway with it.
    #[error(transparent)]
    Store(#[from] StoreDown),
}

impl Reload {
    pub(crate) fn new(config: &Config, setup: &Setup) -> Self {
        let listener = |(environment, tls): &(Environment, Arc<ServerConfig>)| {
            (*environment, watch::Sender::new(Arc::clone(tls)))
        };
        let app = |app: &crate::setup::AppSetup| watch::Sender::new(Arc::clone(&app.tls));
        Self {
            config: config.clone(),
            listeners: setup.listeners.iter().map(listener).collect(),
            apps: setup.apps.iter().map(app).collect(),
            scopes: Mutex::new(setup.apps.iter().map(|app| app.scope.clone()).collect()),
        }
    }

    /// For each environment that is served.
    pub(crate) fn listeners(&self) -> impl Iterator<Item = (Environment, Current<ServerConfig>)> {
        self.listeners
            .iter()
            .map(|(environment, tls)| (*environment, Current(tls.subscribe())))
    }

    /// For each app.
    pub(crate) fn apps(&self) -> impl Iterator<Item = Current<ClientConfig>> {
        self.apps.iter().map(|tls| Current(tls.subscribe()))
    }

    /// Reads every file that the configuration names; all of it takes effect, or nothing.
    pub(crate) async fn read_again(&self, shared: &Shared) -> Result<(), ReloadError> {
        let mut scopes = self.scopes.lock().await;
        let setup = Setup::load(&self.config)?;
        for warning in &setup.warnings {
            warn!("{warning}");
        }
        for ((_, current), (_, tls)) in self.listeners.iter().zip(&setup.listeners) {
            current.send_replace(Arc::clone(tls));
        }
        for ((current, read), (app, scope)) in self
            .apps
            .iter()
            .zip(&setup.apps)
            .zip(shared.apps.iter().zip(scopes.iter_mut()))
        {
            current.send_replace(Arc::clone(&read.tls));
            if *scope != read.scope {
                // What upstream said to another certificate is worth nothing under this one (order contract, rule 6).
                let state = shared
                    .store
                    .app(&app.topic, app.environment, &read.scope)
                    .await?;
                app.order(|rules| rules.begin_anew(&state));
                info!(app.topic, %app.environment, "another certificate: what was learned is forgotten");
                scope.clone_from(&read.scope);
            }
        }
        info!("certificates and keys were read again");
        Ok(())
    }
}
