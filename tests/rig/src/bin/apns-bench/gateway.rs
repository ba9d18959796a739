//! What a notification costs the gateway: from a backend's connection through the store to the upstream and back into the store.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use apns_certs::Minted;
use apns_gateway::config::{
    Addresses, AppConfig, BinaryUpstream, Config, Http2Upstream, ListenConfig, UpstreamConfig,
};
use apns_net::credentials::Environment;
use apns_rig::certificates::{SECOND_TOPIC, TOPIC, certificates};
use tempfile::TempDir;

use crate::load::{Protocol, Says, Senders, Writes};
use crate::plan::Plan;
use crate::report::Figure;
use crate::subject::Cost;
use crate::subject::gateway::{GatewayProcess, Stage};
use crate::subject::simulator::{Keeps, SimulatorProcess};

/// Phones that take turns: more than are under way at once, since only one push is under way to a token.
pub(crate) const PHONES: usize = 10_000;

/// Of a binary upstream: at most `window / quiet_period`, half a million a second, are confirmed by silence.
const QUIET_PERIOD: Duration = Duration::from_millis(100);
const WINDOW: usize = 50_000;

pub(crate) async fn figures(plan: &Plan) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let most = plan.backends.get();
    let some = most.div_ceil(10);
    for (protocol, target) in [(Protocol::Binary, 6.0), (Protocol::Http2, 12.0)] {
        for writes in [Writes::Coalesced, Writes::Single] {
            let name = format!("binary to {}, {}", protocol.name(), writes.name());
            let mut costs = Vec::new();
            for connections in [1, some, most] {
                let count = plan.notifications_fewer();
                let cost = cost(protocol, connections, count, writes, Says::Usual).await?;
                let plural = if connections == 1 { "" } else { "s" };
                let what = format!("{name}, {connections} connection{plural}");
                figures.push(Figure::cost(what, cost, target));
                costs.push(cost.cpu_us());
            }
            if writes == Writes::Coalesced {
                let what = format!("{name}, 1 to {most} connections");
                figures.push(Figure::ratio(what, costs[2] / costs[0]));
            }
        }
    }
    Ok(figures)
}

/// What a notification costs while the upstream takes them as they come.
pub(crate) async fn cost(
    upstream: Protocol,
    connections: usize,
    count: usize,
    writes: Writes,
    says: Says,
) -> anyhow::Result<Cost> {
    let mut simulator = SimulatorProcess::start(Keeps::Little).await?;
    let tokens = simulator.phones(PHONES.min(count)).await?;
    let folder = Folder::new()?;
    let config = folder.config(upstream, upstream.port(simulator.ports()));
    let mut gateway = GatewayProcess::start(&config).await?;
    let mut senders = folder.backends(&gateway, connections, tokens, says).await?;
    let before = count.div_ceil(5);
    let mut cost = Cost::default();
    for numbers in [0..before, before..before + count] {
        gateway.mark().await?;
        senders
            .send(numbers.clone(), writes)
            .await
            .context("sending to the gateway")?;
        cost = gateway.cost(numbers, Stage::Delivered).await?;
    }
    Ok(cost)
}

/// The gateway's: its store, its certificates.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let folder = Self(TempDir::new()?);
        let all = certificates();
        fs::write(folder.path("ca.pem"), all.ca.cert_pem())?;
        for (name, minted) in [
            ("server.pem", &all.server),
            ("upstream.pem", &all.upstream),
            ("other.pem", &all.other_topic),
        ] {
            let Minted {
                cert_pem, key_pem, ..
            } = minted;
            private(&folder.path(name), &format!("{cert_pem}{key_pem}"))?;
        }
        Ok(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A gateway with room for all connections whose pushes go to `address`; all else is as it comes.
    pub(crate) fn config(&self, protocol: Protocol, address: SocketAddr) -> Config {
        let ca = self.path("ca.pem");
        let app = self.app(TOPIC, "upstream.pem", protocol, address);
        let mut config = Config {
            apps: vec![app],
            ..Config::default()
        };
        config.store.path = self.path("store.sqlite");
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        config.listen = ListenConfig {
            certificate: self.path("server.pem"),
            client_ca: Some(ca),
            connections_max: 10_000,
            backend_connections_max: 10_000,
            sandbox: Some(Addresses {
                backend: free,
                feedback: free,
            }),
            ..ListenConfig::default()
        };
        config
    }

    /// The same, with an app more: [`SECOND_TOPIC`].
    pub(crate) fn config_of_two(&self, protocol: Protocol, address: SocketAddr) -> Config {
        let mut config = self.config(protocol, address);
        let second = self.app(SECOND_TOPIC, "other.pem", protocol, address);
        config.apps.push(second);
        config
    }

    fn app(&self, topic: &str, login: &str, protocol: Protocol, address: SocketAddr) -> AppConfig {
        let (ca, login) = (self.path("ca.pem"), self.path(login));
        let upstream: UpstreamConfig = match protocol {
            Protocol::Binary => BinaryUpstream {
                address: Some(address.into()),
                ca: Some(ca),
                quiet_period: QUIET_PERIOD,
                window: WINDOW,
                ..BinaryUpstream::new(login, None)
            }
            .into(),
            Protocol::Http2 => Http2Upstream {
                address: Some(address.into()),
                ca: Some(ca),
                ..Http2Upstream::with_certificate(login, None)
            }
            .into(),
        };
        AppConfig::new(topic, Environment::Sandbox, upstream)
    }

    /// Backends of a gateway.
    pub(crate) async fn backends(
        &self,
        gateway: &GatewayProcess,
        connections: usize,
        tokens: Vec<[u8; 32]>,
        says: Says,
    ) -> anyhow::Result<Senders> {
        let (address, backend) = (gateway.address(), &certificates().backend);
        let senders =
            Senders::connect(Protocol::Binary, address, backend, connections, tokens).await?;
        Ok(senders.say(says))
    }
}

/// Writes a file that has a key in it.
fn private(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text)?;
    Ok(fs::set_permissions(
        path,
        fs::Permissions::from_mode(0o600),
    )?)
}
