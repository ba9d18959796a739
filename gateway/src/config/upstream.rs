//! Where an app's pushes go, and how.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use apns_net::credentials::Environment;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::host_port::{HostPort, NotAHostPort};
use super::{defaults, duration};

/// Where an app's pushes go, by the protocol that is spoken there.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum UpstreamConfig {
    /// Today's APNs.
    Http2(Http2Upstream),
    /// Apple's binary protocol of 2010 to 2021.
    Binary(BinaryUpstream),
}

/// Today's APNs [H-01]. Either `token` or `certificate` is the login.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Http2Upstream {
    /// Where pushes go. Without it Apple's own host for the environment.
    pub address: Option<HostPort>,
    /// The key that signs provider tokens.
    pub token: Option<TokenConfig>,
    /// PEM or PKCS#12 file with the push certificate.
    pub certificate: Option<PathBuf>,
    /// PEM file with its key; without it the key is looked for in `certificate`.
    pub key: Option<PathBuf>,
    /// File whose first line is the password of `certificate`, which is PKCS#12 then.
    pub password_file: Option<PathBuf>,
    /// PEM file with the CAs that vouch for the upstream; without it those of the operating system.
    pub ca: Option<PathBuf>,
    /// The HTTP proxy every connection goes through, by CONNECT.
    pub proxy: Option<Proxy>,
    /// Connections at the same time; another is made when the streams of all are in use.
    #[serde(default = "defaults::connections_max")]
    pub connections_max: usize,
    /// Notifications sent and not yet answered at most, over all connections.
    #[serde(default = "defaults::window")]
    pub window: usize,
    /// How long an answer may take; without one the notification is sent again, under the same id.
    #[serde(default = "defaults::answer_timeout", with = "duration")]
    pub answer_timeout: Duration,
    /// How often a connection is pinged; one that has not answered when the next is due is given up.
    #[serde(default = "defaults::ping_interval", with = "duration")]
    pub ping_interval: Duration,
    /// How long name lookup, connect and handshake may take together.
    #[serde(default = "defaults::connect_timeout", with = "duration")]
    pub connect_timeout: Duration,
    /// How long the upstream may take nothing of what is written before the connection is given up.
    #[serde(default = "defaults::write_timeout", with = "duration")]
    pub write_timeout: Duration,
    /// The first pause between two attempts; each is a random part of a span that doubles.
    #[serde(default = "defaults::backoff_base", with = "duration")]
    pub backoff_base: Duration,
    /// The longest pause between two attempts.
    #[serde(default = "defaults::backoff_max", with = "duration")]
    pub backoff_max: Duration,
}

/// A key of the developer account that signs provider tokens [H-21].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// The file `AuthKey_….p8`.
    pub key: PathBuf,
    /// The key's id: ten characters.
    pub key_id: String,
    /// The id of the team whose key it is: ten characters.
    pub team_id: String,
}

impl Http2Upstream {
    /// With a provider token, and every default.
    pub fn with_token(token: TokenConfig) -> Self {
        Self {
            token: Some(token),
            ..Self::without_login()
        }
    }

    /// With a push certificate, and every default; `certificate` may hold the key as well.
    pub fn with_certificate(certificate: impl Into<PathBuf>, key: Option<PathBuf>) -> Self {
        Self {
            certificate: Some(certificate.into()),
            key,
            ..Self::without_login()
        }
    }

    const fn without_login() -> Self {
        Self {
            address: None,
            token: None,
            certificate: None,
            key: None,
            password_file: None,
            ca: None,
            proxy: None,
            connections_max: defaults::connections_max(),
            window: defaults::window(),
            answer_timeout: defaults::answer_timeout(),
            ping_interval: defaults::ping_interval(),
            connect_timeout: defaults::connect_timeout(),
            write_timeout: defaults::write_timeout(),
            backoff_base: defaults::backoff_base(),
            backoff_max: defaults::backoff_max(),
        }
    }
}

/// A server that speaks the binary protocol.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BinaryUpstream {
    /// Where pushes go. Without it Apple's own host for the environment [P-01].
    pub address: Option<HostPort>,
    /// Where feedback is read. Without it Apple's own host if `address` is not given either, else nothing is read.
    pub feedback: Option<HostPort>,
    /// PEM or PKCS#12 file with the push certificate that is the login upstream [P-02].
    pub certificate: PathBuf,
    /// PEM file with its key; without it the key is looked for in `certificate`.
    pub key: Option<PathBuf>,
    /// File whose first line is the password of `certificate`, which is PKCS#12 then.
    pub password_file: Option<PathBuf>,
    /// PEM file with the CAs that vouch for the upstream; without it those of the operating system.
    pub ca: Option<PathBuf>,
    /// Silence after a write on a live connection that confirms what was written [P-30].
    #[serde(default = "defaults::quiet_period", with = "duration")]
    pub quiet_period: Duration,
    /// Where the upstream is asked what became of what was sent, by a farewell [P-44]: how long nothing more may have been sent.
    #[serde(default, with = "duration::option")]
    pub flush_after: Option<Duration>,
    /// Connections at the same time; another is made when what waits finds no room.
    #[serde(default = "defaults::connections_max")]
    pub connections_max: usize,
    /// Notifications written and not yet confirmed at most, on each connection.
    #[serde(default = "defaults::window")]
    pub window: usize,
    /// How long name lookup, connect and handshake may take together.
    #[serde(default = "defaults::connect_timeout", with = "duration")]
    pub connect_timeout: Duration,
    /// How long the upstream may take nothing of what is written before the connection is given up.
    #[serde(default = "defaults::write_timeout", with = "duration")]
    pub write_timeout: Duration,
    /// The first pause between two attempts; each is a random part of a span that doubles.
    #[serde(default = "defaults::backoff_base", with = "duration")]
    pub backoff_base: Duration,
    /// The longest pause between two attempts.
    #[serde(default = "defaults::backoff_max", with = "duration")]
    pub backoff_max: Duration,
    /// How often the feedback service is read; the first time at start.
    #[serde(default = "defaults::feedback_poll_interval", with = "duration")]
    pub feedback_poll_interval: Duration,
}

impl BinaryUpstream {
    /// With every default; `certificate` may hold the key as well.
    pub fn new(certificate: impl Into<PathBuf>, key: Option<PathBuf>) -> Self {
        Self {
            address: None,
            feedback: None,
            certificate: certificate.into(),
            key,
            password_file: None,
            ca: None,
            quiet_period: defaults::quiet_period(),
            flush_after: None,
            connections_max: defaults::connections_max(),
            window: defaults::window(),
            connect_timeout: defaults::connect_timeout(),
            write_timeout: defaults::write_timeout(),
            backoff_base: defaults::backoff_base(),
            backoff_max: defaults::backoff_max(),
            feedback_poll_interval: defaults::feedback_poll_interval(),
        }
    }

    /// Where feedback is read [P-01]; `None` when a push address is given without one for feedback.
    pub fn feedback_address(&self, environment: Environment) -> Option<HostPort> {
        match (&self.feedback, &self.address) {
            (Some(feedback), _) => Some(feedback.clone()),
            (None, None) => Some(defaults::feedback_address(environment)),
            (None, Some(_)) => None,
        }
    }
}

impl From<Http2Upstream> for UpstreamConfig {
    fn from(http2: Http2Upstream) -> Self {
        Self::Http2(http2)
    }
}

impl From<BinaryUpstream> for UpstreamConfig {
    fn from(binary: BinaryUpstream) -> Self {
        Self::Binary(binary)
    }
}

/// What every kind of upstream has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Common<'a> {
    pub(crate) certificate: Option<&'a Path>,
    pub(crate) key: Option<&'a Path>,
    pub(crate) password_file: Option<&'a Path>,
    pub(crate) ca: Option<&'a Path>,
    pub(crate) proxy: Option<&'a Proxy>,
    pub(crate) window: usize,
    pub(crate) connect_timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) backoff_base: Duration,
    pub(crate) backoff_max: Duration,
}

impl UpstreamConfig {
    /// Where pushes go [P-01] [H-01].
    pub fn push_address(&self, environment: Environment) -> HostPort {
        match self {
            Self::Http2(http2) => http2
                .address
                .clone()
                .unwrap_or_else(|| defaults::http2_address(environment)),
            Self::Binary(binary) => binary
                .address
                .clone()
                .unwrap_or_else(|| defaults::push_address(environment)),
        }
    }

    /// The key that signs provider tokens, if that is the login.
    pub(crate) const fn token(&self) -> Option<&TokenConfig> {
        match self {
            Self::Http2(http2) => http2.token.as_ref(),
            Self::Binary(_) => None,
        }
    }

    pub(crate) fn common(&self) -> Common<'_> {
        match self {
            Self::Http2(http2) => Common {
                certificate: http2.certificate.as_deref(),
                key: http2.key.as_deref(),
                password_file: http2.password_file.as_deref(),
                ca: http2.ca.as_deref(),
                proxy: http2.proxy.as_ref(),
                window: http2.window,
                connect_timeout: http2.connect_timeout,
                write_timeout: http2.write_timeout,
                backoff_base: http2.backoff_base,
                backoff_max: http2.backoff_max,
            },
            Self::Binary(binary) => Common {
                certificate: Some(&binary.certificate),
                key: binary.key.as_deref(),
                password_file: binary.password_file.as_deref(),
                ca: binary.ca.as_deref(),
                proxy: None,
                window: binary.window,
                connect_timeout: binary.connect_timeout,
                write_timeout: binary.write_timeout,
                backoff_base: binary.backoff_base,
                backoff_max: binary.backoff_max,
            },
        }
    }

    /// Every path in it.
    pub(super) fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let (token, certificate, rest) = match self {
            Self::Http2(http2) => (
                http2.token.as_mut().map(|token| &mut token.key),
                http2.certificate.as_mut(),
                [&mut http2.key, &mut http2.password_file, &mut http2.ca],
            ),
            Self::Binary(binary) => (
                None,
                Some(&mut binary.certificate),
                [&mut binary.key, &mut binary.password_file, &mut binary.ca],
            ),
        };
        let rest = rest.into_iter().flatten();
        token.into_iter().chain(certificate).chain(rest)
    }
}

/// An HTTP proxy: `http://host:port`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Proxy(pub HostPort);

/// Text that is no `http://host:port`.
#[derive(Debug, Error)]
#[error("\"{text}\" is not a proxy: write for example \"http://proxy.example.net:3128\"")]
pub struct NotAProxy {
    text: String,
    source: Option<NotAHostPort>,
}

impl FromStr for Proxy {
    type Err = NotAProxy;

    fn from_str(text: &str) -> Result<Self, NotAProxy> {
        let refused = |source| NotAProxy {
            text: text.to_owned(),
            source,
        };
        let address = text.strip_prefix("http://").ok_or_else(|| refused(None))?;
        let address = address.strip_suffix('/').unwrap_or(address);
        address
            .parse()
            .map(Self)
            .map_err(|error| refused(Some(error)))
    }
}

impl TryFrom<String> for Proxy {
    type Error = NotAProxy;

    fn try_from(text: String) -> Result<Self, NotAProxy> {
        text.parse()
    }
}

impl From<Proxy> for String {
    fn from(proxy: Proxy) -> Self {
        proxy.to_string()
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.0)
    }
}
