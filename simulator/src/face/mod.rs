//! The faces of the world: what a provider and a phone see of it on a socket. A face turns bytes into one call on the world and
//! its answer into bytes; it decides nothing.

pub(crate) mod binary;
mod breakage;
pub(crate) mod courier;
pub(crate) mod feedback;
pub(crate) mod http2;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use apns_net::credentials::{CertificateInfo, Environment};
use apns_net::listen::Accepted;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tracing::{debug, warn};

use crate::config::Timeouts;
use crate::project::{Projects, team_of_device, team_of_provider};
use crate::shared::Shared;
use crate::world::Provider;

/// Where connections come in: what every face is given.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) projects: Arc<Projects>,
    /// The environment of the listener.
    pub(crate) environment: Environment,
    pub(crate) timeouts: Timeouts,
}

/// A connection that was let in, and the world it has to do with.
pub(crate) struct Visit {
    pub(crate) shared: Arc<Shared>,
    pub(crate) environment: Environment,
    pub(crate) timeouts: Timeouts,
    pub(crate) stream: Box<TlsStream<TcpStream>>,
    pub(crate) peer: SocketAddr,
    /// `None` only over HTTP/2.
    pub(crate) certificate: Option<CertificateInfo>,
}

impl Door {
    /// A provider comes in, to the project of its team. `None`: there is no room for another project, or its certificate is for the other
    /// environment and the [knob](crate::knobs::WrongEnvironment) let it through the handshake.
    pub(crate) async fn provider(&self, accepted: Accepted) -> Option<Visit> {
        let mut visit = self.admit(accepted, team_of_provider).await?;
        let certificate = visit.certificate.as_ref()?; // The listener's policy requires one.
        if certificate.permits(visit.environment) {
            return Some(visit);
        }
        let (peer, environment) = (visit.peer, visit.environment);
        let certificate = certificate.environments;
        warn!(%peer, %environment, %certificate, clause = "P-05", "closing without a word: the client certificate is for another environment");
        part(&mut visit.stream, self.timeouts.stop).await;
        None
    }

    /// A phone comes in. `None`: there is no room for another project.
    pub(crate) async fn device(&self, accepted: Accepted) -> Option<Visit> {
        self.admit(accepted, team_of_device).await
    }

    /// Whoever pushes over HTTP/2 comes in; who shows no certificate, to the default project until a token says otherwise. `None`: there is no
    /// room for another project.
    pub(crate) async fn caller(&self, accepted: Accepted) -> Option<Visit> {
        self.admit(accepted, team_of_provider).await
    }

    async fn admit(
        &self,
        accepted: Accepted,
        team: impl Fn(&CertificateInfo) -> Option<&str>,
    ) -> Option<Visit> {
        let Accepted {
            mut stream,
            peer,
            certificate,
        } = accepted;
        let project = match self.projects.of(certificate.as_ref().and_then(team)) {
            Ok(project) => project,
            Err(error) => {
                warn!(%peer, reason = %error, "turned a connection away");
                part(&mut stream, self.timeouts.stop).await;
                return None;
            }
        };
        Some(Visit {
            shared: project.shared(),
            environment: environment_of(stream.get_ref().1.server_name(), self.environment),
            timeouts: self.timeouts,
            stream,
            peer,
            certificate,
        })
    }
}

impl Visit {
    /// Who the provider is. `None`: its certificate names no topic.
    pub(crate) fn provider(&self) -> Option<Provider> {
        let topic = self.certificate.as_ref()?.topic.as_deref()?;
        Some(Provider::new(topic, self.environment))
    }
}

/// The name the client asked for decides where it is one of Apple's [P-01], else the port [P-04].
pub(crate) fn environment_of(server_name: Option<&str>, listener: Environment) -> Environment {
    server_name
        .and_then(Environment::of_host)
        .unwrap_or(listener)
}

/// Closes towards a peer that has closed, or to whom nothing is left to say.
async fn part(stream: &mut TlsStream<TcpStream>, within: Duration) {
    match timeout(within, stream.shutdown()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "the peer was gone before our goodbye"),
        Err(_) => debug!("the peer did not take our goodbye"),
    }
}
