//! What every TCP connection of ours is set to, accepted or made.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// Sends small frames at once, and finds out within some two minutes that a silent peer is gone: idle connections are
/// kept for days [P-07], across middleboxes that forget them after a few minutes.
///
/// # Errors
/// The system refuses an option, which it does for a socket that is already dead.
pub fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(10))
        .with_retries(6);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}
