//! `apns-simulator run`: the service, an app server, and phones, in one process.

use std::io::Write;
use std::path::PathBuf;

use apns_net::credentials::Environment;
use apns_net::ready::{self, PortBase};
use apns_net::tls::TlsVersions;

use super::{Code, Failure, state_folder, stop_signal};
use crate::faults::{Plan, Rule};
use crate::knobs::{KnobError, Knobs};
use crate::stage::{Ready, Stage, StageOptions, phone_name};

const PHONES_MAX: u32 = 1_000;

/// Options of `apns-simulator run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Listeners are bound to 127.0.0.1 in this order: binary provider port, feedback, courier, app server, REST API, HTTP/2; those of the other \
environment are ten ports higher. A backend connects to the \
first two with the certificate and key that the ready file names and that lie in the state folder; the CA it is to trust lies \
there too. Push to every phone with

  curl -d '{\"aps\":{\"alert\":\"hi\"}}' http://127.0.0.1:22003/apps/com.example.Mail/push

RUST_LOG=apns_simulator=debug logs a line for every notification and everything phones do.")]
pub(crate) struct Arguments {
    /// Folder of the certificates, made when they are missing or about to expire [default: apns-simulator in $XDG_STATE_HOME, else
    /// in ~/.local/state]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Port of the first listener, the others follow; 0 takes free ports
    #[arg(long, value_name = "N", default_value = "22000")]
    port_base: PortBase,
    /// Virtual phones to switch on, each with two push apps: TOPIC and TOPIC.second
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=i64::from(PHONES_MAX)))]
    phones: u32,
    /// Written, as JSON, once every listener is bound and every phone has its tokens
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// The app's bundle id
    #[arg(long, default_value = "com.example.Mail")]
    topic: String,
    /// The environment of phones and app server, and of the first ports: sandbox or production
    #[arg(long, value_name = "ENVIRONMENT", default_value = "sandbox")]
    environment: Environment,
    /// Do as Apple's servers were also seen to do: command-0-error=id-0, parse-error=255 or =close, close=abrupt,
    /// wrong-environment=accept-close, dead-token=status-8, payload-cap=256; may be repeated
    #[arg(long = "knob", value_name = "NAME=VALUE", value_parser = knob)]
    knobs: Vec<String>,
    /// Speak TLS 1.3 too; a refused certificate is then noticed only at the client's first read
    #[arg(long)]
    tls13: bool,
    /// A name besides localhost under which the REST API may be reached; may be repeated
    #[arg(long, value_name = "NAME")]
    rest_host: Vec<String>,
    /// What is to go wrong: a TOML file of rules, see the chapter on faults in docs/simulator.md
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// One more rule, such as face=binary,token=a1b2,action=latency,ms=300; may be repeated
    #[arg(long, value_name = "RULE")]
    fault: Vec<Rule>,
    /// Log as JSON lines, on stderr
    #[arg(long)]
    log_json: bool,
}

/// Refuses what cannot be set while the command line is read.
fn knob(setting: &str) -> Result<String, KnobError> {
    Knobs::default().set(setting)?;
    Ok(setting.to_owned())
}

/// Runs until SIGINT or SIGTERM.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    apns_net::log::init(arguments.log_json);
    let mut knobs = Knobs::default();
    for setting in &arguments.knobs {
        knobs
            .set(setting)
            .map_err(|error| Failure::chain(Code::Config, &error))?;
    }
    let stage = Stage::set_up(StageOptions {
        state: state_folder(arguments.state.clone())?,
        port_base: arguments.port_base,
        topic: arguments.topic.clone(),
        environment: arguments.environment,
        tls: if arguments.tls13 {
            TlsVersions::Tls12And13
        } else {
            TlsVersions::Tls12
        },
        faults: plan(&arguments)?,
        knobs,
    })
    .await?;
    let (binary, feedback) = (stage.simulator().binary(), stage.simulator().feedback());
    let app_server = stage.app_server(binary.into(), feedback.into()).await?;
    let rest = stage.rest(arguments.rest_host.clone()).await?;
    let mut phones = Vec::new();
    for number in 1..=arguments.phones {
        phones.push(stage.virtual_phone(&phone_name(number))?);
    }
    let ready = stage.ready(&app_server, Some(&rest), phones);
    let serving = async {
        announce(&arguments, &ready)?;
        std::future::pending().await
    };
    let ended = tokio::select! {
        ended = serving => ended,
        ended = stop_signal() => ended,
    };
    rest.shutdown().await;
    app_server.shutdown().await;
    stage.shutdown().await;
    ended
}

/// The faults of the file, and behind them those of the command line.
fn plan(arguments: &Arguments) -> Result<Plan, Failure> {
    let mut plan = match &arguments.faults {
        Some(file) => {
            let fault = |error: &dyn std::error::Error| {
                let file = file.display();
                Failure::new(
                    Code::Config,
                    format!("cannot take the faults from {file}: {error}"),
                )
            };
            let text = std::fs::read_to_string(file).map_err(|error| fault(&error))?;
            toml::from_str(&text).map_err(|error| fault(&error))?
        }
        None => Plan::default(),
    };
    plan.rules.extend(arguments.fault.iter().cloned());
    Ok(plan)
}

/// Says that everything is ready: in the ready file and on stdout.
fn announce(arguments: &Arguments, ready: &Ready) -> Result<(), Failure> {
    if let Some(file) = &arguments.ready_file {
        ready::write(file, ready).map_err(|error| Failure::chain(Code::Disk, &error))?;
    }
    // For a person; a script that reads only the file may have closed this.
    let _ = writeln!(
        std::io::stdout(),
        "{}",
        Summary(ready, arguments.environment)
    );
    Ok(())
}

/// What a person wants to know.
struct Summary<'a>(&'a Ready, Environment);

impl std::fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(ready, environment) = self;
        writeln!(f, "binary provider port  {}  ({environment})", ready.binary)?;
        writeln!(f, "feedback service      {}", ready.feedback)?;
        writeln!(f, "courier               {}", ready.courier)?;
        writeln!(f, "HTTP/2 provider API   https://{}", ready.http2)?;
        let (other, ports) = match environment {
            Environment::Sandbox => (Environment::Production, ready.production),
            Environment::Production => (Environment::Sandbox, ready.sandbox),
        };
        writeln!(
            f,
            "{other:<21} {} binary, {} feedback, {} courier, {} HTTP/2",
            ports.binary, ports.feedback, ports.courier, ports.http2
        )?;
        writeln!(f, "app server            http://{}", ready.app_server)?;
        if let Some(rest) = ready.rest {
            writeln!(f, "REST API              http://{rest}/v1")?;
        }
        writeln!(f, "topic                 {}", ready.topic)?;
        writeln!(f, "provider certificate  {}", ready.certificate.display())?;
        writeln!(f, "provider key          {}", ready.key.display())?;
        let key = &ready.provider_key;
        writeln!(
            f,
            "provider tokens       key {}, team {}, {}",
            key.key_id,
            key.team,
            key.path.display()
        )?;
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
