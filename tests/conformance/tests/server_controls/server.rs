//! A little server of the protocol, correct unless it is given a bug.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::TLS12;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto::aws_lc_rs};
use tokio_rustls::server::TlsStream;

/// What is wrong with a server, and whose bug it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// uniqush's simulator: status 0 to every good notification.
    ConfirmsEverything,
    /// PushSharp's test server: 01 for 08.
    WrongCommand,
    /// What java-apns' stub warns of: the six bytes in two writes.
    SplitPacket,
    /// Pushy 0.4's mock: all five items, or it is none.
    DemandsAllItems,
    /// Goes on with what comes behind a refused notification.
    ReadsOn,
    /// mockapn: hangs up without a packet.
    ClosesWithoutPacket,
    /// grocer's server: never an error.
    NeverRefuses,
    /// java-apns' older stub: status 1, whatever it is.
    Status1,
    /// Closes with unread bytes in the socket: the kernel's RST overtakes the packet.
    ClosesAtOnce,
    /// grocer's server: every frame is read as a command 1.
    IgnoresCommand,
}

/// A running little server.
pub(crate) struct Little {
    pub(crate) address: SocketAddr,
    /// `ca.pem`, `client.pem`, `client.key`.
    pub(crate) folder: TempDir,
}

/// What is made of a frame.
enum Judged {
    Taken,
    Refused { status: u8, identifier: u32 },
    Closed,
}

impl Little {
    pub(crate) async fn start(bug: Option<Bug>) -> Self {
        let folder = TempDir::new().unwrap();
        let config = Arc::new(certificates(&folder));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let acceptor = TlsAcceptor::from(Arc::clone(&config));
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(socket).await {
                        // However it ends, the client has seen it.
                        let _ = serve(stream, bug).await;
                    }
                });
            }
        });
        Self { address, folder }
    }
}

async fn serve(mut stream: TlsStream<TcpStream>, bug: Option<Bug>) -> std::io::Result<()> {
    loop {
        let judged = match next(&mut stream, bug).await? {
            Judged::Refused { .. } if bug == Some(Bug::NeverRefuses) => Judged::Taken,
            Judged::Refused { .. } if bug == Some(Bug::ClosesWithoutPacket) => Judged::Closed,
            judged => judged,
        };
        match judged {
            Judged::Taken if bug == Some(Bug::ConfirmsEverything) => {
                stream.write_all(&[8, 0, 0, 0, 0, 0]).await?;
                stream.flush().await?;
            }
            Judged::Taken => {}
            Judged::Closed => return close(stream).await,
            Judged::Refused { status, identifier } => {
                let [a, b, c, d] = identifier.to_be_bytes();
                let command = if bug == Some(Bug::WrongCommand) { 1 } else { 8 };
                let status = if bug == Some(Bug::Status1) { 1 } else { status };
                let packet = [command, status, a, b, c, d];
                let first = if bug == Some(Bug::SplitPacket) { 2 } else { 6 };
                for part in packet.chunks(first) {
                    stream.write_all(part).await?;
                    stream.flush().await?;
                }
                match bug {
                    Some(Bug::ReadsOn) => {}
                    Some(Bug::ClosesAtOnce) => return Ok(()),
                    _ => return close(stream).await,
                }
            }
        }
    }
}

/// Says close, then reads until the client has closed as well [P-41].
async fn close(mut stream: TlsStream<TcpStream>) -> std::io::Result<()> {
    stream.shutdown().await?;
    let (socket, _) = stream.get_mut();
    let mut dropped = [0; 16 * 1024];
    while let Ok(Ok(1..)) = timeout(Duration::from_secs(2), socket.read(&mut dropped)).await {}
    Ok(())
}

async fn next(stream: &mut TlsStream<TcpStream>, bug: Option<Bug>) -> std::io::Result<Judged> {
    let command = match stream.read_u8().await? {
        _ if bug == Some(Bug::IgnoresCommand) => 1,
        command => command,
    };
    match command {
        0 => {
            let (token, payload) = (counted(stream).await?, counted(stream).await?);
            Ok(match judge(Some(&token), Some(&payload), 0) {
                Judged::Refused { .. } => Judged::Closed,
                judged => judged,
            })
        }
        1 => {
            let identifier = stream.read_u32().await?;
            stream.read_u32().await?;
            let (token, payload) = (counted(stream).await?, counted(stream).await?);
            Ok(judge(Some(&token), Some(&payload), identifier))
        }
        2 => {
            let len = stream.read_u32().await?;
            if len > 16_384 {
                return Ok(Judged::Refused {
                    status: 128,
                    identifier: 0,
                });
            }
            let mut body = vec![0; len as usize];
            stream.read_exact(&mut body).await?;
            Ok(items(&body, bug))
        }
        _ => Ok(Judged::Closed),
    }
}

async fn counted(stream: &mut TlsStream<TcpStream>) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn items(mut body: &[u8], bug: Option<Bug>) -> Judged {
    let mut found: [Option<&[u8]>; 5] = [None; 5];
    let named = |found: &[Option<&[u8]>; 5]| {
        let bytes = found[2].and_then(|bytes| bytes.try_into().ok());
        bytes.map(u32::from_be_bytes).unwrap_or_default()
    };
    while !body.is_empty() {
        let broken = Judged::Refused {
            status: 128,
            identifier: named(&found),
        };
        let Some(([id, high, low], rest)) = body.split_first_chunk() else {
            return broken;
        };
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((data, rest)) = rest.split_at_checked(len) else {
            return broken;
        };
        body = rest;
        let fits = match id {
            3 | 4 => len == 4,
            5 => len == 1,
            _ => true,
        };
        match id {
            1..=5 if !fits || found[usize::from(id - 1)].is_some() => return broken,
            1..=5 => found[usize::from(id - 1)] = Some(data),
            _ => {}
        }
    }
    let identifier = named(&found);
    if bug == Some(Bug::DemandsAllItems) && found.iter().any(Option::is_none) {
        return Judged::Refused {
            status: 1,
            identifier,
        };
    }
    judge(found[0], found[1], identifier)
}

/// The order of the checks [P-32]; the only token there is has 32 times `aa`.
fn judge(token: Option<&[u8]>, payload: Option<&[u8]>, identifier: u32) -> Judged {
    let token = token.unwrap_or_default();
    let status = match (token.len(), payload.unwrap_or_default().len()) {
        (0, _) => 2,
        (1..=31 | 101.., _) => 5,
        (_, 0) => 4,
        (_, 2049..) => 7,
        _ if token != [0xaa; 32] => 8,
        _ => return Judged::Taken,
    };
    Judged::Refused { status, identifier }
}

/// A CA, a server and a client, the last as files.
fn certificates(folder: &TempDir) -> ServerConfig {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = ca.self_signed(&ca_key).unwrap();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let names = vec!["127.0.0.1".to_owned()];
    let server = CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let client_key = KeyPair::generate().unwrap();
    let mut client = CertificateParams::default();
    client
        .distinguished_name
        .push(DnType::CommonName, "Apple Push Services: com.example.Mail");
    let client = client.signed_by(&client_key, &issuer).unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    write("ca.pem", root.pem());
    write("client.pem", client.pem());
    write("client.key", client_key.serialize_pem());
    let crypto = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(root.der().clone()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&crypto))
            .clear_root_hint_subjects()
            .build()
            .unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    ServerConfig::builder_with_provider(crypto)
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![server.der().clone()], key)
        .unwrap()
}
