//! What the gateway talks to upstream.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use apns_net::credentials::{Identity, certificates_from_pem};
use apns_net::tls::{ClientPolicy, TlsVersions, server_config};
use apns_proto::{Limits, Notification, decode};
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use super::{Apns, Authority, ENVIRONMENT, name, soon};

/// A server that does what the test says: what upstream is, for pushes or for feedback.
pub(crate) struct Upstream {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
    tls: TlsAcceptor,
}

impl Upstream {
    pub(crate) async fn new(authority: &Authority) -> Self {
        let roots = certificates_from_pem(&authority.pem).unwrap();
        Self::with(authority, ClientPolicy::providers(roots, ENVIRONMENT)).await
    }

    pub(crate) async fn with(authority: &Authority, policy: ClientPolicy) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            address: listener.local_addr().unwrap(),
            listener,
            tls: Self::acceptor(authority, policy),
        }
    }

    /// From now on it speaks TLS like this.
    pub(crate) fn speak(&mut self, tls: Arc<ServerConfig>) {
        self.tls = TlsAcceptor::from(tls);
    }

    /// The same server, once it trusts what the authority issued.
    pub(crate) fn now_trusting(self, authority: &Authority) -> Self {
        let roots = certificates_from_pem(&authority.pem).unwrap();
        let tls = Self::acceptor(authority, ClientPolicy::providers(roots, ENVIRONMENT));
        Self { tls, ..self }
    }

    fn acceptor(authority: &Authority, policy: ClientPolicy) -> TlsAcceptor {
        let pem = authority.server();
        let identity = Identity::from_pem(&pem, &pem).unwrap();
        TlsAcceptor::from(server_config(&identity, policy, TlsVersions::Tls12).unwrap())
    }

    /// The next connection of the gateway.
    pub(crate) async fn accept(&self) -> Peer {
        Peer {
            stream: self.handshake().await,
            buf: BytesMut::new(),
        }
    }

    /// The same, as HTTP/2.
    pub(crate) async fn accept_http2(&self) -> Apns {
        Apns::start(self.handshake().await)
    }

    /// The next attempt that comes through its handshake: what was on its way when the certificates were changed does not.
    async fn handshake(&self) -> TlsStream<TcpStream> {
        soon("a connection upstream", async {
            loop {
                let (socket, _) = self.listener.accept().await.unwrap();
                if let Ok(stream) = self.tls.accept(socket).await {
                    return stream;
                }
            }
        })
        .await
    }

    /// The next connection, closed in good order before anything is said.
    pub(crate) async fn hang_up(&self) {
        let mut stream = self.handshake().await;
        drop(stream.shutdown().await);
        drop(soon("the gateway's close", stream.read_to_end(&mut Vec::new())).await);
    }

    /// The next attempt, which the certificates let come to nothing.
    pub(crate) async fn refuse(&self) {
        soon("an attempt upstream", async {
            let (socket, _) = self.listener.accept().await.unwrap();
            assert!(self.tls.accept(socket).await.is_err());
        })
        .await;
    }

    /// The next attempt, cut off before anything is said.
    pub(crate) async fn turn_away(&self) {
        soon("an attempt upstream", async {
            drop(self.listener.accept().await.unwrap());
        })
        .await;
    }

    /// Whether nobody connects for so long.
    pub(crate) async fn is_left_alone(&self, span: Duration) -> bool {
        timeout(span, self.listener.accept()).await.is_err()
    }
}

/// One connection of the gateway to its upstream.
pub(crate) struct Peer {
    stream: TlsStream<TcpStream>,
    buf: BytesMut,
}

impl Peer {
    /// The certificate that the gateway showed.
    pub(crate) fn certificate(&self) -> Vec<u8> {
        self.stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    }

    /// The next notification; none once the gateway has closed.
    pub(crate) async fn try_next(&mut self) -> Option<Notification> {
        loop {
            if let Some(notification) = decode(&mut self.buf, &Limits::BINARY) {
                return Some(notification.expect("the gateway sends well-formed frames"));
            }
            if !matches!(self.stream.read_buf(&mut self.buf).await, Ok(1..)) {
                return None;
            }
        }
    }

    /// The next notification.
    pub(crate) async fn next(&mut self) -> Notification {
        soon("a notification upstream", self.try_next())
            .await
            .expect("the gateway closed")
    }

    /// The farewell that comes next [P-44]: its identifier.
    pub(crate) async fn farewell(&mut self) -> [u8; 4] {
        soon("a farewell", async {
            while self.buf.len() < 12 {
                assert_ne!(self.stream.read_buf(&mut self.buf).await.unwrap(), 0);
            }
        })
        .await;
        // Command 2, seven bytes: the item 3, which is the identifier.
        assert_eq!(self.buf[..8], [0x02, 0, 0, 0, 7, 0x03, 0, 4]);
        assert_eq!(self.buf.len(), 12, "it is the last word");
        self.buf.split().as_ref()[8..].try_into().unwrap()
    }

    /// The names of the next notifications.
    pub(crate) async fn names(&mut self, count: usize) -> Vec<u8> {
        let mut names = Vec::new();
        for _ in 0..count {
            names.push(name(&self.next().await));
        }
        names
    }

    /// Answers and closes, as Apple did; returns the names of what came behind.
    pub(crate) async fn answer(mut self, status: u8, identifier: [u8; 4]) -> Vec<u8> {
        let [a, b, c, d] = identifier;
        self.write(&[8, status, a, b, c, d]).await;
        self.close().await
    }

    /// Writes anything.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Closes in good order; returns the names of what came too late.
    pub(crate) async fn close(mut self) -> Vec<u8> {
        // The gateway may be gone already.
        drop(self.stream.shutdown().await);
        self.rest().await
    }

    /// Reads to the end.
    pub(crate) async fn rest(mut self) -> Vec<u8> {
        let mut names = Vec::new();
        soon("the gateway's close", async {
            while let Some(notification) = self.try_next().await {
                names.push(name(&notification));
            }
        })
        .await;
        names
    }

    /// Whether nothing comes for so long.
    pub(crate) async fn is_left_alone(&mut self, span: Duration) -> bool {
        timeout(span, self.try_next()).await.is_err()
    }
}
