//! Private keys in PKCS#8, plain and encrypted.

use rustls::pki_types::PrivatePkcs8KeyDer;

use super::ber::Reader;
use super::pbe::{Password, Sealed, Work};
use super::pkcs12::{ITERATIONS_MAX, Pkcs12Error};

/// Decrypts a private key as `-----BEGIN ENCRYPTED PRIVATE KEY-----` holds it: an `EncryptedPrivateKeyInfo`
/// (RFC 5958, section 3) under PBES2 or one of PKCS#12's schemes.
///
/// # Errors
/// It is damaged, the password is wrong, or the algorithm or the number of rounds is not supported.
pub fn decrypt_key(der: &[u8], password: &str) -> Result<PrivatePkcs8KeyDer<'static>, Pkcs12Error> {
    let mut reader = Reader::new(der, "an encrypted key");
    let sealed = Sealed::key(&mut reader)?;
    reader.end()?;
    let mut work = Work::up_to(ITERATIONS_MAX);
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
