//! Writes PKCS#12 (RFC 7292): a private key, its certificates if there are any, under a password. Reading is
//! [`apns_net::credentials::pkcs12`].

mod store;

use apns_net::credentials::pkcs12::Pkcs12Error;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::pkcs8::UnknownKind;

/// What goes into a store.
pub struct Contents<'a> {
    /// The private key. A secret.
    pub key: &'a PrivateKeyDer<'a>,
    /// Its certificate and then its issuers'; empty for the key alone, as Keychain exports one.
    pub certificates: &'a [CertificateDer<'a>],
    /// What key and certificate are called: Java's alias, the name in Keychain.
    pub friendly_name: Option<&'a str>,
}

/// Who is to read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Everything of this decade: AES-256, keys by PBKDF2 with SHA-256, a SHA-256 MAC.
    #[default]
    Modern,
    /// Keychain, Windows, Java 6 and 7, PHP and node with OpenSSL 0.9.8, all of which know only PKCS#12's own schemes:
    /// triple DES for key and certificate, SHA-1 for keys and MAC.
    ///
    /// Those programs themselves encrypt certificates with RC2 of 40 bits. They read triple DES as well, and OpenSSL 3,
    /// which is in the same backend by now, reads only that.
    Compat,
}

/// Why no store was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The key cannot be brought into the form stores have.
    #[error(transparent)]
    Key(#[from] UnknownKind),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
    /// The encryption failed.
    #[error("the store cannot be encrypted")]
    Encrypt(#[from] Pkcs12Error),
}

/// Writes a store under a password, which may be empty. Every store is different: salts are random.
///
/// # Errors
/// The key is an elliptic curve key that does not name its curve; or the system gives no random numbers.
pub fn write(
    contents: &Contents<'_>,
    password: &str,
    profile: Profile,
) -> Result<Vec<u8>, WriteError> {
    store::write(contents, password, profile)
}
