//! The calling side.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::CertificateDer;
use rustls::sign::SingleCertAndKey;

use super::TlsError;
use crate::credentials::{Identity, certificates_from_pem_file};

/// Whom we believe when a server says who it is.
#[derive(Clone, Debug)]
pub enum Roots {
    /// The certificates of a PEM file.
    File(PathBuf),
    /// These certificates.
    Certificates(Vec<CertificateDer<'static>>),
    /// What this system trusts.
    Platform,
}

impl Roots {
    fn load(self) -> Result<rustls::RootCertStore, TlsError> {
        let store = match self {
            Self::File(path) => super::root_store(&certificates_from_pem_file(path)?)?,
            Self::Certificates(certificates) => super::root_store(&certificates)?,
            Self::Platform => {
                let loaded = rustls_native_certs::load_native_certs();
                for error in &loaded.errors {
                    tracing::warn!(%error, "some of this system's CA certificates cannot be read");
                }
                // Systems carry roots no current library can parse; the others must still serve.
                let mut store = rustls::RootCertStore::empty();
                store.add_parsable_certificates(loaded.certs);
                store
            }
        };
        if store.is_empty() {
            return Err(TlsError::NoRoots);
        }
        Ok(store)
    }
}

/// A caller's configuration, TLS 1.2 and 1.3, with a client certificate or without. Sessions are not resumed: a
/// connection here lives for days, and each one shows the certificate that is configured now.
///
/// # Errors
/// The trusted certificates cannot be loaded or there are none.
pub fn client_config(
    identity: Option<&Identity>,
    roots: Roots,
) -> Result<Arc<ClientConfig>, TlsError> {
    config(identity, roots).map(Arc::new)
}

/// The same for HTTP/2 [H-01]: `h2` is the one protocol offered (ALPN).
///
/// # Errors
/// As [`client_config`].
pub fn http2_client_config(
    identity: Option<&Identity>,
    roots: Roots,
) -> Result<Arc<ClientConfig>, TlsError> {
    let mut config = config(identity, roots)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn config(identity: Option<&Identity>, roots: Roots) -> Result<ClientConfig, TlsError> {
    let provider = super::provider();
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots.load()?), Arc::clone(provider))
            .build()
            .map_err(|_| TlsError::NoRoots)?;
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_webpki_verifier(verifier);
    let mut config = match identity {
        Some(identity) => builder
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified()))),
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    Ok(config)
}
