//! Certificates the portal has issued.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use apns_net::credentials::Pin;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Serialize};

use super::Identifier;
use crate::mint::MintError;
use crate::push::Kind;
use crate::{random, rfc3339};

/// A certificate the portal has issued; the key it certifies is not here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issued {
    /// Its number.
    pub serial: Serial,
    /// What it is for.
    pub kind: Kind,
    /// The identifier it was ordered for.
    pub app_id: Identifier,
    /// The topic in its UID.
    pub topic: String,
    /// Its common name.
    pub common_name: String,
    /// The kind of the key it certifies.
    pub key: String,
    /// Its fingerprint.
    pub pin: Pin,
    /// Its first second.
    #[serde(with = "rfc3339")]
    pub not_before: SystemTime,
    /// Its last second.
    #[serde(with = "rfc3339")]
    pub not_after: SystemTime,
    /// When it was revoked.
    #[serde(with = "rfc3339::option", default)]
    pub revoked: Option<SystemTime>,
}

/// What a certificate is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It lets its holder in.
    Active,
    /// Its year is over.
    Expired,
    /// Its holder or the portal took it back.
    Revoked,
}

impl Issued {
    /// What the certificate is good for now.
    pub fn status(&self, now: SystemTime) -> Status {
        if self.revoked.is_some() {
            Status::Revoked
        } else if now > self.not_after {
            Status::Expired
        } else {
            Status::Active
        }
    }

    /// Whether it is one the list of App IDs counts: not one for VoIP or the watch alone.
    pub(super) fn is_for_the_app_itself(&self) -> bool {
        self.topic == self.app_id.as_str()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        })
    }
}

/// A certificate's number: random, so that nothing is told by it, and eight bytes, as Apple's are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Serial([u8; 8]);

impl Serial {
    pub(super) fn random() -> Result<Self, MintError> {
        let mut bytes = random::bytes()?;
        // Positive, and always of the same length.
        bytes[0] = bytes[0] & 0x7f | 0x40;
        Ok(Self(bytes))
    }

    /// The number, most significant byte first.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&HEXLOWER.encode(&self.0))
    }
}

impl FromStr for Serial {
    type Err = SerialError;

    /// Hexadecimal in either case, plain or with colons, as `openssl x509 -noout -serial` prints it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.trim().replace(':', "");
        HEXLOWER_PERMISSIVE
            .decode(digits.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or(SerialError)
    }
}

impl TryFrom<String> for Serial {
    type Error = SerialError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Serial> for String {
    fn from(serial: Serial) -> Self {
        serial.to_string()
    }
}

/// Text that is no number of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a serial number of this portal: expected 16 hexadecimal digits, with or without colons"
)]
pub struct SerialError;
