//! What a simulator needs to know.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use apns_certs::{Ca, DEFAULT_TEAM, KeyKind, MintError};
use apns_net::credentials::{CredentialsError, Environment, Identity};
use apns_net::listen::Limits;
use apns_net::tls::TlsVersions;
use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::pki_types::CertificateDer;
use utoipa::ToSchema;

use crate::faults::Plan;
use crate::knobs::Knobs;
use crate::world::Bounds;

/// Where to listen, whom to let in, what to keep.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the sandbox listens.
    pub sandbox: Addresses,
    /// Where production listens.
    pub production: Addresses,
    /// The one that is meant where none is named: [`Handle::binary`](crate::Handle::binary) and the like.
    pub environment: Environment,
    /// The team of the default project. Who names no team in its certificate belongs to it too.
    pub team: String,
    /// Projects at once.
    pub projects_max: usize,
    /// The certificate the listeners show.
    pub identity: Identity,
    /// Who issues the certificates of providers and phones.
    pub roots: Vec<CertificateDer<'static>>,
    /// TLS 1.2 alone by default, so that a refused certificate is an alert inside the handshake [P-03] [P-06]. The HTTP/2 ports speak 1.2 and 1.3
    /// [H-01].
    pub tls: TlsVersions,
    /// Connections and handshakes, for each listener, whatever the project.
    pub limits: Limits,
    /// How long anything may take.
    pub timeouts: Timeouts,
    /// How much the world of each project keeps.
    pub bounds: Bounds,
    /// How each project's are set at its start.
    pub knobs: Knobs,
    /// What goes wrong in each project from its start.
    pub faults: Plan,
    /// The same seed makes the same tokens.
    pub seed: u64,
}

impl Config {
    /// Free ports of this machine, TLS 1.2, the usual limits, and tokens nobody has seen; the sandbox and the team of `apns-certs` where
    /// nothing else is said.
    #[must_use]
    pub fn new(identity: Identity, roots: Vec<CertificateDer<'static>>) -> Self {
        Self {
            sandbox: Addresses::FREE,
            production: Addresses::FREE,
            environment: Environment::Sandbox,
            team: DEFAULT_TEAM.to_owned(),
            projects_max: 1_000,
            identity,
            roots,
            tls: TlsVersions::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            bounds: Bounds::default(),
            knobs: Knobs::default(),
            faults: Plan::default(),
            seed: fastrand::u64(..),
        }
    }

    /// The same with a certificate for this machine made on the spot by `ca`, which also issues what providers and phones come with: all
    /// a test needs.
    ///
    /// # Errors
    ///
    /// When this machine cannot make a key.
    pub fn with_ca(ca: &Ca) -> Result<Self, CertificateError> {
        let server = ca.server_with_key(&["localhost", "127.0.0.1"], KeyKind::P256)?;
        Ok(Self::new(
            server.identity()?,
            vec![ca.certificate_der().clone()],
        ))
    }
}

/// Why there is no certificate for the listeners.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It cannot be made.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// It cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
}

/// The ports of one environment. A provider's certificate must permit it [P-05]; a token of the other one means nothing here [P-37].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Addresses {
    /// The binary provider port, 2195 at Apple; port 0 takes a free one, here and below.
    #[schema(value_type = String)]
    pub binary: SocketAddr,
    /// The feedback service, 2196 at Apple.
    #[schema(value_type = String)]
    pub feedback: SocketAddr,
    /// The courier, 5223 at Apple.
    #[schema(value_type = String)]
    pub courier: SocketAddr,
    /// The HTTP/2 provider API, 443 and 2197 at Apple.
    #[schema(value_type = String)]
    pub http2: SocketAddr,
}

impl Addresses {
    /// Free ports of this machine.
    pub const FREE: Self = {
        let free = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Self {
            binary: free,
            feedback: free,
            courier: free,
            http2: free,
        }
    };
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
