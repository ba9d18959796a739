//! The server that a client is judged by: it says what its script says, and writes down everything that comes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use super::frames::{Sent, first};
use crate::bytes::error_packet;
use crate::transcript::Transcript;

/// Connections taken in one case; a client that makes more is not waited for.
pub(super) const CONNECTIONS_MAX: usize = 64;

/// Notifications read on one connection.
const FRAMES_MAX: usize = 10_000;

/// Between the two records of a packet that comes in two.
const BETWEEN: Duration = Duration::from_millis(300);

/// A handshake, or a client that is slow to close. The case itself is over before.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is done with a connection.
#[derive(Clone, Debug)]
pub(super) enum Then {
    /// It is closed before a word is said on it.
    HangUp,
    /// Everything is accepted.
    Accept,
    /// It is closed without a word behind so many notifications.
    CloseBehind(usize),
    /// It is answered and closed.
    Answer(Answer),
    /// These are written, each in a record of its own, and it is closed.
    Write(Vec<Vec<u8>>),
}

/// An error packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    /// How many notifications are read before.
    pub(super) behind: usize,
    /// How long is waited then.
    pub(super) pause: Duration,
    pub(super) status: u8,
    pub(super) names: Names,
    /// How many of its bytes come in a first record, the others in a second.
    pub(super) cut: usize,
}

/// Which notification an answer names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Names {
    /// The one at this place on the connection, from 0.
    Place(usize),
    /// This identifier, whosever it is.
    Identifier(u32),
}

/// What came on one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Connection {
    /// The handshake succeeded.
    pub(super) secured: bool,
    /// The client showed its certificate.
    pub(super) certified: bool,
    /// What it sent, in order.
    pub(super) sent: Vec<Sent>,
    /// What it sent that is no frame.
    pub(super) broken: Option<String>,
    /// The answer that was given has gone out.
    pub(super) answered: bool,
    /// It is over.
    pub(super) over: bool,
}

/// What came on all connections, shared with the tasks that read them.
#[derive(Clone, Debug, Default)]
pub(super) struct Wire {
    connections: Arc<Mutex<Vec<Connection>>>,
    news: Arc<Notify>,
}

impl Wire {
    /// As it is now.
    pub(super) fn connections(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to come.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    fn open(&self) -> usize {
        let mut connections = self.connections();
        connections.push(Connection::default());
        connections.len() - 1
    }

    fn change(&self, number: usize, change: impl FnOnce(&mut Connection)) {
        if let Some(connection) = self.connections().get_mut(number) {
            change(connection);
        }
        self.news.notify_one();
    }
}

/// What becomes of the connection with this number, from 0.
pub(super) type Script = Arc<dyn Fn(usize) -> Then + Send + Sync>;

/// Serves whoever comes, until it is dropped.
pub(super) async fn serve(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    script: Script,
    wire: Wire,
    transcript: Transcript,
) {
    let mut under_way = tokio::task::JoinSet::new();
    loop {
        while under_way.try_join_next().is_some() {}
        let Ok((socket, _)) = listener.accept().await else {
            return;
        };
        let number = wire.open();
        if number >= CONNECTIONS_MAX {
            return;
        }
        let guest = Guest {
            number,
            wire: wire.clone(),
            transcript: transcript.clone(),
            unread: Vec::new(),
        };
        let acceptor = TlsAcceptor::from(Arc::clone(&config));
        let then = script(number);
        under_way.spawn(async move {
            let (wire, transcript) = (guest.wire.clone(), guest.transcript.clone());
            guest.welcome(acceptor, socket, then).await;
            transcript.noted(label(number), "over");
            wire.change(number, |connection| connection.over = true);
        });
    }
}

/// Connections are numbered from 1 for people.
fn label(number: usize) -> u32 {
    u32::try_from(number + 1).unwrap_or(u32::MAX)
}

struct Guest {
    number: usize,
    wire: Wire,
    transcript: Transcript,
    /// Bytes of an incomplete frame.
    unread: Vec<u8>,
}

impl Guest {
    async fn welcome(mut self, acceptor: TlsAcceptor, socket: TcpStream, then: Then) {
        let _ = socket.set_nodelay(true);
        if matches!(then, Then::HangUp) {
            return self.close(socket).await;
        }
        let shaken = timeout(PATIENCE, acceptor.accept(socket)).await;
        let mut stream = match shaken {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return self.note(&format!("handshake failed: {error}")),
            Err(_) => return self.note("no handshake in time"),
        };
        let certified = stream.get_ref().1.peer_certificates().is_some();
        self.note(if certified {
            "connected"
        } else {
            "connected, without a certificate"
        });
        self.wire.change(self.number, |connection| {
            connection.secured = true;
            connection.certified = certified;
        });
        match then {
            Then::HangUp | Then::Accept => self.read(&mut stream, usize::MAX).await,
            Then::CloseBehind(count) => {
                self.read(&mut stream, count).await;
                self.close(stream).await;
            }
            Then::Answer(answer) => self.answer(stream, answer).await,
            Then::Write(pieces) => {
                for piece in pieces {
                    self.write(&mut stream, &piece).await;
                }
                self.close(stream).await;
            }
        }
    }

    async fn answer(&mut self, mut stream: TlsStream<TcpStream>, answer: Answer) {
        self.read(&mut stream, answer.behind).await;
        let named = match answer.names {
            Names::Identifier(identifier) => Some(identifier),
            Names::Place(place) => self.wire.connections()[self.number]
                .sent
                .get(place)
                .and_then(|sent| sent.identifier),
        };
        let enough = self.wire.connections()[self.number].sent.len() >= answer.behind;
        // What has no identifier is not answered [P-39]; who has closed before does not listen.
        if let (Some(identifier), true) = (named, enough) {
            // Whatever still comes during the pause is read, so that the client is never held up.
            let _ = timeout(answer.pause, self.read(&mut stream, usize::MAX)).await;
            let packet = error_packet(answer.status, identifier);
            let (first, second) = packet.split_at(answer.cut.min(packet.len()));
            if !first.is_empty() {
                self.write(&mut stream, first).await;
                sleep(BETWEEN).await;
            }
            if !second.is_empty() {
                self.write(&mut stream, second).await;
            }
            self.wire
                .change(self.number, |connection| connection.answered = true);
        }
        self.close(stream).await;
    }

    /// Reads until so many notifications have come, or the end.
    async fn read(&mut self, stream: &mut TlsStream<TcpStream>, count: usize) {
        loop {
            if !self.parse(count) {
                return;
            }
            let mut chunk = [0; 4096];
            match stream.read(&mut chunk).await {
                Ok(0) => return self.note("the client closed"),
                Ok(len) => {
                    self.transcript.received(label(self.number), &chunk[..len]);
                    self.unread.extend_from_slice(&chunk[..len]);
                }
                Err(error) => return self.note(&format!("the client left: {error}")),
            }
        }
    }

    /// Takes up to `count` notifications in all; whether there is more to read.
    fn parse(&mut self, count: usize) -> bool {
        loop {
            let sent_len = self.wire.connections()[self.number].sent.len();
            if sent_len >= count.min(FRAMES_MAX) {
                return false;
            }
            match first(&self.unread) {
                Ok(None) => return true,
                Ok(Some((sent, len))) => {
                    self.unread.drain(..len);
                    self.wire
                        .change(self.number, |connection| connection.sent.push(sent));
                }
                Err(why) => {
                    self.note(&why);
                    self.wire
                        .change(self.number, |connection| connection.broken = Some(why));
                    return false;
                }
            }
        }
    }

    async fn write(&self, stream: &mut TlsStream<TcpStream>, bytes: &[u8]) {
        self.transcript.sent(label(self.number), bytes);
        let written = async {
            stream.write_all(bytes).await?;
            stream.flush().await
        };
        if !matches!(timeout(PATIENCE, written).await, Ok(Ok(()))) {
            self.note("it could not be written");
        }
    }

    /// Ends our side, then drops what still comes, until the client closes too: else its kernel would drop our last words [P-41].
    async fn close(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        self.note("we close");
        let _ = timeout(PATIENCE, stream.shutdown()).await;
        let drained = async {
            let mut chunk = [0; 4096];
            while matches!(stream.read(&mut chunk).await, Ok(1..)) {}
        };
        let _ = timeout(PATIENCE, drained).await;
    }

    fn note(&self, what: &str) {
        self.transcript.noted(label(self.number), what);
    }
}
