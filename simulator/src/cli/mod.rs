//! The command line: what `main` does for each command, and how a failure ends the process.

pub(crate) mod phone;
pub(crate) mod run;

use std::fmt;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

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
    code: Code,
    line: String,
}

impl Failure {
    pub(crate) fn new(code: Code, line: impl fmt::Display) -> Self {
        Self {
            code,
            line: line.to_string(),
        }
    }

    /// An error with its sources, in one line.
    pub(crate) fn chain(code: Code, error: &dyn std::error::Error) -> Self {
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
        ExitCode::from(self.code as u8)
    }
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
