//! The command line of `apns-certs`, the developer portal without Apple: one file for each verb, what they share in `arguments`,
//! `input`, `output` and `failure`.
//!
//! A verb takes its `Arguments`, does its work through the library, writes files through [`output::Out`] and prints one report with
//! [`output::print`].

mod app_id;
mod arguments;
mod certificate;
mod client;
mod csr;
mod dev;
mod device;
mod failure;
mod input;
mod inspect;
mod issue;
mod key;
mod output;
mod p12;
mod password;
mod pem;
mod server;
mod trust;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;

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
    AppId(app_id::Arguments),
    Issue(issue::Arguments),
    #[command(visible_alias = "certificates")]
    Certificate(certificate::Arguments),
    Revoke(certificate::Revoke),
    Key(key::Arguments),
    Server(server::Arguments),
    Client(client::Arguments),
    Device(device::Arguments),
    P12(p12::Arguments),
    Pem(pem::Arguments),
    Dev(dev::Arguments),
    Inspect(inspect::Arguments),
}

/// Does what the process was asked to do.
pub(crate) fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    apns_net::log::init(false);
    let done = match command {
        Command::Csr(arguments) => csr::run(arguments),
        Command::AppId(arguments) => app_id::run(arguments),
        Command::Issue(arguments) => issue::run(arguments),
        Command::Certificate(arguments) => certificate::run(arguments),
        Command::Revoke(arguments) => certificate::revoke(arguments),
        Command::Key(arguments) => key::run(arguments),
        Command::Server(arguments) => server::run(arguments),
        Command::Client(arguments) => client::run(arguments),
        Command::Device(arguments) => device::run(arguments),
        Command::P12(arguments) => p12::run(arguments),
        Command::Pem(arguments) => pem::run(arguments),
        Command::Dev(arguments) => dev::run(arguments),
        Command::Inspect(arguments) => {
            return inspect::run(&arguments).unwrap_or_else(Failure::report);
        }
    };
    done.map_or_else(Failure::report, |()| ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn no_two_options_of_a_verb_are_in_each_others_way() {
        super::Cli::command().debug_assert();
    }
}
