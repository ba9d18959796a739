//! What certificates are issued for: App IDs and their like.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::mint::MintError;
use crate::push::check_topic;
use crate::random;

/// An App ID (`com.example.App`, `com.example.*`, `*`), website push id (`web.…`), pass type id (`pass.…`), or the topic of a
/// device management server (`com.apple.mgmt.…`). Its beginning says which, as Apple demands it of the last three.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Identifier(String);

/// What an identifier is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentifierKind {
    /// One app.
    App,
    /// Every app that begins so. APNs delivers to one app, so these have no push.
    Wildcard,
    /// A website that notifies in Safari.
    Website,
    /// Passes in Wallet.
    Pass,
    /// A device management server.
    Management,
}

/// What the portal's columns said of push.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PushStatus {
    /// Greyed out: there is no push for such an identifier here.
    Unavailable,
    /// Push is not enabled for the App ID.
    Off,
    /// Push is enabled; there is no valid certificate.
    Configurable,
    /// There is a valid certificate.
    Enabled,
}

const MANAGEMENT: &str = "com.apple.mgmt.";

impl Identifier {
    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it is for.
    pub fn kind(&self) -> IdentifierKind {
        let begins = |prefix| self.0.starts_with(prefix);
        match self.0.as_str() {
            id if id.ends_with('*') => IdentifierKind::Wildcard,
            _ if begins("web.") => IdentifierKind::Website,
            _ if begins("pass.") => IdentifierKind::Pass,
            _ if begins(MANAGEMENT) => IdentifierKind::Management,
            _ => IdentifierKind::App,
        }
    }

    /// A new topic for a device management server.
    pub(super) fn management() -> Result<Self, MintError> {
        Ok(Self(format!("{MANAGEMENT}External.{}", random::uuid()?)))
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Identifier {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let explicit = match text {
            "*" => return Ok(Self(text.to_owned())),
            _ => text.strip_suffix(".*").unwrap_or(text),
        };
        check_topic(explicit).map_err(|_| IdentifierError(text.to_owned()))?;
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Identifier {
    type Error = IdentifierError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Identifier> for String {
    fn from(id: Identifier) -> Self {
        id.0
    }
}

/// Text that is no identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no App ID: expected a bundle id such as com.example.App (letters, digits, hyphens and dots, at most 155), \
     or one with a wildcard at its end (com.example.*)"
)]
pub struct IdentifierError(String);

impl fmt::Display for IdentifierKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::App => "app",
            Self::Wildcard => "wildcard",
            Self::Website => "website",
            Self::Pass => "pass",
            Self::Management => "management",
        })
    }
}

impl fmt::Display for PushStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unavailable => "Unavailable",
            Self::Off => "Off",
            Self::Configurable => "Configurable",
            Self::Enabled => "Enabled",
        })
    }
}
