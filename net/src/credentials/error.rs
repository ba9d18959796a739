//! What can be wrong with a certificate or key, said so that its owner can put it right. Nothing here ever holds key
//! material.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::pkcs12::Pkcs12Error;

/// Where a certificate or key came from, for the messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Bytes handed over by the caller.
    Memory,
    /// A file.
    File(PathBuf),
}

impl Origin {
    pub(super) fn file(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("the given bytes"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Why a certificate or key cannot be used: which file, what is wrong, what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The file cannot be read.
    #[error("cannot read {}: check the path and that this user may read it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is larger than any credentials.
    #[error("{origin} is too large to hold certificates and a key: is it the right file?")]
    TooLarge {
        /// Where it came from.
        origin: Origin,
    },
    /// A PEM section is damaged.
    #[error("{origin} is damaged PEM ({reason}): export it again")]
    Pem {
        /// Where it came from.
        origin: Origin,
        /// What is wrong with the section.
        reason: &'static str,
    },
    /// There is no certificate.
    #[error(
        "no certificate in {origin}: expected PEM (\"-----BEGIN CERTIFICATE-----\") or DER (the portal's .cer)"
    )]
    NoCertificate {
        /// Where it was looked for.
        origin: Origin,
    },
    /// There is no private key.
    #[error(
        "no private key in {origin}: expected PEM (\"-----BEGIN PRIVATE KEY-----\") or DER; the portal's .cer holds \
         only the certificate, the key is where the signing request was made"
    )]
    NoKey {
        /// Where it was looked for.
        origin: Origin,
    },
    /// The private key is encrypted under a password.
    #[error(
        "the private key in {origin} is encrypted: decrypt it with `apns-certs pem --cert CERTIFICATE --key FILE` or \
         `openssl pkey -in FILE -out FILE`"
    )]
    EncryptedKey {
        /// Where it came from.
        origin: Origin,
    },
    /// The private key is encrypted as OpenSSL did before PKCS#8, on MD5.
    #[error(
        "the private key in {origin} is encrypted the old way (\"Proc-Type: 4,ENCRYPTED\"): decrypt it with \
         `openssl pkey -in FILE -out FILE`"
    )]
    OldEncryptedKey {
        /// Where it came from.
        origin: Origin,
    },
    /// A PKCS#12 archive where PEM or DER is expected.
    #[error(
        "{origin} is a PKCS#12 archive (.p12): convert it with `apns-certs pem --p12 FILE` or \
         `openssl pkcs12 -in FILE -nodes -out FILE.pem`"
    )]
    Pkcs12 {
        /// Where it came from.
        origin: Origin,
    },
    /// A PKCS#12 archive or an encrypted key that cannot be opened.
    #[error("cannot open {origin}")]
    Locked {
        /// Where it came from.
        origin: Origin,
        /// Why.
        source: Pkcs12Error,
    },
    /// A PKCS#12 archive without a private key.
    #[error(
        "{origin} holds no private key, only certificates: export the key, or the certificate together with its key, \
         from where the signing request was made"
    )]
    Pkcs12WithoutKey {
        /// Where it came from.
        origin: Origin,
    },
    /// A PKCS#12 archive with a private key alone.
    #[error(
        "{origin} holds a private key and no certificate: put the portal's .cer to it with \
         `apns-certs pem --cert FILE.cer --p12 FILE`"
    )]
    Pkcs12WithoutCertificate {
        /// Where it came from.
        origin: Origin,
    },
    /// A certificate that cannot be read.
    #[error("the certificate in {origin} cannot be read ({reason}): export it again")]
    Certificate {
        /// Where it came from.
        origin: Origin,
        /// What is wrong with it.
        reason: String,
    },
    /// A private key of a kind or size that cannot be used.
    #[error(
        "the private key in {origin} cannot be used ({reason}): RSA of 2048 bits or more, P-256, P-384 and Ed25519 can"
    )]
    Key {
        /// Where it came from.
        origin: Origin,
        /// What is wrong with it.
        reason: String,
    },
    /// Key and certificate belong to different pairs.
    #[error(
        "the private key in {key} does not belong to the certificate in {certificate}: use the key its signing request was made with"
    )]
    KeyMismatch {
        /// Where the certificate came from.
        certificate: Origin,
        /// Where the key came from.
        key: Origin,
    },
}

impl CredentialsError {
    /// The same fault, once it is known where the certificate came from.
    pub(super) fn in_place(self, place: &Origin) -> Self {
        match self {
            Self::Certificate { reason, .. } => Self::Certificate {
                origin: place.clone(),
                reason,
            },
            other => other,
        }
    }
}
