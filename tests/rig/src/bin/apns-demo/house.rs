//! Everything the demo runs: a simulator with its certificates, a gateway in front of it, an app server that pushes through the gateway, phones.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use apns_gateway::config::{
    Addresses, AppConfig, BinaryUpstream, Config, HostPort, Http2Upstream, ListenConfig, OnReject,
    TokenConfig, UpstreamConfig,
};
use apns_gateway::{Gateway, Handle};
use apns_net::credentials::Environment;
use apns_net::ready::PortBase;
use apns_net::tls::TlsVersions;
use apns_simulator::SigningKey;
use apns_simulator::app_server::AppServer;
use apns_simulator::knobs::Knobs;
use apns_simulator::phone_link::{AppServerUrl, Line, PhoneLink};
use apns_simulator::stage::{Ready, Stage, StageOptions, phone_name};
use clap::ValueEnum;
use data_encoding::HEXLOWER;
use serde::Serialize;
use tempfile::TempDir;
use tokio::sync::mpsc;

/// The app everything is about.
pub(crate) const TOPIC: &str = "com.example.Mail";

const ENVIRONMENT: Environment = Environment::Sandbox;

/// The gateway's listeners come behind the simulator's three and the app server.
const GATEWAY_PLACE: u16 = 4;

/// Lines of the courier connections that wait to be told; a full queue slows the phones.
const LINES_MAX: usize = 4_096;

/// What the gateway speaks with APNs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Upstream {
    /// Apple's original protocol, on port 2195.
    #[default]
    Binary,
    /// Today's, over HTTP/2.
    Http2,
}

/// Everything, running.
pub(crate) struct House {
    pub(crate) stage: Stage,
    pub(crate) upstream: Upstream,
    pub(crate) gateway: Handle,
    pub(crate) phones: Vec<PhoneLink>,
    /// What is said on every courier connection.
    pub(crate) lines: mpsc::Receiver<Line>,
    app_server: AppServer,
    teller: mpsc::Sender<Line>,
    _folder: TempDir,
}

impl House {
    /// Starts everything but the phones.
    pub(crate) async fn build(
        base: PortBase,
        kind: Upstream,
        on_reject: OnReject,
    ) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("apns-demo-").context("no temporary folder")?;
        let stage = Stage::set_up(StageOptions {
            state: folder.path().join("certificates"),
            port_base: base,
            topic: TOPIC.to_owned(),
            environment: ENVIRONMENT,
            tls: TlsVersions::Tls12,
            faults: apns_simulator::faults::Plan::default(),
            knobs: Knobs::default(),
        })
        .await?;
        let gateway =
            Gateway::start(gateway_config(&stage, &folder, base, kind, on_reject)?).await?;
        let backend = gateway.backend_address(ENVIRONMENT);
        let feedback = gateway.feedback_address(ENVIRONMENT);
        let (backend, feedback) = backend
            .zip(feedback)
            .context("the gateway serves the sandbox")?;
        let app_server = stage.app_server(backend.into(), feedback.into()).await?;
        let (teller, lines) = mpsc::channel(LINES_MAX);
        Ok(Self {
            stage,
            upstream: kind,
            gateway,
            phones: Vec::new(),
            lines,
            app_server,
            teller,
            _folder: folder,
        })
    }

    /// Switches another phone on, without apps.
    pub(crate) fn add_phone(&mut self) -> anyhow::Result<&PhoneLink> {
        let number = u32::try_from(self.phones.len()).context("too many phones")? + 1;
        let transcript = Some(self.teller.clone());
        let phone = self
            .stage
            .phone(&phone_name(number), &self.app_server, transcript)?;
        self.phones.push(phone);
        self.phones.last().context("it was just added")
    }

    /// Where apps post their tokens.
    pub(crate) fn app_server(&self) -> AppServerUrl {
        self.app_server.address().into()
    }

    /// What the ready file says.
    pub(crate) async fn ready(&self) -> anyhow::Result<DemoReady> {
        let mut phones = Vec::new();
        for phone in &self.phones {
            phones.push(self.stage.ready_phone(phone).await?);
        }
        let simulator = self.stage.ready(&self.app_server, None, phones);
        let addresses = self.gateway.ready_file();
        Ok(DemoReady {
            gateway: GatewayReady {
                backend: addresses.backend,
                feedback: addresses.feedback,
                ca: simulator.ca.clone(),
                certificate: simulator.certificate.clone(),
                key: simulator.key.clone(),
            },
            simulator,
        })
    }

    /// Stops everything, in the direction of the flow.
    pub(crate) async fn shutdown(mut self) {
        // Phones that still tell would wait for a listener.
        self.lines.close();
        self.app_server.shutdown().await;
        if let Err(error) = self.gateway.shutdown().await {
            eprintln!("apns-demo: the gateway did not stop in good order: {error:#}");
        }
        for phone in self.phones {
            phone.shutdown().await;
        }
        self.stage.shutdown().await;
    }
}

/// The configuration that `gateway.example.toml` explains, for this house.
fn gateway_config(
    stage: &Stage,
    folder: &TempDir,
    base: PortBase,
    kind: Upstream,
    on_reject: OnReject,
) -> anyhow::Result<Config> {
    let set = stage.certificates();
    let address = |address: SocketAddr| address.to_string().parse::<HostPort>().map(Some);
    let ca = Some(set.ca.clone());
    let upstream: UpstreamConfig = match kind {
        Upstream::Binary => BinaryUpstream {
            address: address(stage.simulator().binary())?,
            feedback: address(stage.simulator().feedback())?,
            ca,
            quiet_period: Duration::from_millis(300),
            feedback_poll_interval: Duration::from_secs(1),
            ..BinaryUpstream::new(&set.provider, Some(set.provider_key.clone()))
        }
        .into(),
        Upstream::Http2 => {
            let SigningKey { key_id, team, path } = stage.signing_key().clone();
            Http2Upstream {
                address: address(stage.simulator().http2())?,
                ca,
                ..Http2Upstream::with_token(TokenConfig {
                    key: path,
                    key_id,
                    team_id: team,
                })
            }
            .into()
        }
    };
    let mut config = Config {
        listen: ListenConfig {
            certificate: set.server.clone(),
            key: Some(set.server_key.clone()),
            client_ca: Some(set.ca.clone()),
            sandbox: Some(Addresses {
                backend: base.address(GATEWAY_PLACE),
                feedback: base.address(GATEWAY_PLACE + 1),
            }),
            ..ListenConfig::default()
        },
        apps: vec![AppConfig {
            // A handful of pushes is no trust; here the simulator's word is good from the first on.
            trust_after: 0,
            on_reject,
            ..AppConfig::new(TOPIC, ENVIRONMENT, upstream)
        }],
        ..Config::default()
    };
    config.store.path = folder.path().join("store.sqlite");
    Ok(config)
}

/// The ready file; displayed, it is what the reader needs to go on.
#[derive(Debug, Serialize)]
pub(crate) struct DemoReady {
    simulator: Ready,
    gateway: GatewayReady,
}

#[derive(Debug, Serialize)]
struct GatewayReady {
    backend: SocketAddr,
    feedback: SocketAddr,
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl fmt::Display for DemoReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PAYLOAD: &str = r#"{"aps":{"alert":"hello from my backend"}}"#;
        let Self { simulator, gateway } = self;
        writeln!(
            f,
            "Everything stays up until Ctrl-C. Point your own code at the gateway:"
        )?;
        writeln!(f)?;
        writeln!(
            f,
            "  gateway               {}   (in place of gateway.sandbox.push.apple.com:2195)",
            gateway.backend
        )?;
        writeln!(
            f,
            "  feedback              {}   (in place of feedback.sandbox.push.apple.com:2196)",
            gateway.feedback
        )?;
        writeln!(f, "  CA to trust           {}", gateway.ca.display())?;
        writeln!(
            f,
            "  push certificate      {}   (topic {})",
            gateway.certificate.display(),
            simulator.topic
        )?;
        writeln!(f, "  its key               {}", gateway.key.display())?;
        for phone in &simulator.phones {
            writeln!(f, "  token of {:<12} {}", phone.name, phone.token)?;
        }
        writeln!(
            f,
            "  APNs itself           {} (binary), {} (feedback), {} (courier)",
            simulator.binary, simulator.feedback, simulator.courier
        )?;
        let Some(phone) = simulator.phones.first() else {
            return Ok(());
        };
        writeln!(f)?;
        writeln!(
            f,
            "A push with nothing but a shell, in the simple format of 2009 [P-10]:"
        )?;
        writeln!(f)?;
        let push = [
            &[0, 0, 32][..],
            &HEXLOWER
                .decode(phone.token.as_bytes())
                .map_err(|_| fmt::Error)?,
            &[0, u8::try_from(PAYLOAD.len()).map_err(|_| fmt::Error)?],
        ]
        .concat();
        // Octal: every shell's printf knows it.
        let octal: String = push.iter().map(|byte| format!("\\{byte:03o}")).collect();
        writeln!(f, "  (printf '{octal}{PAYLOAD}'; sleep 1) |")?;
        writeln!(
            f,
            "    openssl s_client -quiet -no_ign_eof -connect {} -CAfile {} \\",
            gateway.backend,
            gateway.ca.display()
        )?;
        write!(
            f,
            "      -cert {} -key {}",
            gateway.certificate.display(),
            gateway.key.display()
        )
    }
}
