//! Starting a simulator, and what one does with a running one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use apns_net::credentials::Environment;
use apns_net::listen::{self, Accepted, BindError, Configurations};
use apns_net::tls::{Amend, ClientPolicy, TlsError, http2_server_config, server_config};
use apns_proto::Token;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::config::{Addresses, Config};
use crate::event::Page;
use crate::face::{Door, binary, courier, environment_of, feedback, http2};
use crate::faults::{Faults, TooManyRules};
use crate::inbox::{Filter, Push};
use crate::phones::AddPhoneError;
use crate::project::{NoProject, Project, Projects, Start};
use crate::wait::NotInTime;
use crate::world::World;

/// APNs: the sandbox and production, on four ports each.
#[derive(Debug)]
pub struct Simulator;

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port is taken, or the like.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A trusted certificate cannot be used.
    #[error("TLS cannot be configured")]
    Tls(#[from] TlsError),
    /// There are more faults than a world can have.
    #[error("the faults cannot be taken")]
    Faults(#[from] TooManyRules),
    /// A listener has no address.
    #[error("a listener has no address")]
    Address(#[source] io::Error),
}

impl Simulator {
    /// Binds the listeners, all or none, and serves them.
    ///
    /// # Errors
    ///
    /// When an address cannot be bound, or a trusted certificate is unusable.
    pub async fn start(config: Config) -> Result<Handle, StartError> {
        Faults::default().load(config.faults.clone())?;
        let stop = CancellationToken::new();
        let start = Start {
            bounds: config.bounds,
            faults: config.faults.clone(),
            knobs: config.knobs,
            seed: config.seed,
            stop: stop.clone(),
        };
        let projects = Arc::new(Projects::new(&config.team, config.projects_max, start));
        let tls = Tls::new(&config, &projects)?;
        let sandbox = Listeners::bind(config.sandbox).await?;
        let production = Listeners::bind(config.production).await?;
        let mut handle = Handle {
            environment: config.environment,
            sandbox: sandbox.addresses()?,
            production: production.addresses()?,
            projects: projects.clone(),
            stop: stop.clone(),
            tasks: vec![tokio::spawn(expire(projects.clone(), stop))],
        };
        for (listeners, environment) in [
            (sandbox, Environment::Sandbox),
            (production, Environment::Production),
        ] {
            handle.serve(listeners, environment, &tls, &config);
            let Addresses {
                binary,
                feedback,
                courier,
                http2,
            } = handle.addresses(environment);
            info!(%environment, %binary, %feedback, %courier, %http2, "the simulator listens");
        }
        Ok(handle)
    }
}

/// The listeners of one environment.
struct Listeners {
    binary: TcpListener,
    feedback: TcpListener,
    courier: TcpListener,
    http2: TcpListener,
}

impl Listeners {
    async fn bind(addresses: Addresses) -> Result<Self, StartError> {
        Ok(Self {
            binary: listen::bind(addresses.binary).await?,
            feedback: listen::bind(addresses.feedback).await?,
            courier: listen::bind(addresses.courier).await?,
            http2: listen::bind(addresses.http2).await?,
        })
    }

    fn addresses(&self) -> Result<Addresses, StartError> {
        let address = |listener: &TcpListener| listener.local_addr().map_err(StartError::Address);
        Ok(Addresses {
            binary: address(&self.binary)?,
            feedback: address(&self.feedback)?,
            courier: address(&self.courier)?,
            http2: address(&self.http2)?,
        })
    }
}

/// What the listeners speak, and with whom.
struct Tls {
    sandbox: Arc<ServerConfig>,
    production: Arc<ServerConfig>,
    phones: Arc<ServerConfig>,
    http2: Arc<ServerConfig>,
}

impl Tls {
    fn new(config: &Config, projects: &Arc<Projects>) -> Result<Self, StartError> {
        let tls = |policy| server_config(&config.identity, policy, config.tls);
        let projects = projects.clone();
        let amend = Some(Amend::new(move |certificate, terms| {
            projects.terms(certificate, terms)
        }));
        let providers = |environment| {
            tls(ClientPolicy {
                amend: amend.clone(),
                ..ClientPolicy::providers(config.roots.clone(), environment)
            })
        };
        let http2 = ClientPolicy {
            amend: amend.clone(),
            ..ClientPolicy::http2(config.roots.clone())
        };
        Ok(Self {
            sandbox: providers(Environment::Sandbox)?,
            production: providers(Environment::Production)?,
            // By the real time: a phone gets itself a new certificate when it needs one, which those of a test cannot.
            phones: tls(ClientPolicy::devices(config.roots.clone()))?,
            http2: http2_server_config(&config.identity, http2)?,
        })
    }

    /// For a listener of `environment`: a client that names a host of Apple's means that host's.
    fn providers(&self, environment: Environment) -> Configurations {
        let (sandbox, production) = (self.sandbox.clone(), self.production.clone());
        Configurations::by_name(move |name| match environment_of(name, environment) {
            Environment::Sandbox => sandbox.clone(),
            Environment::Production => production.clone(),
        })
    }
}

/// What is stored is dropped about when its time is over [C-13], also while nothing else happens.
async fn expire(projects: Arc<Projects>, stop: CancellationToken) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(seconds.tick()).await.is_some() {
        for project in projects.all() {
            project.world(|world, now| world.expire(now));
        }
    }
}

/// A running simulator. Dropping it stops it; [`shutdown`](Self::shutdown) also waits for the end.
#[derive(Debug)]
pub struct Handle {
    environment: Environment,
    sandbox: Addresses,
    production: Addresses,
    projects: Arc<Projects>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Handle {
    /// The ports of an environment.
    #[must_use]
    pub const fn addresses(&self, environment: Environment) -> Addresses {
        match environment {
            Environment::Sandbox => self.sandbox,
            Environment::Production => self.production,
        }
    }

    /// The binary provider port of [`Config::environment`].
    #[must_use]
    pub const fn binary(&self) -> SocketAddr {
        self.addresses(self.environment).binary
    }

    /// The feedback service of [`Config::environment`].
    #[must_use]
    pub const fn feedback(&self) -> SocketAddr {
        self.addresses(self.environment).feedback
    }

    /// The courier of [`Config::environment`].
    #[must_use]
    pub const fn courier(&self) -> SocketAddr {
        self.addresses(self.environment).courier
    }

    /// The HTTP/2 provider API of [`Config::environment`].
    #[must_use]
    pub const fn http2(&self) -> SocketAddr {
        self.addresses(self.environment).http2
    }

    /// A team's project, made if it is the first time. The one of [`Config::team`] is the default project: that of the methods below,
    /// and of certificates that name no team.
    ///
    /// # Errors
    ///
    /// When there are [`Config::projects_max`] in use.
    pub fn project(&self, team: &str) -> Result<Arc<Project>, NoProject> {
        self.projects.of(Some(team))
    }

    /// The default project.
    #[must_use]
    pub fn default_project(&self) -> &Arc<Project> {
        self.projects.default_project()
    }

    pub(crate) const fn projects(&self) -> &Arc<Projects> {
        &self.projects
    }

    /// Looks at the default project's world, or changes it; the faces are told.
    pub fn world<T>(&self, act: impl FnOnce(&mut World, SystemTime) -> T) -> T {
        self.default_project().world(act)
    }

    /// Looks at what goes wrong on demand in the default project, or changes it.
    pub fn faults<T>(&self, act: impl FnOnce(&mut Faults) -> T) -> T {
        self.default_project().faults(act)
    }

    /// At most `max` events of the default project with a sequence number above `after`; 0 is before the first.
    #[must_use]
    pub fn events(&self, after: u64, max: usize) -> Page {
        self.default_project().events(after, max)
    }

    /// Waits until `look` sees what it looks for in the default project; it looks again after every event. `what` names it in the error.
    ///
    /// # Errors
    ///
    /// When it does not happen within `deadline`.
    pub async fn wait_for<T>(
        &self,
        what: &str,
        deadline: Duration,
        look: impl FnMut(&World) -> Option<T>,
    ) -> Result<T, NotInTime> {
        self.default_project().wait_for(what, deadline, look).await
    }

    /// Switches a virtual phone on in the default project, with an app that registers for everything in [`Config::environment`]: the app's device
    /// token.
    ///
    /// # Errors
    ///
    /// When there is a phone of this name, or no room for it.
    pub fn add_phone(&self, name: &str, topic: &str) -> Result<Token, AddPhoneError> {
        self.default_project()
            .add_phone(name, topic, self.environment)
    }

    /// Waits for a push in the default project that passes the filter, from before or from now on; the error names the one that comes nearest.
    ///
    /// # Errors
    ///
    /// When there is none within `deadline`.
    pub async fn wait_for_push(
        &self,
        filter: &Filter,
        deadline: Duration,
    ) -> Result<Push, NotInTime> {
        self.default_project().wait_for_push(filter, deadline).await
    }

    /// Closes the listeners and every connection; what is under way gets [`Timeouts::stop`](crate::Timeouts::stop).
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        for task in std::mem::take(&mut self.tasks) {
            if let Err(error) = task.await {
                error!(%error, "a listener's task failed");
            }
        }
    }

    fn serve(
        &mut self,
        listeners: Listeners,
        environment: Environment,
        tls: &Tls,
        config: &Config,
    ) {
        let door = Door {
            projects: self.projects.clone(),
            environment,
            timeouts: config.timeouts,
        };
        let providers = tls.providers(environment);
        let phones = tls.phones.clone().into();
        let limits = config.limits;
        let Listeners {
            binary,
            feedback,
            courier,
            http2,
        } = listeners;
        self.listen(binary, providers.clone(), limits, &door, binary::serve);
        self.listen(feedback, providers, limits, &door, feedback::serve);
        self.listen(courier, phones, limits, &door, courier::serve);
        self.listen(http2, tls.http2.clone().into(), limits, &door, http2::serve);
    }

    fn listen<F>(
        &mut self,
        listener: TcpListener,
        tls: Configurations,
        limits: listen::Limits,
        door: &Door,
        face: fn(Door, Accepted) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let door = door.clone();
        let serving = listen::serve(listener, tls, limits, self.stop.clone(), move |accepted| {
            face(door.clone(), accepted)
        });
        self.tasks.push(tokio::spawn(serving));
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
