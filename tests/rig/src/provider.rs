//! A legacy backend as its server sees it: TLS 1.2, no SNI, no ALPN, frames as they come, six bytes read now and then.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    AlertDescription, CipherSuite, ClientConfig, RootCertStore, version::TLS12,
};
use tokio_rustls::{TlsConnector, rustls};

use crate::eventually::PATIENCE;

/// Who a backend says it is.
#[derive(Clone, Copy, Debug)]
pub enum Login<'a> {
    /// With a certificate and its key, in PEM.
    Certificate {
        /// The certificate.
        certificate: &'a str,
        /// Its key.
        key: &'a str,
    },
    /// With nothing.
    Nobody,
}

/// A connection of a legacy backend.
#[derive(Debug)]
pub struct Provider {
    stream: TlsStream<TcpStream>,
}

/// How the server ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With a TLS close_notify.
    CloseNotify,
    /// With a FIN and no close_notify.
    Fin,
    /// With an RST.
    Reset,
}

/// Everything the server still said, up to the end of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// How it ended.
    pub ending: Ending,
}

impl Provider {
    /// Connects and shakes hands; the server's certificate must come from `ca` (PEM).
    ///
    /// # Errors
    ///
    /// What ended the handshake; [`alert`] finds the TLS alert in it.
    pub async fn connect(address: SocketAddr, ca: &str, login: Login<'_>) -> Result<Self, Error> {
        Self::over(TcpStream::connect(address).await?, ca, login).await
    }

    /// [`connect`](Self::connect) over a socket that has its own options.
    ///
    /// # Errors
    ///
    /// What ended the handshake.
    pub async fn over(socket: TcpStream, ca: &str, login: Login<'_>) -> Result<Self, Error> {
        socket.set_nodelay(true)?;
        let host = ServerName::from(socket.peer_addr()?.ip());
        let connector = TlsConnector::from(Arc::new(config(ca, login)));
        let handshake = timeout(PATIENCE, connector.connect(host, socket)).await;
        let stream =
            handshake.map_err(|_| Error::new(ErrorKind::TimedOut, "no handshake in time"))??;
        Ok(Self { stream })
    }

    /// Writes `bytes` and flushes them.
    ///
    /// # Errors
    ///
    /// The socket's.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Reads the six bytes of an error packet.
    ///
    /// # Errors
    ///
    /// What came instead: nothing in time, or the end of the connection.
    pub async fn packet(&mut self) -> Result<[u8; 6], Error> {
        let mut packet = [0; 6];
        let read = timeout(PATIENCE, self.stream.read_exact(&mut packet)).await;
        read.map_err(|_| Error::new(ErrorKind::TimedOut, "no error packet in time"))??;
        Ok(packet)
    }

    /// The error packet, if it comes within `time`.
    ///
    /// # Errors
    ///
    /// The end of the connection, or of half a packet.
    pub async fn packet_within(&mut self, time: Duration) -> Result<Option<[u8; 6]>, Error> {
        let mut packet = [0; 6];
        let Ok(first) = timeout(time, self.stream.read_u8()).await else {
            return Ok(None);
        };
        packet[0] = first?;
        self.stream.read_exact(&mut packet[1..]).await?;
        Ok(Some(packet))
    }

    /// Reads to the end of the connection.
    ///
    /// # Errors
    ///
    /// When the server does not end it in time, or ends it in a way no [`Ending`] names.
    pub async fn farewell(&mut self) -> Result<Farewell, Error> {
        let mut bytes = Vec::new();
        let mut chunk = [0; 1024];
        let ending = loop {
            let read = timeout(PATIENCE, self.stream.read(&mut chunk)).await;
            match read.map_err(|_| {
                Error::new(
                    ErrorKind::TimedOut,
                    format!("connection still open after {bytes:02x?}"),
                )
            })? {
                Ok(0) => break Ending::CloseNotify,
                Ok(len) => bytes.extend(&chunk[..len]),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => break Ending::Fin,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break Ending::Reset,
                Err(error) => return Err(error),
            }
        };
        Ok(Farewell { bytes, ending })
    }

    /// Says whether the server said nothing, and stayed, for as long as `time`.
    pub async fn hears_nothing_for(&mut self, time: Duration) -> bool {
        timeout(time, self.stream.read_u8()).await.is_err()
    }

    /// Ends the sending direction as an orderly client does: close_notify, then FIN.
    ///
    /// # Errors
    ///
    /// The socket's.
    pub async fn close(&mut self) -> Result<(), Error> {
        self.stream.shutdown().await
    }

    /// Ends the connection with an RST, as a crashed client does.
    ///
    /// # Errors
    ///
    /// The socket's.
    pub fn reset(self) -> Result<(), Error> {
        self.stream.get_ref().0.set_zero_linger()
    }

    /// Where the server sees this connection come from.
    ///
    /// # Panics
    ///
    /// When the socket has no address any more.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.stream
            .get_ref()
            .0
            .local_addr()
            .expect("a connected socket has an address")
    }
}

/// The TLS alert that a failed handshake or read carries.
#[must_use]
pub fn alert(error: &Error) -> Option<AlertDescription> {
    match error.get_ref()?.downcast_ref()? {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

/// TLS 1.2 with AES-GCM, so that the length of a record tells the length of what is in it.
fn config(ca: &str, login: Login<'_>) -> ClientConfig {
    let mut crypto = aws_lc_rs::default_provider();
    crypto.cipher_suites.retain(|suite| {
        matches!(
            suite.suite(),
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        )
    });
    let crypto: Arc<CryptoProvider> = Arc::new(crypto);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
        roots
            .add(certificate.expect("the CA is PEM"))
            .expect("the CA is a certificate");
    }
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&crypto))
            .build()
            .expect("one root is enough");
    let builder = ClientConfig::builder_with_provider(crypto)
        .with_protocol_versions(&[&TLS12])
        .expect("TLS 1.2 is built in")
        .with_webpki_verifier(verifier);
    let mut config = match login {
        Login::Nobody => builder.with_no_client_auth(),
        Login::Certificate { certificate, key } => {
            let chain = CertificateDer::pem_slice_iter(certificate.as_bytes())
                .collect::<Result<_, _>>()
                .expect("the certificate is PEM");
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("the key is PEM");
            builder
                .with_client_auth_cert(chain, key)
                .expect("certificate and key belong together")
        }
    };
    config.enable_sni = false;
    config.resumption = Resumption::disabled();
    config
}
