//! Faults in the world: it is asked for them, and remembers what they did.

use std::time::{Duration, SystemTime};

use apns_net::credentials::{CertificateInfo, Environment};
use apns_net::tls::Terms;
use apns_proto::Notification;

use super::provider::request;
use super::provider_api::posted;
use super::{Provider, World};
use crate::event::{Request, What};
use crate::faults::{Action, Face, Facts, Faults, Injection, Moment};
use crate::provider_api::{ApnsId, Push};

impl World {
    /// What goes wrong here on demand.
    #[must_use]
    pub const fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The same, to be changed.
    pub const fn faults_mut(&mut self) -> &mut Faults {
        &mut self.faults
    }

    /// What is to go wrong now, if anything; it is recorded, with what came where something did.
    pub fn inject(
        &mut self,
        now: SystemTime,
        facts: &Facts<'_>,
        request: impl FnOnce() -> Option<Request>,
    ) -> Option<Injection> {
        let injection = self.faults.judge(facts)?;
        self.injected(now, facts, injection.clone(), request());
        Some(injection)
    }

    fn injected(
        &mut self,
        now: SystemTime,
        facts: &Facts<'_>,
        Injection { fault, action }: Injection,
        request: Option<Request>,
    ) {
        let what = What::Injected {
            fault,
            action,
            face: facts.face,
            topic: facts.topic.into(),
            connection: facts.connection,
            request: request.map(Box::new),
        };
        self.events.record(now, what);
    }

    /// What is to go wrong with a notification of the binary protocol.
    pub fn inject_push(
        &mut self,
        now: SystemTime,
        provider: &Provider,
        connection: u64,
        notification: &Notification,
    ) -> Option<Injection> {
        let facts = Facts {
            face: Some(Face::Binary),
            moment: Moment::Push,
            topic: &provider.topic,
            connection,
            token: Some(notification.token.as_bytes()),
            payload: Some(&notification.payload),
        };
        self.inject(now, &facts, || {
            let (request, _) = request(provider, notification);
            Some(request)
        })
    }

    /// What is to go wrong with a push of the HTTP/2 API, on this stream, that is in order as far as can be told without knowing any phone.
    pub fn inject_post(
        &mut self,
        now: SystemTime,
        environment: Environment,
        connection: u64,
        stream: u32,
        id: ApnsId,
        push: &Push,
    ) -> Option<Injection> {
        let facts = Facts {
            face: Some(Face::Http2),
            moment: Moment::Push,
            topic: &push.topic,
            connection,
            token: Some(push.token.as_bytes()),
            payload: Some(&push.payload),
        };
        let Injection { fault, action } = self.faults.judge(&facts)?;
        let action = action.on_stream(stream);
        let injection = Injection { fault, action };
        let (request, _) = posted(environment, id, push);
        self.injected(now, &facts, injection.clone(), Some(request));
        Some(injection)
    }

    /// Whether the certificate of a provider is to be refused: in the handshake, where `connection` is 0, or later. It is the same
    /// on every face.
    pub fn inject_certificate(
        &mut self,
        now: SystemTime,
        topic: &str,
        connection: u64,
    ) -> Option<Injection> {
        let facts = Facts {
            face: None,
            moment: Moment::Handshake,
            topic,
            connection,
            token: None,
            payload: None,
        };
        self.inject(now, &facts, || None)
    }

    /// On what terms a provider's certificate is judged in the handshake.
    #[must_use]
    pub fn certificate_terms(
        &mut self,
        now: SystemTime,
        certificate: &CertificateInfo,
        usual: Terms,
    ) -> Terms {
        if self.is_revoked(&certificate.pin) {
            return Terms {
                revoked: true,
                ..usual
            };
        }
        let topic = certificate.topic.as_deref().unwrap_or_default();
        let action = self
            .inject_certificate(now, topic, 0)
            .map(|injection| injection.action);
        match action {
            Some(Action::CertificateExpired) => Terms {
                now: usual
                    .now
                    .max(certificate.not_after + Duration::from_secs(1)),
                ..usual
            },
            Some(Action::CertificateRevoked) => Terms {
                revoked: true,
                ..usual
            },
            _ => usual,
        }
    }

    /// What is to go wrong with a connection of `face` that has just been opened; and its number, by which faults tell it from others. `topic` is the
    /// certificate's; empty where there is none.
    pub fn inject_connection(
        &mut self,
        now: SystemTime,
        topic: &str,
        face: Face,
    ) -> (u64, Option<Injection>) {
        let connection = self.faults.opened(face);
        let facts = Facts {
            face: Some(face),
            moment: Moment::Connect,
            topic,
            connection,
            token: None,
            payload: None,
        };
        (connection, self.inject(now, &facts, || None))
    }
}
