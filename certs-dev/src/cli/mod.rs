//! The command line of `apns-certs`, the developer portal without Apple: one file for each verb, what they share in `arguments`,
//! `input`, `output` and `failure`.
//!
//! A verb takes its `Arguments`, does its work through the library, writes files through [`output::Out`] and prints one report with
//! [`output::print`].

mod arguments;
mod csr;
mod dev;
mod failure;
mod input;
mod output;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Apple's developer portal and Keychain on the command line: signing requests, push certificates, and the files that
/// backends want. Offline; nobody but programs told to trust its CA believes what it issues.
#[derive(Debug, Parser)]
#[command(
    version,
    arg_required_else_help = true,
    after_help = "Exit status: 0 done, 1 failure, 2 wrong usage, 74 files cannot be written, 78 the portal's state is damaged."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Csr(csr::Arguments),
    Dev(dev::Arguments),
}

/// Does what the process was asked to do.
pub(crate) fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    apns_net::log::init(false);
    let done = match command {
        Command::Csr(arguments) => csr::run(arguments),
        Command::Dev(arguments) => dev::run(arguments),
    };
    done.map_or_else(failure::Failure::report, |()| ExitCode::SUCCESS)
}
