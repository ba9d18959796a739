//! What a simulator needs to know.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use apns_net::credentials::{Environment, Identity};
use apns_net::listen::Limits;
use apns_net::tls::TlsVersions;
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::faults::Plan;
use crate::world::Bounds;

/// Where to listen, whom to let in, what to keep.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address of the binary provider port, 2195 at Apple; port 0 takes a free one, here and below.
    pub binary: SocketAddr,
    /// Address of the feedback service, 2196 at Apple.
    pub feedback: SocketAddr,
    /// Address of the courier, 5223 at Apple.
    pub courier: SocketAddr,
    /// Address of the HTTP/2 provider API, 443 and 2197 at Apple.
    pub http2: SocketAddr,
    /// The environment of all four. A provider's certificate must permit it [P-05].
    pub environment: Environment,
    /// The certificate the listeners show.
    pub identity: Identity,
    /// Who issues the certificates of providers and phones.
    pub roots: Vec<CertificateDer<'static>>,
    /// TLS 1.2 alone by default, so that a refused certificate is an alert inside the handshake [P-03] [P-06]. The HTTP/2 port speaks 1.2 and 1.3
    /// [H-01].
    pub tls: TlsVersions,
    /// Connections and handshakes, for each listener.
    pub limits: Limits,
    /// How long anything may take.
    pub timeouts: Timeouts,
    /// How much the world keeps.
    pub bounds: Bounds,
    /// What goes wrong from the start.
    pub faults: Plan,
    /// The same seed makes the same tokens.
    pub seed: u64,
}

impl Config {
    /// Free ports of this machine, the sandbox, TLS 1.2, the usual limits, and tokens nobody has seen.
    #[must_use]
    pub fn new(identity: Identity, roots: Vec<CertificateDer<'static>>) -> Self {
        let free = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        Self {
            binary: free,
            feedback: free,
            courier: free,
            http2: free,
            environment: Environment::Sandbox,
            identity,
            roots,
            tls: TlsVersions::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            bounds: Bounds::default(),
            faults: Plan::default(),
            seed: fastrand::u64(..),
        }
    }
}

/// Deadlines of the faces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first byte of a frame to its last [P-19], on the courier port too.
    pub frame: Duration,
    /// A notification waits this long for room in its phone's outbox; then the phone counts as offline.
    pub room: Duration,
    /// A peer must take what is written to it within this; a phone that does not is disconnected.
    pub write: Duration,
    /// A feedback reader must close within this after the end of its list, or the list stays [P-53].
    pub reader_close: Duration,
    /// What is under way at shutdown has this long.
    pub stop: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            frame: Duration::from_secs(60),
            room: Duration::from_secs(30),
            write: Duration::from_secs(30),
            reader_close: Duration::from_secs(10),
            stop: Duration::from_secs(1),
        }
    }
}
