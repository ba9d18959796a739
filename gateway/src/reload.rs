//! Certificates and keys that are read again while the daemon runs. Connections that are open stay as they are; those made from then on
//! have what was read. So do pushes from then on, with a key for provider tokens.

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
use crate::upstream::http2::token::ProviderToken;

/// What was read last: how TLS is spoken, or what signs provider tokens.
#[derive(Clone, Debug)]
pub(crate) struct Current<T>(watch::Receiver<Arc<T>>);

impl<T> Current<T> {
    /// What is there now, and what is put in its place.
    pub(crate) fn of(sender: &watch::Sender<Arc<T>>) -> Self {
        Self(sender.subscribe())
    }

    pub(crate) fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.borrow())
    }

    /// Waits until there is something else in its place. Can be dropped and called again.
    pub(crate) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // The daemon is about to end.
            std::future::pending().await
        }
    }
}

/// Everything that has to know of newly read certificates and keys.
#[derive(Debug)]
pub(crate) struct Reload {
    /// With the keys of now.
    config: Mutex<Config>,
    listeners: Vec<(Environment, watch::Sender<Arc<ServerConfig>>)>,
    /// In the order of the configuration.
    apps: Vec<watch::Sender<Arc<ClientConfig>>>,
    /// Of those whose login is one.
    keys: Vec<Option<watch::Sender<Arc<ProviderToken>>>>,
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
        let key = |app: &crate::setup::AppSetup| {
            let key = app.token.as_ref();
            key.map(|key| watch::Sender::new(Arc::clone(key)))
        };
        Self {
            config: Mutex::new(config.clone()),
            listeners: setup.listeners.iter().map(listener).collect(),
            apps: setup.apps.iter().map(app).collect(),
            keys: setup.apps.iter().map(key).collect(),
            scopes: Mutex::new(setup.apps.iter().map(|app| app.scope.clone()).collect()),
        }
    }

    /// For each environment that is served.
    pub(crate) fn listeners(&self) -> impl Iterator<Item = (Environment, Current<ServerConfig>)> {
        self.listeners
            .iter()
            .map(|(environment, tls)| (*environment, Current::of(tls)))
    }

    /// For each app.
    pub(crate) fn apps(&self) -> impl Iterator<Item = Current<ClientConfig>> {
        self.apps.iter().map(Current::of)
    }

    /// For each app whose login is a key for provider tokens.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Option<Current<ProviderToken>>> {
        self.keys.iter().map(|key| key.as_ref().map(Current::of))
    }

    /// Reads every file that the configuration names; all of it takes effect, or nothing. Of a configuration that is `new` only the keys
    /// for provider tokens take effect: each has another name and another file.
    pub(crate) async fn read_again(
        &self,
        new: &Config,
        shared: &Shared,
    ) -> Result<(), ReloadError> {
        let mut scopes = self.scopes.lock().await;
        let mut current = self.config.lock().await;
        let config = current.with_keys_of(new);
        let known: Vec<_> = self
            .keys
            .iter()
            .flatten()
            .map(|key| Arc::clone(&key.borrow()))
            .collect();
        let setup = Setup::load_after(&config, &known)?;
        if config != *new {
            warn!(
                "the configuration file has changed: what is not a key for provider tokens takes effect at a restart"
            );
        }
        *current = config;
        for warning in &setup.warnings {
            warn!("{warning}");
        }
        shared.ends.send_replace(setup.ends.clone());
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
                info!(app.topic, %app.environment, "another login: what was learned is forgotten");
                scope.clone_from(&read.scope);
            }
        }
        for ((key, read), app) in self.keys.iter().zip(&setup.apps).zip(&shared.apps) {
            let (Some(key), Some(read)) = (key, &read.token) else {
                continue;
            };
            let is_new = key.send_if_modified(|known| {
                let is_new = !Arc::ptr_eq(known, read);
                known.clone_from(read);
                is_new
            });
            if is_new {
                info!(app.topic, %app.environment, key = ?read, "another key signs provider tokens from now on");
            }
        }
        info!("certificates and keys were read again");
        Ok(())
    }
}
