//! `apns-certs`: the developer portal's certificates on the command line.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use apns_certs::dev::{self, DevError, DevOptions, DevSet};
use clap::{Parser, Subcommand};

/// Mints development certificates: what Apple's developer portal gives out, without Apple.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes a ready set into a folder: CA, server certificate, provider push certificate.
    ///
    /// A set that is already there is used again while it fits; otherwise it is minted anew, under the same CA if
    /// that is still good. Private keys are readable by you alone.
    #[command(after_help = DEV_EXAMPLES)]
    Dev {
        /// The folder; created if it does not exist.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// The app's bundle id, which becomes the push certificate's topic.
        #[arg(long, value_name = "BUNDLE-ID", default_value = "com.example.Mail", value_parser = topic)]
        topic: String,
        /// A further DNS name or IP address for the server certificate; may be given several times. localhost,
        /// 127.0.0.1, ::1 and Apple's push hosts are always in it.
        #[arg(long = "name", value_name = "HOST", value_parser = server_name)]
        names: Vec<String>,
        /// Print the paths as JSON.
        #[arg(long)]
        json: bool,
    },
}

const DEV_EXAMPLES: &str = "Examples:
  apns-certs dev --out certs
  apns-certs dev --out certs --topic com.example.Shop --name push.example.test --name 10.0.0.7

Exit status: 0 done, 1 failure, 2 wrong usage, 74 the folder cannot be written.";

fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    apns_net::log::init(false);
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("apns-certs: {error:#}");
            ExitCode::from(exit_code(&error))
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let Command::Dev {
        out,
        topic,
        names,
        json,
    } = command;
    let mut options = DevOptions {
        topic,
        ..DevOptions::default()
    };
    options.server_names.extend(names);
    let set = dev::load_or_write(&out, &options)?;
    print(&set, json).context("cannot write to stdout")
}

fn print(set: &DevSet, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, set)?;
        return writeln!(out);
    }
    let state = if set.minted {
        "minted"
    } else {
        "already there"
    };
    write!(
        out,
        "Development certificates for {topic}, {state}:

  CA to trust           {ca}
  server certificate    {server}
  its key               {server_key}
  push certificate      {provider}
  its key               {provider_key}
  both in one file      {combined}

Next: have a listener show the server certificate and trust the CA, then connect as a backend would:

  openssl s_client -connect 127.0.0.1:2195 -CAfile {ca} -cert {provider} -key {provider_key}
",
        topic = set.topic,
        ca = set.ca.display(),
        server = set.server.display(),
        server_key = set.server_key.display(),
        provider = set.provider.display(),
        provider_key = set.provider_key.display(),
        combined = set.provider_combined.display(),
    )
}

fn topic(text: &str) -> Result<String, apns_certs::MintError> {
    apns_certs::check_topic(text).map(|()| text.to_owned())
}

fn server_name(text: &str) -> Result<String, apns_certs::MintError> {
    apns_certs::check_server_name(text).map(|()| text.to_owned())
}

/// 74 is the disk's; what clap refuses is 2 and never comes here.
fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<DevError>() {
        Some(
            DevError::Folder { .. }
            | DevError::Read { .. }
            | DevError::Write { .. }
            | DevError::Foreign { .. },
        ) => 74,
        _ => 1,
    }
}
