//! The accept loop of every TLS listener: a permit before accept, a handshake under a deadline, one task per
//! connection, one log line per refusal.

mod capacity;
mod reason;

use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::Acceptor;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, warn};

use crate::credentials::CertificateInfo;
use crate::linger::{Linger, drain};
use crate::{socket, tls};
use capacity::{Pause, Permits, is_about_one_connection};
use reason::{Ends, Reason, warn_refused};

/// Binds a listener.
///
/// # Errors
/// The address is taken, not allowed or not this machine's; the message says which, and what to do.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| BindError { address, source })
}

/// A listener could not be bound.
#[derive(Debug)]
pub struct BindError {
    /// Where.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}", self.address)?;
        match self.source.kind() {
            io::ErrorKind::AddrInUse => {
                f.write_str(": the port is in use; stop the other program or choose another port")
            }
            io::ErrorKind::PermissionDenied => f.write_str(
                ": not permitted; choose a port above 1023 or grant the right to bind low ports",
            ),
            io::ErrorKind::AddrNotAvailable => {
                f.write_str(": not an address of this machine; choose one of its own")
            }
            _ => Ok(()),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// The TLS configuration of each connection: the same for all, or by the name the client asks for (SNI).
#[derive(Clone)]
#[expect(
    clippy::type_complexity,
    reason = "named once: an alias would only hide it"
)]
pub struct Configurations(Arc<dyn Fn(Option<&str>) -> Arc<ServerConfig> + Send + Sync>);

impl Configurations {
    /// `choose` gets the name; many clients send none [P-04].
    pub fn by_name(
        choose: impl Fn(Option<&str>) -> Arc<ServerConfig> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(choose))
    }
}

impl From<Arc<ServerConfig>> for Configurations {
    fn from(configuration: Arc<ServerConfig>) -> Self {
        Self::by_name(move |_| configuration.clone())
    }
}

/// What a listener grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once, those in their handshake included. Further ones wait in the kernel's queue.
    pub connections_max: usize,
    /// From accept to the end of the handshake.
    pub handshake_timeout: Duration,
}

impl Default for Limits {
    /// A thousand connections, ten seconds.
    fn default() -> Self {
        Self {
            connections_max: 1_000,
            handshake_timeout: Duration::from_secs(10),
        }
    }
}

/// A connection whose peer proved who it is, or need not.
#[derive(Debug)]
pub struct Accepted {
    /// The connection. Boxed: it is large, and handed on from future to future, each of which would keep room for it.
    pub stream: Box<TlsStream<TcpStream>>,
    /// Where it comes from.
    pub peer: SocketAddr,
    /// Whose it is. `None` only where the policy lets in who shows no certificate.
    pub certificate: Option<CertificateInfo>,
}

/// Serves connections until `shutdown` is cancelled and every handler has ended. A handler that must end early watches
/// the same token; one that panics takes only its own connection down.
pub async fn serve<H, F>(
    listener: TcpListener,
    tls: impl Into<Configurations>,
    limits: Limits,
    shutdown: CancellationToken,
    handler: H,
) where
    H: Fn(Accepted) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let configurations = tls.into();
    let handler = Arc::new(handler);
    let mut permits = Permits::new(limits.connections_max);
    let connections = TaskTracker::new();
    let mut pause = Pause::default();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = async {
                let permit = permits.acquire().await;
                (listener.accept().await, permit)
            } => accepted,
        };
        let (socket, ends, permit) = match accepted {
            (Ok((socket, peer)), permit) => {
                let Ok(listener) = socket.local_addr() else {
                    debug!(%peer, "a connection was gone before its handshake");
                    continue;
                };
                (socket, Ends { peer, listener }, permit)
            }
            (Err(error), _) if is_about_one_connection(&error) => {
                debug!(%error, "a connection was gone before it was accepted");
                continue;
            }
            (Err(error), _) => {
                // Out of descriptors or memory: connections that end will free some.
                let pause = pause.next();
                warn!(%error, ?pause, "cannot accept connections: pausing");
                tokio::select! {
                    () = shutdown.cancelled() => break,
                    () = sleep(pause) => continue,
                }
            }
        };
        pause = Pause::default();
        let (configurations, handler, shutdown) = (
            configurations.clone(),
            Arc::clone(&handler),
            shutdown.clone(),
        );
        connections.spawn(async move {
            let _permit = permit;
            let _witness = Witness { ends };
            // Boxed, so that what only the handshake needs is freed with it.
            let timeout = limits.handshake_timeout;
            let handshake = Box::pin(handshake(&configurations, socket, ends, timeout));
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = handshake => accepted,
            };
            if let Some(accepted) = accepted {
                handler(accepted).await;
            }
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// Brings one connection through its handshake, or logs why not.
async fn handshake(
    configurations: &Configurations,
    socket: TcpStream,
    ends: Ends,
    timeout: Duration,
) -> Option<Accepted> {
    let deadline = Instant::now() + timeout;
    let Ends { peer, listener } = ends;
    if let Err(error) = socket::tune(&socket) {
        debug!(%peer, %listener, %error, "a connection was gone before its handshake");
        return None;
    }
    // Port scans and health checks connect and leave: not worth a line.
    match timeout_at(deadline, socket.peek(&mut [0])).await {
        Ok(Ok(1..)) => {}
        Ok(_) => {
            debug!(%peer, %listener, "a peer hung up before its handshake");
            return None;
        }
        Err(_) => {
            warn_refused(ends, Reason::Timeout(timeout), None);
            return None;
        }
    }
    let handshake = timeout_at(deadline, accept(configurations, socket));
    match tls::remembering(handshake).await {
        (Ok(Ok(stream)), _) => {
            let certificate = peer_certificate(&stream);
            Some(Accepted {
                stream: Box::new(stream),
                peer,
                certificate,
            })
        }
        (Ok(Err((error, socket))), refused) => {
            warn_refused(ends, Reason::of(&error), refused);
            // The alert is on its way; closing over unread bytes would take it back.
            let farewell = Instant::now() + REFUSED_LINGER.total;
            if let Some(socket) = socket
                && SockRef::from(&socket).shutdown(Shutdown::Write).is_ok()
            {
                drain(&socket, REFUSED_LINGER.idle, farewell).await;
            }
            None
        }
        (Err(_), _) => {
            warn_refused(ends, Reason::Timeout(timeout), None);
            None
        }
    }
}

/// Chooses the configuration by the client's first message and goes on with it. After a failure the socket is given back: the
/// alert may still have to be read.
async fn accept(
    Configurations(choose): &Configurations,
    socket: TcpStream,
) -> Result<TlsStream<TcpStream>, (io::Error, Option<TcpStream>)> {
    let mut hello = LazyConfigAcceptor::new(Acceptor::default(), socket);
    let start = match (&mut hello).await {
        Ok(start) => start,
        Err(error) => return Err((error, hello.take_io())),
    };
    let configuration = choose(start.client_hello().server_name());
    let accepting = start.into_stream(configuration).into_fallible();
    accepting
        .await
        .map_err(|(error, socket)| (error, Some(socket)))
}

/// A refused peer has little to send: it is told, and gone.
const REFUSED_LINGER: Linger = Linger {
    idle: Duration::from_secs(1),
    total: Duration::from_secs(5),
};

/// The verifier let the certificate in, so it can be read.
fn peer_certificate(stream: &TlsStream<TcpStream>) -> Option<CertificateInfo> {
    let chain = stream.get_ref().1.peer_certificates()?;
    CertificateInfo::parse(chain.first()?).ok()
}

/// Says whose handler panicked; the task ends, the loop does not.
struct Witness {
    ends: Ends,
}

impl Drop for Witness {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Ends { peer, listener } = self.ends;
            error!(%peer, %listener, "a connection's handler panicked");
        }
    }
}
