//! Private keys, plain and encrypted.

use std::path::Path;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::ber::Reader;
use super::error::{CredentialsError, Origin};
use super::identity::warn_if_readable_by_others;
use super::pbe::{Password, Sealed, Work};
use super::pem;
use super::pkcs12::{ITERATIONS_MAX, Pkcs12Error};

/// Reads the first private key of a PEM file, or the one of a DER file; with a password, also an encrypted one.
///
/// Warns in the log when others on this machine may read the file.
///
/// # Errors
/// The file is missing, unreadable or damaged, holds no private key, or holds an encrypted one that the password does
/// not open.
pub fn private_key_from_pem_file(
    path: impl AsRef<Path>,
    password: Option<&str>,
) -> Result<PrivateKeyDer<'static>, CredentialsError> {
    let path = path.as_ref();
    let bytes = pem::read(path)?;
    warn_if_readable_by_others(path);
    private_key_in(&bytes, &Origin::file(path), password)
}

/// Reads the first private key of a PEM text, or the one of DER bytes; with a password, also an encrypted one.
///
/// # Errors
/// As [`private_key_from_pem_file`].
pub fn private_key_from_pem(
    bytes: impl AsRef<[u8]>,
    password: Option<&str>,
) -> Result<PrivateKeyDer<'static>, CredentialsError> {
    private_key_in(bytes.as_ref(), &Origin::Memory, password)
}

pub(super) fn private_key_in(
    bytes: &[u8],
    origin: &Origin,
    password: Option<&str>,
) -> Result<PrivateKeyDer<'static>, CredentialsError> {
    let origin = || origin.clone();
    match (pem::find(bytes, &origin()), password) {
        (Err(CredentialsError::EncryptedKey { .. }), Some(password)) => {
            let der = pem::encrypted_key(bytes).ok_or_else(|| CredentialsError::Pem {
                origin: origin(),
                reason: "the encrypted key is not base64",
            })?;
            let key = decrypt_key(&der, password);
            key.map(PrivateKeyDer::from)
                .map_err(|source| CredentialsError::Locked {
                    origin: origin(),
                    source,
                })
        }
        (found, _) => found?
            .key
            .ok_or_else(|| CredentialsError::NoKey { origin: origin() }),
    }
}

/// Decrypts a private key as `-----BEGIN ENCRYPTED PRIVATE KEY-----` holds it: an `EncryptedPrivateKeyInfo`
/// (RFC 5958, section 3) under PBES2 or one of PKCS#12's schemes.
///
/// # Errors
/// It is damaged, the password is wrong, or the algorithm or the number of rounds is not supported.
pub fn decrypt_key(der: &[u8], password: &str) -> Result<PrivatePkcs8KeyDer<'static>, Pkcs12Error> {
    decrypt_key_within(der, password, ITERATIONS_MAX)
}

/// As [`decrypt_key`], with another limit than [`ITERATIONS_MAX`] on the rounds of key derivation.
///
/// # Errors
/// As [`decrypt_key`].
pub fn decrypt_key_within(
    der: &[u8],
    password: &str,
    iterations_max: u64,
) -> Result<PrivatePkcs8KeyDer<'static>, Pkcs12Error> {
    let mut reader = Reader::new(der, "an encrypted key");
    let sealed = Sealed::key(&mut reader)?;
    reader.end()?;
    let mut work = Work::up_to(iterations_max);
    for spelling in Password::spellings(password) {
        let key = sealed
            .open(&spelling, &mut work)
            .and_then(|der| private_key(&der));
        match key {
            Err(Pkcs12Error::WrongPassword | Pkcs12Error::Damaged { .. }) => {}
            settled => return settled,
        }
    }
    Err(Pkcs12Error::refused(password))
}

/// Whether the bytes are an `EncryptedPrivateKeyInfo`.
pub(super) fn is_encrypted_key(der: &[u8]) -> bool {
    let mut reader = Reader::new(der, "an encrypted key");
    Sealed::key(&mut reader).is_ok() && reader.is_empty()
}

/// Takes a `PrivateKeyInfo` (RFC 5208, section 5) that has the shape of one.
pub(super) fn private_key(der: &[u8]) -> Result<PrivatePkcs8KeyDer<'static>, Pkcs12Error> {
    let mut reader = Reader::new(der, "a private key");
    let mut key = reader.sequence()?;
    key.count()?;
    key.sequence()?.oid()?;
    key.octets()?;
    reader.end()?;
    Ok(der.to_vec().into())
}
