//! Everything put together: started in order, watched over, stopped in order.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use apns_net::credentials::Environment;
use apns_net::listen::{self, BindError, Limits};
use apns_net::readers::Readers;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::admin;
use crate::app::App;
use crate::clock::Clock;
use crate::config::{Config, UpstreamConfig};
use crate::contract::AppOptions;
use crate::counters::Counters;
use crate::dispatch::Dispatcher;
use crate::ends;
use crate::failure::{Failure, StartError};
use crate::feedback::Poller;
use crate::handle::{Bound, Handle};
use crate::late::OpenConnections;
use crate::listener::{Listener, Service};
use crate::own::OwnListeners;
use crate::reload::{Current, Reload};
use crate::setup::{AppSetup, Setup};
use crate::shared::Shared;
use crate::silences::Silences;
use crate::store::{Hold, OpenError, Store, StoreDown, StoreOptions};
use crate::upstream::connect::Connector;
use crate::upstream::http2::token::ProviderToken;

/// How often a full store is looked at although nothing commits.
const LOOK_FOR_ROOM_EVERY: Duration = Duration::from_secs(1);

/// The gateway.
#[derive(Debug)]
pub struct Gateway;

impl Gateway {
    /// Starts everything: when this returns, every listener is bound and the store is open.
    ///
    /// # Errors
    /// The configuration does not hold, a listener or the store cannot be had.
    pub async fn start(config: Config) -> Result<Handle, StartError> {
        let setup = Setup::load(&config)?;
        for warning in &setup.warnings {
            warn!("{warning}");
        }
        let reload = Reload::new(&config, &setup);
        let (listeners, bound) = bind(&config, &reload).await?;
        let (admin, admin_address) = bind_admin(&config).await?.unzip();
        let own = OwnListeners::new(
            bound
                .iter()
                .flat_map(|(_, bound)| [bound.backend, bound.feedback]),
        );
        let connectors = connectors(&setup, &reload, &own).await?;
        let store = open_store(&config)?;
        let mut apps = Vec::new();
        for app in &setup.apps {
            apps.push(open_app(app, &config, &store).await?);
        }
        let shared = Arc::new(Shared {
            store,
            clock: Clock::start(),
            callers: setup.callers,
            apps,
            open: OpenConnections::default(),
            silences: Silences::default(),
            readers: Readers::default(),
            counters: Arc::new(Counters::default()),
            ends: watch::Sender::new(setup.ends),
            frame_timeout: config.listen.frame_timeout,
            shutdown: config.shutdown.clone(),
            drain: CancellationToken::new(),
            abort: CancellationToken::new(),
        });
        let mut tasks = Tasks::new();
        for (setup, (app, connectors)) in setup.apps.iter().zip(shared.apps.iter().zip(connectors))
        {
            tasks.spawn_app(setup, app, connectors, &shared);
        }
        tasks.spawn_worker("room".to_owned(), &shared, |stop| {
            look_for_room(shared.store.clone(), stop)
        });
        let ends = shared.ends.subscribe();
        tasks.spawn_worker("ends".to_owned(), &shared, async move |stop| {
            let reminding = ends::remind(ends, |warning| warn!("{warning}"));
            stop.run_until_cancelled(reminding).await;
            Ok(())
        });
        if let Some(listener) = admin {
            tasks.spawn_worker("admin".to_owned(), &shared, |stop| {
                admin::serve(listener, Arc::clone(&shared), stop)
            });
        }
        let limits = Limits {
            connections_max: config.listen.connections_max,
            handshake_timeout: config.listen.handshake_timeout,
        };
        for listener in listeners {
            tasks.spawn_listener(
                listener,
                &shared,
                limits,
                config.listen.backend_connections_max,
            );
        }
        for (environment, bound) in &bound {
            info!(%environment, backend = %bound.backend, feedback = %bound.feedback, "listening");
        }
        if let Some(admin) = admin_address {
            info!(%admin, "the admin port listens");
        }
        let supervisor = tokio::spawn(tasks.supervise(Arc::clone(&shared)));
        Ok(Handle::new(
            shared,
            bound,
            admin_address,
            reload,
            supervisor,
        ))
    }
}

async fn bind(
    config: &Config,
    reload: &Reload,
) -> Result<(Vec<Listener>, Vec<(Environment, Bound)>), StartError> {
    let mut listeners = Vec::new();
    let mut bound = Vec::new();
    for (environment, tls) in reload.listeners() {
        let addresses = config
            .listen
            .addresses(environment)
            .expect("it is in the setup because it is configured");
        let backend = listen::bind(addresses.backend).await?;
        let feedback = listen::bind(addresses.feedback).await?;
        bound.push((
            environment,
            Bound {
                backend: local_address(&backend, addresses.backend)?,
                feedback: local_address(&feedback, addresses.feedback)?,
            },
        ));
        for (socket, service) in [(backend, Service::Push), (feedback, Service::Feedback)] {
            listeners.push(Listener {
                socket,
                tls: tls.clone(),
                environment,
                service,
            });
        }
    }
    Ok((listeners, bound))
}

async fn bind_admin(config: &Config) -> Result<Option<(TcpListener, SocketAddr)>, StartError> {
    let Some(admin) = &config.admin else {
        return Ok(None);
    };
    let listener = listen::bind(admin.address).await?;
    let address = local_address(&listener, admin.address)?;
    Ok(Some((listener, address)))
}

fn local_address(listener: &TcpListener, address: SocketAddr) -> Result<SocketAddr, BindError> {
    listener
        .local_addr()
        .map_err(|source| BindError { address, source })
}

/// How an app's two upstream services are reached.
struct Connectors {
    push: Connector,
    /// What signs the provider tokens that are shown there.
    key: Option<Current<ProviderToken>>,
    feedback: Option<Connector>,
}

/// One for each app, none of which leads back here.
async fn connectors(
    setup: &Setup,
    reload: &Reload,
    own: &OwnListeners,
) -> Result<Vec<Connectors>, StartError> {
    let mut all = Vec::new();
    let logins = reload.apps().zip(reload.keys());
    for (app, (tls, key)) in setup.apps.iter().zip(logins) {
        let upstream = app.config.upstream.common();
        let connector = |address| Connector {
            address,
            proxy: upstream.proxy.cloned(),
            tls: tls.clone(),
            own: own.clone(),
            timeout: upstream.connect_timeout,
            write_timeout: upstream.write_timeout,
        };
        let push = connector(app.push.clone());
        let feedback = app.feedback.clone().map(connector);
        for connector in [Some(&push), feedback.as_ref()].into_iter().flatten() {
            if let Some(own) = connector.own_address().await {
                return Err(StartError::OwnUpstream {
                    topic: app.config.topic.clone(),
                    upstream: connector.address.to_string(),
                    own,
                });
            }
        }
        all.push(Connectors {
            push,
            key,
            feedback,
        });
    }
    Ok(all)
}

fn open_store(config: &Config) -> Result<Store, OpenError> {
    let options = StoreOptions {
        dead_letters_max: config.store.dead_letters_max,
        feedback_max: config.store.feedback_max,
        size_max: config.store.size_max,
        reserve: config.brought_len_max(),
        ..StoreOptions::default()
    };
    Store::open(&config.store.path, options)
}

async fn open_app(setup: &AppSetup, config: &Config, store: &Store) -> Result<Arc<App>, StoreDown> {
    let AppSetup {
        config: app, scope, ..
    } = setup;
    let state = store.app(&app.topic, app.environment, scope).await?;
    if state.reset {
        info!(app.topic, %app.environment, "another upstream or certificate than last time: what was learned is forgotten");
    }
    if let Some(Hold { reason, .. }) = &state.held {
        warn!(app.topic, %app.environment, reason, "the app is still on hold");
    }
    let options = AppOptions {
        mode: app.mode(),
        trust_after: app.trust_after.into(),
        dead_tokens_max: config.store.dead_tokens_max,
    };
    Ok(Arc::new(App::new(
        app.topic.clone(),
        app.environment,
        &state,
        options,
        config.store.backlog_rows_max,
        store.space(),
    )))
}

/// While the store is full it may be that nothing commits, and so nobody sees that the disk has room again.
async fn look_for_room(store: Store, stop: CancellationToken) -> Result<(), StoreDown> {
    let mut space = store.space();
    let work = async {
        while space.wait_for(|space| space.is_full).await.is_ok() {
            sleep(LOOK_FOR_ROOM_EVERY).await;
            store.measure().await?;
        }
        Ok(())
    };
    stop.run_until_cancelled(work).await.unwrap_or(Ok(()))
}

/// How a task ended: whether the store was why.
type Ended = Result<(), StoreDown>;

/// Every task there is beside those of single connections.
struct Tasks {
    /// End when they were drained.
    listeners: JoinSet<Ended>,
    /// End when they are told to, after the listeners.
    workers: JoinSet<Ended>,
    /// Who is who, for the one that panics.
    names: HashMap<task::Id, String>,
    stop: CancellationToken,
}

impl Tasks {
    fn new() -> Self {
        Self {
            listeners: JoinSet::new(),
            workers: JoinSet::new(),
            names: HashMap::new(),
            stop: CancellationToken::new(),
        }
    }

    fn spawn_app(
        &mut self,
        setup: &AppSetup,
        app: &Arc<App>,
        connectors: Connectors,
        shared: &Arc<Shared>,
    ) {
        let name = format!("{} ({})", app.topic, app.environment);
        let dispatcher = Dispatcher::new(
            Arc::clone(app),
            setup,
            connectors.push,
            connectors.key,
            shared,
        );
        self.spawn_worker(format!("dispatch {name}"), shared, |stop| {
            dispatcher.run(stop)
        });
        if let (Some(connector), UpstreamConfig::Binary(upstream)) =
            (connectors.feedback, &setup.config.upstream)
        {
            let poller = Poller {
                app: app.id,
                topic: app.topic.clone(),
                connector,
                interval: upstream.feedback_poll_interval,
                store: shared.store.clone(),
                counters: Arc::clone(&shared.counters),
            };
            self.spawn_worker(format!("feedback {name}"), shared, |stop| poller.run(stop));
        }
    }

    fn spawn_worker<F>(
        &mut self,
        name: String,
        shared: &Shared,
        work: impl FnOnce(CancellationToken) -> F,
    ) where
        F: Future<Output = Result<(), StoreDown>> + Send + 'static,
    {
        let work = work(self.stop.clone());
        let abort = shared.abort.clone();
        let worker = self
            .workers
            .spawn(async move { abort.run_until_cancelled(work).await.unwrap_or(Ok(())) });
        self.names.insert(worker.id(), name);
    }

    fn spawn_listener(
        &mut self,
        listener: Listener,
        shared: &Arc<Shared>,
        limits: Limits,
        backend_max: usize,
    ) {
        let name = format!("listener {} {:?}", listener.environment, listener.service);
        let shared = Arc::clone(shared);
        let listener = self.listeners.spawn(async move {
            listener.run(shared, limits, backend_max).await;
            Ok(())
        });
        self.names.insert(listener.id(), name);
    }

    /// Runs until the daemon is told to stop and has come to its end, or until something fails that it cannot live
    /// without: then nothing is accepted any more.
    async fn supervise(mut self, shared: Arc<Shared>) -> Result<(), Failure> {
        let outcome = self.watch(&shared).await;
        if let Err(failure) = &outcome {
            error!(%failure, "the gateway cannot go on");
            shared.drain.cancel();
            shared.abort.cancel();
        }
        self.stop.cancel();
        while self.listeners.join_next().await.is_some() {}
        while self.workers.join_next().await.is_some() {}
        let closed = shared.store.clone().close().await;
        outcome?;
        closed.map_err(Failure::from)
    }

    async fn watch(&mut self, shared: &Shared) -> Result<(), Failure> {
        // The store never ends by itself: what is waited for is the tasks.
        while !(self.listeners.is_empty() && self.workers.is_empty()) {
            tokio::select! {
                down = shared.store.stopped() => return Err(down.into()),
                Some(ended) = self.listeners.join_next_with_id() => {
                    let name = self.name_of(ended)?;
                    if !shared.drain.is_cancelled() {
                        return Err(ended_early(name));
                    }
                    if self.listeners.is_empty() {
                        info!("every connection has ended");
                        self.stop.cancel();
                    }
                }
                Some(ended) = self.workers.join_next_with_id() => {
                    let name = self.name_of(ended)?;
                    if !self.stop.is_cancelled() && !shared.abort.is_cancelled() {
                        return Err(ended_early(name));
                    }
                }
            }
        }
        Ok(())
    }

    /// The name of a task that has ended, unless it panicked or the store was why.
    fn name_of(&mut self, ended: Result<(task::Id, Ended), JoinError>) -> Result<String, Failure> {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let name = self.names.remove(&id).unwrap_or_default();
        match ended {
            Ok((_, outcome)) => Ok(outcome.map(|()| name)?),
            Err(error) => Err(Failure::Task {
                task: name,
                reason: error.to_string(),
            }),
        }
    }
}

fn ended_early(task: String) -> Failure {
    Failure::Task {
        task,
        reason: "nobody told it to".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panicked_is_called_by_its_name() {
        let mut tasks = Tasks::new();
        let worker = tasks.workers.spawn(async { panic!("a bug") });
        tasks
            .names
            .insert(worker.id(), "dispatch com.example.Mail".into());
        let ended = tasks.workers.join_next_with_id().await.expect("one task");
        let failure = tasks.name_of(ended).expect_err("it panicked");
        let line = failure.to_string();
        assert!(
            line.contains("dispatch com.example.Mail") && line.contains("a bug"),
            "{line}"
        );
    }
}
