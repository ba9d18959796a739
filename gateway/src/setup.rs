//! From the configuration to what the daemon works with: certificates and keys read, TLS configured. No socket is
//! touched, so `check-config` does the same.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use apns_net::credentials::{
    CertificateInfo, CredentialsError, Environment, Identity, certificates_from_pem_file,
};
use apns_net::tls::{
    ClientPolicy, Roots, TlsError, TlsVersions, client_config, http2_client_config, server_config,
};
use thiserror::Error;
use tokio_rustls::rustls::{ClientConfig, ServerConfig};

use crate::caller::Callers;
use crate::config::{
    AppConfig, Common, Config, ConfigError, HostPort, Tls, TokenConfig, UpstreamConfig, Warning,
};
use crate::ends::{End, Ends};
use crate::store::Installation;
use crate::translate::Envelope;
use crate::upstream::http2::token::{KeyError, ProviderToken};

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
    pub(crate) ends: Ends,
    pub(crate) warnings: Vec<String>,
}

/// One app and how its upstream is reached.
#[derive(Debug)]
pub(crate) struct AppSetup {
    pub(crate) config: AppConfig,
    pub(crate) push: HostPort,
    pub(crate) feedback: Option<HostPort>,
    pub(crate) tls: Arc<ClientConfig>,
    /// What signs its provider tokens, shared with whoever uses the same key.
    pub(crate) token: Option<Arc<ProviderToken>>,
    /// Of its certificate.
    end: Option<End>,
    /// Its certificate is for VoIP alone.
    is_voip: bool,
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
    /// A file with a password cannot be read.
    #[error("{key}.password_file {}: it must be readable, with the password in its first line", path.display())]
    PasswordFile {
        /// The configuration section it is in.
        key: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A key is none that signs provider tokens.
    #[error(
        "{key}.token.key {} is not a key for provider tokens: name the AuthKey_….p8 file from the developer account",
        path.display()
    )]
    ProviderKey {
        /// The configuration section it is in.
        key: String,
        /// The file.
        path: PathBuf,
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
        Self::load_after(config, &[])
    }

    /// The same while the daemon runs. A key that is `known` goes on with the token it has.
    pub(crate) fn load_after(
        config: &Config,
        known: &[Arc<ProviderToken>],
    ) -> Result<Self, SetupError> {
        let mut warnings: Vec<_> = config.check()?.iter().map(Warning::to_string).collect();
        let listen = &config.listen;
        let identity = pem_identity("listen", &listen.certificate, listen.key.as_deref())?;
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
        let mut tokens = Tokens {
            store: &config.store.path,
            earlier: known,
            known: HashMap::new(),
        };
        let apps = config
            .apps
            .iter()
            .map(|app| AppSetup::load(app, &mut tokens))
            .collect::<Result<Vec<_>, _>>()?;
        let ends = Ends {
            listen: End::of("listen.certificate".to_owned(), identity.certificate()),
            apps: apps.iter().map(|app| app.end.clone()).collect(),
        };
        warnings.extend(ends.warnings(SystemTime::now()));
        Ok(Self {
            callers: Arc::new(callers),
            listeners,
            apps,
            ends,
            warnings,
        })
    }
}

impl AppSetup {
    fn load<'a>(app: &'a AppConfig, tokens: &mut Tokens<'a>) -> Result<Self, SetupError> {
        let upstream = &app.upstream;
        let key = format!("app {} ({}): app.upstream", app.topic, app.environment);
        let identity = upstream_identity(&key, upstream.common())?;
        if let (Some(identity), Some(path)) = (&identity, upstream.common().certificate) {
            check_upstream_certificate(app, path, identity.certificate())?;
        }
        let end = identity.as_ref().map(|identity| {
            let key = format!("{key}.certificate");
            End::of(key, identity.certificate())
        });
        let token = match upstream.token() {
            Some(token) => Some(tokens.of(&key, token)?),
            None => None,
        };
        let ca = upstream.common().ca;
        let roots = ca.map_or(Roots::Platform, |path| Roots::File(path.to_owned()));
        let (kind, tls) = match upstream {
            UpstreamConfig::Http2(_) => ("http2", http2_client_config(identity.as_ref(), roots)),
            UpstreamConfig::Binary(_) => ("binary", client_config(identity.as_ref(), roots)),
        };
        let tls = tls.map_err(|source| SetupError::Tls {
            key: format!("{key}.ca"),
            source,
        })?;
        let push = upstream.push_address(app.environment);
        let login = match (&identity, upstream.token()) {
            (Some(identity), _) => identity.certificate().pin.to_string(),
            (None, Some(token)) => format!("{}/{}", token.team_id, token.key_id),
            (None, None) => String::new(),
        };
        Ok(Self {
            feedback: match upstream {
                UpstreamConfig::Http2(_) => None,
                UpstreamConfig::Binary(binary) => binary.feedback_address(app.environment),
            },
            scope: format!("{kind} {push} {} {login}", app.topic),
            config: app.clone(),
            push,
            tls,
            token,
            end,
            is_voip: identity.is_some_and(|identity| identity.certificate().is_voip()),
        })
    }

    /// What all its requests have in common, over HTTP/2.
    pub(crate) fn envelope(&self, installation: Installation) -> Envelope {
        let address = self.push.to_string();
        // The scheme's own port goes without saying.
        let host = address.strip_suffix(":443").unwrap_or(&address);
        let host = host
            .parse()
            .expect("the configuration was checked: that is a host");
        Envelope::new(host, &self.config.topic, self.is_voip, installation)
            .expect("the configuration was checked: that is a topic")
    }
}

/// One for each key, whoever uses it: upstream counts how often a key's token changes.
struct Tokens<'a> {
    store: &'a Path,
    /// Those in use.
    earlier: &'a [Arc<ProviderToken>],
    /// By team and key id.
    known: HashMap<(&'a str, &'a str), Arc<ProviderToken>>,
}

/// A certificate for another app would send every push there, and be told that every token is bad.
fn check_upstream_certificate(
    app: &AppConfig,
    path: &Path,
    certificate: &CertificateInfo,
) -> Result<(), SetupError> {
    if let Some(topic) = &certificate.topic
        && *topic != app.topic
        && !certificate.topics.contains(&app.topic)
    {
        return Err(SetupError::OtherTopic {
            topic: app.topic.clone(),
            path: path.to_owned(),
            certificate: topic.clone(),
        });
    }
    if !certificate.environments.is_empty() && !certificate.permits(app.environment) {
        return Err(SetupError::OtherEnvironment {
            topic: app.topic.clone(),
            path: path.to_owned(),
            environment: app.environment,
        });
    }
    Ok(())
}

impl<'a> Tokens<'a> {
    fn of(
        &mut self,
        section: &str,
        token: &'a TokenConfig,
    ) -> Result<Arc<ProviderToken>, SetupError> {
        let key = (&*token.team_id, &*token.key_id);
        if let Some(known) = self.known.get(&key) {
            return Ok(Arc::clone(known));
        }
        let loaded = ProviderToken::load(token, self.store).map_err(|error| match error {
            KeyError::Credentials(source) => SetupError::Credentials {
                key: format!("{section}.token.key"),
                source,
            },
            KeyError::NotEs256 => SetupError::ProviderKey {
                key: section.to_owned(),
                path: token.key.clone(),
            },
        })?;
        let earlier = self.earlier.iter().find(|known| known.has_key_of(&loaded));
        let loaded = earlier.map_or_else(|| Arc::new(loaded), Arc::clone);
        self.known.insert(key, Arc::clone(&loaded));
        Ok(loaded)
    }
}

/// The certificate that is the login upstream, if one is.
fn upstream_identity(section: &str, upstream: Common<'_>) -> Result<Option<Identity>, SetupError> {
    let Some(certificate) = upstream.certificate else {
        return Ok(None);
    };
    let Some(path) = upstream.password_file else {
        return pem_identity(section, certificate, upstream.key).map(Some);
    };
    let text = fs::read_to_string(path).map_err(|source| SetupError::PasswordFile {
        key: section.to_owned(),
        path: path.to_owned(),
        source,
    })?;
    let password = text.lines().next().unwrap_or_default();
    let identity = Identity::from_pkcs12_file(certificate, password);
    identity
        .map(Some)
        .map_err(|source| SetupError::Credentials {
            key: section.to_owned(),
            source,
        })
}

fn pem_identity(
    section: &str,
    certificate: &Path,
    key: Option<&Path>,
) -> Result<Identity, SetupError> {
    Identity::from_pem_files(certificate, key.unwrap_or(certificate)).map_err(|source| {
        SetupError::Credentials {
            key: section.to_owned(),
            source,
        }
    })
}

/// What a configuration says without being run: everything that is read at start is read. Returns what is worth a warning.
///
/// # Errors
/// It cannot be put to work.
pub fn check(config: &Config) -> Result<Vec<String>, SetupError> {
    Ok(Setup::load(config)?.warnings)
}
