//! The structures of a store, inside out: bags, parts, MAC, frame.

use apns_net::credentials::pbe::{Cipher, Digest, Password, Pbkdf2, Scheme};
use aws_lc_rs::digest;
use rustls::pki_types::CertificateDer;
use x509_parser::der_parser::oid;

use super::{Contents, Profile, WriteError};
use crate::der;
use crate::pkcs8;
use crate::random;

const DATA: &[u8] = &oid!(raw 1.2.840.113549.1.7.1);
const ENCRYPTED_DATA: &[u8] = &oid!(raw 1.2.840.113549.1.7.6);
const SHROUDED_KEY: &[u8] = &oid!(raw 1.2.840.113549.1.12.10.1.2);
const CERTIFICATE: &[u8] = &oid!(raw 1.2.840.113549.1.12.10.1.3);
const X509: &[u8] = &oid!(raw 1.2.840.113549.1.9.22.1);
const FRIENDLY_NAME: &[u8] = &oid!(raw 1.2.840.113549.1.9.20);
const LOCAL_KEY_ID: &[u8] = &oid!(raw 1.2.840.113549.1.9.21);
const TRIPLE_DES: &[u8] = &oid!(raw 1.2.840.113549.1.12.1.3);
const PBES2: &[u8] = &oid!(raw 1.2.840.113549.1.5.13);
const PBKDF2: &[u8] = &oid!(raw 1.2.840.113549.1.5.12);
const HMAC_SHA256: &[u8] = &oid!(raw 1.2.840.113549.2.9);
const AES_256_CBC: &[u8] = &oid!(raw 2.16.840.1.101.3.4.1.42);
const SHA1: &[u8] = &oid!(raw 1.3.14.3.2.26);
const SHA256: &[u8] = &oid!(raw 2.16.840.1.101.3.4.2.1);

impl Profile {
    /// Rounds of key derivation. What was written for old machines has as many as they expect; today's take a tenth of
    /// a second for more.
    const fn iterations(self) -> u64 {
        match self {
            Self::Modern => 100_000,
            Self::Compat => 2048,
        }
    }

    const fn digest(self) -> (Digest, &'static [u8]) {
        match self {
            Self::Modern => (Digest::Sha256, SHA256),
            Self::Compat => (Digest::Sha1, SHA1),
        }
    }

    fn salt(self) -> Result<Vec<u8>, WriteError> {
        match self {
            Self::Modern => random::<16>(),
            Self::Compat => random::<8>(),
        }
    }

    /// The encryption of one part, with an `AlgorithmIdentifier` that says so.
    fn scheme(self) -> Result<(Scheme, Vec<u8>), WriteError> {
        let (salt, iterations) = (self.salt()?, self.iterations());
        let derivation = [der::octets(&salt), der::integer(iterations)];
        match self {
            Self::Modern => {
                let iv = random::<16>()?;
                let digest = der::sequence(&[der::oid(HMAC_SHA256), der::null()]);
                let [salted, rounds] = derivation;
                let derivation = der::sequence(&[salted, rounds, digest]);
                let parameters = [
                    der::sequence(&[der::oid(PBKDF2), derivation]),
                    der::sequence(&[der::oid(AES_256_CBC), der::octets(&iv)]),
                ];
                let algorithm = der::sequence(&[der::oid(PBES2), der::sequence(&parameters)]);
                let kdf = Pbkdf2 {
                    digest: Digest::Sha256,
                    salt,
                    iterations,
                };
                let cipher = Cipher::Aes256;
                Ok((Scheme::Pbes2 { kdf, cipher, iv }, algorithm))
            }
            Self::Compat => {
                let algorithm = der::sequence(&[der::oid(TRIPLE_DES), der::sequence(&derivation)]);
                let scheme = Scheme::Pkcs12 {
                    cipher: Cipher::TripleDes3,
                    salt,
                    iterations,
                };
                Ok((scheme, algorithm))
            }
        }
    }
}

/// A `PFX` (RFC 7292, section 4).
pub(super) fn write(
    contents: &Contents<'_>,
    password: &str,
    profile: Profile,
) -> Result<Vec<u8>, WriteError> {
    let password = Password::new(password);
    let mut parts = Vec::new();
    // As openssl has it: certificates encrypted as a whole, then the key, encrypted by itself.
    if !contents.certificates.is_empty() {
        let certificates = der::sequence(&certificate_bags(contents));
        parts.push(encrypted(&certificates, &password, profile)?);
    }
    let key = der::sequence(&[key_bag(contents, &password, profile)?]);
    parts.push(data(&key));
    let authenticated = der::sequence(&parts);
    Ok(der::sequence(&[
        der::integer(3),
        data(&authenticated),
        mac(&authenticated, &password, profile)?,
    ]))
}

fn certificate_bags(contents: &Contents<'_>) -> Vec<Vec<u8>> {
    let bag = |(at, certificate): (usize, &CertificateDer<'_>)| {
        let value = der::sequence(&[der::oid(X509), der::explicit(0, &der::octets(certificate))]);
        // Java takes a certificate of another name or id than the key's for one of no use.
        let attributes = if at == 0 {
            attributes(contents)
        } else {
            Vec::new()
        };
        bag(CERTIFICATE, &value, &attributes)
    };
    contents.certificates.iter().enumerate().map(bag).collect()
}

fn key_bag(
    contents: &Contents<'_>,
    password: &Password,
    profile: Profile,
) -> Result<Vec<u8>, WriteError> {
    let key = pkcs8::convert(contents.key)?;
    let (scheme, algorithm) = profile.scheme()?;
    let encrypted = scheme.encrypt(password, key.secret_pkcs8_der())?;
    let value = der::sequence(&[algorithm, der::octets(&encrypted)]);
    Ok(bag(SHROUDED_KEY, &value, &attributes(contents)))
}

fn bag(kind: &[u8], value: &[u8], attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut bag = vec![der::oid(kind), der::explicit(0, value)];
    if !attributes.is_empty() {
        bag.push(der::set(attributes));
    }
    der::sequence(&bag)
}

/// What key and certificate share: the name, and the SHA-1 of the certificate, by which programs pair them.
fn attributes(contents: &Contents<'_>) -> Vec<Vec<u8>> {
    let attribute = |kind, value| der::sequence(&[der::oid(kind), der::set(&[value])]);
    let mut attributes = Vec::new();
    if let Some(certificate) = contents.certificates.first() {
        let id = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, certificate);
        attributes.push(attribute(LOCAL_KEY_ID, der::octets(id.as_ref())));
    }
    if let Some(name) = contents.friendly_name {
        attributes.push(attribute(FRIENDLY_NAME, der::bmp(name)));
    }
    attributes
}

/// A `ContentInfo` that anyone can read.
fn data(content: &[u8]) -> Vec<u8> {
    der::sequence(&[der::oid(DATA), der::explicit(0, &der::octets(content))])
}

/// A `ContentInfo` with an `EncryptedData` (RFC 5652, section 8).
fn encrypted(content: &[u8], password: &Password, profile: Profile) -> Result<Vec<u8>, WriteError> {
    let (scheme, algorithm) = profile.scheme()?;
    let encrypted = scheme.encrypt(password, content)?;
    let info = der::sequence(&[
        der::oid(DATA),
        algorithm,
        der::implicit_octets(0, &encrypted),
    ]);
    let content = der::sequence(&[der::integer(0), info]);
    Ok(der::sequence(&[
        der::oid(ENCRYPTED_DATA),
        der::explicit(0, &content),
    ]))
}

/// A `MacData` over the parts.
fn mac(authenticated: &[u8], password: &Password, profile: Profile) -> Result<Vec<u8>, WriteError> {
    let (salt, iterations) = (profile.salt()?, profile.iterations());
    let (digest, id) = profile.digest();
    let tag = digest.mac(password, &salt, iterations, authenticated)?;
    let algorithm = der::sequence(&[der::oid(id), der::null()]);
    Ok(der::sequence(&[
        der::sequence(&[algorithm, der::octets(&tag)]),
        der::octets(&salt),
        der::integer(iterations),
    ]))
}

fn random<const N: usize>() -> Result<Vec<u8>, WriteError> {
    let bytes: [u8; N] = random::bytes().map_err(|_| WriteError::Random)?;
    Ok(bytes.to_vec())
}
