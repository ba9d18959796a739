//! `apns-demo`: the whole flow on one machine, told line by line: registration, a push through the gateway, the way back.
//!
//! ```text
//! main ──▶ house (starts simulator, gateway, app server, phones) ──▶ walk (the seven steps) ──▶ stays up for the reader's own code
//! ```

mod explain;
mod house;
mod walk;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use apns_gateway::config::OnReject;
use apns_net::ready::{self, PortBase};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::house::{House, Upstream};

/// Walks a push from registration to feedback, without Apple, and stays up for your own legacy code.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Exit codes: 0 ok, 1 a step failed or a port is in use, 2 usage."
)]
struct Arguments {
    /// Stop after the walk; the exit code says whether every step went well
    #[arg(long)]
    once: bool,
    /// Port of the first listener, the others follow: binary, feedback, courier, app server, the gateway's two. 0 takes free ports [default: 22000, with --once 0]
    #[arg(long, value_name = "N")]
    port_base: Option<PortBase>,
    /// Phones, each with two push apps
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(2..=100))]
    phones: u32,
    /// What the gateway speaks with APNs: its original protocol, or today's with a provider token
    #[arg(long, value_name = "KIND", value_enum, default_value_t)]
    upstream: Upstream,
    /// How the gateway tells a backend that APNs refuses a token
    #[arg(long, value_name = "MODE", value_enum, default_value_t)]
    on_reject: OnReject,
    /// Written, as JSON, once the walk is over and everything can be used
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

const PORT_BASE: PortBase = PortBase(22_000);

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // The walk is the output; whoever wants the daemons' own lines too sets RUST_LOG.
    if std::env::var_os("RUST_LOG").is_some() {
        apns_net::log::init(false);
    }
    match demo(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("apns-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn demo(arguments: &Arguments) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let free = if arguments.once {
        PortBase::FREE
    } else {
        PORT_BASE
    };
    let mut house = House::build(
        arguments.port_base.unwrap_or(free),
        arguments.upstream,
        arguments.on_reject,
    )
    .await?;
    let working = async {
        walk::walk(&mut house, arguments.phones).await?;
        if arguments.once {
            println!("Every step went well.");
            return Ok(());
        }
        let ready = house.ready().await?;
        if let Some(file) = &arguments.ready_file {
            ready::write(file, &ready)?;
        }
        println!("{ready}");
        walk::watch(&mut house).await;
        Ok(())
    };
    let ended = tokio::select! {
        ended = working => ended,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    };
    house.shutdown().await;
    ended
}
