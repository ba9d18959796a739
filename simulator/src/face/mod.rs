//! The faces of the world: what a provider and a phone see of it on a socket. A face turns bytes into one call on the world and
//! its answer into bytes; it decides nothing.

pub(crate) mod binary;
mod breakage;
pub(crate) mod courier;
pub(crate) mod feedback;
pub(crate) mod http2;

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tracing::debug;

/// Closes towards a peer that has closed, or to whom nothing is left to say.
async fn part(stream: &mut TlsStream<TcpStream>, within: Duration) {
    match timeout(within, stream.shutdown()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "the peer was gone before our goodbye"),
        Err(_) => debug!("the peer did not take our goodbye"),
    }
}
