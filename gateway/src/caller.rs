//! Who is calling: from a client certificate to one backend and one app.
//!
//! The handshake has checked that the certificate is pinned or issued by a configured CA and that its environment marks
//! fit the listener [P-05]. Here it gets its meaning: a certificate is for one topic, the listener for one environment,
//! and together they are one app. A certificate for app A can never push for app B.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use apns_net::credentials::{CertificateInfo, Environment, Pin};
use thiserror::Error;

use crate::config::{BackendConfig, Config};

/// A backend that was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Its configured name, or the pin of its certificate.
    pub(crate) name: Arc<str>,
    /// The place of its app in the configuration.
    pub(crate) app: usize,
}

/// Why a certificate that passed the handshake may not push here.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum Stranger {
    /// Its UID is the topic of no configured app in this environment.
    #[error("no [[app]] is configured for topic {topic} in {environment}")]
    NoApp {
        topic: String,
        environment: Environment,
    },
    /// It is neither pinned nor says which topic it is for.
    #[error("the certificate is not pinned and names no topic")]
    NoTopic,
    /// Its `[[backend]]` is for the other environment.
    #[error("backend {name} is configured for {configured} only")]
    OtherEnvironment {
        name: String,
        configured: Environment,
    },
    /// Neither the certificate nor its `[[backend]]` names an environment.
    #[error(
        "the certificate of backend {name} names no environment: set `environment` in its [[backend]]"
    )]
    NoEnvironment { name: String },
}

/// Everybody who may call.
#[derive(Debug)]
pub(crate) struct Callers {
    pinned: HashMap<Pin, BackendConfig>,
    apps: HashMap<(String, Environment), usize>,
}

impl Callers {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            pinned: config
                .backends
                .iter()
                .map(|backend| (backend.pin, backend.clone()))
                .collect(),
            apps: config
                .apps
                .iter()
                .enumerate()
                .map(|(place, app)| ((app.topic.clone(), app.environment), place))
                .collect(),
        }
    }

    /// The certificates a listener takes whoever issued them.
    pub(crate) fn pins(&self, listener: Environment) -> HashSet<Pin> {
        self.pinned
            .values()
            .filter(|backend| backend.environment.is_none_or(|only| only == listener))
            .map(|backend| backend.pin)
            .collect()
    }

    /// Whose certificate this is.
    pub(crate) fn who(
        &self,
        certificate: &CertificateInfo,
        listener: Environment,
    ) -> Result<Caller, Stranger> {
        let (name, topic) = match self.pinned.get(&certificate.pin) {
            Some(backend) => {
                check_environment(backend, certificate, listener)?;
                (Arc::from(backend.name.as_str()), &backend.topic)
            }
            None => {
                let topic = certificate.topic.as_ref().ok_or(Stranger::NoTopic)?;
                (Arc::from(certificate.pin.to_string()), topic)
            }
        };
        let app = self
            .apps
            .get(&(topic.clone(), listener))
            .ok_or_else(|| Stranger::NoApp {
                topic: topic.clone(),
                environment: listener,
            })?;
        Ok(Caller { name, app: *app })
    }
}

fn check_environment(
    backend: &BackendConfig,
    certificate: &CertificateInfo,
    listener: Environment,
) -> Result<(), Stranger> {
    match backend.environment {
        Some(only) if only != listener => Err(Stranger::OtherEnvironment {
            name: backend.name.clone(),
            configured: only,
        }),
        None if certificate.environments.is_empty() => Err(Stranger::NoEnvironment {
            name: backend.name.clone(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use apns_net::credentials::Environments;

    use super::*;
    use crate::config::{AppConfig, BinaryUpstream};

    /// Any two certificates.
    fn pinned() -> Pin {
        Pin::of(&b"pinned"[..].into())
    }

    fn other() -> Pin {
        Pin::of(&b"other"[..].into())
    }

    fn callers(environment: Option<Environment>) -> Callers {
        let app =
            |topic, environment| AppConfig::new(topic, environment, BinaryUpstream::new("c", None));
        Callers::new(&Config {
            apps: vec![
                app("com.example.Mail", Environment::Production),
                app("com.example.Mail", Environment::Sandbox),
                app("com.example.Chat", Environment::Production),
            ],
            backends: vec![BackendConfig {
                name: "billing".to_owned(),
                topic: "com.example.Mail".to_owned(),
                environment,
                pin: pinned(),
            }],
            ..Config::default()
        })
    }

    fn certificate(topic: Option<&str>, pin: Pin) -> CertificateInfo {
        CertificateInfo {
            common_name: String::new(),
            topic: topic.map(str::to_owned),
            topics: Vec::new(),
            environments: Environments {
                sandbox: true,
                production: true,
            },
            team: None,
            organization: None,
            not_before: SystemTime::UNIX_EPOCH,
            not_after: SystemTime::UNIX_EPOCH,
            pin,
        }
    }

    #[test]
    fn certificate_and_listener_together_are_one_app() {
        let callers = callers(None);
        let certificate = certificate(Some("com.example.Mail"), other());
        let production = callers.who(&certificate, Environment::Production).unwrap();
        let sandbox = callers.who(&certificate, Environment::Sandbox).unwrap();
        assert_eq!((production.app, sandbox.app), (0, 1));
        assert_eq!(
            *production.name,
            *other().to_string(),
            "without a name it goes by its pin"
        );
    }

    #[test]
    fn a_certificate_for_one_app_never_pushes_for_another() {
        let callers = callers(None);
        let chat = certificate(Some("com.example.Chat"), other());
        assert_eq!(callers.who(&chat, Environment::Production).unwrap().app, 2);
        assert_eq!(
            callers.who(&chat, Environment::Sandbox),
            Err(Stranger::NoApp {
                topic: "com.example.Chat".to_owned(),
                environment: Environment::Sandbox
            })
        );
        let unknown = certificate(Some("com.example.Other"), other());
        assert!(matches!(
            callers.who(&unknown, Environment::Production),
            Err(Stranger::NoApp { .. })
        ));
        assert_eq!(
            callers.who(&certificate(None, other()), Environment::Production),
            Err(Stranger::NoTopic)
        );
    }

    #[test]
    fn a_pinned_certificate_is_for_its_configured_topic_whatever_it_says() {
        let callers = callers(None);
        for says in [None, Some("com.example.Mail"), Some("com.example.Chat")] {
            let caller = callers
                .who(&certificate(says, pinned()), Environment::Production)
                .unwrap();
            assert_eq!((&*caller.name, caller.app), ("billing", 0));
        }
    }

    #[test]
    fn a_pinned_certificate_stays_in_its_configured_environment() {
        let callers = callers(Some(Environment::Sandbox));
        assert_eq!(
            callers.pins(Environment::Sandbox),
            HashSet::from([pinned()])
        );
        assert_eq!(callers.pins(Environment::Production), HashSet::new());
        let certificate = certificate(Some("com.example.Mail"), pinned());
        assert_eq!(
            callers.who(&certificate, Environment::Sandbox).unwrap().app,
            1
        );
        assert!(
            matches!(
                callers.who(&certificate, Environment::Production),
                Err(Stranger::OtherEnvironment { .. })
            ),
            "even if a configured CA issued it"
        );
    }

    #[test]
    fn a_certificate_without_apples_marks_needs_a_configured_environment() {
        let plain = CertificateInfo {
            environments: Environments::default(),
            ..certificate(None, pinned())
        };
        assert!(matches!(
            callers(None).who(&plain, Environment::Sandbox),
            Err(Stranger::NoEnvironment { .. })
        ));
        let named = callers(Some(Environment::Sandbox));
        assert_eq!(named.who(&plain, Environment::Sandbox).unwrap().app, 1);
    }
}
