//! A certificate chain with the private key that belongs to it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::error::{CredentialsError, Origin};
use super::key::private_key_in;
use super::{CertificateInfo, pem, pkcs12};
use crate::tls;

/// Who we are towards a peer: a chain, leaf first, and its private key. Cheap to clone; the key is never printed.
#[derive(Clone)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    certificate: CertificateInfo,
}

impl Identity {
    /// Reads a chain and a key from two files, or from one file named twice that holds both, in PEM or DER.
    ///
    /// Warns in the log when others on this machine may read the key file.
    ///
    /// # Errors
    /// A file is missing or unreadable, holds something else, or the key belongs to another certificate; the message
    /// names the file and what to do.
    pub fn from_pem_files(
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, CredentialsError> {
        let (certificate, key) = (certificate.as_ref(), key.as_ref());
        let certificate_bytes = pem::read(certificate)?;
        let key_bytes = pem::read(key)?;
        warn_if_readable_by_others(key);
        Self::from_bytes(
            &certificate_bytes,
            &key_bytes,
            Origin::file(certificate),
            Origin::file(key),
        )
    }

    /// Reads a chain and a key from memory, in PEM or DER; one text holding both may be given twice.
    ///
    /// # Errors
    /// As [`Identity::from_pem_files`].
    pub fn from_pem(
        certificate: impl AsRef<[u8]>,
        key: impl AsRef<[u8]>,
    ) -> Result<Self, CredentialsError> {
        Self::from_bytes(
            certificate.as_ref(),
            key.as_ref(),
            Origin::Memory,
            Origin::Memory,
        )
    }

    /// Reads a chain and a key from a PKCS#12 file (`.p12`, `.pfx`) of any age.
    ///
    /// Warns in the log when others on this machine may read the file.
    ///
    /// # Errors
    /// The file is missing, unreadable or damaged, the password is wrong, or it does not hold a key with its
    /// certificate; the message names the file and what to do.
    pub fn from_pkcs12_file(
        path: impl AsRef<Path>,
        password: &str,
    ) -> Result<Self, CredentialsError> {
        let path = path.as_ref();
        let bytes = pem::read(path)?;
        warn_if_readable_by_others(path);
        Self::from_store(&bytes, password, Origin::file(path))
    }

    /// Reads a chain and a key from PKCS#12 in memory.
    ///
    /// # Errors
    /// As [`Identity::from_pkcs12_file`].
    pub fn from_pkcs12(bytes: impl AsRef<[u8]>, password: &str) -> Result<Self, CredentialsError> {
        Self::from_store(bytes.as_ref(), password, Origin::Memory)
    }

    fn from_store(bytes: &[u8], password: &str, origin: Origin) -> Result<Self, CredentialsError> {
        let store = pkcs12::open(bytes, password).map_err(|source| CredentialsError::Locked {
            origin: origin.clone(),
            source,
        })?;
        let (chain, key) = store.pair(&origin)?;
        Self::from_parts(chain, key, (origin.clone(), origin))
    }

    fn from_bytes(
        certificate: &[u8],
        key: &[u8],
        certificate_origin: Origin,
        key_origin: Origin,
    ) -> Result<Self, CredentialsError> {
        // A combined file whose key is encrypted is reported as that, not as having no certificate.
        let chain = certificates(certificate, &certificate_origin)?;
        let key = private_key_in(key, &key_origin, None)?;
        Self::from_parts(chain, key, (certificate_origin, key_origin))
    }

    /// Takes a chain, leaf first, and the leaf's key; and where they came from, for the messages.
    ///
    /// # Errors
    /// The key is of no use, or belongs to another certificate; the leaf cannot be read, or there is none.
    pub fn from_parts(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        (certificate_origin, key_origin): (Origin, Origin),
    ) -> Result<Self, CredentialsError> {
        let Some(leaf) = chain.first() else {
            return Err(CredentialsError::NoCertificate {
                origin: certificate_origin,
            });
        };
        let leaf =
            CertificateInfo::parse(leaf).map_err(|error| error.in_place(&certificate_origin))?;
        let provider: &CryptoProvider = tls::provider();
        let key = provider
            .key_provider
            .load_private_key(key)
            .map_err(|error| CredentialsError::Key {
                origin: key_origin.clone(),
                reason: error.to_string(),
            })?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) => Ok(Self {
                certified: Arc::new(certified),
                certificate: leaf,
            }),
            Err(rustls::Error::InconsistentKeys(_)) => Err(CredentialsError::KeyMismatch {
                certificate: certificate_origin,
                key: key_origin,
            }),
            Err(error) => Err(CredentialsError::Certificate {
                origin: certificate_origin,
                reason: error.to_string(),
            }),
        }
    }

    /// The chain, leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    /// What the leaf certificate says.
    pub const fn certificate(&self) -> &CertificateInfo {
        &self.certificate
    }

    /// Chain and key, as rustls wants them.
    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("certificate", &self.certificate)
            .field("chain_len", &self.certified.cert.len())
            .finish_non_exhaustive()
    }
}

/// Reads every certificate of a PEM file (a CA bundle, a chain), or the one of a DER file.
///
/// # Errors
/// The file is missing, unreadable or damaged, or holds no certificate.
pub fn certificates_from_pem_file(
    path: impl AsRef<Path>,
) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
    let path = path.as_ref();
    certificates(&pem::read(path)?, &Origin::file(path))
}

/// Reads every certificate of a PEM text, or the one of DER bytes.
///
/// # Errors
/// The text is damaged or holds no certificate.
pub fn certificates_from_pem(
    bytes: impl AsRef<[u8]>,
) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
    certificates(bytes.as_ref(), &Origin::Memory)
}

/// At least one certificate, each of which can be read.
fn certificates(
    bytes: &[u8],
    origin: &Origin,
) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
    let certificates = pem::find(bytes, origin)?.certificates;
    if certificates.is_empty() {
        return Err(CredentialsError::NoCertificate {
            origin: origin.clone(),
        });
    }
    for certificate in &certificates {
        CertificateInfo::parse(certificate).map_err(|error| error.in_place(origin))?;
    }
    Ok(certificates)
}

#[cfg(unix)]
pub(super) fn warn_if_readable_by_others(key: &Path) {
    use std::os::unix::fs::PermissionsExt;

    let Ok(metadata) = key.metadata() else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        tracing::warn!(
            file = %key.display(),
            mode = format_args!("{mode:04o}"),
            "others on this machine can read this private key: chmod 600 it"
        );
    }
}

#[cfg(not(unix))]
pub(super) fn warn_if_readable_by_others(_key: &Path) {}
