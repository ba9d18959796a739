//! How one thing is encrypted: the algorithm, its parameters, and its way from the password to the key.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use x509_parser::der_parser::asn1_rs::{Oid, Tag};
use x509_parser::der_parser::oid;

use super::digest::Purpose;
use super::{Cipher, Digest, Password, Work};
use crate::credentials::ber::Reader;
use crate::credentials::pkcs12::{ITERATIONS_MAX, Pkcs12Error};

const PBES2: Oid<'static> = oid!(1.2.840.113549.1.5.13);
const PBKDF2: Oid<'static> = oid!(1.2.840.113549.1.5.12);

/// PKCS#12's own schemes, all on SHA-1 (RFC 7292, appendix C), as openssl calls them.
static PKCS12: [(Oid<'static>, Cipher, &str); 4] = [
    (
        oid!(1.2.840.113549.1.12.1.3),
        Cipher::TripleDes3,
        "pbeWithSHA1And3-KeyTripleDES-CBC",
    ),
    (
        oid!(1.2.840.113549.1.12.1.4),
        Cipher::TripleDes2,
        "pbeWithSHA1And2-KeyTripleDES-CBC",
    ),
    (
        oid!(1.2.840.113549.1.12.1.5),
        Cipher::Rc2Bits128,
        "pbeWithSHA1And128BitRC2-CBC",
    ),
    (
        oid!(1.2.840.113549.1.12.1.6),
        Cipher::Rc2Bits40,
        "pbeWithSHA1And40BitRC2-CBC",
    ),
];

/// The ciphers of PBES2.
static CIPHERS: [(Oid<'static>, Cipher, &str); 4] = [
    (oid!(1.2.840.113549.3.7), Cipher::TripleDes3, "DES-EDE3-CBC"),
    (oid!(2.16.840.1.101.3.4.1.2), Cipher::Aes128, "AES-128-CBC"),
    (oid!(2.16.840.1.101.3.4.1.22), Cipher::Aes192, "AES-192-CBC"),
    (oid!(2.16.840.1.101.3.4.1.42), Cipher::Aes256, "AES-256-CBC"),
];

/// What is known by name only.
static UNSUPPORTED: [(Oid<'static>, &str); 11] = [
    (oid!(1.2.840.113549.2.8), "hmacWithSHA224"),
    (oid!(1.2.840.113549.1.5.1), "pbeWithMD2AndDES-CBC"),
    (oid!(1.2.840.113549.1.5.3), "pbeWithMD5AndDES-CBC"),
    (oid!(1.2.840.113549.1.5.6), "pbeWithMD5AndRC2-CBC"),
    (oid!(1.2.840.113549.1.5.10), "pbeWithSHA1AndDES-CBC"),
    (oid!(1.2.840.113549.1.5.11), "pbeWithSHA1AndRC2-CBC"),
    (oid!(1.2.840.113549.1.12.1.1), "pbeWithSHA1And128BitRC4"),
    (oid!(1.2.840.113549.1.12.1.2), "pbeWithSHA1And40BitRC4"),
    (oid!(1.2.840.113549.3.2), "RC2-CBC"),
    (oid!(1.3.6.1.4.1.11591.4.11), "scrypt"),
    (oid!(1.3.14.3.2.7), "DES-CBC"),
];

/// Nobody salts with more; a longer one only costs time.
const SALT_LEN_MAX: usize = 1024;

/// How something is encrypted under a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// One of PKCS#12's own: key and initialization vector both come from the password, by SHA-1.
    Pkcs12 {
        /// The cipher: RC2 or triple DES.
        cipher: Cipher,
        /// The salt.
        salt: Vec<u8>,
        /// Rounds of derivation.
        iterations: u64,
    },
    /// PBES2: a key from PBKDF2, and a cipher with an initialization vector of its own.
    Pbes2 {
        /// Where the key comes from.
        kdf: Pbkdf2,
        /// The cipher: AES or triple DES.
        cipher: Cipher,
        /// The initialization vector.
        iv: Vec<u8>,
    },
    /// One that is recognised at most by its name.
    Unsupported(String),
}

/// PBKDF2 with its parameters (RFC 8018, appendix A.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pbkdf2 {
    /// The digest of the HMAC.
    pub digest: Digest,
    /// The salt.
    pub salt: Vec<u8>,
    /// Rounds of derivation.
    pub iterations: u64,
}

impl Scheme {
    /// Reads an `AlgorithmIdentifier`. An unknown algorithm is no error before something is to be decrypted.
    pub(in crate::credentials) fn read(parent: &mut Reader<'_>) -> Result<Self, Pkcs12Error> {
        let mut algorithm = parent.sequence()?.named("the encryption's parameters");
        let id = algorithm.oid()?;
        if let Some((_, cipher, _)) = PKCS12.iter().find(|(known, ..)| *known == id) {
            let mut parameters = algorithm.sequence()?;
            return Ok(Self::Pkcs12 {
                cipher: *cipher,
                salt: salt(&mut parameters)?,
                iterations: iterations(&mut parameters)?,
            });
        }
        if id != PBES2 {
            return Ok(Self::Unsupported(name(&id)));
        }
        let mut parameters = algorithm.sequence()?;
        let kdf = Pbkdf2::read(&mut parameters)?;
        let mut encryption = parameters.sequence()?;
        let id = encryption.oid()?;
        let cipher = CIPHERS.iter().find(|(known, ..)| *known == id);
        match (kdf, cipher) {
            (Err(kdf), _) => Ok(Self::Unsupported(format!("PBES2, {kdf}"))),
            (Ok(_), None) => Ok(Self::Unsupported(format!("PBES2, {}", name(&id)))),
            (Ok((kdf, key_len)), Some((_, cipher, _))) => {
                let iv = encryption.octets()?.into_owned();
                if iv.len() != cipher.block_len() {
                    return Err(
                        encryption.damaged("the initialization vector has the wrong length")
                    );
                }
                if key_len.is_some_and(|len| len != cipher.key_len() as u64) {
                    return Err(encryption.damaged("the key length is not the cipher's"));
                }
                Ok(Self::Pbes2 {
                    kdf,
                    cipher: *cipher,
                    iv,
                })
            }
        }
    }

    /// The name, in openssl's words.
    pub fn name(&self) -> String {
        let name_in = |table: &[(Oid<'static>, Cipher, &'static str)], cipher: Cipher| {
            let known = table.iter().find(|(_, known, _)| *known == cipher);
            known.map_or("an impossible cipher", |(.., name)| name)
        };
        match self {
            Self::Pkcs12 { cipher, .. } => name_in(&PKCS12, *cipher).to_owned(),
            Self::Pbes2 { kdf, cipher, .. } => {
                format!("PBES2, {}, {}", kdf.name(), name_in(&CIPHERS, *cipher))
            }
            Self::Unsupported(name) => name.clone(),
        }
    }

    /// How often the password is hashed; unknown where the scheme is.
    pub const fn iterations(&self) -> Option<u64> {
        match self {
            Self::Pkcs12 { iterations, .. } => Some(*iterations),
            Self::Pbes2 { kdf, .. } => Some(kdf.iterations),
            Self::Unsupported(_) => None,
        }
    }

    /// The length of the cipher's blocks in bytes; unknown where the scheme is.
    pub(super) const fn block_len(&self) -> Option<usize> {
        match self {
            Self::Pkcs12 { cipher, .. } | Self::Pbes2 { cipher, .. } => Some(cipher.block_len()),
            Self::Unsupported(_) => None,
        }
    }

    pub(super) fn decrypt(
        &self,
        password: &Password,
        encrypted: &[u8],
        work: &mut Work,
    ) -> Result<Vec<u8>, Pkcs12Error> {
        let (cipher, key, iv) = self.key(password, work)?;
        cipher
            .decrypt(&key, &iv, encrypted)
            .ok_or(Pkcs12Error::WrongPassword)
    }

    /// Encrypts under a password.
    ///
    /// # Errors
    /// The scheme is unsupported, or asks for more than [`ITERATIONS_MAX`] rounds.
    pub fn encrypt(&self, password: &Password, plain: &[u8]) -> Result<Vec<u8>, Pkcs12Error> {
        let mut work = Work::up_to(ITERATIONS_MAX);
        let (cipher, key, iv) = self.key(password, &mut work)?;
        cipher
            .encrypt(&key, &iv, plain)
            .ok_or_else(|| Pkcs12Error::Unsupported { what: self.name() })
    }

    fn key(
        &self,
        password: &Password,
        work: &mut Work,
    ) -> Result<(Cipher, Vec<u8>, Vec<u8>), Pkcs12Error> {
        match self {
            Self::Pkcs12 {
                cipher,
                salt,
                iterations,
            } => {
                let mut derive = |purpose, len| {
                    Digest::Sha1.derive(purpose, password, salt, *iterations, len, work)
                };
                let key = derive(Purpose::Key, cipher.key_len())?;
                let iv = derive(Purpose::Iv, cipher.block_len())?;
                Ok((*cipher, key, iv))
            }
            Self::Pbes2 { kdf, cipher, iv } => {
                let key = kdf.derive(password, cipher.key_len(), work)?;
                Ok((*cipher, key, iv.clone()))
            }
            Self::Unsupported(name) => Err(Pkcs12Error::Unsupported { what: name.clone() }),
        }
    }
}

impl Pbkdf2 {
    /// Reads a key derivation with the key length it may carry, or the name of one that is not PBKDF2.
    pub(in crate::credentials) fn read(
        parent: &mut Reader<'_>,
    ) -> Result<Result<(Self, Option<u64>), String>, Pkcs12Error> {
        let mut algorithm = parent.sequence()?;
        let id = algorithm.oid()?;
        if id != PBKDF2 {
            return Ok(Err(name(&id)));
        }
        let mut parameters = algorithm.sequence()?;
        let salt = salt(&mut parameters)?;
        let iterations = iterations(&mut parameters)?;
        let key_len = if parameters.next_is(Tag::Integer) {
            Some(parameters.count()?)
        } else {
            None
        };
        let digest = if parameters.is_empty() {
            Digest::Sha1
        } else {
            let id = parameters.sequence()?.oid()?;
            match Digest::from_hmac_oid(&id).filter(|digest| digest.pbkdf2().is_some()) {
                Some(digest) => digest,
                None => return Ok(Err(format!("PBKDF2 {}", name(&id)))),
            }
        };
        let kdf = Self {
            digest,
            salt,
            iterations,
        };
        Ok(Ok((kdf, key_len)))
    }

    /// The name, in openssl's words.
    pub fn name(&self) -> String {
        format!("PBKDF2 {}", self.digest.hmac_name())
    }

    pub(in crate::credentials) fn derive(
        &self,
        password: &Password,
        len: usize,
        work: &mut Work,
    ) -> Result<Vec<u8>, Pkcs12Error> {
        work.spend(self.iterations, len.div_ceil(self.digest.len()))?;
        let unsupported = || Pkcs12Error::Unsupported { what: self.name() };
        let algorithm = self.digest.pbkdf2().ok_or_else(unsupported)?;
        let iterations = u32::try_from(self.iterations)
            .ok()
            .and_then(NonZeroU32::new);
        let iterations = iterations.ok_or_else(unsupported)?;
        let mut derived = vec![0; len];
        pbkdf2::derive(
            algorithm,
            iterations,
            &self.salt,
            &password.plain,
            &mut derived,
        );
        Ok(derived)
    }
}

pub(in crate::credentials) fn salt(parameters: &mut Reader<'_>) -> Result<Vec<u8>, Pkcs12Error> {
    let salt = parameters.octets()?;
    if salt.len() > SALT_LEN_MAX {
        return Err(Pkcs12Error::TooMany {
            what: "bytes of salt",
            max: SALT_LEN_MAX,
        });
    }
    Ok(salt.into_owned())
}

pub(in crate::credentials) fn iterations(parameters: &mut Reader<'_>) -> Result<u64, Pkcs12Error> {
    match parameters.count()? {
        0 => Err(parameters.damaged("the number of rounds is zero")),
        iterations => Ok(iterations),
    }
}

/// An algorithm's name, or else its number.
fn name(id: &Oid<'_>) -> String {
    UNSUPPORTED
        .iter()
        .find(|(known, _)| known == id)
        .map_or_else(|| id.to_id_string(), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cipher_gives_back_what_it_took_and_only_under_its_own_spelling_of_empty() {
        let spellings = Password::spellings("");
        let [terminated, no_bytes] = &spellings[..] else {
            panic!("two spellings of nothing: {spellings:?}");
        };
        for (_, cipher, name) in &PKCS12 {
            let scheme = Scheme::Pkcs12 {
                cipher: *cipher,
                salt: vec![7; 8],
                iterations: 2,
            };
            assert_eq!(scheme.name(), *name);
            let plain = b"a text longer than any block of any cipher";
            let encrypted = scheme.encrypt(no_bytes, plain).unwrap();
            let mut work = Work::up_to(1000);
            let decrypted = scheme.decrypt(no_bytes, &encrypted, &mut work);
            assert_eq!(decrypted.unwrap(), plain);
            let other = scheme.decrypt(terminated, &encrypted, &mut work);
            assert_ne!(other.as_deref(), Ok(&plain[..]), "{name}");
        }
    }
}
