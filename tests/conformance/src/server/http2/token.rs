//! Provider tokens [H-21], made by hand from their parts, so that each can be wrong.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use data_encoding::BASE64URL_NOPAD;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// A key that signs provider tokens.
#[derive(Debug)]
pub(in crate::server) struct ProviderKey {
    key: EcdsaKeyPair,
    key_id: String,
    team_id: String,
}

impl ProviderKey {
    /// From a `.p8` file.
    pub(in crate::server) fn read(
        path: &Path,
        key_id: &str,
        team_id: &str,
    ) -> Result<Self, String> {
        let shown = path.display();
        let der = PrivatePkcs8KeyDer::from_pem_file(path)
            .map_err(|error| format!("{shown}: no key in PEM: {error}"))?;
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der())
                .map_err(|_| format!("{shown}: no P-256 key"))?;
        Ok(Self {
            key,
            key_id: key_id.to_owned(),
            team_id: team_id.to_owned(),
        })
    }

    /// A token issued so many seconds ago; less than none: in the future.
    pub(super) fn token(&self, age: i64) -> String {
        self.signed(&self.key_id, &self.team_id, age)
    }

    /// A token that names another key.
    pub(super) fn token_of_key(&self, key_id: &str) -> String {
        self.signed(key_id, &self.team_id, 0)
    }

    /// A token that names another team.
    pub(super) fn token_of_team(&self, team_id: &str) -> String {
        self.signed(&self.key_id, team_id, 0)
    }

    fn signed(&self, key_id: &str, team_id: &str, age: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        });
        let header = format!(r#"{{"alg":"ES256","kid":"{key_id}"}}"#);
        let claims = format!(r#"{{"iss":"{team_id}","iat":{}}}"#, now - age);
        let base64 = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        let text = format!("{}.{}", base64(&header), base64(&claims));
        let signature = self
            .key
            .sign(&SystemRandom::new(), text.as_bytes())
            .expect("a P-256 key can sign");
        format!("{text}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }
}
