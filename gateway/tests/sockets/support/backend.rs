//! What talks to the gateway.

use std::net::SocketAddr;
use std::time::Duration;

use apns_net::credentials::{Identity, certificates_from_pem};
use apns_net::tls::{Roots, client_config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::{Authority, enhanced, soon};

/// A legacy backend.
pub(crate) struct Backend {
    stream: TlsStream<TcpStream>,
}

impl Backend {
    /// Connects with the certificate and key of a PEM text.
    pub(crate) async fn connect(address: SocketAddr, pem: &str, authority: &Authority) -> Self {
        let identity = Identity::from_pem(pem, pem).unwrap();
        let roots = Roots::Certificates(certificates_from_pem(&authority.pem).unwrap());
        let tls = client_config(Some(&identity), roots).unwrap();
        let stream = soon("the handshake", async {
            let socket = TcpStream::connect(address).await.unwrap();
            let name = ServerName::try_from("127.0.0.1").unwrap();
            TlsConnector::from(tls).connect(name, socket).await.unwrap()
        })
        .await;
        Self { stream }
    }

    /// The certificate that the gateway showed.
    pub(crate) fn server_certificate(&self) -> Vec<u8> {
        self.stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        soon("the gateway's reading", async {
            self.stream.write_all(bytes).await.unwrap();
            self.stream.flush().await.unwrap();
        })
        .await;
    }

    /// Sends notifications named and identified so, in one write.
    pub(crate) async fn push(&mut self, names: impl IntoIterator<Item = u8>) {
        let frames: Vec<u8> = names
            .into_iter()
            .flat_map(|name| enhanced(name.into(), name))
            .collect();
        self.write(&frames).await;
    }

    /// Everything the gateway says until it closes.
    pub(crate) async fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A close without close_notify ends it too.
        drop(soon("the gateway's close", self.stream.read_to_end(&mut bytes)).await);
        bytes
    }

    /// Whether the gateway neither says anything nor closes for so long.
    pub(crate) async fn is_left_alone(&mut self, span: Duration) -> bool {
        timeout(span, self.stream.read_u8()).await.is_err()
    }

    /// Ends the connection as a process does that dies with bytes unread.
    pub(crate) fn reset(self) {
        let (socket, _) = self.stream.get_ref();
        socket2::SockRef::from(socket)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    }

    pub(crate) async fn close(mut self) {
        // After an answer the gateway may be gone already.
        drop(self.stream.shutdown().await);
    }
}
