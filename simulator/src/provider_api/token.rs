//! Provider tokens: JSON web tokens signed with a key from the portal [H-21]. As much of RFC 7519 as APNs takes, and no more.

use std::sync::Arc;

use apns_certs::portal::AuthKey;
use apns_net::credentials::Environment;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Real ones have some 200 bytes.
const TOKEN_LEN_MAX: usize = 4096;
/// Of an ES256 signature: two numbers of 32 bytes.
const SIGNATURE_LEN: usize = 64;

/// A `.p8` key of the portal, its public half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderKey {
    /// Ten characters: `kid` in a token's header.
    pub id: Arc<str>,
    /// Ten characters: `iss` in a token's claims.
    pub team: Arc<str>,
    /// On P-256: SubjectPublicKeyInfo, or the uncompressed point alone.
    pub public_key: Vec<u8>,
    /// Where it may be used; `None` is everywhere.
    pub environment: Option<Environment>,
    /// The topics it may push to; empty is all of its team.
    pub topics: Vec<Arc<str>>,
}

impl ProviderKey {
    /// A key of a team's portal, for every environment and topic. `None` when its public key is not in base64.
    #[must_use]
    pub fn from_portal(key: &AuthKey, team: &str) -> Option<Self> {
        Some(Self {
            id: key.key_id.as_str().into(),
            team: team.into(),
            public_key: BASE64.decode(key.public_key.as_bytes()).ok()?,
            environment: None,
            topics: Vec::new(),
        })
    }
}

/// What is wrong with a provider token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// It is not what a token looks like.
    #[error("it is not three parts in base64url, at most {TOKEN_LEN_MAX} bytes")]
    Form,
    /// Header or claims are not the JSON they should be.
    #[error("its {0} lacks a field or is no JSON")]
    Json(&'static str),
    /// Another algorithm, or none.
    #[error("its algorithm is not ES256")]
    Algorithm,
    /// `kid` names no key.
    #[error("no key has its key id")]
    UnknownKey,
    /// `iss` is not the team of the key.
    #[error("its issuer is not the team of its key")]
    OtherTeam,
    /// The signature is not one of this key over these bytes.
    #[error("its signature is wrong")]
    Signature,
}

/// A token as it was read; nothing is proved yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unverified<'a> {
    signed: &'a str,
    signature: [u8; SIGNATURE_LEN],
    key_id: String,
    team: String,
    issued_at: i64,
}

/// A token whose signature is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Who signed it.
    pub key: ProviderKey,
    /// When: seconds since 1970, by the provider's clock.
    pub issued_at: i64,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    iat: i64,
}

impl<'a> Unverified<'a> {
    /// Reads a token.
    ///
    /// # Errors
    ///
    /// When it is not one that APNs takes, whoever signed it.
    pub fn parse(text: &'a str) -> Result<Self, TokenFault> {
        if text.len() > TOKEN_LEN_MAX {
            return Err(TokenFault::Form);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenFault::Form)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenFault::Form)?;
        let header: Header = part(header, "header")?;
        if header.alg != "ES256" {
            return Err(TokenFault::Algorithm);
        }
        let claims: Claims = part(claims, "claims")?;
        let signature = BASE64URL_NOPAD
            .decode(signature.as_bytes())
            .map_err(|_| TokenFault::Form)?;
        Ok(Self {
            signed,
            signature: signature.try_into().map_err(|_| TokenFault::Signature)?,
            key_id: header.kid,
            team: claims.iss,
            issued_at: claims.iat,
        })
    }

    /// The team it says it is of.
    #[must_use]
    pub fn team(&self) -> &str {
        &self.team
    }

    /// The key it says it was signed with.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Holds it against that key.
    ///
    /// # Errors
    ///
    /// When there is no such key, or it did not sign this.
    pub fn verify(self, key: Option<ProviderKey>) -> Result<Verified, TokenFault> {
        let key = key.ok_or(TokenFault::UnknownKey)?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key.public_key)
            .verify(self.signed.as_bytes(), &self.signature)
            .map_err(|_| TokenFault::Signature)?;
        if *key.team != *self.team {
            return Err(TokenFault::OtherTeam);
        }
        Ok(Verified {
            key,
            issued_at: self.issued_at,
        })
    }
}

fn part<T: DeserializeOwned>(text: &str, what: &'static str) -> Result<T, TokenFault> {
    let json = BASE64URL_NOPAD
        .decode(text.as_bytes())
        .map_err(|_| TokenFault::Form)?;
    serde_json::from_slice(&json).map_err(|_| TokenFault::Json(what))
}

#[cfg(test)]
pub(super) mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use proptest::prelude::*;

    use super::*;

    /// A key pair, whose public half the portal knows.
    pub(in super::super) struct Signer {
        pair: EcdsaKeyPair,
        pub(in super::super) key: ProviderKey,
    }

    impl Signer {
        pub(in super::super) fn new(id: &str, team: &str) -> Self {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            let key = ProviderKey {
                id: id.into(),
                team: team.into(),
                public_key: pair.public_key().as_ref().to_vec(),
                environment: None,
                topics: Vec::new(),
            };
            Self { pair, key }
        }

        fn sign(&self, header: &str, claims: &str) -> String {
            let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
            let signed = format!("{}.{}", encode(header), encode(claims));
            let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes());
            let signature = BASE64URL_NOPAD.encode(signature.unwrap().as_ref());
            format!("{signed}.{signature}")
        }

        pub(in super::super) fn token(&self, issued_at: i64) -> String {
            let (id, team) = (&self.key.id, &self.key.team);
            self.sign(
                &format!(r#"{{"alg":"ES256","kid":"{id}","typ":"JWT"}}"#),
                &format!(r#"{{"iss":"{team}","iat":{issued_at}}}"#),
            )
        }
    }

    fn verify(text: &str, key: Option<ProviderKey>) -> Result<Verified, TokenFault> {
        Unverified::parse(text)?.verify(key)
    }

    #[test]
    fn a_token_is_believed_when_its_key_signed_it() {
        let signer = Signer::new("KEY0000001", "TEAM000001");
        let text = signer.token(1_700_000_000);
        assert_eq!(Unverified::parse(&text).unwrap().key_id(), "KEY0000001");
        let verified = verify(&text, Some(signer.key.clone())).unwrap();
        assert_eq!(verified.issued_at, 1_700_000_000);
        assert_eq!(verify(&text, None), Err(TokenFault::UnknownKey));
        let other = Signer::new("KEY0000001", "TEAM000001");
        assert_eq!(verify(&text, Some(other.key)), Err(TokenFault::Signature));
        let mut elsewhere = signer.key;
        elsewhere.team = "TEAM000002".into();
        assert_eq!(verify(&text, Some(elsewhere)), Err(TokenFault::OtherTeam));
    }

    #[test]
    fn each_thing_a_token_can_lack_is_called_by_its_name() {
        let signer = Signer::new("K", "T");
        let header = r#"{"alg":"ES256","kid":"K"}"#;
        let claims = r#"{"iss":"T","iat":1}"#;
        for (header, claims, fault) in [
            (r#"{"alg":"none","kid":"K"}"#, claims, TokenFault::Algorithm),
            (
                r#"{"alg":"HS256","kid":"K"}"#,
                claims,
                TokenFault::Algorithm,
            ),
            (r#"{"alg":"ES256"}"#, claims, TokenFault::Json("header")),
            ("ES256", claims, TokenFault::Json("header")),
            (header, r#"{"iat":1}"#, TokenFault::Json("claims")),
            (header, r#"{"iss":"T"}"#, TokenFault::Json("claims")),
            (
                header,
                r#"{"iss":"T","iat":"1"}"#,
                TokenFault::Json("claims"),
            ),
        ] {
            let text = signer.sign(header, claims);
            assert_eq!(Unverified::parse(&text), Err(fault), "{header} {claims}");
        }
        let good = signer.sign(header, claims);
        assert_eq!(
            verify(&good, Some(signer.key.clone())).unwrap().issued_at,
            1
        );
        let cut = &good[..good.len() - 2];
        assert_eq!(Unverified::parse(cut), Err(TokenFault::Signature));
        for bad in [
            "",
            ".",
            "..",
            "a.b",
            &good.replace('.', "!"),
            &"a".repeat(5000),
        ] {
            assert!(Unverified::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_no_token_is_taken_for_one(text: String, cut in 0..200usize, byte in 0..128u8) {
            prop_assert!(Unverified::parse(&text).is_err());
            let signer = Signer::new("K", "T");
            let mut changed = signer.token(1).into_bytes();
            let cut = cut.min(changed.len() - 1);
            prop_assume!(changed[cut] != byte);
            changed[cut] = byte;
            // The last character of a part has bits that must be zero: every change of one is noticed.
            prop_assert!(verify(std::str::from_utf8(&changed).unwrap(), Some(signer.key)).is_err());
        }
    }
}
