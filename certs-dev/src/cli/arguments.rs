//! Options that several verbs have, and the values they take.

use std::env;
use std::path::PathBuf;

use apns_certs::portal::Portal;
use apns_certs::portal_dir::{self, PortalDir};
use apns_certs::{KeyKind, Kind, MintError};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::failure::{Code, Failure};

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

/// Where the portal is.
#[derive(Debug, Args)]
pub(crate) struct StateFolder {
    /// The folder of the portal: its CA, App IDs and issued certificates. Created if it does not exist. [default:
    /// ~/.local/state/apns-certs, or apns-certs below $XDG_STATE_HOME]
    #[arg(
        long,
        value_name = "DIR",
        env = "APNS_CERTS_STATE",
        hide_env_values = true
    )]
    state: Option<PathBuf>,
}

impl StateFolder {
    /// The folder that was named, or the one that is used where none was.
    pub(crate) fn path(&self) -> Result<PathBuf, Failure> {
        if let Some(folder) = &self.state {
            return Ok(folder.clone());
        }
        let xdg = env::var_os("XDG_STATE_HOME").map(PathBuf::from);
        // The XDG specification: a relative path is to be ignored.
        let base = xdg
            .filter(|path| path.is_absolute())
            .or_else(|| Some(env::home_dir()?.join(".local/state")));
        base.map(|base| base.join("apns-certs")).ok_or_else(|| {
            Failure::new(
                Code::Failure,
                "this user has no home folder for the portal: name one with --state",
            )
        })
    }

    /// Looks at the portal.
    pub(crate) fn look(&self) -> Result<Portal, Failure> {
        Ok(portal_dir::look(&self.path()?)?)
    }

    /// Takes the portal for changes.
    pub(crate) fn open(&self) -> Result<PortalDir, Failure> {
        Ok(PortalDir::open(&self.path()?)?)
    }
}

/// Whose certificates are issued.
#[derive(Debug, Args)]
pub(crate) struct Holder {
    /// The team id in the certificate, as Apple gives them.
    #[arg(long, value_name = "TEAM-ID", default_value = apns_certs::DEFAULT_TEAM)]
    pub(crate) team: String,
    /// The company in the certificate.
    #[arg(long, value_name = "NAME", default_value = apns_certs::DEFAULT_ORGANIZATION)]
    pub(crate) organization: String,
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

/// A kind of push certificate.
pub(crate) fn kind() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::as_str)).try_map(|word| word.parse::<Kind>())
}
