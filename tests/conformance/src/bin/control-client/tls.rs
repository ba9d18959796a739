//! TLS, with or without a look at the server's certificate.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::version::TLS12;
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::variable;

/// Shakes hands.
pub(super) async fn connect(
    socket: TcpStream,
    trusts_anybody: bool,
) -> io::Result<TlsStream<TcpStream>> {
    let crypto = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    for root in certificates("APNS_CA")? {
        roots.add(root).map_err(io::Error::other)?;
    }
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&crypto))
        .build()
        .map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(variable("APNS_KEY")).map_err(io::Error::other)?;
    let config = ClientConfig::builder_with_provider(crypto)
        .with_protocol_versions(&[&TLS12])
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier {
            inner,
            trusts_anybody,
        }))
        .with_client_auth_cert(certificates("APNS_CERT")?, key)
        .map_err(io::Error::other)?;
    let name = ServerName::try_from(variable("APNS_HOST")).map_err(io::Error::other)?;
    TlsConnector::from(Arc::new(config))
        .connect(name, socket)
        .await
}

fn certificates(variable_name: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    let path = variable(variable_name);
    CertificateDer::pem_file_iter(Path::new(&path))
        .and_then(Iterator::collect)
        .map_err(io::Error::other)
}

#[derive(Debug)]
struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    trusts_anybody: bool,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.trusts_anybody {
            return Ok(ServerCertVerified::assertion());
        }
        self.inner
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
