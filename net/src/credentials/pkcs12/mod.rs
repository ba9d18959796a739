//! PKCS#12 (RFC 7292): the `.p12` and `.pfx` files that Keychain, Windows, keytool and openssl export, of every age.
//!
//! [`outline()`] tells what can be told without the password; [`open`] gives the keys and certificates. Both read BER, and
//! whatever the order of the parts; both are bounded in size, parts and nesting, and [`open`] in the rounds of key
//! derivation, which are refused before they are computed.

mod bag;
mod error;
mod mac;
mod outline;
mod pair;
mod store;

use std::fmt;

use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::pbe::{Password, Work};
use super::pem;
use store::Store;

pub use error::Pkcs12Error;
pub use outline::{Bag, BagKind, Outline, Part, Protection};
pub use pair::Pair;

/// How many rounds of key derivation one file may ask for, all its parts together: seconds of work. OpenSSL asks for
/// 2,048 per part, keytool for 10,000.
pub const ITERATIONS_MAX: u64 = 10_000_000;

/// What a store holds. Debug prints no key.
#[derive(Debug)]
pub struct Pkcs12 {
    /// The private keys, in the order of the file.
    pub keys: Vec<Key>,
    /// The certificates, in the order of the file.
    pub certificates: Vec<Certificate>,
    /// How it is built, now with what was encrypted.
    pub outline: Outline,
}

/// A private key of a store.
pub struct Key {
    /// The key. A secret.
    pub der: PrivatePkcs8KeyDer<'static>,
    /// What it is called, for people.
    pub friendly_name: Option<String>,
    /// What its certificate has as well; most programs take the SHA-1 of the certificate.
    pub local_key_id: Option<Vec<u8>>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("friendly_name", &self.friendly_name)
            .field("local_key_id", &self.local_key_id)
            .finish_non_exhaustive()
    }
}

/// A certificate of a store.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate, as it stands there: whether it can be read is for [`super::CertificateInfo`] to say.
    pub der: CertificateDer<'static>,
    /// What it is called, for people.
    pub friendly_name: Option<String>,
    /// What its private key has as well.
    pub local_key_id: Option<Vec<u8>>,
}

/// Whether the bytes begin as PKCS#12 does: a sequence that begins with version 3, as neither a key nor a certificate.
pub fn is_pkcs12(bytes: &[u8]) -> bool {
    const SEQUENCE: u8 = 0x30;
    let length_len = match bytes {
        [SEQUENCE, length, ..] if *length < 0x80 => 1,
        [SEQUENCE, length, ..] => 1 + usize::from(length & 0x7f),
        _ => return false,
    };
    bytes
        .get(1 + length_len..)
        .is_some_and(|inner| inner.starts_with(&[0x02, 0x01, 0x03]))
}

/// What a store tells without its password.
///
/// # Errors
/// It is no PKCS#12, damaged, or of a construction that is not supported. Unknown algorithms and hostile numbers of
/// rounds are no errors here: they are what is told.
pub fn outline(bytes: &[u8]) -> Result<Outline, Pkcs12Error> {
    Ok(store(bytes)?.outline())
}

/// Opens a store with its password; one that is protected by nothing, with any.
///
/// # Errors
/// As [`outline()`]; the password is wrong; or an algorithm or the number of rounds is not supported.
pub fn open(bytes: &[u8], password: &str) -> Result<Pkcs12, Pkcs12Error> {
    open_within(bytes, password, ITERATIONS_MAX)
}

/// As [`open`], with another limit than [`ITERATIONS_MAX`] on the rounds of key derivation.
///
/// # Errors
/// As [`open`].
pub fn open_within(
    bytes: &[u8],
    password: &str,
    iterations_max: u64,
) -> Result<Pkcs12, Pkcs12Error> {
    let store = store(bytes)?;
    let work = &mut Work::up_to(iterations_max);
    let spellings = Password::spellings(password);
    let Some(mac) = &store.mac else {
        return first_that_opens(&store, &spellings, work)?
            .ok_or_else(|| Pkcs12Error::refused(password));
    };
    for spelling in &spellings {
        if mac.verify(spelling, &store.authenticated, work)? {
            return store.decrypt(spelling, work).map_err(|error| match error {
                Pkcs12Error::WrongPassword => Pkcs12Error::OtherPassword,
                other => other,
            });
        }
    }
    // A password that decrypts it is the right one: then the MAC or what it was made over has changed.
    let mut opens = || matches!(first_that_opens(&store, &spellings, work), Ok(Some(_)));
    if store.is_encrypted() && opens() {
        return Err(Pkcs12Error::Damaged {
            place: "its MAC",
            reason: "the contents are not those it was made for",
        });
    }
    Err(Pkcs12Error::refused(password))
}

/// Without a MAC, the password is the one that decrypts to something that can be read.
fn first_that_opens(
    store: &Store,
    spellings: &[Password],
    work: &mut Work,
) -> Result<Option<Pkcs12>, Pkcs12Error> {
    for spelling in spellings {
        match store.decrypt(spelling, work) {
            Ok(opened) => return Ok(Some(opened)),
            Err(Pkcs12Error::WrongPassword | Pkcs12Error::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn store(bytes: &[u8]) -> Result<Store, Pkcs12Error> {
    if bytes.len() > pem::FILE_LEN_MAX {
        return Err(Pkcs12Error::TooLarge {
            len: bytes.len(),
            len_max: pem::FILE_LEN_MAX,
        });
    }
    if !is_pkcs12(bytes) {
        return Err(Pkcs12Error::NotPkcs12);
    }
    Store::read(bytes)
}
