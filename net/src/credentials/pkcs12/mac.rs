//! The MAC: whether the contents are those that were exported, and the password the one they were exported with.

use aws_lc_rs::hmac;
use x509_parser::der_parser::asn1_rs::{Oid, Tag};
use x509_parser::der_parser::oid;

use super::{Pkcs12Error, Protection};
use crate::credentials::ber::Reader;
use crate::credentials::pbe::{self, Digest, Password, Pbkdf2, Purpose, Work};

/// RFC 9879: the key comes from PBKDF2 instead of from PKCS#12's own derivation.
const PBMAC1: Oid<'static> = oid!(1.2.840.113549.1.5.14);

pub(super) struct Mac {
    algorithm: Algorithm,
    tag: Vec<u8>,
}

enum Algorithm {
    Hmac {
        digest: Digest,
        salt: Vec<u8>,
        iterations: u64,
    },
    Pbmac1 {
        kdf: Pbkdf2,
        key_len: usize,
        digest: Digest,
    },
    Unsupported(String),
}

impl Mac {
    /// Reads a `MacData` (RFC 7292, section 4).
    pub(super) fn read(parent: &mut Reader<'_>) -> Result<Self, Pkcs12Error> {
        let mut mac = parent.sequence()?.named("its MAC");
        let mut digest_info = mac.sequence()?;
        let mut algorithm = digest_info.sequence()?;
        let tag = digest_info.octets()?.into_owned();
        let salt = pbe::salt(&mut mac)?;
        let iterations = if mac.next_is(Tag::Integer) {
            pbe::iterations(&mut mac)?
        } else {
            1
        };
        mac.end()?;

        let id = algorithm.oid()?;
        let algorithm = if id == PBMAC1 {
            Algorithm::pbmac1(&mut algorithm)?
        } else if let Some(digest) = Digest::from_oid(&id) {
            Algorithm::Hmac {
                digest,
                salt,
                iterations,
            }
        } else {
            Algorithm::Unsupported(id.to_id_string())
        };
        Ok(Self { algorithm, tag })
    }

    /// What is told of it without the password.
    pub(super) fn protection(&self) -> Protection {
        let (name, iterations) = match &self.algorithm {
            Algorithm::Hmac {
                digest, iterations, ..
            } => (digest.name().to_owned(), Some(*iterations)),
            Algorithm::Pbmac1 { kdf, digest, .. } => (
                format!("PBMAC1, {}, {}", kdf.name(), digest.hmac_name()),
                Some(kdf.iterations),
            ),
            Algorithm::Unsupported(name) => (name.clone(), None),
        };
        Protection { name, iterations }
    }

    /// Whether the password made this MAC over this content.
    pub(super) fn verify(
        &self,
        password: &Password,
        content: &[u8],
        work: &mut Work,
    ) -> Result<bool, Pkcs12Error> {
        let (key, digest) = match &self.algorithm {
            Algorithm::Hmac {
                digest,
                salt,
                iterations,
            } => {
                let key = digest.derive(
                    Purpose::Mac,
                    password,
                    salt,
                    *iterations,
                    digest.len(),
                    work,
                )?;
                (key, digest)
            }
            Algorithm::Pbmac1 {
                kdf,
                key_len,
                digest,
            } => (kdf.derive(password, *key_len, work)?, digest),
            Algorithm::Unsupported(name) => {
                return Err(Pkcs12Error::Unsupported {
                    what: format!("the MAC {name}"),
                });
            }
        };
        let key = hmac::Key::new(digest.hmac(), &key);
        Ok(hmac::verify(&key, content, &self.tag).is_ok())
    }
}

impl Algorithm {
    fn pbmac1(algorithm: &mut Reader<'_>) -> Result<Self, Pkcs12Error> {
        /// More would be hashed before it is used.
        const KEY_LEN_MAX: u64 = 128;

        let mut parameters = algorithm.sequence()?;
        let kdf = Pbkdf2::read(&mut parameters)?;
        let scheme = parameters.sequence()?.oid()?;
        match (kdf, Digest::from_hmac_oid(&scheme)) {
            (Ok((kdf, Some(key_len @ 1..=KEY_LEN_MAX))), Some(digest)) => Ok(Self::Pbmac1 {
                kdf,
                key_len: key_len as usize,
                digest,
            }),
            // RFC 9879, section 4: the length must be there.
            (Ok((_, _)), Some(_)) => {
                Err(parameters.damaged("the length of its key is missing or impossible"))
            }
            (Err(name), _) => Ok(Self::Unsupported(format!("PBMAC1, {name}"))),
            (_, None) => Ok(Self::Unsupported(format!(
                "PBMAC1, {}",
                scheme.to_id_string()
            ))),
        }
    }
}
