//! What can be said about a config without touching a file or a socket.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use apns_net::credentials::Environment;
use http::uri::Authority;

use super::{
    AppConfig, BinaryUpstream, Config, ConfigError, HostPort, Http2Upstream, OnReject, TokenConfig,
    UpstreamConfig, defaults, size,
};
use crate::read::shares;

/// Connections that an app may have to its upstream at most.
const UPSTREAM_CONNECTIONS_MAX: usize = 64;

/// Less is no room for a queue.
const SIZE_MIN: u64 = 16 << 20;

/// Short notifications take so many times the room in the store that they take on the wire.
const STORED_TIMES: u64 = 4;

/// What the lists of one app may take, each entry as it is on the average.
const DEAD_LETTER_LEN: u64 = 1_024;
const FEEDBACK_LEN: u64 = 256;
const DEAD_TOKEN_LEN: u64 = 128;

/// Something in a config that works as written but hardly as meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Warning {
    /// The upstream is one of the hosts Apple closed on 2021-03-31.
    ClosedByApple {
        /// The app it is for.
        topic: String,
        /// The closed address.
        address: HostPort,
    },
    /// The app's upstream has no feedback address, so its backends will see no feedback.
    NoFeedback {
        /// The app.
        topic: String,
        /// Its environment.
        environment: Environment,
    },
    /// In mode `exact` every notification costs a quiet period of the binary upstream, or a connection to it.
    SlowExact {
        /// The app.
        topic: String,
        /// Its environment.
        environment: Environment,
        /// How long each takes, at the least.
        each: Duration,
    },
    /// What is kept beside the queue may fill the store, and then nothing is accepted.
    SmallStore,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClosedByApple { topic, address } => write!(
                f,
                "app {topic}: Apple closed {address} on 2021-03-31; notifications stay queued until app.upstream.address \
                 names a server that answers"
            ),
            Self::SlowExact {
                topic,
                environment,
                each,
            } => write!(
                f,
                "app {topic} ({environment}): on_reject = \"exact\" over a binary upstream accepts one notification in {each:?} on \
                 each connection, because only silence or a farewell confirms one there: use \"next-time\", or expect that"
            ),
            Self::SmallStore => write!(
                f,
                "store.size_max: dead letters, feedback and bad tokens of all apps may come to fill half of it and more, and a full \
                 store accepts nothing: raise it, or lower store.dead_letters_max, feedback_max and dead_tokens_max"
            ),
            Self::NoFeedback { topic, environment } => write!(
                f,
                "app {topic} ({environment}): app.upstream.feedback is not set, so no feedback is read for it"
            ),
        }
    }
}

impl Config {
    /// Whether the values fit together, and what about them is worth a warning. Files are not looked at.
    pub fn check(&self) -> Result<Vec<Warning>, ConfigError> {
        self.check_limits()?;
        self.check_listen()?;
        self.check_admin()?;
        self.check_apps()?;
        self.check_backends()?;
        let warnings = self.apps.iter().flat_map(warnings);
        Ok(warnings.chain(self.check_size()).collect())
    }

    fn check_size(&self) -> Option<Warning> {
        let store = &self.store;
        let lists = [
            (store.dead_letters_max, DEAD_LETTER_LEN),
            (store.feedback_max, FEEDBACK_LEN),
            (store.dead_tokens_max as u64, DEAD_TOKEN_LEN),
        ];
        let of_one = lists.iter().fold(0_u64, |sum, (entries_max, len)| {
            sum.saturating_add(entries_max.saturating_mul(*len))
        });
        let of_all = of_one.saturating_mul(self.apps.len() as u64);
        (of_all > store.size_max / 2).then_some(Warning::SmallStore)
    }

    fn check_limits(&self) -> Result<(), ConfigError> {
        let listen = &self.listen;
        positive("listen.handshake_timeout", listen.handshake_timeout)?;
        positive("listen.frame_timeout", listen.frame_timeout)?;
        positive("shutdown.idle", self.shutdown.idle)?;
        at_least_one("listen.connections_max", listen.connections_max > 0)?;
        at_least_one(
            "listen.backend_connections_max",
            listen.backend_connections_max > 0,
        )?;
        if self.store.size_max < SIZE_MIN {
            return refuse("store.size_max is less than 16MiB: that is no room for a queue");
        }
        self.check_reserve()?;
        at_least_one("store.backlog_rows_max", self.store.backlog_rows_max > 0)?;
        at_least_one("store.dead_letters_max", self.store.dead_letters_max > 0)?;
        at_least_one("store.feedback_max", self.store.feedback_max > 0)?;
        at_least_one("store.dead_tokens_max", self.store.dead_tokens_max > 0)
    }

    /// A store that had no room but for what comes when it is full would be full all the time.
    fn check_reserve(&self) -> Result<(), ConfigError> {
        let (size_max, brought) = (self.store.size_max, self.brought_len_max());
        let fits = |brought| brought <= size_max / 2;
        if fits(brought) {
            return Ok(());
        }
        let connections_max = self.listen.connections_max;
        let mut at_most = (1..connections_max).rev();
        let at_most = at_most.find(|&fewer| fits(self.brought_by(fewer)));
        refuse(format!(
            "store.size_max is {}, but when it counts as full the connections there may be (listen.connections_max = \
             {connections_max}, on each listener for pushes) may still bring {}: make store.size_max at least {}, or \
             listen.connections_max at most {}",
            size::print(size_max),
            size::print(brought),
            size::print(brought.saturating_mul(2)),
            at_most.unwrap_or(1),
        ))
    }

    /// What connections may still bring that was read before the store counted as full, bytes, in whole MiB.
    pub(crate) fn brought_len_max(&self) -> u64 {
        self.brought_by(self.listen.connections_max)
    }

    /// The same for so many on each listener.
    fn brought_by(&self, connections: usize) -> u64 {
        let listen = &self.listen;
        let listeners = [&listen.production, &listen.sandbox].into_iter().flatten();
        let read = shares(connections.saturating_mul(listeners.count()));
        let stored = STORED_TIMES.saturating_mul(read as u64);
        stored.div_ceil(1 << 20).saturating_mul(1 << 20)
    }

    fn check_listen(&self) -> Result<(), ConfigError> {
        if self.store.path.as_os_str().is_empty() {
            return refuse("store.path is missing: name the file the state is kept in");
        }
        if self.listen.certificate.as_os_str().is_empty() {
            return refuse(
                "listen.certificate is missing: name the PEM file with the gateway's own certificate",
            );
        }
        if self.listen.production.is_none() && self.listen.sandbox.is_none() {
            return refuse("nothing to listen on: add [listen.production] or [listen.sandbox]");
        }
        if self.listen.client_ca.is_none() && self.backends.is_empty() {
            return refuse(
                "no backend could connect: add a [[backend]] with its pin, or set listen.client_ca",
            );
        }
        Ok(())
    }

    fn check_admin(&self) -> Result<(), ConfigError> {
        match &self.admin {
            Some(admin) if !admin.address.ip().is_loopback() => refuse(format!(
                "admin.address {} is not a loopback address: the admin port asks nobody for a password; use 127.0.0.1, and \
                 put a proxy that does in front of it where others have to reach it",
                admin.address
            )),
            _ => Ok(()),
        }
    }

    fn check_apps(&self) -> Result<(), ConfigError> {
        if self.apps.is_empty() {
            return refuse("no app: add an [[app]] with its topic, environment and upstream");
        }
        let mut seen = HashSet::new();
        for app in &self.apps {
            let AppConfig {
                topic, environment, ..
            } = app;
            let name = format!("app {topic} ({environment})");
            if topic.is_empty() {
                return refuse("an [[app]] has an empty topic: write the bundle id of the app");
            }
            if !topic.bytes().all(|byte| byte.is_ascii_graphic()) {
                return refuse(format!(
                    "{name}: a topic has no spaces and none but ASCII characters: write the bundle id of the app"
                ));
            }
            if !seen.insert((topic, environment)) {
                return refuse(format!("{name} is there twice: remove one"));
            }
            if self.listen.addresses(*environment).is_none() {
                return refuse(format!(
                    "{name} has no listener: add [listen.{environment}]"
                ));
            }
            positive("app.answer_wait", app.answer_wait)?;
            positive("app.probe_interval", app.probe_interval)?;
            check_upstream(&name, &app.upstream)?;
        }
        self.check_keys()
    }

    /// Provider tokens are shared by everything that uses the same key, so one key is one file.
    fn check_keys(&self) -> Result<(), ConfigError> {
        let mut files = HashMap::new();
        for token in self.apps.iter().filter_map(|app| app.upstream.token()) {
            let other = files.insert((&token.team_id, &token.key_id), &token.key);
            if other.is_some_and(|other| *other != token.key) {
                return refuse(format!(
                    "the key {} of team {} is two files: name the same one wherever it is used",
                    token.key_id, token.team_id
                ));
            }
        }
        Ok(())
    }

    fn check_backends(&self) -> Result<(), ConfigError> {
        let mut names = HashSet::new();
        let mut pins = HashSet::new();
        for backend in &self.backends {
            let name = &backend.name;
            if name.is_empty() {
                return refuse("a [[backend]] has an empty name: give it one");
            }
            if !names.insert(name) {
                return refuse(format!("two backends are named {name}: rename one"));
            }
            if !pins.insert(&backend.pin) {
                return refuse(format!(
                    "backend {name} has the pin of another: a certificate is one backend's"
                ));
            }
            let serves = |app: &&AppConfig| {
                app.topic == backend.topic
                    && backend.environment.is_none_or(|env| env == app.environment)
            };
            if !self.apps.iter().any(|app| serves(&app)) {
                return refuse(format!(
                    "backend {name} is for {}, which no [[app]] has{}: add that app or correct the topic",
                    backend.topic,
                    backend
                        .environment
                        .map(|env| format!(" in {env}"))
                        .unwrap_or_default()
                ));
            }
        }
        Ok(())
    }
}

fn check_upstream(name: &str, upstream: &UpstreamConfig) -> Result<(), ConfigError> {
    let common = upstream.common();
    positive("app.upstream.connect_timeout", common.connect_timeout)?;
    positive("app.upstream.write_timeout", common.write_timeout)?;
    positive("app.upstream.backoff_base", common.backoff_base)?;
    at_least_one("app.upstream.window", common.window > 0)?;
    if common.backoff_max < common.backoff_base {
        return refuse(format!(
            "{name}: backoff_max is less than backoff_base: swap them"
        ));
    }
    if common.key.is_some() && common.password_file.is_some() {
        return refuse(format!(
            "{name}: key and password_file are both set: a PKCS#12 certificate holds its key, so leave out key, or leave out \
             password_file for a PEM certificate"
        ));
    }
    match upstream {
        UpstreamConfig::Http2(http2) => check_http2(name, http2),
        UpstreamConfig::Binary(binary) => check_binary(name, binary),
    }
}

fn check_binary(name: &str, upstream: &BinaryUpstream) -> Result<(), ConfigError> {
    positive("app.upstream.quiet_period", upstream.quiet_period)?;
    check_connections(name, upstream.connections_max)?;
    if let Some(after) = upstream.flush_after
        && after >= upstream.quiet_period
    {
        return refuse(format!(
            "{name}: flush_after {after:?} is not less than quiet_period {:?}, by when silence has confirmed everything: make it \
             less, or leave it out",
            upstream.quiet_period
        ));
    }
    positive(
        "app.upstream.feedback_poll_interval",
        upstream.feedback_poll_interval,
    )
}

fn check_connections(name: &str, max: usize) -> Result<(), ConfigError> {
    at_least_one("app.upstream.connections_max", max > 0)?;
    if max > UPSTREAM_CONNECTIONS_MAX {
        return refuse(format!(
            "{name}: connections_max {max} is more than {UPSTREAM_CONNECTIONS_MAX}, which no upstream is glad about: a few are enough"
        ));
    }
    Ok(())
}

fn check_http2(name: &str, upstream: &Http2Upstream) -> Result<(), ConfigError> {
    positive("app.upstream.answer_timeout", upstream.answer_timeout)?;
    positive("app.upstream.ping_interval", upstream.ping_interval)?;
    check_connections(name, upstream.connections_max)?;
    if let Some(address) = &upstream.address
        && address.to_string().parse::<Authority>().is_err()
    {
        return refuse(format!(
            "{name}: app.upstream.address {address} is no host: write for example \"api.push.apple.com:443\""
        ));
    }
    match (&upstream.token, &upstream.certificate) {
        (None, None) => refuse(format!(
            "{name}: no login upstream: set token to the .p8 key with its key_id and team_id, or certificate to the push certificate"
        )),
        (Some(_), Some(_)) => refuse(format!(
            "{name}: token and certificate are both set: leave one out, one login is enough"
        )),
        (Some(_), None) if upstream.key.is_some() || upstream.password_file.is_some() => {
            refuse(format!(
                "{name}: key and password_file belong to a certificate, and there is a token: leave them out"
            ))
        }
        (Some(token), None) => check_token(name, token),
        (None, Some(_)) => Ok(()),
    }
}

fn check_token(name: &str, token: &TokenConfig) -> Result<(), ConfigError> {
    for (key, value) in [("key_id", &token.key_id), ("team_id", &token.team_id)] {
        let is_id = value.len() == 10 && value.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_id {
            return refuse(format!(
                "{name}: token.{key} \"{value}\" is not one: it is ten letters and digits, as shown in the developer account"
            ));
        }
    }
    Ok(())
}

fn warnings(app: &AppConfig) -> Vec<Warning> {
    let push = app.upstream.push_address(app.environment);
    let mut warnings = Vec::new();
    let feedback = match &app.upstream {
        UpstreamConfig::Http2(_) => None,
        UpstreamConfig::Binary(binary) => {
            let feedback = binary.feedback_address(app.environment);
            if feedback.is_none() {
                warnings.push(Warning::NoFeedback {
                    topic: app.topic.clone(),
                    environment: app.environment,
                });
            }
            if app.on_reject == OnReject::Exact {
                warnings.push(Warning::SlowExact {
                    topic: app.topic.clone(),
                    environment: app.environment,
                    each: binary
                        .flush_after
                        .unwrap_or(binary.quiet_period)
                        .min(app.answer_wait),
                });
            }
            feedback
        }
    };
    for address in [Some(push), feedback].into_iter().flatten() {
        if defaults::is_closed(address.host()) {
            warnings.push(Warning::ClosedByApple {
                topic: app.topic.clone(),
                address,
            });
        }
    }
    warnings
}

fn refuse(what: impl Into<String>) -> Result<(), ConfigError> {
    Err(ConfigError::Values(what.into()))
}

fn positive(key: &str, value: Duration) -> Result<(), ConfigError> {
    if value.is_zero() {
        return refuse(format!("{key} is zero: give it a duration above zero"));
    }
    Ok(())
}

fn at_least_one(key: &str, holds: bool) -> Result<(), ConfigError> {
    if holds {
        return Ok(());
    }
    refuse(format!("{key} is 0: give it at least 1"))
}
