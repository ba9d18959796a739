//! From the configuration to what the daemon works with: certificates and keys read, TLS configured. No socket is
//! touched, so `check-config` does the same.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use apns_net::credentials::{
    CertificateInfo, CredentialsError, Environment, Identity, certificates_from_pem_file,
};
use apns_net::tls::{ClientPolicy, Roots, TlsError, TlsVersions, client_config, server_config};
use thiserror::Error;
use tokio_rustls::rustls::{ClientConfig, ServerConfig};

use crate::caller::Callers;
use crate::config::{AppConfig, Config, ConfigError, HostPort, Tls, UpstreamKind, Warning};

/// The environments, in the order of the ready file.
pub(crate) const ENVIRONMENTS: [Environment; 2] = [Environment::Production, Environment::Sandbox];

/// What the daemon works with.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) callers: Arc<Callers>,
    /// For each environment served, in the order of the ready file.
    pub(crate) listeners: Vec<(Environment, Arc<ServerConfig>)>,
    /// In the order of the configuration.
    pub(crate) apps: Vec<AppSetup>,
    pub(crate) warnings: Vec<String>,
}

/// One app and how its upstream is reached.
#[derive(Debug)]
pub(crate) struct AppSetup {
    pub(crate) config: AppConfig,
    pub(crate) push: HostPort,
    pub(crate) feedback: Option<HostPort>,
    pub(crate) tls: Arc<ClientConfig>,
    /// Changes when upstream's word on a token would.
    pub(crate) scope: String,
}

/// The configuration cannot be put to work. One line with its sources: what, where, what to do.
#[derive(Debug, Error)]
pub enum SetupError {
    /// The values do not fit together.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A certificate or key cannot be used.
    #[error("{key}")]
    Credentials {
        /// The configuration key that names it.
        key: String,
        /// What is wrong.
        source: CredentialsError,
    },
    /// TLS cannot be configured with it.
    #[error("{key}")]
    Tls {
        /// The configuration key it is about.
        key: String,
        /// What is wrong.
        source: TlsError,
    },
    /// An upstream certificate is for another app.
    #[error(
        "app {topic}: app.upstream.certificate {} is for {certificate}: name the push certificate of {topic}",
        path.display()
    )]
    OtherTopic {
        /// The app.
        topic: String,
        /// The file.
        path: PathBuf,
        /// The topic in the certificate.
        certificate: String,
    },
    /// An upstream certificate is for the other environment.
    #[error(
        "app {topic}: app.upstream.certificate {} is not for {environment}: name the certificate for that environment",
        path.display()
    )]
    OtherEnvironment {
        /// The app.
        topic: String,
        /// The file.
        path: PathBuf,
        /// The environment of the app.
        environment: Environment,
    },
}

impl Setup {
    pub(crate) fn load(config: &Config) -> Result<Self, SetupError> {
        let mut warnings: Vec<_> = config.check()?.iter().map(Warning::to_string).collect();
        let listen = &config.listen;
        let identity = identity("listen", &listen.certificate, listen.key.as_deref())?;
        warn_about_validity("listen.certificate", identity.certificate(), &mut warnings);
        let roots = match &listen.client_ca {
            Some(path) => {
                certificates_from_pem_file(path).map_err(|source| SetupError::Credentials {
                    key: "listen.client_ca".to_owned(),
                    source,
                })?
            }
            None => Vec::new(),
        };
        let callers = Callers::new(config);
        let mut listeners = Vec::new();
        for environment in ENVIRONMENTS {
            if listen.addresses(environment).is_none() {
                continue;
            }
            let policy = ClientPolicy {
                pins: callers.pins(environment),
                ..ClientPolicy::providers(roots.clone(), environment)
            };
            let versions = match listen.tls {
                Tls::Tls12 => TlsVersions::Tls12,
                Tls::Tls12And13 => TlsVersions::Tls12And13,
            };
            let tls =
                server_config(&identity, policy, versions).map_err(|source| SetupError::Tls {
                    key: "listen.client_ca".to_owned(),
                    source,
                })?;
            listeners.push((environment, tls));
        }
        let apps = config
            .apps
            .iter()
            .map(|app| AppSetup::load(app, &mut warnings))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            callers: Arc::new(callers),
            listeners,
            apps,
            warnings,
        })
    }
}

impl AppSetup {
    fn load(app: &AppConfig, warnings: &mut Vec<String>) -> Result<Self, SetupError> {
        let upstream = &app.upstream;
        let key = format!("app {} ({}): app.upstream", app.topic, app.environment);
        let identity = identity(&key, &upstream.certificate, upstream.key.as_deref())?;
        let certificate = identity.certificate();
        check_upstream_certificate(app, certificate)?;
        warn_about_validity(&format!("{key}.certificate"), certificate, warnings);
        let roots = upstream.ca.clone().map_or(Roots::Platform, Roots::File);
        let tls = client_config(Some(&identity), roots).map_err(|source| SetupError::Tls {
            key: format!("{key}.ca"),
            source,
        })?;
        let push = upstream.push_address(app.environment);
        let kind = match upstream.kind {
            UpstreamKind::Binary => "binary",
        };
        let scope = format!("{kind} {push} {} {}", app.topic, certificate.pin);
        Ok(Self {
            feedback: upstream.feedback_address(app.environment),
            config: app.clone(),
            push,
            tls,
            scope,
        })
    }
}

/// A certificate for another app would send every push there, and be told that every token is bad.
fn check_upstream_certificate(
    app: &AppConfig,
    certificate: &CertificateInfo,
) -> Result<(), SetupError> {
    if let Some(topic) = &certificate.topic
        && *topic != app.topic
        && !certificate.topics.contains(&app.topic)
    {
        return Err(SetupError::OtherTopic {
            topic: app.topic.clone(),
            path: app.upstream.certificate.clone(),
            certificate: topic.clone(),
        });
    }
    if !certificate.environments.is_empty() && !certificate.permits(app.environment) {
        return Err(SetupError::OtherEnvironment {
            topic: app.topic.clone(),
            path: app.upstream.certificate.clone(),
            environment: app.environment,
        });
    }
    Ok(())
}

fn identity(section: &str, certificate: &Path, key: Option<&Path>) -> Result<Identity, SetupError> {
    Identity::from_pem_files(certificate, key.unwrap_or(certificate)).map_err(|source| {
        SetupError::Credentials {
            key: section.to_owned(),
            source,
        }
    })
}

fn warn_about_validity(key: &str, certificate: &CertificateInfo, warnings: &mut Vec<String>) {
    if !certificate.valid_at(SystemTime::now()) {
        warnings.push(format!(
            "{key}: this certificate is not valid today; peers that look will refuse it"
        ));
    }
}

/// What a configuration says without being run: everything that is read at start is read. Returns what is worth a warning.
///
/// # Errors
/// It cannot be put to work.
pub fn check(config: &Config) -> Result<Vec<String>, SetupError> {
    Ok(Setup::load(config)?.warnings)
}
