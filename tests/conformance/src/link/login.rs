//! Who we say we are, and whom we believe: what PEM files have to say about it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

/// A certificate and its key, or nothing.
#[derive(Debug)]
pub(crate) enum Login {
    /// With a certificate and its key.
    Certificate {
        /// The certificate, and those between it and its root.
        chain: Vec<CertificateDer<'static>>,
        /// Its key.
        key: PrivateKeyDer<'static>,
    },
    /// With nothing.
    Nobody,
}

impl Login {
    /// From PEM files; the key may stand in the certificate's file.
    pub(crate) fn read(certificate: &Path, key: Option<&Path>) -> Result<Self, LoginError> {
        Self::parse(&bytes(certificate)?, certificate, key)
    }

    /// The topic the certificate is for.
    pub(crate) fn topic(&self) -> Option<String> {
        match self {
            Self::Certificate { chain, .. } => chain.first().and_then(crate::server::topic),
            Self::Nobody => None,
        }
    }

    fn parse(text: &[u8], path: &Path, key: Option<&Path>) -> Result<Self, LoginError> {
        let chain = certificates(text, path)?;
        let key_path = key.unwrap_or(path);
        let key = PrivateKeyDer::from_pem_slice(&bytes(key_path)?)
            .map_err(|_| LoginError::NoKey(key_path.to_owned()))?;
        Ok(Self::Certificate { chain, key })
    }
}

impl Clone for Login {
    fn clone(&self) -> Self {
        match self {
            Self::Certificate { chain, key } => Self::Certificate {
                chain: chain.clone(),
                key: key.clone_key(),
            },
            Self::Nobody => Self::Nobody,
        }
    }
}

/// Whom we believe.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roots(Vec<CertificateDer<'static>>);

impl Roots {
    /// From a PEM file.
    pub(crate) fn read(path: &Path) -> Result<Self, LoginError> {
        certificates(&bytes(path)?, path).map(Self)
    }

    /// Believes them; without any, every server.
    pub(super) fn verifier(
        &self,
        crypto: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
        Ok(Arc::new(AnyName::over(&self.0, crypto)?))
    }
}

/// Believes a server by its issuer whatever its name, for it is reached by an address; and any where no issuer was named.
#[derive(Debug)]
struct AnyName {
    crypto: Arc<CryptoProvider>,
    inner: Option<Arc<WebPkiServerVerifier>>,
}

impl AnyName {
    fn over(
        roots: &[CertificateDer<'static>],
        crypto: Arc<CryptoProvider>,
    ) -> Result<Self, rustls::Error> {
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add(root.clone())?;
        }
        let inner = (!store.is_empty()).then(|| {
            WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&crypto))
                .build()
                .expect("there is a root")
        });
        Ok(Self { crypto, inner })
    }
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(inner) = &self.inner else {
            return Ok(ServerCertVerified::assertion());
        };
        match inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.crypto.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.crypto.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.crypto
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, LoginError> {
    std::fs::read(path).map_err(|source| LoginError::File {
        path: path.to_owned(),
        source,
    })
}

fn certificates(text: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, LoginError> {
    let found = CertificateDer::pem_slice_iter(text)
        .collect::<Result<Vec<_>, _>>()
        .unwrap_or_default();
    if found.is_empty() {
        return Err(LoginError::NoCertificate(path.to_owned()));
    }
    Ok(found)
}

/// Why a file is no login.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    /// It cannot be read.
    #[error("{}: cannot be read", path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    /// There is no certificate in it.
    #[error("{}: no certificate in PEM", .0.display())]
    NoCertificate(PathBuf),
    /// There is no key in it.
    #[error("{}: no private key in PEM (where it is in a file of its own, name that file as well)", .0.display())]
    NoKey(PathBuf),
}
