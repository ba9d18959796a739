//! Starting a simulator, and what one does with a running one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use apns_net::listen::{self, Accepted, BindError};
use apns_net::tls::{Amend, ClientPolicy, TlsError, http2_server_config, server_config};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::config::{Config, Timeouts};
use crate::event::Page;
use crate::face::{binary, courier, feedback, http2};
use crate::faults::{Faults, TooManyRules};
use crate::shared::Shared;
use crate::wait::{NotInTime, wait_for};
use crate::world::World;

/// APNs, on four ports.
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
        let shared = Arc::new(Shared::new(config.environment, config.bounds, config.seed));
        shared.with(|world, _| world.faults_mut().load(config.faults.clone()))?;
        let roots = || config.roots.clone();
        let tls = |policy| server_config(&config.identity, policy, config.tls);
        let judging = shared.clone();
        let providers = tls(ClientPolicy {
            amend: Some(Amend::new(move |certificate, terms| {
                judging.with(|world, now| world.certificate_terms(now, certificate, terms))
            })),
            ..ClientPolicy::providers(roots(), config.environment)
        })?;
        let phones = tls(ClientPolicy::devices(roots()))?;
        let http2_tls =
            http2_server_config(&config.identity, ClientPolicy::http2(config.roots.clone()))?;
        let (binary, binary_address) = bind(config.binary).await?;
        let (feedback, feedback_address) = bind(config.feedback).await?;
        let (courier, courier_address) = bind(config.courier).await?;
        let (http2, http2_address) = bind(config.http2).await?;
        let stop = CancellationToken::new();
        let face = Face {
            shared: shared.clone(),
            timeouts: config.timeouts,
            stop: stop.clone(),
        };
        let (one, two, three, four) = (face.clone(), face.clone(), face.clone(), face);
        let tasks = vec![
            tokio::spawn(listen::serve(
                binary,
                providers.clone(),
                config.limits,
                stop.clone(),
                move |accepted| one.clone().serve(accepted, binary::serve),
            )),
            tokio::spawn(listen::serve(
                feedback,
                providers,
                config.limits,
                stop.clone(),
                move |accepted| two.clone().serve(accepted, feedback::serve),
            )),
            tokio::spawn(listen::serve(
                courier,
                phones,
                config.limits,
                stop.clone(),
                move |accepted| three.clone().serve(accepted, courier::serve),
            )),
            tokio::spawn(listen::serve(
                http2,
                http2_tls,
                config.limits,
                stop.clone(),
                move |accepted| four.clone().serve(accepted, http2::serve),
            )),
            tokio::spawn(expire(shared.clone(), stop.clone())),
        ];
        info!(
            binary = %binary_address,
            feedback = %feedback_address,
            courier = %courier_address,
            http2 = %http2_address,
            environment = %config.environment,
            "the simulator listens"
        );
        Ok(Handle {
            binary: binary_address,
            feedback: feedback_address,
            courier: courier_address,
            http2: http2_address,
            shared,
            stop,
            tasks,
        })
    }
}

/// What is stored is dropped about when its time is over [C-13], also while nothing else happens.
async fn expire(shared: Arc<Shared>, stop: CancellationToken) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(seconds.tick()).await.is_some() {
        shared.with(|world, now| world.expire(now));
    }
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let listener = listen::bind(address).await?;
    let address = listener.local_addr().map_err(StartError::Address)?;
    Ok((listener, address))
}

/// What every face is given.
#[derive(Clone)]
struct Face {
    shared: Arc<Shared>,
    timeouts: Timeouts,
    stop: CancellationToken,
}

impl Face {
    fn serve<F>(
        self,
        accepted: Accepted,
        face: impl Fn(Arc<Shared>, Timeouts, Accepted, CancellationToken) -> F,
    ) -> F {
        face(self.shared, self.timeouts, accepted, self.stop)
    }
}

/// A running simulator. Dropping it stops it; [`shutdown`](Self::shutdown) also waits for the end.
#[derive(Debug)]
pub struct Handle {
    binary: SocketAddr,
    feedback: SocketAddr,
    courier: SocketAddr,
    http2: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Handle {
    /// The binary provider port.
    #[must_use]
    pub const fn binary(&self) -> SocketAddr {
        self.binary
    }

    /// The feedback service.
    #[must_use]
    pub const fn feedback(&self) -> SocketAddr {
        self.feedback
    }

    /// The courier.
    #[must_use]
    pub const fn courier(&self) -> SocketAddr {
        self.courier
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// The HTTP/2 provider API.
    #[must_use]
    pub const fn http2(&self) -> SocketAddr {
        self.http2
    }

    /// Looks at the world, or changes it; the faces are told.
    pub fn world<T>(&self, act: impl FnOnce(&mut World, SystemTime) -> T) -> T {
        self.shared.with(act)
    }

    /// Looks at what goes wrong on demand, or changes it.
    pub fn faults<T>(&self, act: impl FnOnce(&mut Faults) -> T) -> T {
        self.world(|world, _| act(world.faults_mut()))
    }

    /// At most `max` events with a sequence number above `after`; 0 is before the first.
    #[must_use]
    pub fn events(&self, after: u64, max: usize) -> Page {
        self.shared.with(|world, _| world.events(after, max))
    }

    /// Waits until `look` sees what it looks for; it looks again after every event. `what` names it in the error.
    ///
    /// # Errors
    ///
    /// When it does not happen within `deadline`.
    pub async fn wait_for<T>(
        &self,
        what: &str,
        deadline: Duration,
        mut look: impl FnMut(&World) -> Option<T>,
    ) -> Result<T, NotInTime> {
        let newest = self.shared.newest();
        wait_for(newest, what, deadline, || {
            self.shared.with(|world, _| look(world))
        })
        .await
    }

    /// Closes the listeners and every connection; what is under way gets [`Timeouts::stop`].
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        for task in std::mem::take(&mut self.tasks) {
            if let Err(error) = task.await {
                error!(%error, "a listener's task failed");
            }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
