//! Options that several verbs have, and the values they take.

use std::path::PathBuf;

use apns_certs::{KeyKind, MintError};
use clap::Args;

/// How the outcome is printed.
#[derive(Debug, Args)]
pub(crate) struct Format {
    /// Print the outcome as one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where files go.
#[derive(Debug, Args)]
pub(crate) struct OutFolder {
    /// The folder for the files; created if it does not exist.
    #[arg(long = "out", value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Replace files of these names that hold something else.
    #[arg(long)]
    pub(crate) force: bool,
}

/// What key is made.
#[derive(Debug, Args)]
pub(crate) struct NewKey {
    /// Make a P-256 key instead of RSA 2048. Old backends and Apple's own portal want RSA.
    #[arg(long)]
    p256: bool,
}

impl NewKey {
    pub(crate) const fn kind(&self) -> KeyKind {
        if self.p256 {
            KeyKind::P256
        } else {
            KeyKind::Rsa2048
        }
    }
}

/// A bundle id without wildcard.
pub(crate) fn topic(text: &str) -> Result<String, MintError> {
    apns_certs::check_topic(text).map(|()| text.to_owned())
}

/// A DNS name or an IP address.
pub(crate) fn server_name(text: &str) -> Result<String, MintError> {
    apns_certs::check_server_name(text).map(|()| text.to_owned())
}
