//! How a verb that cannot do its work ends the process.

use std::fmt;
use std::process::ExitCode;

use apns_certs::MintError;
use apns_certs::pkcs8::UnknownKind;
use apns_certs::pkcs12::WriteError;
use apns_certs::portal_dir::PortalDirError;
use apns_net::credentials::CredentialsError;

/// Exit codes after `sysexits.h`; 2 is clap's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// Anything without a code of its own.
    Failure = 1,
    /// An option is missing that clap cannot miss.
    Usage = 2,
    /// A file cannot be written, or is somebody else's.
    Disk = 74,
    /// The portal's state is not what was written.
    State = 78,
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

    /// An error with its sources.
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
        eprintln!("apns-certs: {}", self.line.replace('\n', " "));
        ExitCode::from(self.code as u8)
    }
}

impl From<PortalDirError> for Failure {
    fn from(error: PortalDirError) -> Self {
        let code = match &error {
            PortalDirError::Folder { .. }
            | PortalDirError::Read { .. }
            | PortalDirError::Write { .. } => Code::Disk,
            PortalDirError::Damaged { .. } | PortalDirError::Version { .. } => Code::State,
            _ => Code::Failure,
        };
        Self::chain(code, &error)
    }
}

/// Errors of the library that are no more than a failure.
macro_rules! failures {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::chain(Code::Failure, &error)
            }
        }
    )*};
}

failures!(CredentialsError, MintError, UnknownKind, WriteError);
