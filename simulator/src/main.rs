//! `apns-simulator`: APNs and its iPhones on one machine, offline.

mod cli;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Acts as Apple's push service and as the iPhones behind it, offline.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Exit codes: 0 ok, 1 failure, 2 usage, 69 nothing to connect to, 74 disk, 78 configuration."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the service: binary port, feedback, courier, an app server, and phones of its own.
    Run(cli::run::Arguments),
    /// Runs phones against a service in another process and prints what they show.
    Phone(cli::phone::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(arguments) => cli::run::run(arguments).await,
        Command::Phone(arguments) => cli::phone::run(arguments).await,
    };
    done.map_or_else(cli::Failure::report, |()| ExitCode::SUCCESS)
}
