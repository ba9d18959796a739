//! Keys for provider tokens, as today's APNs takes in place of a certificate.

use std::fmt;
use std::time::SystemTime;

use data_encoding::BASE64;
use rcgen::PublicKeyData;
use serde::{Deserialize, Serialize};

use crate::mint::{KeyKind, MintError};
use crate::{random, rfc3339};

/// A key the portal knows by its public half.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthKey {
    /// Ten characters: the `kid` of the tokens it signs.
    pub key_id: String,
    /// What its owner calls it.
    pub name: String,
    /// The public key: SubjectPublicKeyInfo in base64.
    pub public_key: String,
    /// When it was made.
    #[serde(with = "rfc3339")]
    pub created: SystemTime,
}

/// A key as it is handed out, once.
#[derive(Clone)]
pub struct NewAuthKey {
    /// Ten characters: the `kid` of the tokens it signs.
    pub key_id: String,
    /// The private key, PKCS#8. A secret.
    pub key_pem: String,
}

impl fmt::Debug for NewAuthKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewAuthKey")
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

impl AuthKey {
    pub(super) fn generate(name: &str, now: SystemTime) -> Result<(Self, NewAuthKey), MintError> {
        let key = KeyKind::P256.generate()?;
        let key_id = random::key_id()?;
        let known = Self {
            key_id: key_id.clone(),
            name: name.to_owned(),
            public_key: BASE64.encode(&key.subject_public_key_info()),
            created: now,
        };
        let made = NewAuthKey {
            key_id,
            key_pem: key.serialize_pem(),
        };
        Ok((known, made))
    }
}
