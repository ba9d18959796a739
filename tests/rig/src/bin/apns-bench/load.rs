//! Those who push, over TLS: a sender per connection. Their CPU time is not counted.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, ensure};
use apns_certs::Minted;
use apns_net::credentials::Identity;
use apns_net::tls::{Roots, client_config};
use apns_rig::certificates::{TOPIC, certificates, login};
use apns_rig::frames;
use apns_rig::numbered::payload_of_len;
use apns_rig::provider::Provider;
use apns_simulator::Addresses;
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::subject::simulator::TOKEN_LEN;

/// What one write carries: a whole TLS record.
const WRITE_LEN: usize = 16 * 1024;
/// Requests on their way on one HTTP/2 connection; half of them are answered before it goes on.
const UNANSWERED_MAX: usize = 400;
/// What a notification says, where its number does not matter: 151 bytes, a usual length.
const PAYLOAD: &[u8] = br#"{"aps":{"alert":{"title":"Lunch","body":"The table at the window is free at noon, shall we go?"},"badge":3,"sound":"default"},"conversation":"4711-08"}"#;
/// 2033: none expires.
const EXPIRY: u32 = 2_000_000_000;

/// A provider's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Command 2 with five items.
    Binary,
    /// Today's.
    Http2,
}

impl Protocol {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Http2 => "HTTP/2",
        }
    }

    /// Where the simulator speaks it.
    pub(crate) const fn port(self, ports: Addresses) -> SocketAddr {
        match self {
            Self::Binary => ports.binary,
            Self::Http2 => ports.http2,
        }
    }
}

/// How frames of the binary protocol are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writes {
    /// As many as a TLS record takes.
    Coalesced,
    /// Each by itself.
    Single,
}

impl Writes {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Coalesced => "coalesced",
            Self::Single => "a frame per write",
        }
    }
}

/// What notifications say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    /// All the same.
    Usual,
    /// Their number, in so many bytes.
    Number(usize),
}

impl Says {
    fn payload(self, number: usize) -> Cow<'static, [u8]> {
        match self {
            Self::Usual => Cow::Borrowed(PAYLOAD),
            Self::Number(len) => payload_of_len(number as u32, len).into(),
        }
    }
}

/// Open connections, and whom they push to.
#[derive(Debug)]
pub(crate) struct Senders {
    connections: Vec<Connection>,
    tokens: Arc<[[u8; TOKEN_LEN]]>,
    says: Says,
}

#[derive(Debug)]
enum Connection {
    Binary(Box<Provider>),
    Http2(SendRequest<Bytes>),
}

impl Senders {
    /// All with the certificate of one provider.
    pub(crate) async fn connect(
        protocol: Protocol,
        address: SocketAddr,
        provider: &Minted,
        count: usize,
        tokens: Vec<[u8; TOKEN_LEN]>,
    ) -> anyhow::Result<Self> {
        let ca = certificates().ca.cert_pem();
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            connections.push(match protocol {
                Protocol::Binary => {
                    let login = login(provider);
                    Connection::Binary(Box::new(Provider::connect(address, ca, login).await?))
                }
                Protocol::Http2 => Connection::Http2(http2(address, &provider.identity()?).await?),
            });
        }
        Ok(Self {
            connections,
            tokens: tokens.into(),
            says: Says::Usual,
        })
    }

    pub(crate) fn say(self, says: Says) -> Self {
        Self { says, ..self }
    }

    /// Sends those with these numbers, each connection its part, and to each phone in turn.
    pub(crate) async fn send(
        &mut self,
        numbers: Range<usize>,
        writes: Writes,
    ) -> anyhow::Result<()> {
        let len = self.connections.len();
        let (first, count, says) = (numbers.start, numbers.len(), self.says);
        let mut sending = JoinSet::new();
        for (n, connection) in self.connections.drain(..).enumerate() {
            let part = first + count * n / len..first + count * (n + 1) / len;
            let tokens = Arc::clone(&self.tokens);
            sending.spawn(async move {
                let pushes = part.map(|number| Push {
                    number,
                    token: tokens[number % tokens.len()],
                    payload: says.payload(number),
                });
                connection.send(pushes, writes).await
            });
        }
        while let Some(sent) = sending.join_next().await {
            self.connections.push(sent??);
        }
        Ok(())
    }
}

struct Push {
    number: usize,
    token: [u8; TOKEN_LEN],
    payload: Cow<'static, [u8]>,
}

impl Push {
    fn frame(&self) -> Vec<u8> {
        frames::items(&[
            (1, &self.token),
            (2, &self.payload),
            (3, &(self.number as u32).to_be_bytes()),
            (4, &EXPIRY.to_be_bytes()),
            (5, &[10]),
        ])
    }
}

impl Connection {
    async fn send(
        self,
        pushes: impl Iterator<Item = Push>,
        writes: Writes,
    ) -> anyhow::Result<Self> {
        Ok(match self {
            Self::Binary(mut provider) => {
                send_frames(&mut provider, pushes, writes).await?;
                Self::Binary(provider)
            }
            Self::Http2(h2) => Self::Http2(send_requests(h2, pushes).await?),
        })
    }
}

async fn send_frames(
    provider: &mut Provider,
    pushes: impl Iterator<Item = Push>,
    writes: Writes,
) -> anyhow::Result<()> {
    let mut unsent = Vec::with_capacity(2 * WRITE_LEN);
    for push in pushes {
        unsent.extend(push.frame());
        let len = match writes {
            Writes::Coalesced => WRITE_LEN,
            Writes::Single => unsent.len(),
        };
        if unsent.len() >= len {
            provider.send(&unsent[..len]).await?;
            unsent.drain(..len);
        }
    }
    Ok(provider.send(&unsent).await?)
}

async fn http2(address: SocketAddr, identity: &Identity) -> anyhow::Result<SendRequest<Bytes>> {
    let ca = certificates().ca.certificate_der().clone();
    let roots = Roots::Certificates(vec![ca]);
    let mut config = Arc::unwrap_or_clone(client_config(Some(identity), roots)?);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let stream = TlsConnector::from(Arc::new(config))
        .connect(ServerName::from(address.ip()), socket)
        .await?;
    let (h2, connection) = h2::client::handshake(stream).await?;
    // Its end is the end of the requests on it, which say so.
    tokio::spawn(connection);
    Ok(h2)
}

async fn send_requests(
    mut h2: SendRequest<Bytes>,
    pushes: impl Iterator<Item = Push>,
) -> anyhow::Result<SendRequest<Bytes>> {
    let mut unanswered = VecDeque::with_capacity(UNANSWERED_MAX);
    for Push { token, payload, .. } in pushes {
        if unanswered.len() == UNANSWERED_MAX {
            answered(&mut unanswered, UNANSWERED_MAX / 2).await?;
        }
        let token = data_encoding::HEXLOWER.encode(&token);
        let request = http::Request::post(format!("https://localhost/3/device/{token}"))
            .header("apns-topic", TOPIC)
            .header("apns-push-type", "alert")
            .header("apns-priority", "10")
            .header("apns-expiration", EXPIRY.to_string())
            .body(())?;
        h2 = h2.ready().await?;
        let (response, mut body) = h2.send_request(request, false)?;
        body.send_data(payload_bytes(payload), true)?;
        unanswered.push_back(response);
    }
    let rest = unanswered.len();
    answered(&mut unanswered, rest).await?;
    Ok(h2)
}

fn payload_bytes(payload: Cow<'static, [u8]>) -> Bytes {
    match payload {
        Cow::Borrowed(payload) => Bytes::from_static(payload),
        Cow::Owned(payload) => payload.into(),
    }
}

/// Waits for the first `count` answers.
async fn answered(unanswered: &mut VecDeque<ResponseFuture>, count: usize) -> anyhow::Result<()> {
    for response in unanswered.drain(..count) {
        let status = response.await.context("no answer")?.status();
        ensure!(status.is_success(), "a push was refused with {status}");
    }
    Ok(())
}
