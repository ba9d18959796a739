//! What the operator decides: one TOML file, or the same structs built in code.
//!
//! Every key is explained in `gateway.example.toml`, which a test loads. Unknown keys are refused, so that a
//! misspelt one cannot be a silent default. [`Config::load`] reads a file and checks it; what a config built in code
//! says is checked when the gateway starts.

mod check;
mod defaults;
mod duration;
mod error;
mod host_port;
mod size;
mod upstream;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use apns_net::credentials::{Environment, Pin};
use serde::{Deserialize, Serialize};

pub use self::check::Warning;
pub use self::error::ConfigError;
use self::error::{one_line, place};
pub use self::host_port::{HostPort, NotAHostPort};
pub(crate) use self::upstream::Common;
pub use self::upstream::{
    BinaryUpstream, Http2Upstream, NotAProxy, Proxy, TokenConfig, UpstreamConfig,
};
use crate::contract::Mode;

/// Everything the operator decides.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What is durable.
    pub store: StoreConfig,
    /// Where backends connect, and what they must show.
    pub listen: ListenConfig,
    /// The apps pushes are taken for, each with the way its pushes go.
    #[serde(default, rename = "app")]
    pub apps: Vec<AppConfig>,
    /// The backends known by their certificate's fingerprint.
    #[serde(default, rename = "backend")]
    pub backends: Vec<BackendConfig>,
    /// Where the daemon can be looked at.
    pub admin: Option<AdminConfig>,
    /// How the daemon stops.
    #[serde(default)]
    pub shutdown: ShutdownConfig,
}

/// What is durable, and how much of it at most.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// The SQLite file; two more (`-wal`, `-shm`) and a lock lie beside it.
    pub path: PathBuf,
    /// Bytes of the file at most. Where seven eighths of it are in use, or of what the disk has left, no backend is read any longer.
    #[serde(with = "size")]
    pub size_max: u64,
    /// Queued notifications per app from which on its backends are no longer read: TCP slows them down.
    pub backlog_rows_max: u64,
    /// Dead letters per app; the oldest goes out first.
    pub dead_letters_max: u64,
    /// Feedback tuples kept per app; the oldest goes out first.
    pub feedback_max: u64,
    /// Bad tokens remembered per app; the least recently used goes out first.
    pub dead_tokens_max: usize,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            size_max: 16 << 30,
            backlog_rows_max: 10_000_000,
            dead_letters_max: 100_000,
            feedback_max: 1_000_000,
            dead_tokens_max: 1_000_000,
        }
    }
}

/// Where backends connect, and what they must show.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListenConfig {
    /// PEM file with the gateway's own certificate, and those between it and the CA.
    pub certificate: PathBuf,
    /// PEM file with its key; without it the key is looked for in `certificate`.
    pub key: Option<PathBuf>,
    /// PEM file with the CAs whose certificates are let in for the topic in their UID. Without it only the pinned
    /// certificates of `[[backend]]` are.
    pub client_ca: Option<PathBuf>,
    /// The TLS versions offered [P-03].
    pub tls: Tls,
    /// How long a handshake may take.
    #[serde(with = "duration")]
    pub handshake_timeout: Duration,
    /// How long a frame once begun may take to arrive whole [P-19].
    #[serde(with = "duration")]
    pub frame_timeout: Duration,
    /// Connections at the same time on one listener.
    pub connections_max: usize,
    /// Connections at the same time of one backend on one listener.
    pub backend_connections_max: usize,
    /// Where backends that push to the App Store's apps connect.
    pub production: Option<Addresses>,
    /// Where backends that push to apps built with a development profile connect.
    pub sandbox: Option<Addresses>,
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self {
            certificate: PathBuf::new(),
            key: None,
            client_ca: None,
            tls: Tls::default(),
            handshake_timeout: Duration::from_secs(10),
            frame_timeout: Duration::from_secs(60),
            connections_max: 1_000,
            backend_connections_max: 500,
            production: None,
            sandbox: None,
        }
    }
}

impl ListenConfig {
    /// The addresses of one environment.
    pub fn addresses(&self, environment: Environment) -> Option<&Addresses> {
        match environment {
            Environment::Production => self.production.as_ref(),
            Environment::Sandbox => self.sandbox.as_ref(),
        }
    }
}

/// The TLS versions offered to backends.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum Tls {
    /// 1.2 alone: what every legacy client speaks; a refused certificate is an alert inside the handshake [P-06].
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// 1.2 and 1.3, without session tickets.
    #[serde(rename = "1.2+1.3")]
    Tls12And13,
}

/// The two sockets of one environment; port 0 binds a free one.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Addresses {
    /// In place of `gateway.push.apple.com:2195`.
    pub backend: SocketAddr,
    /// In place of `feedback.push.apple.com:2196`.
    pub feedback: SocketAddr,
}

/// One app in one environment, and the way its pushes go.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AppConfig {
    /// The topic: the bundle id of the app.
    pub topic: String,
    /// The environment its tokens are from.
    pub environment: Environment,
    /// What a backend is told when upstream refuses a token.
    #[serde(default)]
    pub on_reject: OnReject,
    /// In mode `exact`: how long a notification keeps those behind it waiting at most.
    #[serde(default = "defaults::answer_wait", with = "duration")]
    pub answer_wait: Duration,
    /// Deliveries since the upstream last changed before its word on a bad token is believed; 0 switches the guard off.
    #[serde(default = "defaults::trust_after")]
    pub trust_after: u32,
    /// How often an app on hold tries one of its queued notifications.
    #[serde(default = "defaults::probe_interval", with = "duration")]
    pub probe_interval: Duration,
    /// Where its pushes go.
    pub upstream: UpstreamConfig,
}

impl AppConfig {
    /// An app with every default.
    pub fn new(
        topic: impl Into<String>,
        environment: Environment,
        upstream: impl Into<UpstreamConfig>,
    ) -> Self {
        Self {
            topic: topic.into(),
            environment,
            on_reject: OnReject::default(),
            answer_wait: defaults::answer_wait(),
            trust_after: defaults::trust_after(),
            probe_interval: defaults::probe_interval(),
            upstream: upstream.into(),
        }
    }

    /// How its backends are answered.
    pub(crate) const fn mode(&self) -> Mode {
        match self.on_reject {
            OnReject::NextTime => Mode::NextTime,
            OnReject::Continue => Mode::Continue,
            OnReject::Exact => Mode::Exact {
                answer_wait: self.answer_wait,
            },
        }
    }
}

/// What a backend is told when upstream refuses a token.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum OnReject {
    /// Nothing now; status 8 the next time it sends to this token.
    #[default]
    NextTime,
    /// Never: for backends that do not read answers.
    Continue,
    /// At once, as Apple did, one notification at a time.
    Exact,
}

/// A backend known by the fingerprint of its certificate, which may be expired.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BackendConfig {
    /// What it is called in logs, and what its place in the feedback list is kept under.
    pub name: String,
    /// The topic it may push to, whatever its certificate says.
    pub topic: String,
    /// The only environment it may push to. Without it the certificate decides; one that names no environment needs it.
    pub environment: Option<Environment>,
    /// SHA-256 of its certificate (DER), in hex.
    pub pin: Pin,
}

/// Where the daemon can be looked at, and told a few things.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AdminConfig {
    /// A loopback address: whoever reaches it is asked for nothing. Port 0 binds a free one.
    pub address: SocketAddr,
}

/// How the daemon stops: no new connections, then each one is closed once it is idle.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShutdownConfig {
    /// A connection without a byte for so long is idle, and is closed in good order.
    #[serde(with = "duration")]
    pub idle: Duration,
    /// Connections still busy after so long are told with status 10 [P-42].
    #[serde(with = "duration")]
    pub drain_timeout: Duration,
}

impl Default for ShutdownConfig {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(1),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

impl Config {
    /// Reads and checks a file. Relative paths in it are relative to the file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut config = Self::parse(&text).map_err(|error| ConfigError::Syntax {
            path: path.to_owned(),
            place: place(&text, error.span()),
            what: one_line(error.message()),
        })?;
        config.resolve_paths(path.parent().unwrap_or_else(|| Path::new("")));
        config.check().map_err(|error| ConfigError::File {
            path: path.to_owned(),
            what: error.to_string(),
        })?;
        Ok(config)
    }

    fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Binds every configured listener on the loopback address instead: to `base`, `base + 1`, … in the order of the
    /// ready file, or with 0 to free ports.
    pub fn set_port_base(&mut self, base: apns_net::ready::PortBase) {
        let addresses = [&mut self.listen.production, &mut self.listen.sandbox];
        let sockets = addresses
            .into_iter()
            .flatten()
            .flat_map(|addresses| [&mut addresses.backend, &mut addresses.feedback])
            .chain(self.admin.as_mut().map(|admin| &mut admin.address));
        for (n, socket) in (0..).zip(sockets) {
            *socket = base.address(n);
        }
    }

    /// This one, with the keys for provider tokens that another one names for the same apps.
    pub(crate) fn with_keys_of(&self, other: &Self) -> Self {
        let mut config = self.clone();
        for app in &mut config.apps {
            let mut others = other.apps.iter();
            let same = others
                .find(|other| other.topic == app.topic && other.environment == app.environment);
            if let UpstreamConfig::Http2(http2) = &mut app.upstream
                && let (Some(token), Some(new)) = (&mut http2.token, same)
                && let Some(new) = new.upstream.token()
            {
                token.clone_from(new);
            }
        }
        config
    }

    fn resolve_paths(&mut self, folder: &Path) {
        let resolve = |path: &mut PathBuf| *path = folder.join(&*path);
        if !self.store.path.as_os_str().is_empty() {
            resolve(&mut self.store.path);
        }
        if !self.listen.certificate.as_os_str().is_empty() {
            resolve(&mut self.listen.certificate);
        }
        self.listen.key.iter_mut().for_each(resolve);
        self.listen.client_ca.iter_mut().for_each(resolve);
        for app in &mut self.apps {
            app.upstream.paths_mut().for_each(resolve);
        }
    }
}

#[cfg(test)]
mod tests;
