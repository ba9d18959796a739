//! A gateway with everything around it.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use apns_gateway::config::{
    Addresses, AppConfig, BinaryUpstream, Config, Http2Upstream, ListenConfig, UpstreamConfig,
};
use apns_gateway::store::Counts;
use apns_gateway::{Gateway, Handle, StartError};
use apns_net::credentials::{Identity, certificates_from_pem};
use apns_net::tls::{ClientPolicy, http2_server_config};
use tempfile::TempDir;

use super::{Authority, Backend, ENVIRONMENT, QUIET, TOPIC, Upstream, eventually, soon};

/// What is spoken upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Binary,
    Http2,
}

/// A gateway and what it talks to.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) authority: Authority,
    pub(crate) upstream: Upstream,
    pub(crate) feedback: Upstream,
    pub(crate) config: Config,
    gateway: Option<Handle>,
    push: String,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// Starts with a configuration that differs from the usual one.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut bench = Self::prepare().await;
        change(&mut bench.config);
        bench.run().await;
        bench
    }

    /// Everything but the gateway.
    pub(crate) async fn prepare() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let upstream = Upstream::new(&authority).await;
        let feedback = Upstream::new(&authority).await;
        let push = authority.push(TOPIC);
        let config = config(folder.path(), &authority, &push, &upstream, &feedback);
        Self {
            folder,
            authority,
            upstream,
            feedback,
            config,
            gateway: None,
            push,
        }
    }

    /// The same, with an upstream of this kind.
    pub(crate) async fn prepare_over(kind: Kind) -> Self {
        let mut bench = Self::prepare().await;
        if kind == Kind::Http2 {
            let pem = bench.authority.server();
            let identity = Identity::from_pem(&pem, &pem).unwrap();
            let roots = certificates_from_pem(&bench.authority.pem).unwrap();
            let policy = ClientPolicy::providers(roots, ENVIRONMENT);
            let tls = http2_server_config(&identity, policy).unwrap();
            bench.upstream.speak(tls);
            let way = binary(&mut bench.config).clone();
            bench.config.apps[0].upstream = UpstreamConfig::from(Http2Upstream {
                address: way.address,
                ca: way.ca,
                backoff_base: way.backoff_base,
                backoff_max: way.backoff_max,
                ..Http2Upstream::with_certificate(way.certificate, way.key)
            });
        }
        bench
    }

    /// Adds an app like the first one, with an upstream of its own. Returns the certificate of its backends.
    pub(crate) fn add_app(&mut self, topic: &str, upstream: &Upstream) -> String {
        let push = self.authority.push(topic);
        let path = self.folder.path().join(format!("{topic}.pem"));
        private(&path, &push);
        let mut other = self.config.clone();
        topic.clone_into(&mut other.apps[0].topic);
        let way = binary(&mut other);
        way.address = Some(upstream.address.into());
        way.certificate = path;
        self.config.apps.append(&mut other.apps);
        push
    }

    /// Starts the gateway, again if need be.
    pub(crate) async fn run(&mut self) {
        self.try_run().await.unwrap();
    }

    pub(crate) async fn try_run(&mut self) -> Result<(), StartError> {
        self.gateway = Some(Gateway::start(self.config.clone()).await?);
        Ok(())
    }

    pub(crate) async fn stop(&mut self) {
        let mut gateway = self.gateway.take().unwrap();
        soon("the gateway's end", gateway.shutdown()).await.unwrap();
    }

    /// Drops the gateway as it is.
    pub(crate) fn kill(&mut self) {
        self.gateway = None;
    }

    pub(crate) fn gateway(&self) -> &Handle {
        self.gateway.as_ref().unwrap()
    }

    pub(crate) fn gateway_mut(&mut self) -> &mut Handle {
        self.gateway.as_mut().unwrap()
    }

    pub(crate) fn counts(&self) -> Counts {
        let counts = self.gateway().counts(TOPIC, ENVIRONMENT).unwrap();
        assert!(counts.balanced(), "{counts:?}");
        counts
    }

    pub(crate) fn held(&self) -> Option<String> {
        self.gateway().held(TOPIC, ENVIRONMENT)
    }

    /// The reasons in the dead letters, oldest first, each with its notification's name.
    pub(crate) async fn dead_letters(&self) -> Vec<(u8, String)> {
        let letters = self
            .gateway()
            .dead_letters(TOPIC, ENVIRONMENT, None, 100)
            .await
            .unwrap();
        letters
            .into_iter()
            .map(|letter| (letter.row.token.as_bytes()[0], letter.reason))
            .collect()
    }

    /// Waits until so many were delivered and nothing is queued.
    pub(crate) async fn delivered(&self, count: u64) {
        let settled = || {
            let counts = self.counts();
            counts.delivered >= count && counts.queued == 0
        };
        eventually("delivery", settled).await;
        assert_eq!(self.counts().delivered, count);
    }

    /// A backend that is let in by the CA.
    pub(crate) async fn backend(&self) -> Backend {
        let address = self.gateway().backend_address(ENVIRONMENT).unwrap();
        self.connect(address, &self.push).await
    }

    /// The same, at the feedback service.
    pub(crate) async fn feedback_reader(&self) -> Backend {
        let address = self.gateway().feedback_address(ENVIRONMENT).unwrap();
        self.connect(address, &self.push).await
    }

    pub(crate) async fn connect(&self, address: SocketAddr, pem: &str) -> Backend {
        Backend::connect(address, pem, &self.authority).await
    }
}

/// How the upstream of the one app is configured.
pub(crate) fn binary(config: &mut Config) -> &mut BinaryUpstream {
    match &mut config.apps[0].upstream {
        UpstreamConfig::Binary(binary) => binary,
        UpstreamConfig::Http2(_) => panic!("the bench's upstream is binary"),
    }
}

fn config(
    folder: &Path,
    authority: &Authority,
    push: &str,
    upstream: &Upstream,
    feedback: &Upstream,
) -> Config {
    let file = |name: &str, pem: &str| -> PathBuf {
        let path = folder.join(name);
        private(&path, pem);
        path
    };
    let ca = file("ca.pem", &authority.pem);
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let upstream = BinaryUpstream {
        address: Some(upstream.address.into()),
        feedback: Some(feedback.address.into()),
        ca: Some(ca.clone()),
        quiet_period: QUIET,
        backoff_base: Duration::from_millis(20),
        backoff_max: Duration::from_millis(200),
        // So that what comes up there comes in one order; tests of several ask for them.
        connections_max: 1,
        ..BinaryUpstream::new(file("push.pem", push), None)
    };
    let mut config = Config {
        listen: ListenConfig {
            certificate: file("server.pem", &authority.server()),
            client_ca: Some(ca),
            production: Some(Addresses {
                backend: any,
                feedback: any,
            }),
            ..ListenConfig::default()
        },
        apps: vec![AppConfig {
            trust_after: 0,
            probe_interval: Duration::from_millis(50),
            ..AppConfig::new(TOPIC, ENVIRONMENT, upstream)
        }],
        ..Config::default()
    };
    config.store.path = folder.join("store.sqlite");
    config.shutdown.idle = Duration::from_millis(100);
    config
}

/// A file that nobody else may read.
pub(crate) fn private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}
