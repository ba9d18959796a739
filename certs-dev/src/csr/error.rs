//! Why a signing request is refused, and what to do.

use std::fmt;

use apns_net::credentials::{CredentialsError, certificates_from_pem};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

/// Why a signing request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CsrError {
    /// Another file of the flow.
    #[error(
        "this is {0}, not a signing request: give the file that `apns-certs csr` or Keychain wrote (Push.certSigningRequest)"
    )]
    Instead(Instead),
    /// Nothing that is known here.
    #[error(
        "this is no signing request: expected PEM (\"-----BEGIN CERTIFICATE REQUEST-----\") or DER, as `apns-certs csr` \
         or Keychain writes it (Push.certSigningRequest)"
    )]
    NoRequest,
    /// It begins like a request, and cannot be read to its end.
    #[error(
        "the signing request is damaged or cut short: copy it again in binary mode, or make a new one with `apns-certs csr`"
    )]
    Damaged,
    /// The signature does not match what is signed.
    #[error(
        "the signing request's signature is wrong: it was changed after it was made, or made with another key; make a new \
         one with `apns-certs csr`"
    )]
    BadSignature,
    /// A key that could be broken, or that nobody works with.
    #[error(
        "the signing request's key is {0}: RSA keys must have 2048 to 8192 bits; make a new one with `apns-certs csr`"
    )]
    KeyLength(String),
    /// A key of another kind.
    #[error(
        "the signing request's key is {0}, which push certificates are not issued for: use RSA 2048 (as Apple demands), P-256 \
         or P-384; `apns-certs csr` makes one"
    )]
    Key(String),
    /// A signature of another kind.
    #[error(
        "the signing request is signed with {0}, which proves nothing or is not known here: sign it with SHA-256, as \
         `apns-certs csr` and `openssl req -new -sha256` do"
    )]
    Signature(String),
}

/// What was given in place of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instead {
    /// A certificate: the portal's answer to a request.
    Certificate,
    /// A private key.
    PrivateKey,
    /// An encrypted private key.
    EncryptedKey,
    /// A PKCS#12 archive.
    Pkcs12,
}

impl fmt::Display for Instead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "a certificate",
            Self::PrivateKey => "a private key",
            Self::EncryptedKey => "an encrypted private key",
            Self::Pkcs12 => "a PKCS#12 archive (.p12)",
        })
    }
}

/// Says of bytes that hold no request what they are.
pub(super) fn not_a_request(bytes: &[u8]) -> CsrError {
    match certificates_from_pem(bytes) {
        Ok(_) => return CsrError::Instead(Instead::Certificate),
        Err(CredentialsError::Pkcs12 { .. }) => return CsrError::Instead(Instead::Pkcs12),
        Err(CredentialsError::EncryptedKey { .. }) => {
            return CsrError::Instead(Instead::EncryptedKey);
        }
        Err(_) => {}
    }
    let pem_key = PrivateKeyDer::from_pem_slice(bytes).is_ok();
    if pem_key || PrivateKeyDer::try_from(bytes).is_ok() {
        return CsrError::Instead(Instead::PrivateKey);
    }
    CsrError::NoRequest
}
