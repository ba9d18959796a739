//! The digests, and PKCS#12's own way from a password to a key.

use aws_lc_rs::{digest, hmac, pbkdf2};
use x509_parser::der_parser::asn1_rs::Oid;
use x509_parser::der_parser::oid;

use super::{Password, Work};
use crate::credentials::pkcs12::{ITERATIONS_MAX, Pkcs12Error};

/// What is derived, as PKCS#12 numbers it (RFC 7292, B.3).
#[derive(Clone, Copy)]
pub(in crate::credentials) enum Purpose {
    Key = 1,
    Iv = 2,
    Mac = 3,
}

/// A digest that stores and keys of any age are protected with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// SHA-1, of all stores before about 2018.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// The digests with their identifiers: as themselves, and as an HMAC.
static DIGESTS: [(Digest, Oid<'static>, Oid<'static>); 5] = [
    (Digest::Sha1, oid!(1.3.14.3.2.26), oid!(1.2.840.113549.2.7)),
    (
        Digest::Sha224,
        oid!(2.16.840.1.101.3.4.2.4),
        oid!(1.2.840.113549.2.8),
    ),
    (
        Digest::Sha256,
        oid!(2.16.840.1.101.3.4.2.1),
        oid!(1.2.840.113549.2.9),
    ),
    (
        Digest::Sha384,
        oid!(2.16.840.1.101.3.4.2.2),
        oid!(1.2.840.113549.2.10),
    ),
    (
        Digest::Sha512,
        oid!(2.16.840.1.101.3.4.2.3),
        oid!(1.2.840.113549.2.11),
    ),
];

impl Digest {
    pub(in crate::credentials) fn from_oid(oid: &Oid<'_>) -> Option<Self> {
        let known = DIGESTS.iter().find(|(_, digest, _)| digest == oid)?;
        Some(known.0)
    }

    pub(in crate::credentials) fn from_hmac_oid(oid: &Oid<'_>) -> Option<Self> {
        let known = DIGESTS.iter().find(|(_, _, hmac)| hmac == oid)?;
        Some(known.0)
    }

    /// The name openssl prints, as in `sha256`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// The name openssl prints of the HMAC, as in `hmacWithSHA256`.
    pub(in crate::credentials) const fn hmac_name(self) -> &'static str {
        match self {
            Self::Sha1 => "hmacWithSHA1",
            Self::Sha224 => "hmacWithSHA224",
            Self::Sha256 => "hmacWithSHA256",
            Self::Sha384 => "hmacWithSHA384",
            Self::Sha512 => "hmacWithSHA512",
        }
    }

    const fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha224 => &digest::SHA224,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    /// Its length in bytes.
    pub(in crate::credentials) fn len(self) -> usize {
        self.algorithm().output_len()
    }

    pub(in crate::credentials) const fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha224 => hmac::HMAC_SHA224,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    /// `None` for the one that nobody derives keys with.
    pub(super) const fn pbkdf2(self) -> Option<pbkdf2::Algorithm> {
        match self {
            Self::Sha1 => Some(pbkdf2::PBKDF2_HMAC_SHA1),
            Self::Sha224 => None,
            Self::Sha256 => Some(pbkdf2::PBKDF2_HMAC_SHA256),
            Self::Sha384 => Some(pbkdf2::PBKDF2_HMAC_SHA384),
            Self::Sha512 => Some(pbkdf2::PBKDF2_HMAC_SHA512),
        }
    }

    /// The MAC that a store has over its contents: an HMAC whose key is derived from the password.
    ///
    /// # Errors
    /// More rounds than [`ITERATIONS_MAX`].
    pub fn mac(
        self,
        password: &Password,
        salt: &[u8],
        iterations: u64,
        content: &[u8],
    ) -> Result<Vec<u8>, Pkcs12Error> {
        let mut work = Work::up_to(ITERATIONS_MAX);
        let len = self.len();
        let key = self.derive(Purpose::Mac, password, salt, iterations, len, &mut work)?;
        let key = hmac::Key::new(self.hmac(), &key);
        Ok(hmac::sign(&key, content).as_ref().to_vec())
    }

    /// Derives `len` bytes for a purpose (RFC 7292, B.2).
    pub(in crate::credentials) fn derive(
        self,
        purpose: Purpose,
        password: &Password,
        salt: &[u8],
        iterations: u64,
        len: usize,
        work: &mut Work,
    ) -> Result<Vec<u8>, Pkcs12Error> {
        work.spend(iterations, len.div_ceil(self.len()))?;
        let block_len = self.algorithm().block_len();
        let diversifier = vec![purpose as u8; block_len];
        let mut input = filled(salt, block_len);
        input.extend(filled(&password.wide, block_len));
        let mut derived = Vec::with_capacity(len + self.len());
        while derived.len() < len {
            let mut hash = digest::digest(self.algorithm(), &[&diversifier[..], &input].concat());
            for _ in 1..iterations {
                hash = digest::digest(self.algorithm(), hash.as_ref());
            }
            derived.extend_from_slice(hash.as_ref());
            let addend: Vec<u8> = hash
                .as_ref()
                .iter()
                .copied()
                .cycle()
                .take(block_len)
                .collect();
            for block in input.chunks_mut(block_len) {
                add(block, &addend);
            }
        }
        derived.truncate(len);
        Ok(derived)
    }
}

/// As many copies of `bytes` as fill whole blocks, the last one cut; none of nothing.
fn filled(bytes: &[u8], block_len: usize) -> Vec<u8> {
    let len = bytes.len().next_multiple_of(block_len);
    bytes.iter().copied().cycle().take(len).collect()
}

/// `block + addend + 1`, as numbers of as many bytes, big end first.
fn add(block: &mut [u8], addend: &[u8]) {
    let mut carry = 1;
    for (digit, add) in block.iter_mut().zip(addend).rev() {
        let sum = u16::from(*digit) + u16::from(*add) + carry;
        *digit = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXUPPER;

    use super::*;

    /// Vectors of Bouncy Castle's and OpenSSL's test suites; the passwords are "smeg" and "queeg".
    #[test]
    fn keys_are_derived_as_others_derive_them() {
        for (password, salt, iterations, purpose, derived) in [
            (
                "smeg",
                "0A58CF64530D823F",
                1,
                Purpose::Key,
                "8AAAE6297B6CB04642AB5B077851284EB7128F1A2A7FBCA3",
            ),
            (
                "smeg",
                "0A58CF64530D823F",
                1,
                Purpose::Iv,
                "79993DFE048D3B76",
            ),
            (
                "queeg",
                "05DEC959ACFF72F7",
                1000,
                Purpose::Key,
                "ED2034E36328830FF09DF1E1A07DD357185DAC0D4F9EB3D4",
            ),
            (
                "queeg",
                "05DEC959ACFF72F7",
                1000,
                Purpose::Iv,
                "11DEDAD7758D4860",
            ),
        ] {
            let password = Password::new(password);
            let salt = HEXUPPER.decode(salt.as_bytes()).unwrap();
            let len = derived.len() / 2;
            let key = Digest::Sha1
                .derive(
                    purpose,
                    &password,
                    &salt,
                    iterations,
                    len,
                    &mut Work::up_to(2000),
                )
                .unwrap();
            assert_eq!(HEXUPPER.encode(&key), derived);
        }
    }
}
