//! The whole system in one process: certificates, simulator, gateway and phones, all on free loopback ports and in a temporary folder.
//!
//! ```text
//! Provider ──▶ gateway ──▶ Proxy ──▶ simulator ──▶ phones        Provider: raw TLS, frames by hand
//!                 │                     ▲                         Proxy: sees TLS records, stalls, resets
//!                 └──▶ Ledger           └── Provider              Ledger: the store's file, read from outside
//! ```

pub mod certificates;
pub mod eventually;
pub mod frames;
pub mod ledger;
pub mod log;
pub mod numbered;
pub mod phone;
pub mod process;
pub mod provider;
pub mod proxy;

use std::fs::Permissions;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use apns_certs::portal::Portal;
use apns_certs::{DEFAULT_TEAM, Minted};
use apns_gateway::Gateway;
use apns_gateway::config::{
    Addresses, AppConfig, BackendConfig, BinaryUpstream, Config, Http2Upstream, ListenConfig,
    TokenConfig, UpstreamConfig,
};
use apns_net::credentials::{Environment, Pin};
use apns_simulator::Simulator;
use apns_simulator::event::What;
use apns_simulator::provider_api::ProviderKey;
use tempfile::TempDir;

use crate::certificates::{TOPIC, certificates, login};
use crate::eventually::eventually;
use crate::ledger::{Counts, Ledger};
use crate::phone::RigPhone;
use crate::process::Daemon;
use crate::provider::{Ending, Provider};
use crate::proxy::Proxy;

/// What the gateway speaks with the simulator, and how it logs in there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Upstream {
    /// Apple's original protocol, with a certificate.
    #[default]
    Binary,
    /// Today's, with a provider token.
    Http2Token,
    /// Today's, with a certificate.
    Http2Certificate,
}

/// What differs between tests. Everything else is one way for all.
#[derive(Clone, Debug)]
pub struct Knobs {
    /// Phones, each with two push apps.
    pub phones: usize,
    /// Which of the simulator's ports the gateway pushes to.
    pub upstream: Upstream,
    /// The gateway's, towards the simulator.
    pub quiet_period: Duration,
    /// Deliveries before a bad token is believed; 0 believes at once.
    pub trust_after: u32,
    /// Notifications the gateway has written and not confirmed at most.
    pub window: usize,
    /// A receive buffer for the proxy that stands before the simulator.
    pub upstream_receive_buffer: Option<u32>,
    /// How often the gateway reads the simulator's feedback.
    pub feedback_poll_interval: Duration,
    /// How long gateway and simulator let a handshake take.
    pub handshake_timeout: Duration,
    /// How long gateway and simulator let a frame take once it began.
    pub frame_timeout: Duration,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            phones: 1,
            upstream: Upstream::Binary,
            quiet_period: Duration::from_millis(150),
            trust_after: 0,
            window: 5_000,
            upstream_receive_buffer: None,
            feedback_poll_interval: Duration::from_secs(3600),
            handshake_timeout: Duration::from_secs(10),
            frame_timeout: Duration::from_secs(60),
        }
    }
}

/// Everything, running.
#[derive(Debug)]
pub struct Rig {
    /// What was asked for.
    pub knobs: Knobs,
    /// The gateway's configuration, for the next start.
    pub config: Config,
    /// The phones.
    pub phones: Vec<RigPhone>,
    /// Between gateway and simulator.
    pub upstream: Proxy,
    /// The simulator.
    pub simulator: apns_simulator::Handle,
    /// The gateway's store.
    pub ledger: Ledger,
    gateway: Option<apns_gateway::Handle>,
    folder: TempDir,
}

impl Rig {
    /// Starts everything.
    pub async fn start() -> Self {
        Self::start_with(Knobs::default()).await
    }

    /// Starts everything, with `knobs`.
    pub async fn start_with(knobs: Knobs) -> Self {
        let mut rig = Self::prepare(knobs).await;
        rig.start_gateway().await;
        rig
    }

    /// Starts everything but the gateway, so that its configuration can be changed first.
    ///
    /// # Panics
    ///
    /// When something cannot be started.
    pub async fn prepare(knobs: Knobs) -> Self {
        log::keep();
        let folder = TempDir::new().expect("a temporary folder");
        let simulator = simulator(&knobs).await;
        let mut phones = Vec::new();
        for number in 0..knobs.phones {
            phones.push(RigPhone::start(&format!("iPhone {number}"), simulator.courier()).await);
        }
        let port = match knobs.upstream {
            Upstream::Binary => simulator.binary(),
            Upstream::Http2Token | Upstream::Http2Certificate => simulator.http2(),
        };
        let upstream = Proxy::start_with(port, knobs.upstream_receive_buffer).await;
        let store = folder.path().join("gateway.sqlite");
        let mut rig = Self {
            knobs,
            config: Config::default(),
            phones,
            upstream,
            simulator,
            ledger: Ledger::new(&store),
            gateway: None,
            folder,
        };
        rig.config = rig.gateway_config(store);
        rig
    }

    /// A second simulator, which knows none of the rig's phones.
    pub async fn another_simulator(&self) -> apns_simulator::Handle {
        simulator(&self.knobs).await
    }

    fn gateway_config(&self, store: PathBuf) -> Config {
        let all = certificates();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let ca = self.folder.path().join("ca.pem");
        std::fs::write(&ca, all.ca.cert_pem()).expect("the folder can be written");
        let upstream = match self.knobs.upstream {
            Upstream::Binary => UpstreamConfig::from(self.binary(&ca)),
            Upstream::Http2Token => self
                .http2(&ca, Http2Upstream::with_token(self.provider_key()))
                .into(),
            Upstream::Http2Certificate => {
                let (certificate, key) = self.write(&all.upstream, "upstream");
                let login = Http2Upstream::with_certificate(certificate, key);
                self.http2(&ca, login).into()
            }
        };
        let mut app = AppConfig::new(TOPIC, Environment::Production, upstream);
        app.trust_after = self.knobs.trust_after;
        let (certificate, key) = self.write(&all.server, "server");
        let mut config = Config {
            apps: vec![app],
            ..Config::default()
        };
        config.store.path = store;
        config.listen = ListenConfig {
            certificate,
            key,
            client_ca: Some(ca),
            handshake_timeout: self.knobs.handshake_timeout,
            frame_timeout: self.knobs.frame_timeout,
            production: Some(Addresses {
                backend: any,
                feedback: any,
            }),
            ..ListenConfig::default()
        };
        config
    }

    fn binary(&self, ca: &Path) -> BinaryUpstream {
        let (certificate, key) = self.write(&certificates().upstream, "upstream");
        BinaryUpstream {
            address: Some(self.upstream.address().into()),
            feedback: Some(self.simulator.feedback().into()),
            ca: Some(ca.to_owned()),
            quiet_period: self.knobs.quiet_period,
            window: self.knobs.window,
            feedback_poll_interval: self.knobs.feedback_poll_interval,
            backoff_base: Duration::from_millis(20),
            backoff_max: Duration::from_millis(200),
            ..BinaryUpstream::new(certificate, key)
        }
    }

    fn http2(&self, ca: &Path, login: Http2Upstream) -> Http2Upstream {
        Http2Upstream {
            address: Some(self.upstream.address().into()),
            ca: Some(ca.to_owned()),
            window: self.knobs.window,
            backoff_base: Duration::from_millis(20),
            backoff_max: Duration::from_millis(200),
            ..login
        }
    }

    /// A key that the portal has made: the simulator knows its public half, the private one is a file.
    ///
    /// # Panics
    ///
    /// When the folder cannot be written.
    #[must_use]
    pub fn provider_key(&self) -> TokenConfig {
        let mut portal = Portal::default();
        let made = portal
            .create_key("rig", SystemTime::now())
            .expect("a key can be made");
        let known = ProviderKey::from_portal(&portal.keys()[0], DEFAULT_TEAM)
            .expect("the portal keeps keys in base64");
        self.simulator
            .world(|world, _| world.add_provider_key(known));
        let key = self
            .folder
            .path()
            .join(format!("AuthKey_{}.p8", made.key_id));
        std::fs::write(&key, &made.key_pem).expect("the folder can be written");
        std::fs::set_permissions(&key, Permissions::from_mode(0o600)).expect("our own file");
        TokenConfig {
            key,
            key_id: made.key_id,
            team_id: DEFAULT_TEAM.to_owned(),
        }
    }

    /// How the gateway's next start reaches a binary upstream.
    ///
    /// # Panics
    ///
    /// When the rig was started with another.
    pub fn binary_upstream(&mut self) -> &mut BinaryUpstream {
        match &mut self.config.apps[0].upstream {
            UpstreamConfig::Binary(binary) => binary,
            UpstreamConfig::Http2(_) => panic!("this rig's upstream is HTTP/2"),
        }
    }

    /// How the gateway's next start reaches an HTTP/2 upstream.
    ///
    /// # Panics
    ///
    /// When the rig was started with another.
    pub fn http2_upstream(&mut self) -> &mut Http2Upstream {
        match &mut self.config.apps[0].upstream {
            UpstreamConfig::Http2(http2) => http2,
            UpstreamConfig::Binary(_) => panic!("this rig's upstream is binary"),
        }
    }

    /// Writes a certificate and its key into the rig's folder.
    ///
    /// # Panics
    ///
    /// When the folder cannot be written.
    #[must_use]
    pub fn write(&self, minted: &Minted, name: &str) -> (PathBuf, Option<PathBuf>) {
        let path = |kind| self.folder.path().join(format!("{name}.{kind}.pem"));
        std::fs::write(path("certificate"), &minted.cert_pem).expect("the folder can be written");
        std::fs::write(path("key"), &minted.key_pem).expect("the folder can be written");
        std::fs::set_permissions(path("key"), Permissions::from_mode(0o600)).expect("our own file");
        (path("certificate"), Some(path("key")))
    }

    /// The rig's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Lets the gateway's next start know a backend by its certificate, whoever issued it and whenever it ended.
    pub fn pin(&mut self, minted: &Minted, name: &str) {
        self.config.backends.push(BackendConfig {
            name: name.to_owned(),
            topic: TOPIC.to_owned(),
            environment: None,
            pin: Pin::of(&minted.certificate_der),
        });
    }

    /// Starts the gateway as configured.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start_gateway(&mut self) {
        let gateway = Gateway::start(self.config.clone())
            .await
            .expect("the gateway starts");
        self.gateway = Some(gateway);
    }

    /// Stops the gateway in good order.
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub async fn stop_gateway(&mut self) {
        let mut gateway = self.gateway.take().expect("the gateway runs");
        gateway.shutdown().await.expect("it stops in good order");
    }

    /// Ends the gateway where it is, and starts it again over the same store as soon as that is free.
    pub async fn break_off_gateway(&mut self) {
        self.gateway = None;
        let started = eventually("the gateway to start", async || {
            Gateway::start(self.config.clone()).await
        });
        self.gateway = Some(started.await);
    }

    /// Stops the gateway and starts it again over the same store.
    pub async fn restart_gateway(&mut self) {
        self.stop_gateway().await;
        self.start_gateway().await;
    }

    /// The running gateway.
    ///
    /// # Panics
    ///
    /// When it does not run.
    #[must_use]
    pub fn gateway(&self) -> &apns_gateway::Handle {
        self.gateway.as_ref().expect("the gateway runs")
    }

    /// Where backends connect to the gateway.
    ///
    /// # Panics
    ///
    /// When it does not run.
    #[must_use]
    pub fn backend_address(&self) -> SocketAddr {
        self.gateway().ready_file().backend
    }

    /// Where backends read the gateway's feedback.
    ///
    /// # Panics
    ///
    /// When it does not run.
    #[must_use]
    pub fn feedback_address(&self) -> SocketAddr {
        self.gateway().ready_file().feedback
    }

    /// Writes the gateway's configuration to a file, for a process.
    ///
    /// # Panics
    ///
    /// When the folder cannot be written.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        let path = self.folder.path().join("gateway.toml");
        let text = toml::to_string(&self.config).expect("a configuration is TOML");
        std::fs::write(&path, text).expect("the folder can be written");
        path
    }

    /// Starts the gateway as a process, on free ports. `program` is `rig-gateway`.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn gateway_process(&self, program: &str) -> Daemon {
        let config = self.config_file();
        let config = config.to_str().expect("a path in UTF-8");
        let arguments = ["run", "--config", config, "--port-base", "0"];
        Daemon::start(program, &arguments, self.folder()).await
    }

    /// Makes something go wrong at the simulator: a rule as `--fault` takes it.
    ///
    /// # Panics
    ///
    /// When it is none.
    pub fn fault(&self, rule: &str) {
        let rule = rule
            .parse()
            .unwrap_or_else(|error| panic!("{rule}: {error}"));
        let added = self.simulator.faults(|faults| faults.add(rule));
        added.expect("there is room for another rule");
    }

    /// The CA to trust, PEM.
    #[must_use]
    pub fn ca(&self) -> &str {
        certificates().ca.cert_pem()
    }

    /// A backend's connection to the gateway.
    ///
    /// # Panics
    ///
    /// When the gateway refuses it.
    pub async fn backend(&self) -> Provider {
        self.backend_as(&certificates().backend)
            .await
            .expect("the gateway takes the backend")
    }

    /// A connection to the gateway with this certificate.
    ///
    /// # Errors
    ///
    /// What ended the handshake.
    pub async fn backend_as(&self, minted: &Minted) -> io::Result<Provider> {
        Provider::connect(self.backend_address(), self.ca(), login(minted)).await
    }

    /// A backend's connection to `address`, where a proxy stands.
    ///
    /// # Panics
    ///
    /// When it is refused.
    pub async fn backend_at(&self, address: SocketAddr) -> Provider {
        let connected = Provider::connect(address, self.ca(), login(&certificates().backend)).await;
        connected.expect("the backend is taken")
    }

    /// The same backend's connection straight to the simulator.
    pub async fn direct(&self) -> Provider {
        self.backend_at(self.simulator.binary()).await
    }

    /// The counters of the gateway's newest commit.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.ledger.counts()
    }

    /// Waits until the counters are as `wanted`; the accounting identity is checked at every look.
    pub async fn settled(&self, wanted: impl Fn(&Counts) -> bool) {
        eventually("the counters", async || {
            let counts = self.counts();
            if wanted(&counts) {
                Ok(())
            } else {
                Err(format!("{counts:?}"))
            }
        })
        .await;
    }

    /// How many notifications phones have acknowledged over their sockets, as the simulator saw it.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        let page = self.simulator.events(0, usize::MAX);
        page.events
            .iter()
            .filter(|event| matches!(event.what, What::Delivered { .. }))
            .count()
    }

    /// How many times phones have answered that an app is gone.
    #[must_use]
    pub fn apps_gone(&self) -> usize {
        let page = self.simulator.events(0, usize::MAX);
        page.events
            .iter()
            .filter(|event| matches!(event.what, What::AppGone { .. }))
            .count()
    }

    /// One read of a feedback list, to its end.
    ///
    /// # Panics
    ///
    /// When the server does not speak and close as it should.
    pub async fn feedback_at(&self, address: SocketAddr, minted: &Minted) -> Vec<Tuple> {
        let mut connection = Provider::connect(address, self.ca(), login(minted))
            .await
            .expect("the reader is taken");
        let farewell = connection.farewell().await.expect("the list ends");
        connection.close().await.expect("a read list can be closed");
        assert_eq!(
            farewell.ending,
            Ending::CloseNotify,
            "the close is the end of the list [P-56]"
        );
        assert_eq!(farewell.bytes.len() % 38, 0, "tuples of 38 bytes");
        farewell.bytes.chunks(38).map(Tuple::read).collect()
    }
}

async fn simulator(knobs: &Knobs) -> apns_simulator::Handle {
    let all = certificates();
    let identity = all
        .server
        .identity()
        .expect("a minted certificate can be used");
    let mut config = apns_simulator::Config::new(identity, vec![all.ca.certificate_der().clone()]);
    config.environment = Environment::Production;
    config.limits.handshake_timeout = knobs.handshake_timeout;
    config.timeouts.frame = knobs.frame_timeout;
    Simulator::start(config)
        .await
        .expect("the simulator starts")
}

/// A feedback tuple, read by hand [P-51].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuple {
    /// UNIX seconds.
    pub timestamp: u32,
    /// The token, raw.
    pub token: Vec<u8>,
}

impl Tuple {
    fn read(bytes: &[u8]) -> Self {
        let (timestamp, rest) = bytes.split_at(4);
        let (len, token) = rest.split_at(2);
        assert_eq!(len, [0, 32], "a token of 32 bytes");
        let timestamp = u32::from_be_bytes(timestamp.try_into().expect("four bytes"));
        Self {
            timestamp,
            token: token.to_vec(),
        }
    }
}

/// A token of 32 bytes that no phone has.
#[must_use]
pub fn unknown_token(n: u32) -> Vec<u8> {
    let mut token = vec![0xbb; 32];
    token[28..].copy_from_slice(&n.to_be_bytes());
    token
}
