//! The command line of `apns-simulator`, APNs and its iPhones on one machine: what each command does, and how a failure ends the
//! process. `main` is a call of [`main`].

pub(crate) mod phone;
pub(crate) mod run;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::stage::StageError;

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
    /// Runs the service: binary port, feedback, courier, HTTP/2 provider API, an app server, a REST API for tests, and phones of its own.
    Run(run::Arguments),
    /// Runs phones against a service in another process and prints what they show.
    Phone(phone::Arguments),
}

/// The name of our folder among those of other programs.
const STATE: &str = "apns-simulator";

/// Does what the process was asked to do.
#[tokio::main]
pub async fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(arguments) => run::run(arguments).await,
        Command::Phone(arguments) => phone::run(arguments).await,
    };
    done.map_or_else(Failure::report, |()| ExitCode::SUCCESS)
}

/// Exit codes after `sysexits.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// Anything without a code of its own.
    Failure = 1,
    /// What we connect to is not there.
    Unavailable = 69,
    /// The disk does not take what must be written.
    Disk = 74,
    /// A file or an option cannot be used.
    Config = 78,
}

/// Ends the process with one line on stderr.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    line: String,
}

impl Failure {
    pub(crate) fn new(code: Code, line: impl fmt::Display) -> Self {
        Self {
            code: code as u8,
            line: line.to_string(),
        }
    }

    /// An error with its sources, in one line.
    pub(crate) fn chain(code: Code, error: &dyn std::error::Error) -> Self {
        Self::caused(code as u8, error)
    }

    fn caused(code: u8, error: &dyn std::error::Error) -> Self {
        let mut line = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            line.push_str(": ");
            line.push_str(&cause.to_string());
            source = cause.source();
        }
        Self { code, line }
    }

    /// Prints the line and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        eprintln!("apns-simulator: {}", self.line.replace('\n', " "));
        ExitCode::from(self.code)
    }
}

impl From<StageError> for Failure {
    fn from(error: StageError) -> Self {
        Self::caused(error.exit_code(), &error)
    }
}

/// Where `run` keeps its certificates, and `phone` finds the CA, unless told otherwise: a folder that survives a reboot.
pub(crate) fn state_folder(given: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let absolute = |name| {
        let path = std::env::var_os(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    given
        .or_else(|| Some(absolute("XDG_STATE_HOME")?.join(STATE)))
        .or_else(|| Some(absolute("HOME")?.join(".local/state").join(STATE)))
        .ok_or_else(|| {
            Failure::new(
                Code::Config,
                "there is no home folder for the certificates (HOME is not set): choose one with --state",
            )
        })
}

/// SIGINT or SIGTERM.
pub(crate) async fn stop_signal() -> Result<(), Failure> {
    let failure = |error| {
        Failure::new(
            Code::Failure,
            format_args!("cannot listen for signals: {error}"),
        )
    };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failure)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failure)?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
