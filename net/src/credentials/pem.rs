//! Reading PEM and DER: one pass, whatever order the sections come in, nothing kept that was not asked for.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustls::pki_types::pem::{self, PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::pem::Pem;

use super::ber::Reader;
use super::error::{CredentialsError, Origin};
use super::key::is_encrypted_key;
use super::pkcs12::is_pkcs12;

/// No chain with its key comes near this; a bundle of every public root is a quarter of it.
pub(super) const FILE_LEN_MAX: usize = 1024 * 1024;

/// The certificates and the first private key found in one source.
pub(super) struct Found {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) key: Option<PrivateKeyDer<'static>>,
}

/// One section of a PEM file.
struct Section(SectionKind, Vec<u8>);

impl PemObject for Section {
    fn from_pem(kind: SectionKind, der: Vec<u8>) -> Option<Self> {
        Some(Self(kind, der))
    }
}

/// Reads a whole file, up to a size no credentials reach.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, CredentialsError> {
    let unreadable = |source: io::Error| CredentialsError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(FILE_LEN_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() > FILE_LEN_MAX {
        return Err(CredentialsError::TooLarge {
            origin: Origin::file(path),
        });
    }
    Ok(bytes)
}

/// Finds certificates and a key in PEM, or takes DER for the one thing it is. Finding neither is not an error here:
/// the caller knows what it needs.
pub(super) fn find(bytes: &[u8], origin: &Origin) -> Result<Found, CredentialsError> {
    let mut found = Found {
        certificates: Vec::new(),
        key: None,
    };
    if is_one_sequence(bytes) || !contains(bytes, b"-----BEGIN ") {
        if is_pkcs12(bytes) {
            return Err(CredentialsError::Pkcs12 {
                origin: origin.clone(),
            });
        }
        // A key begins with a version, a certificate with a sequence: neither is mistaken for the other.
        if let Ok(key) = PrivateKeyDer::try_from(bytes) {
            found.key = Some(key.clone_key());
        } else if is_encrypted_key(bytes) {
            return Err(CredentialsError::EncryptedKey {
                origin: origin.clone(),
            });
        } else if bytes.first() == Some(&SEQUENCE) {
            found.certificates.push(bytes.to_vec().into());
        }
        return Ok(found);
    }
    for section in Section::pem_slice_iter(bytes) {
        let Section(kind, der) = section.map_err(|error| damaged(&error, bytes, origin))?;
        if kind == SectionKind::Certificate {
            found.certificates.push(der.into());
        } else if found.key.is_none() {
            found.key = PrivateKeyDer::from_pem(kind, der);
        }
    }
    if found.key.is_none()
        && let Some(error) = encrypted(bytes, origin)
    {
        return Err(error);
    }
    Ok(found)
}

/// The first encrypted key of PEM or DER, as PKCS#8.
pub(super) fn encrypted_key(bytes: &[u8]) -> Option<Vec<u8>> {
    if is_encrypted_key(bytes) {
        return Some(bytes.to_vec());
    }
    Pem::iter_from_buffer(bytes)
        .map_while(Result::ok)
        .find(|section| section.label == ENCRYPTED_KEY)
        .map(|section| section.contents)
}

/// Whether the bytes are DER from start to end, so that words of PEM in it, as in a name or a comment, are no PEM.
fn is_one_sequence(bytes: &[u8]) -> bool {
    let mut reader = Reader::new(bytes, "a file");
    reader.sequence().is_ok() && reader.is_empty()
}

const ENCRYPTED_KEY: &str = "ENCRYPTED PRIVATE KEY";
const SEQUENCE: u8 = 0x30;

/// The message names the fault only: the parser's own would quote lines, and a line may be part of a key.
fn damaged(error: &pem::Error, bytes: &[u8], origin: &Origin) -> CredentialsError {
    let origin = origin.clone();
    let reason = match error {
        pem::Error::Base64Decode(_) => {
            if let Some(error) = encrypted(bytes, &origin) {
                return error;
            }
            "a section is not base64"
        }
        pem::Error::MissingSectionEnd { .. } => "an END line is missing",
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line is malformed",
        _ => "it cannot be parsed",
    };
    CredentialsError::Pem { origin, reason }
}

/// What to say of a key that is encrypted, in whichever way.
fn encrypted(bytes: &[u8], origin: &Origin) -> Option<CredentialsError> {
    let origin = || origin.clone();
    if contains(bytes, b"Proc-Type: 4,ENCRYPTED") {
        Some(CredentialsError::OldEncryptedKey { origin: origin() })
    } else if contains(bytes, ENCRYPTED_KEY.as_bytes()) {
        Some(CredentialsError::EncryptedKey { origin: origin() })
    } else {
        None
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
