//! What the tests share: certificates, a simulator with its phones, a provider that writes bytes, an HTTP client of a dozen lines.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use apns_certs::{Ca, KeyKind, Kind, PushCertificate};
use apns_net::credentials::Identity;
use apns_net::tls::{Roots, client_config};
use apns_proto::Token;
use apns_simulator::event::What;
use apns_simulator::phone::{Phone, Types};
use apns_simulator::phone_link::{LinkConfig, PhoneLink};
use apns_simulator::{Config, Handle, Project, Simulator};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Nothing a test waits for takes longer; what does is broken.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
pub(crate) const TOPIC: &str = "com.example.Mail";
/// The second push app of every phone: an uninstall of the first leaves feedback only while there is another [C-15].
pub(crate) const SECOND: &str = "com.example.Mail.second";

pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, what)
        .await
        .expect("it happens in time")
}

/// A certificate authority of the test's own, and what it issues.
pub(crate) struct Portal {
    pub(crate) ca: Ca,
}

impl Portal {
    pub(crate) fn open() -> Self {
        Self {
            ca: Ca::with_key(KeyKind::P256).unwrap(),
        }
    }

    pub(crate) fn server(&self) -> Identity {
        self.ca
            .server_with_key(&["127.0.0.1"], KeyKind::P256)
            .unwrap()
            .identity()
            .unwrap()
    }

    pub(crate) fn push(&self, kind: Kind, topic: &str) -> Identity {
        self.mint(&PushCertificate {
            key: KeyKind::P256,
            ..PushCertificate::new(kind, topic)
        })
    }

    pub(crate) fn mint(&self, push: &PushCertificate) -> Identity {
        self.ca.push(push).unwrap().identity().unwrap()
    }

    pub(crate) fn provider(&self) -> Identity {
        self.push(Kind::Universal, TOPIC)
    }

    /// A provider's of a team.
    pub(crate) fn provider_of(&self, team: &str) -> Identity {
        self.mint(&PushCertificate {
            key: KeyKind::P256,
            team: team.to_owned(),
            ..PushCertificate::new(Kind::Universal, TOPIC)
        })
    }

    pub(crate) fn device(&self, name: &str) -> Identity {
        self.ca.device(name).unwrap().identity().unwrap()
    }

    /// A phone's of a team.
    pub(crate) fn device_of(&self, name: &str, team: &str) -> Identity {
        let minted = self.ca.device_of_team(name, team).unwrap();
        minted.identity().unwrap()
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots::Certificates(vec![self.ca.certificate_der().clone()])
    }
}

/// A simulator and its portal.
pub(crate) struct Scene {
    pub(crate) portal: Portal,
    pub(crate) simulator: Handle,
}

impl Scene {
    pub(crate) async fn set() -> Self {
        Self::set_with(|_| {}).await
    }

    pub(crate) async fn set_with(change: impl FnOnce(&mut Config)) -> Self {
        let portal = Portal::open();
        let mut config = Config::new(portal.server(), vec![portal.ca.certificate_der().clone()]);
        change(&mut config);
        let simulator = Simulator::start(config).await.unwrap();
        Self { portal, simulator }
    }

    /// A phone with two push apps, and the first one's token.
    pub(crate) async fn phone(&self, name: &str) -> (PhoneLink, Token) {
        let (courier, identity) = (self.simulator.courier(), self.portal.device(name));
        self.phone_at(name, courier, identity).await
    }

    /// The same with a certificate of its own.
    pub(crate) async fn phone_at(
        &self,
        name: &str,
        courier: SocketAddr,
        identity: Identity,
    ) -> (PhoneLink, Token) {
        let mut phone = Phone::new(name);
        for topic in [TOPIC, SECOND] {
            phone.install(topic, "Mail", true).unwrap();
            phone.register(topic, Types::ALL).unwrap();
        }
        let link = self.link_at(phone, courier, identity);
        let token = link.token(TOPIC, DEADLINE).await.unwrap();
        link.token(SECOND, DEADLINE).await.unwrap();
        (link, token)
    }

    fn link_at(&self, phone: Phone, courier: SocketAddr, identity: Identity) -> PhoneLink {
        let config = LinkConfig {
            courier: courier.into(),
            identity,
            roots: self.portal.roots(),
            app_server: None,
            events: None,
            transcript: None,
        };
        PhoneLink::start(phone, config).unwrap()
    }

    /// A provider's connection to the binary port.
    pub(crate) async fn provider(&self) -> TlsStream<TcpStream> {
        let identity = self.portal.provider();
        self.dial(self.simulator.binary(), &identity).await.unwrap()
    }

    /// A connection with a certificate of the portal.
    pub(crate) async fn dial(
        &self,
        address: SocketAddr,
        identity: &Identity,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        dial(address, Some(identity), self.portal.roots()).await
    }

    /// A provider's connection to the feedback service.
    pub(crate) async fn reader(&self) -> TlsStream<TcpStream> {
        let identity = self.portal.provider();
        self.dial(self.simulator.feedback(), &identity)
            .await
            .unwrap()
    }
}

/// Waits until an event is there.
pub(crate) async fn happens(project: &Project, what: &str, mut wanted: impl FnMut(&What) -> bool) {
    project
        .wait_for(what, DEADLINE, |world| {
            let events = world.events(0, usize::MAX).events;
            events.iter().any(|event| wanted(&event.what)).then_some(())
        })
        .await
        .unwrap();
}

/// TCP and handshake.
pub(crate) async fn dial(
    address: SocketAddr,
    identity: Option<&Identity>,
    roots: Roots,
) -> std::io::Result<TlsStream<TcpStream>> {
    let tls = client_config(identity, roots).unwrap();
    soon(async {
        let tcp = TcpStream::connect(address).await?;
        TlsConnector::from(Arc::clone(&tls))
            .connect(address.ip().into(), tcp)
            .await
    })
    .await
}

/// The same over a socket whose receive buffer is as small as the system allows.
pub(crate) async fn dial_narrow(
    address: SocketAddr,
    identity: &Identity,
    roots: Roots,
) -> TlsStream<TcpStream> {
    let tls = client_config(Some(identity), roots).unwrap();
    soon(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(1024).unwrap();
        let tcp = socket.connect(address).await.unwrap();
        let connecting = TlsConnector::from(tls).connect(address.ip().into(), tcp);
        connecting.await.unwrap()
    })
    .await
}

/// Everything the server says until it closes.
pub(crate) async fn to_the_end(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut said = Vec::new();
    soon(stream.read_to_end(&mut said)).await.unwrap();
    said
}

/// Command 2 with all five items, [P-12]: identifier, no expiry, priority 10.
pub(crate) fn framed(identifier: u32, token: &[u8], payload: &str) -> Vec<u8> {
    let mut items = Vec::new();
    let mut item = |id: u8, value: &[u8]| {
        items.push(id);
        items.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        items.extend(value);
    };
    item(1, token);
    item(2, payload.as_bytes());
    item(3, &identifier.to_be_bytes());
    item(4, &[0x7f, 0xff, 0xff, 0xff]);
    item(5, &[10]);
    let mut frame = vec![2];
    frame.extend(u32::try_from(items.len()).unwrap().to_be_bytes());
    frame.extend(items);
    frame
}

/// A payload that shows `text`.
pub(crate) fn alert(text: impl std::fmt::Display) -> String {
    format!(r#"{{"aps":{{"alert":"{text}"}}}}"#)
}

/// The payloads a phone has received, in order.
pub(crate) fn received(phone: &PhoneLink) -> Vec<String> {
    phone.with(|phone| {
        phone
            .history()
            .map(|received| String::from_utf8(received.payload.to_vec()).unwrap())
            .collect()
    })
}

/// Waits until a phone has received exactly these payloads, in this order.
pub(crate) async fn has_received(phone: &PhoneLink, payloads: &[String]) {
    let last = payloads.last().expect("something to wait for").clone();
    phone
        .received(DEADLINE, move |received| {
            received.payload == last.as_bytes()
        })
        .await
        .unwrap();
    assert_eq!(received(phone), payloads);
}

/// One HTTP request on a connection of its own: status and JSON body.
pub(crate) async fn http(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> (u16, Value) {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = soon(async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    })
    .await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

/// A socket that keeps a copy of everything read from it.
pub(crate) struct Tap {
    socket: TcpStream,
    wire: Vec<u8>,
}

impl Tap {
    /// TCP and handshake.
    pub(crate) async fn dial(
        address: SocketAddr,
        identity: &Identity,
        roots: Roots,
    ) -> TlsStream<Self> {
        let tls = client_config(Some(identity), roots).unwrap();
        soon(async {
            let socket = TcpStream::connect(address).await.unwrap();
            let tap = Self {
                socket,
                wire: Vec::new(),
            };
            TlsConnector::from(tls)
                .connect(address.ip().into(), tap)
                .await
                .unwrap()
        })
        .await
    }

    /// What the records carried, as kind and length of the plaintext, from the end of the handshake on.
    pub(crate) fn records(&self) -> Vec<(u8, usize)> {
        const HANDSHAKE_END: usize = 1;
        // TLS 1.2 with AES-GCM: 8 bytes of nonce, 16 of tag; from ChangeCipherSpec on everything is encrypted.
        const OVERHEAD: usize = 24;
        let mut records = Vec::new();
        let mut rest = &self.wire[..];
        let mut encrypted = false;
        while let [kind, _, _, high, low, body @ ..] = rest {
            let (body, later) = body.split_at(usize::from(u16::from_be_bytes([*high, *low])));
            if encrypted {
                records.push((*kind, body.len() - OVERHEAD));
            }
            encrypted |= *kind == 20;
            rest = later;
        }
        records.split_off(HANDSHAKE_END)
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, buf);
        self.wire.extend(&buf.filled()[before..]);
        read
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
