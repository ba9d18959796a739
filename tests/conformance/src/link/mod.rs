//! A connection of a client, on which every byte and every record is a case's own choice, and which writes down what happened.

mod hello;
mod login;
mod packet;
mod records;
mod stream;
mod tickets;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{AlertDescription, Error as TlsError};

pub(crate) use self::hello::Hello;
pub(crate) use self::login::{Login, Roots};
pub(crate) use self::packet::{Answer, Packet};
use self::records::Records;
pub(crate) use self::tickets::Tickets;
use crate::case::Failed;
use crate::transcript::Transcript;

/// The largest plaintext of a TLS record.
const RECORD_MAX: usize = 16 * 1024;

/// A TLS connection.
#[derive(Debug)]
pub(crate) struct Link {
    stream: TlsStream<Records>,
    transcript: Transcript,
    /// Which connection of its case it is, from 1.
    number: u32,
    timeout: Duration,
    /// Read, and not yet part of a packet.
    unread: Vec<u8>,
}

/// What came from the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// What one TLS record held.
    Record(Vec<u8>),
    /// The end of the connection.
    End(Ending),
    /// Nothing, for as long as was waited.
    Nothing,
}

/// How the other side ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With close_notify.
    CloseNotify,
    /// With FIN, and no close_notify.
    Fin,
    /// With RST.
    Reset,
    /// With a TLS alert.
    Alert(AlertDescription),
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum NoLink {
    /// Nobody listens, or the network does not get there.
    Unreachable(io::Error),
    /// The handshake failed.
    Refused(Ending),
    /// It failed in a way that is no answer of the other side: our own TLS did not like what it saw.
    Handshake(io::Error),
    /// It was not complete in time.
    Slow,
}

impl Link {
    /// Connects and shakes hands.
    pub(crate) async fn connect(
        address: SocketAddr,
        hello: &Hello<'_>,
        roots: &Roots,
        transcript: Transcript,
        number: u32,
        wait: Duration,
    ) -> Result<Self, NoLink> {
        let deadline = Instant::now() + wait;
        let noted = |error: NoLink| {
            transcript.noted(number, &error.to_string());
            error
        };
        let unusable = |error| NoLink::Handshake(io::Error::other(error));
        let config = hello.configure(roots).map_err(unusable)?;
        let name = match hello.server_name {
            Some(name) => ServerName::try_from(name).expect("a case asks for proper names"),
            None => ServerName::from(address.ip()),
        };
        let socket = match timeout_at(deadline, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(error)) => return Err(noted(NoLink::Unreachable(error))),
            Err(_) => {
                let late = io::Error::new(io::ErrorKind::TimedOut, "no TCP connection in time");
                return Err(noted(NoLink::Unreachable(late)));
            }
        };
        socket
            .set_nodelay(true)
            .map_err(|error| noted(NoLink::Unreachable(error)))?;
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, Records::new(socket));
        match timeout_at(deadline, handshake).await {
            Ok(Ok(stream)) => {
                transcript.noted(number, "connected");
                Ok(Self {
                    stream,
                    transcript,
                    number,
                    timeout: wait,
                    unread: Vec::new(),
                })
            }
            Ok(Err(error)) => Err(noted(match Ending::of(&error) {
                Some(ending) => NoLink::Refused(ending),
                None => NoLink::Handshake(error),
            })),
            Err(_) => Err(noted(NoLink::Slow)),
        }
    }

    /// Writes `bytes` in as few TLS records as they fit into.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        match self.try_send(bytes).await? {
            None => Ok(()),
            Some(ending) => Err(Failed(format!(
                "the server ended the connection ({ending}) while it was written to"
            ))),
        }
    }

    /// The same; an end of the connection meanwhile is no failure.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> Result<Option<Ending>, Failed> {
        self.transcript.sent(self.number, bytes);
        let stream = &mut self.stream;
        let write = async {
            stream.write_all(bytes).await?;
            stream.flush().await
        };
        match timeout(self.timeout, write).await {
            Ok(Ok(())) => Ok(None),
            Ok(Err(error)) => {
                let ending =
                    Ending::of(&error).ok_or_else(|| Failed(format!("cannot write: {error}")))?;
                self.transcript.noted(self.number, &ending.to_string());
                Ok(Some(ending))
            }
            Err(_) => Err(Failed(format!(
                "the server did not read for {:?}",
                self.timeout
            ))),
        }
    }

    /// Writes each piece in a TLS record of its own.
    pub(crate) async fn send_in_records<'a>(
        &mut self,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(), Failed> {
        for piece in pieces {
            self.send(piece).await?;
        }
        Ok(())
    }

    /// From now on TLS records are cut into TCP segments of so many bytes.
    pub(crate) fn cut_into_segments_of(&mut self, segment: usize) {
        let note = format!("from here on TCP segments of {segment}");
        self.transcript.noted(self.number, &note);
        self.stream.get_mut().0.cut_into_segments_of(segment);
    }

    /// What comes next, within the time that everything expected has.
    pub(crate) async fn hear(&mut self) -> Result<Heard, Failed> {
        self.hear_within(self.timeout).await
    }

    /// What comes within `time`.
    pub(crate) async fn hear_within(&mut self, time: Duration) -> Result<Heard, Failed> {
        let mut record = vec![0; RECORD_MAX];
        let heard = match timeout(time, self.stream.read(&mut record)).await {
            Err(_) => return Ok(Heard::Nothing),
            Ok(Ok(0)) => Heard::End(Ending::CloseNotify),
            Ok(Ok(len)) => {
                record.truncate(len);
                self.transcript.received(self.number, &record);
                Heard::Record(record)
            }
            Ok(Err(error)) => match Ending::of(&error) {
                Some(ending) => Heard::End(ending),
                None => return Err(Failed(format!("cannot read: {error}"))),
            },
        };
        if let Heard::End(ending) = &heard {
            self.transcript.noted(self.number, &ending.to_string());
        }
        Ok(heard)
    }

    /// Ends our side: close_notify, then FIN. The other side may still speak.
    pub(crate) async fn half_close(&mut self) -> Result<(), Failed> {
        self.transcript.noted(self.number, "we close our side");
        // A server that has closed already leaves nothing to close.
        let _ = timeout(self.timeout, self.stream.shutdown()).await;
        Ok(())
    }

    /// Ends the connection with RST, as a crashed client does.
    pub(crate) fn reset(self) -> Result<(), Failed> {
        self.transcript
            .noted(self.number, "we reset the connection");
        let socket = socket2::SockRef::from(self.stream.get_ref().0.socket());
        socket
            .set_linger(Some(Duration::ZERO))
            .map_err(|error| Failed(format!("cannot reset: {error}")))
    }
}

impl Ending {
    /// The end that `error` tells of; none where it tells of something else.
    fn of(error: &io::Error) -> Option<Self> {
        let tls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<TlsError>());
        match (error.kind(), tls) {
            (_, Some(TlsError::AlertReceived(alert))) => Some(Self::Alert(*alert)),
            (_, Some(_)) => None,
            (io::ErrorKind::UnexpectedEof, _) => Some(Self::Fin),
            (
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::NotConnected,
                _,
            ) => Some(Self::Reset),
            _ => None,
        }
    }
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CloseNotify => f.write_str("closed"),
            Self::Fin => f.write_str("closed without close_notify"),
            Self::Reset => f.write_str("reset"),
            Self::Alert(alert) => write!(f, "alert {alert:?}"),
        }
    }
}

impl std::fmt::Display for NoLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "cannot connect: {error}"),
            Self::Refused(ending) => write!(f, "handshake refused: {ending}"),
            Self::Handshake(error) => write!(f, "handshake failed: {error}"),
            Self::Slow => f.write_str("no handshake in time"),
        }
    }
}
