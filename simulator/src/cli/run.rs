//! `apns-simulator run`: the service, an app server, and phones, in one process.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::app_server::{AppServer, AppServerConfig, ProviderApp};
use crate::phone::{Phone, Types};
use crate::phone_link::{LinkConfig, PhoneLink};
use crate::{Config, Handle, Simulator, StartError};
use apns_certs::dev::{self, DevError, DevOptions, DevSet};
use apns_certs::{Ca, KeyKind, Kind, PushCertificate};
use apns_net::credentials::{Environment, Identity};
use apns_net::listen;
use apns_net::ready::{self, PortBase};
use apns_net::tls::{Roots, TlsVersions};
use serde::Serialize;

use super::{Code, Failure, stop_signal};

/// Our own phones must have their tokens by then.
const PHONES_TIMEOUT: Duration = Duration::from_secs(30);
const PHONES_MAX: u32 = 1_000;

/// Options of `apns-simulator run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Listeners are bound to 127.0.0.1 in this order: binary provider port, feedback, courier, app server. A backend connects to the \
first two with the certificate and key that the ready file names and that lie in the state folder; the CA it is to trust lies \
there too. Push to every phone with

  curl -d '{\"aps\":{\"alert\":\"hi\"}}' http://127.0.0.1:22003/apps/com.example.Mail/push

RUST_LOG=apns_simulator=debug logs a line for every notification and everything phones do.")]
pub(crate) struct Arguments {
    /// Folder of the certificates; they are made when they are missing or about to expire
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Port of the first listener, the others follow; 0 takes free ports
    #[arg(long, value_name = "N", default_value = "22000")]
    port_base: PortBase,
    /// Phones to run, each with two push apps: TOPIC and TOPIC.second
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=i64::from(PHONES_MAX)))]
    phones: u32,
    /// Written, as JSON, once every listener is bound and every phone has its tokens
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// The app's bundle id
    #[arg(long, default_value = "com.example.Mail")]
    topic: String,
    /// The environment of the listeners: sandbox or production
    #[arg(long, value_name = "ENVIRONMENT", default_value = "sandbox")]
    environment: Environment,
    /// Speak TLS 1.3 too; a refused certificate is then noticed only at the client's first read
    #[arg(long)]
    tls13: bool,
    /// Log as JSON lines, on stderr
    #[arg(long)]
    log_json: bool,
}

/// What the ready file says.
#[derive(Debug, Serialize)]
struct Ready<'a> {
    binary: SocketAddr,
    feedback: SocketAddr,
    courier: SocketAddr,
    app_server: SocketAddr,
    ca: &'a Path,
    certificate: &'a Path,
    key: &'a Path,
    topic: &'a str,
    phones: Vec<ReadyPhone>,
}

#[derive(Debug, Serialize)]
struct ReadyPhone {
    name: String,
    token: String,
}

/// Runs until SIGINT or SIGTERM.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    apns_net::log::init(arguments.log_json);
    let options = DevOptions {
        topic: arguments.topic.clone(),
        ..DevOptions::default()
    };
    let set =
        dev::load_or_write(&arguments.state, &options).map_err(|error| certificates(&error))?;
    let ca = set.load_ca().map_err(|error| certificates(&error))?;
    let simulator = simulator(&arguments, &set, &ca).await?;
    let topics = [
        arguments.topic.clone(),
        format!("{}.second", arguments.topic),
    ];
    let app_server = app_server(&arguments, &set, &ca, &simulator, &topics).await?;
    let phones = phones(&arguments, &ca, &simulator, &app_server, &topics)?;
    let serving = async {
        ready(&arguments, &set, &simulator, &app_server, &phones).await?;
        std::future::pending().await
    };
    let ended = tokio::select! {
        ended = serving => ended,
        ended = stop_signal() => ended,
    };
    for phone in phones {
        phone.shutdown().await;
    }
    app_server.shutdown().await;
    simulator.shutdown().await;
    ended
}

fn certificates(error: &DevError) -> Failure {
    let code = match error {
        DevError::Folder { .. } | DevError::Write { .. } => Code::Disk,
        _ => Code::Config,
    };
    Failure::chain(code, error)
}

async fn simulator(arguments: &Arguments, set: &DevSet, ca: &Ca) -> Result<Handle, Failure> {
    let identity = Identity::from_pem_files(&set.server, &set.server_key)
        .map_err(|error| Failure::chain(Code::Config, &error))?;
    let config = Config {
        binary: arguments.port_base.address(0),
        feedback: arguments.port_base.address(1),
        courier: arguments.port_base.address(2),
        environment: arguments.environment,
        tls: if arguments.tls13 {
            TlsVersions::Tls12And13
        } else {
            TlsVersions::Tls12
        },
        ..Config::new(identity, vec![ca.certificate_der().clone()])
    };
    Simulator::start(config)
        .await
        .map_err(|error| match &error {
            StartError::Bind(_) => Failure::chain(Code::Failure, &error),
            StartError::Tls(_) | StartError::Address(_) => Failure::chain(Code::Config, &error),
        })
}

async fn app_server(
    arguments: &Arguments,
    set: &DevSet,
    ca: &Ca,
    simulator: &Handle,
    topics: &[String],
) -> Result<AppServer, Failure> {
    let config = |error: &dyn std::error::Error| Failure::chain(Code::Config, error);
    let mut apps = Vec::new();
    for topic in topics {
        let identity = if *topic == set.topic {
            Identity::from_pem_files(&set.provider, &set.provider_key)
                .map_err(|error| config(&error))?
        } else {
            let push = PushCertificate {
                key: KeyKind::P256,
                ..PushCertificate::new(Kind::Universal, topic)
            };
            let minted = ca.push(&push).map_err(|error| config(&error))?;
            minted.identity().map_err(|error| config(&error))?
        };
        apps.push(ProviderApp {
            topic: topic.clone(),
            identity,
            roots: Roots::Certificates(vec![ca.certificate_der().clone()]),
            gateway: simulator.binary().into(),
            feedback: simulator.feedback().into(),
        });
    }
    let listener = listen::bind(arguments.port_base.address(3))
        .await
        .map_err(|error| Failure::chain(Code::Failure, &error))?;
    AppServer::start(
        listener,
        AppServerConfig {
            apps,
            quiet: AppServerConfig::QUIET,
        },
    )
    .map_err(|error| config(&error))
}

fn phones(
    arguments: &Arguments,
    ca: &Ca,
    simulator: &Handle,
    app_server: &AppServer,
    topics: &[String],
) -> Result<Vec<PhoneLink>, Failure> {
    let failure = |error: &dyn std::error::Error| Failure::chain(Code::Failure, error);
    (1..=arguments.phones)
        .map(|number| {
            let mut phone = Phone::new(&format!("iPhone {number}"));
            for topic in topics {
                let name = topic.rsplit('.').next().unwrap_or(topic);
                phone
                    .install(topic, name, true)
                    .and_then(|()| phone.register(topic, Types::ALL))
                    .map_err(|error| failure(&error))?;
            }
            let minted = ca.device(phone.name()).map_err(|error| failure(&error))?;
            let config = LinkConfig {
                courier: simulator.courier().into(),
                identity: minted.identity().map_err(|error| failure(&error))?,
                roots: Roots::Certificates(vec![ca.certificate_der().clone()]),
                app_server: Some(app_server.address().into()),
                events: None,
            };
            PhoneLink::start(phone, config).map_err(|error| failure(&error))
        })
        .collect()
}

/// Waits until the phones have their tokens, and says so: in the ready file and on stdout.
async fn ready(
    arguments: &Arguments,
    set: &DevSet,
    simulator: &Handle,
    app_server: &AppServer,
    phones: &[PhoneLink],
) -> Result<(), Failure> {
    let mut ready_phones = Vec::new();
    for phone in phones {
        let token = phone
            .token(&set.topic, PHONES_TIMEOUT)
            .await
            .map_err(|error| Failure::chain(Code::Failure, &error))?;
        ready_phones.push(ReadyPhone {
            name: phone.name().to_owned(),
            token: token.to_hex(),
        });
    }
    let ready = Ready {
        binary: simulator.binary(),
        feedback: simulator.feedback(),
        courier: simulator.courier(),
        app_server: app_server.address(),
        ca: &set.ca,
        certificate: &set.provider,
        key: &set.provider_key,
        topic: &set.topic,
        phones: ready_phones,
    };
    if let Some(file) = &arguments.ready_file {
        ready::write(file, &ready).map_err(|error| Failure::chain(Code::Disk, &error))?;
    }
    // For a person; a script that reads only the file may have closed this.
    let _ = writeln!(
        std::io::stdout(),
        "{}",
        Summary(&ready, arguments.environment)
    );
    Ok(())
}

/// What a person wants to know.
struct Summary<'a>(&'a Ready<'a>, Environment);

impl std::fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(ready, environment) = self;
        writeln!(f, "binary provider port  {}  ({environment})", ready.binary)?;
        writeln!(f, "feedback service      {}", ready.feedback)?;
        writeln!(f, "courier               {}", ready.courier)?;
        writeln!(f, "app server            http://{}", ready.app_server)?;
        writeln!(f, "topic                 {}", ready.topic)?;
        writeln!(f, "provider certificate  {}", ready.certificate.display())?;
        writeln!(f, "provider key          {}", ready.key.display())?;
        writeln!(f, "CA to trust           {}", ready.ca.display())?;
        for phone in &ready.phones {
            writeln!(f, "{:<21} {}", phone.name, phone.token)?;
        }
        write!(
            f,
            "push: curl -d '{{\"aps\":{{\"alert\":\"hi\"}}}}' http://{}/apps/{}/push",
            ready.app_server, ready.topic
        )
    }
}
