//! Ending a connection so that the last thing we said is read [P-41].
//!
//! A client may have written megabytes before it reads. Were the socket closed while unread bytes lie in it, the kernel
//! would send RST, and the client's would throw away the six bytes it had not read yet. So: say close_notify, send FIN,
//! then read and drop until the peer closes, falls silent, or has had its time.

use std::io;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::server::TlsStream;

/// How long to linger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linger {
    /// Silence after which the peer is taken to have read everything.
    pub idle: Duration,
    /// The end, whatever the peer does.
    pub total: Duration,
}

impl Default for Linger {
    /// Two seconds without a byte, a minute in all.
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(2),
            total: Duration::from_secs(60),
        }
    }
}

/// How a linger went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lingered {
    /// What ended it.
    pub end: LingerEnd,
    /// Bytes read from the socket and dropped: TLS records, so somewhat more than the frames in them.
    pub dropped_len: u64,
}

/// What ended a linger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LingerEnd {
    /// The peer closed its side.
    PeerClosed,
    /// The peer sent nothing for [`Linger::idle`].
    Idle,
    /// [`Linger::total`] was up while the peer was still sending, or before it took our close_notify.
    Total,
    /// The connection broke.
    Reset,
}

/// Sends close_notify and FIN, then reads and drops. What was written before reaches the peer ahead of both; the caller
/// drops the stream afterwards.
///
/// Reads the socket, not the TLS stream: after its close_notify or a broken record the peer may still be sending, and
/// what it sends is not looked at anyway.
pub async fn linger(stream: &mut TlsStream<TcpStream>, linger: Linger) -> Lingered {
    let deadline = Instant::now() + linger.total;
    let ended = |end| Lingered {
        end,
        dropped_len: 0,
    };
    match timeout_at(deadline, stream.shutdown()).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => return ended(LingerEnd::Reset),
        Err(_) => return ended(LingerEnd::Total),
    }
    drain(stream.get_ref().0, linger.idle, deadline).await
}

/// Reads and drops what arrives on the socket.
pub(crate) async fn drain(socket: &TcpStream, idle: Duration, deadline: Instant) -> Lingered {
    let mut dropped_len = 0;
    let end = loop {
        let quiet = Instant::now() + idle;
        match timeout_at(quiet.min(deadline), socket.readable()).await {
            Ok(Ok(())) => match drop_some(socket) {
                Ok(0) => break LingerEnd::PeerClosed,
                Ok(len) => dropped_len += len as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => break LingerEnd::Reset,
            },
            Ok(Err(_)) => break LingerEnd::Reset,
            Err(_) if quiet < deadline => break LingerEnd::Idle,
            Err(_) => break LingerEnd::Total,
        }
    };
    Lingered { end, dropped_len }
}

/// In a function of its own, so that the buffer lives on the stack and not in every connection's future.
fn drop_some(socket: &TcpStream) -> io::Result<usize> {
    socket.try_read(&mut [0; 16 * 1024])
}
