//! Our own sender, as `apns-conformance client` wants it (tests/conformance/README.md): `apns-proto`'s client session and feedback tuples over
//! `apns-net`'s TLS, which the gateway's binary upstream is made of too.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use apns_net::credentials::Identity;
use apns_net::tls::{Roots, client_config};
use apns_proto::client::{Outcome, Session};
use apns_proto::feedback::Tuple;
use apns_proto::{Expiry, Priority, Push};
use bytes::BytesMut;
use data_encoding::HEXLOWER_PERMISSIVE;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// Silence that confirms [P-30].
const QUIET: Duration = Duration::from_secs(3);

/// The pause after the first connection that came to nothing; it doubles with each that follows.
const PAUSE: Duration = Duration::from_millis(100);

/// Connections in a row that may come to nothing.
const ATTEMPTS: u32 = 6;

/// A line of the file of notifications.
#[derive(Debug, Deserialize)]
struct Notification {
    identifier: u32,
    token: String,
    payload: Value,
    expiry: i32,
    priority: u8,
}

fn variable(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let server = Server::of_environment()?;
    match variable("APNS_DO")?.as_str() {
        "send" => server.send().await,
        "feedback" => server.feedback().await,
        other => bail!("APNS_DO is {other}: send or feedback"),
    }
}

struct Server {
    host: String,
    port: u16,
    tls: Arc<ClientConfig>,
}

impl Server {
    fn of_environment() -> anyhow::Result<Self> {
        let identity = Identity::from_pem_files(variable("APNS_CERT")?, variable("APNS_KEY")?)?;
        let roots = Roots::File(variable("APNS_CA")?.into());
        Ok(Self {
            host: variable("APNS_HOST")?,
            port: variable("APNS_PORT")?.parse()?,
            tls: client_config(Some(&identity), roots)?,
        })
    }

    async fn connect(&self) -> anyhow::Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect((self.host.as_str(), self.port)).await?;
        apns_net::socket::tune(&socket)?;
        let name = ServerName::try_from(self.host.clone())?;
        Ok(TlsConnector::from(Arc::clone(&self.tls))
            .connect(name, socket)
            .await?)
    }

    async fn send(&self) -> anyhow::Result<()> {
        let file = std::fs::read_to_string(variable("APNS_NOTIFICATIONS")?)?;
        let lines = file.lines().map(serde_json::from_str);
        let mut waiting: Vec<Notification> = lines.collect::<Result<_, _>>()?;
        let mut in_vain = 0;
        while !waiting.is_empty() {
            let before = waiting.len();
            match self.connect().await {
                Ok(stream) => waiting = told(converse(stream, waiting).await?),
                Err(error) => eprintln!("{error:#}"),
            }
            if waiting.len() < before {
                in_vain = 0;
            } else if in_vain == ATTEMPTS {
                bail!("{} notifications were not taken", waiting.len());
            } else {
                sleep(PAUSE * 2_u32.pow(in_vain)).await;
                in_vain += 1;
            }
        }
        Ok(())
    }

    async fn feedback(&self) -> anyhow::Result<()> {
        let mut stream = self.connect().await?;
        let mut list = BytesMut::new();
        loop {
            let read = stream.read_buf(&mut list).await;
            while let Some(tuple) = Tuple::decode(&mut list) {
                let feedback =
                    json!({ "token": tuple.token.to_hex(), "timestamp": tuple.timestamp });
                println!("{}", json!({ "feedback": feedback }));
            }
            match read {
                Ok(1..) => {}
                Ok(0) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Sends `waiting` on one connection, and says what became of them when it is over, or when silence has confirmed them all.
async fn converse(
    mut stream: TlsStream<TcpStream>,
    waiting: Vec<Notification>,
) -> anyhow::Result<Outcome<Notification>> {
    let mut session = Session::new(QUIET, waiting.len());
    let (mut frames, mut inbox) = (BytesMut::new(), BytesMut::new());
    for notification in waiting {
        let token = HEXLOWER_PERMISSIVE.decode(notification.token.as_bytes())?;
        let payload = notification.payload.to_string();
        let push = Push {
            token: &token,
            payload: payload.as_bytes(),
            expiry: Some(Expiry(notification.expiry)),
            priority: Some(Priority(notification.priority)),
        };
        session.push(&push, notification, &mut frames)?;
    }
    session.write_started(Instant::now());
    let written = async {
        stream.write_all(&frames).await?;
        stream.flush().await
    };
    // A server that has closed may have said why.
    if written.await.is_ok() {
        session.write_finished(Instant::now());
    }
    let packet = loop {
        // Where no silence can confirm any more, the rest of an answer has as long.
        let due = session.next_confirmation();
        let due = due.unwrap_or_else(|| Instant::now() + QUIET);
        match timeout_at(due.into(), stream.read_buf(&mut inbox)).await {
            Ok(Ok(1..)) => {
                if let Some(packet) = session.receive(&mut inbox) {
                    break packet.ok();
                }
            }
            Ok(_) => break None,
            Err(_) => {
                session.confirmed(Instant::now());
                let _ = stream.shutdown().await;
                break None;
            }
        }
    };
    Ok(session.finish(packet))
}

/// Says what was refused; what is to be sent again.
fn told(outcome: Outcome<Notification>) -> Vec<Notification> {
    if let Some(surprise) = outcome.surprise {
        eprintln!("the server {surprise}");
    }
    if let Some((notification, status)) = outcome.rejected {
        let error = json!({ "identifier": notification.identifier, "status": status.0 });
        println!("{}", json!({ "error": error }));
    }
    outcome.resend
}
