//! The HTTP/2 provider face [H-01]: requests in; `:status`, `apns-id` and a reason out.
//!
//! One task drives a connection and everything on it. What has arrived whole is judged together, under one lock of the world; `h2` gathers the
//! answers into as few writes as there can be.

mod answer;
mod breakage;
mod connection;
mod exchange;
mod judge;
mod paced;
mod settings;

use apns_net::credentials::{CertificateInfo, Environment};
use apns_net::h2tap::GoAway;
use apns_net::linger::{Linger, linger};
use apns_net::listen::Accepted;
use tracing::{Instrument, debug, info_span, warn};

use self::connection::Connection;
use self::settings::farewell;
use super::{Door, Visit};
use crate::connections::{Presence, Who};
use crate::faults::Face;
use crate::provider_api::{Caller, Reason};

/// Serves one provider until it closes or breaks the rules.
pub(crate) async fn serve(door: Door, accepted: Accepted) {
    let projects = door.projects.clone();
    let Some(visit) = door.caller(accepted).await else {
        return;
    };
    let Visit {
        shared,
        environment,
        timeouts,
        mut stream,
        peer,
        certificate,
    } = visit;
    let topic = certificate
        .as_ref()
        .and_then(|certificate| certificate.topic.clone());
    let span = info_span!("http2", %peer, topic, %environment);
    let serving = async {
        if certificate
            .as_ref()
            .is_some_and(|certificate| is_of_the_other(certificate, environment))
        {
            warn!(%environment, clause = "H-05", "a certificate of the other environment");
            let goaway = GoAway {
                last_stream: 0,
                reason: h2::Reason::NO_ERROR,
                debug_data: answer::body(&Reason::BadCertificateEnvironment.to_string(), None),
            };
            if let Err(error) = farewell(&mut stream, goaway, timeouts.write).await {
                debug!(%error, "the farewell could not be written");
            }
        } else {
            let caller = Caller::new(environment, certificate.as_ref());
            // A certificate has said which project it is; a token is yet to say.
            let projects = certificate.is_none().then_some(projects);
            let named = topic.as_deref().unwrap_or_default();
            let (number, fault) =
                shared.with(|world, now| world.inject_connection(now, named, Face::Http2));
            let who = Who::caller(topic.as_deref(), number);
            let presence = Presence::new(&shared, who, environment, peer);
            let certificate = certificate.is_some().then_some(named);
            let mut connection =
                Connection::new(shared, presence, number, projects, timeouts, caller);
            if let Some(how) = connection.run(&mut stream, certificate, fault).await {
                tokio::select! {
                    () = how.apply(&mut stream) => {}
                    () = connection.stop().cancelled() => {}
                }
                return;
            }
        }
        let lingered = linger(&mut stream, Linger::default()).await;
        debug!(end = ?lingered.end, "closed");
    };
    Box::pin(serving.instrument(span)).await;
}

/// Whether a push certificate is for the other environment alone [H-05].
fn is_of_the_other(certificate: &CertificateInfo, environment: Environment) -> bool {
    certificate.topic.is_some() && !certificate.permits(environment)
}
