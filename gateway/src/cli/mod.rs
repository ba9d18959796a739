//! The command line of the gateway; `main` is a call of [`main`].

mod admin;

use std::path::PathBuf;
use std::process::ExitCode;

use apns_net::ready::{self, PortBase};
use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use crate::config::{Config, ConfigError};
use crate::{Failure, Gateway, Handle, SetupError, StartError, check};

/// Takes pushes in Apple's retired binary protocol, keeps them safe, and brings them upstream.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the gateway until SIGTERM or SIGINT; SIGHUP makes it read its certificates and keys again, and which keys sign provider tokens.
    Run(Run),
    /// Says what is wrong with a configuration, and stops.
    CheckConfig(ConfigFile),
    /// Says how a running gateway stands: its apps, their queues, what is on hold.
    Status(admin::Running),
    /// Sends nothing of an app until `resume`; what its backends send is accepted and kept.
    Hold(admin::Hold),
    /// Ends a hold, an operator's or the gateway's own.
    Resume(admin::Resume),
    /// Notifications that were refused or given up.
    #[command(subcommand)]
    DeadLetters(admin::DeadLetters),
}

#[derive(Args)]
struct ConfigFile {
    /// The configuration; gateway.example.toml explains every key.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Args)]
struct Run {
    #[command(flatten)]
    file: ConfigFile,
    /// Binds the listeners on 127.0.0.1 instead, to N, N+1, …; 0: to free ports.
    #[arg(long, value_name = "N")]
    port_base: Option<PortBase>,
    /// Written, in one piece, once every listener is bound: their addresses as JSON.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Logs one JSON object a line.
    #[arg(long)]
    log_json: bool,
}

/// Does what the process was asked to do; exits 0, 1 failure, 2 usage, 74 disk, 78 configuration.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(run) => run_gateway(run),
        Command::CheckConfig(file) => check_config(&file),
        Command::Status(running) => ask(admin::status(&running)),
        Command::Hold(hold) => ask(admin::hold(&hold)),
        Command::Resume(resume) => ask(admin::resume(&resume)),
        Command::DeadLetters(verb) => ask(admin::dead_letters(&verb)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("apns-gateway: {error:#}");
            ExitCode::from(exit_code(&error))
        }
    }
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if let Some(error) = error.downcast_ref::<StartError>() {
        error.exit_code()
    } else if let Some(failure) = error.downcast_ref::<Failure>() {
        failure.exit_code()
    } else if error.is::<ConfigError>() || error.is::<SetupError>() {
        78
    } else {
        1
    }
}

fn check_config(file: &ConfigFile) -> anyhow::Result<()> {
    let config = Config::load(&file.config)?;
    for warning in check(&config)? {
        eprintln!("warning: {warning}");
    }
    println!("{} is in order", file.config.display());
    Ok(())
}

fn ask(asking: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(asking)
}

fn run_gateway(run: Run) -> anyhow::Result<()> {
    apns_net::log::init(run.log_json);
    let config = load(&run)?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(serve(config, run))
}

fn load(run: &Run) -> Result<Config, ConfigError> {
    let mut config = Config::load(&run.file.config)?;
    if let Some(base) = run.port_base {
        config.set_port_base(base);
    }
    Ok(config)
}

async fn serve(config: Config, run: Run) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut gateway = Gateway::start(config).await?;
    if let Some(path) = &run.ready_file {
        ready::write(path, &gateway.ready_file())?;
    }
    loop {
        tokio::select! {
            ended = gateway.ended() => return Ok(ended?),
            () = signals.next() => break,
            _ = hang_up.recv() => {}
        }
        if let Err(problem) = reload(&gateway, &run).await {
            error!(
                problem = format!("{problem:#}"),
                "certificates and keys stay as they were"
            );
        }
    }
    info!("stopping; a second signal stops at once");
    stop(&mut gateway, &mut signals).await
}

async fn reload(gateway: &Handle, run: &Run) -> anyhow::Result<()> {
    Ok(gateway.reload(&load(run)?).await?)
}

async fn stop(gateway: &mut Handle, signals: &mut Signals) -> anyhow::Result<()> {
    tokio::select! {
        ended = gateway.shutdown() => {
            ended?;
            info!("stopped");
        }
        () = signals.next() => warn!("stopped at once; what was accepted is kept"),
    }
    Ok(())
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
