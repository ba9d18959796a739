//! A small client for the client suite to be held against itself: right, unless `--bug` makes it repeat what a real library did.

mod tls;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use data_encoding::HEXLOWER;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::client::TlsStream;

/// Silence after which everything counts as accepted.
const QUIET: Duration = Duration::from_secs(3);

/// Connections in a row that may come to nothing.
const ATTEMPTS: u32 = 5;

#[derive(Debug, Parser)]
#[command(about = "A client that is right, or wrong in one way; see tests/conformance/README.md")]
struct Arguments {
    /// What is wrong with it.
    #[arg(long, value_enum)]
    bug: Option<Bug>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Bug {
    /// What followed a refused notification is lost (pyapns, grocer, apnserver).
    NoResend,
    /// The refused notification is sent again too.
    ResendsTheBadOne,
    /// What is sent again comes in another order (timehop/apns: a task for each).
    AnotherOrder,
    /// An identifier that is not known begins everything anew, without end (PyAPNs with 0).
    LoopsAtUnknown,
    /// An identifier that is not known brings back what was settled long ago (java-apns).
    WholeCacheAtUnknown,
    /// After an identifier that is not known nothing is kept for another answer (node-apn).
    ForgetsAfterUnknown,
    /// The status is a signed byte (rpush).
    SignedStatus,
    /// What a shutdown names counts as refused (airnotifier, ZendService).
    TenIsBad,
    /// What a shutdown names is sent again.
    ResendsTheNamedAtTen,
    /// One read must bring all six bytes (several).
    OneRead,
    /// A close without a packet is a success (java-apns).
    CloseIsSuccess,
    /// Feedback is read in blocks of 38 (many).
    FixedTuples,
    /// Any server is believed (most clients written in Python).
    TrustsAnybody,
    /// It connects again at once, for ever (pushy, aioapns).
    HotReconnect,
    /// A connection for each notification (many scripts).
    ConnectionPerPush,
    /// The priority has four bytes.
    LongPriority,
}

/// A line of the file of notifications.
#[derive(Clone, Debug, Deserialize)]
struct Notification {
    identifier: u32,
    token: String,
    payload: Value,
    expiry: u32,
    priority: u8,
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let client = Client {
        bug: Arguments::parse().bug,
        all: Vec::new(),
    };
    match variable("APNS_DO").as_str() {
        "feedback" => client.feedback().await,
        _ => client.read()?.send().await,
    }
}

struct Client {
    bug: Option<Bug>,
    all: Vec<Notification>,
}

/// How a connection ended.
enum End {
    Quiet,
    Closed,
    Packet { status: u8, identifier: u32 },
}

impl Client {
    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    fn read(mut self) -> io::Result<Self> {
        let file = std::fs::read_to_string(PathBuf::from(variable("APNS_NOTIFICATIONS")))?;
        self.all = file
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?;
        Ok(self)
    }

    async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let address = format!("{}:{}", variable("APNS_HOST"), variable("APNS_PORT"));
        let socket = TcpStream::connect(address).await?;
        tls::connect(socket, self.has(Bug::TrustsAnybody)).await
    }

    async fn send(&self) -> io::Result<()> {
        if self.has(Bug::ConnectionPerPush) {
            for notification in &self.all {
                let mut stream = self.connect().await?;
                stream.write_all(&self.frame(notification)).await?;
                stream.shutdown().await?;
            }
            return Ok(());
        }
        let mut pending = self.all.clone();
        let mut in_vain = 0;
        let mut forgets = false;
        while !pending.is_empty() {
            // A handshake that fails is an attempt like any other.
            let end = match self.connect().await {
                Ok(stream) => self.write(stream, &pending).await,
                Err(error) => {
                    eprintln!("{error}");
                    End::Closed
                }
            };
            let resent = match end {
                End::Quiet => return Ok(()),
                End::Closed if self.has(Bug::CloseIsSuccess) => return Ok(()),
                End::Closed => None,
                End::Packet { status, identifier } => {
                    let known = self.behind(&pending, status, identifier);
                    if known.is_none() && self.has(Bug::WholeCacheAtUnknown) {
                        pending.clone_from(&self.all);
                    }
                    if known.is_none() && self.has(Bug::LoopsAtUnknown) {
                        continue;
                    }
                    if known.is_some() && forgets {
                        return Ok(());
                    }
                    forgets = known.is_none() && self.has(Bug::ForgetsAfterUnknown);
                    known
                }
            };
            match resent {
                Some(_) if self.has(Bug::NoResend) => return Ok(()),
                Some(behind) => {
                    pending = behind;
                    in_vain = 0;
                }
                None if self.has(Bug::HotReconnect) => {}
                None if in_vain == ATTEMPTS => {
                    return Err(io::Error::other("given up"));
                }
                None => {
                    sleep(Duration::from_millis(100) * 2_u32.pow(in_vain)).await;
                    in_vain += 1;
                }
            }
        }
        Ok(())
    }

    /// What is to be sent again; nothing when the identifier is not known.
    fn behind(
        &self,
        pending: &[Notification],
        status: u8,
        identifier: u32,
    ) -> Option<Vec<Notification>> {
        let mut places = pending.iter();
        let named = places.position(|notification| notification.identifier == identifier)?;
        if status != 10 || self.has(Bug::TenIsBad) {
            let status = if self.has(Bug::SignedStatus) {
                i32::from(status.cast_signed())
            } else {
                i32::from(status)
            };
            println!(
                "{}",
                json!({ "error": { "identifier": identifier, "status": status } })
            );
        }
        let again = self.has(Bug::ResendsTheBadOne) && status != 10
            || self.has(Bug::ResendsTheNamedAtTen) && status == 10;
        let mut behind = pending[named + usize::from(!again)..].to_vec();
        if self.has(Bug::AnotherOrder) {
            behind.reverse();
        }
        Some(behind)
    }

    async fn write(&self, mut stream: TlsStream<TcpStream>, pending: &[Notification]) -> End {
        let frames: Vec<u8> = pending.iter().flat_map(|one| self.frame(one)).collect();
        // A server that has closed may have said why.
        let _ = stream.write_all(&frames).await;
        let _ = stream.flush().await;
        let mut packet = [0; 6];
        let mut len = 0;
        while len < packet.len() {
            match timeout(QUIET, stream.read(&mut packet[len..])).await {
                Err(_) => {
                    let _ = stream.shutdown().await;
                    return End::Quiet;
                }
                Ok(Ok(read @ 1..)) if !self.has(Bug::OneRead) || read == packet.len() => {
                    len += read;
                }
                Ok(_) => return End::Closed,
            }
        }
        let [_, status, a, b, c, d] = packet;
        End::Packet {
            status,
            identifier: u32::from_be_bytes([a, b, c, d]),
        }
    }

    /// Command 2.
    fn frame(&self, notification: &Notification) -> Vec<u8> {
        let token = HEXLOWER.decode(notification.token.as_bytes());
        let priority: &[u8] = if self.has(Bug::LongPriority) {
            &[0, 0, 0, notification.priority]
        } else {
            &[notification.priority]
        };
        let items: BTreeMap<u8, Vec<u8>> = BTreeMap::from([
            (1, token.unwrap_or_default()),
            (2, notification.payload.to_string().into_bytes()),
            (3, notification.identifier.to_be_bytes().to_vec()),
            (4, notification.expiry.to_be_bytes().to_vec()),
            (5, priority.to_vec()),
        ]);
        let body: Vec<u8> = items
            .into_iter()
            .flat_map(|(id, data)| {
                let len = u16::try_from(data.len()).unwrap_or_default();
                [&[id], &len.to_be_bytes()[..], &data].concat()
            })
            .collect();
        let len = u32::try_from(body.len()).unwrap_or_default();
        [&[2], &len.to_be_bytes()[..], &body].concat()
    }

    async fn feedback(&self) -> io::Result<()> {
        let mut list = Vec::new();
        self.connect().await?.read_to_end(&mut list).await?;
        let mut rest = &list[..];
        while let Some((&[a, b, c, d, high, low], behind)) = rest.split_first_chunk::<6>() {
            let len = match self.bug {
                Some(Bug::FixedTuples) => 32,
                _ => usize::from(u16::from_be_bytes([high, low])),
            };
            let Some((token, behind)) = behind.split_at_checked(len) else {
                return Err(io::Error::other("the list ends in the middle of a tuple"));
            };
            println!(
                "{}",
                json!({ "feedback": {
                    "token": HEXLOWER.encode(token),
                    "timestamp": u32::from_be_bytes([a, b, c, d]),
                } })
            );
            rest = behind;
        }
        Ok(())
    }
}
