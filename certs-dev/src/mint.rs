//! What every minted certificate has: a key, a validity, and the form it is handed out in.

use std::fmt;
use std::time::{Duration, SystemTime};

use apns_net::credentials::{CredentialsError, Identity};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;

use crate::pem;

/// The kind of a private key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA of 2048 bits, as Apple's portal demands and every old client can use. Takes a tenth of a second or more.
    #[default]
    Rsa2048,
    /// ECDSA on P-256: instant, but runtimes of node 0.x's age cannot verify it.
    P256,
}

impl KeyKind {
    pub(crate) fn generate(self) -> Result<KeyPair, MintError> {
        Ok(KeyPair::generate_for(match self {
            Self::Rsa2048 => &PKCS_RSA_SHA256,
            Self::P256 => &PKCS_ECDSA_P256_SHA256,
        })?)
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// From when to when a certificate is valid, to the second, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub not_before: SystemTime,
    /// The last second.
    pub not_after: SystemTime,
}

impl Validity {
    /// From yesterday, for clocks that differ, until that many days from now.
    pub fn days(days: u32) -> Self {
        Self::days_from(SystemTime::now(), days)
    }

    /// One year, as Apple's push certificates have [P-64].
    pub fn year() -> Self {
        Self::year_from(SystemTime::now())
    }

    /// The year that begins now, whenever that is, and the day before it.
    pub fn year_from(now: SystemTime) -> Self {
        Self::days_from(now, 365)
    }

    fn days_from(now: SystemTime, days: u32) -> Self {
        Self {
            not_before: now - DAY,
            not_after: now + DAY * days,
        }
    }

    /// A year that ended yesterday.
    pub fn ended() -> Self {
        let now = SystemTime::now();
        Self {
            not_before: now - DAY * 366,
            not_after: now - DAY,
        }
    }

    pub(crate) fn apply(self, params: &mut CertificateParams) {
        params.not_before = OffsetDateTime::from(self.not_before);
        params.not_after = OffsetDateTime::from(self.not_after);
    }
}

/// A certificate with its private key.
#[derive(Clone)]
pub struct Minted {
    /// The certificate.
    pub cert_pem: String,
    /// The private key, PKCS#8. A secret.
    pub key_pem: String,
    /// The certificate as DER: what the portal's `.cer` holds.
    pub certificate_der: CertificateDer<'static>,
}

impl Minted {
    pub(crate) fn new(certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        Self {
            cert_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            certificate_der: certificate.der().clone(),
        }
    }

    /// A certificate that was issued for a key, with that key.
    pub fn from_der(certificate_der: CertificateDer<'static>, key_pem: String) -> Self {
        Self {
            cert_pem: pem::encode("CERTIFICATE", &certificate_der),
            key_pem,
            certificate_der,
        }
    }

    /// Certificate and key in one text, certificate first: what most PHP, Ruby and Python clients want.
    pub fn combined_pem(&self) -> String {
        format!("{}{}", self.cert_pem, self.key_pem)
    }

    /// The same, ready to be shown in a handshake.
    ///
    /// # Errors
    /// Certificate or key were changed since they were minted.
    pub fn identity(&self) -> Result<Identity, CredentialsError> {
        Identity::from_pem(&self.cert_pem, &self.key_pem)
    }
}

impl fmt::Debug for Minted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minted")
            .field("cert_pem", &self.cert_pem)
            .finish_non_exhaustive()
    }
}

/// Why a certificate was not minted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MintError {
    /// Apple's portal issues push certificates for explicit App IDs only.
    #[error(
        "{0:?} cannot have a push certificate: expected an explicit bundle id such as com.example.Mail (letters, \
         digits, hyphens and dots; no wildcard)"
    )]
    Topic(String),
    /// A server certificate without a name would match nothing.
    #[error("a server certificate needs at least one DNS name or IP address")]
    NoName,
    /// A name that is neither a DNS name nor an IP address.
    #[error("{0:?} is neither a DNS name nor an IP address")]
    Name(String),
    /// An address that a signing request cannot carry.
    #[error("an email address in a signing request has ASCII characters only")]
    Email,
    /// A private key that cannot be used.
    #[error(
        "the private key cannot be used: expected PEM, not encrypted, with a key of RSA 2048 bits or more, P-256 or P-384"
    )]
    Key(#[source] rcgen::Error),
    /// The CA's key belongs to another certificate.
    #[error("the CA's private key does not belong to its certificate")]
    CaKeyMismatch,
    /// The certificate is not a CA's.
    #[error("the certificate is not a CA's")]
    NotACa,
    /// The system gives no random bytes.
    #[error("this machine gives no random bytes")]
    Random,
    /// The CA's certificate or key cannot be read.
    #[error("the CA's certificate and private key are not two PEM files of a CA")]
    CaUnreadable,
    /// Key generation, signing or parsing failed.
    #[error("the certificate library failed")]
    Library(#[from] rcgen::Error),
}
