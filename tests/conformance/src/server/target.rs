//! The server under test, and all that the user gave about it, read once.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio_rustls::rustls::ALL_VERSIONS;

use super::options::{BadToken, Options};
use super::trial::{PROBE, Trial};
use crate::case::{Failed, Need};
use crate::cli::Failure;
use crate::link::{Answer, Link, Login, NoLink, Packet, Roots};
use crate::suite::Subject;
use crate::transcript::Transcript;

/// The server.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    feedback: Option<SocketAddr>,
    pub(super) login: Login,
    roots: Roots,
    pub(super) good_tokens: Vec<Vec<u8>>,
    bad_tokens: Vec<Vec<u8>>,
    random_is_bad: bool,
    pub(super) burst: u32,
    pub(super) timeout: Duration,
    pub(super) quiet: Duration,
    /// How it is found out that all was accepted.
    pub(super) acceptance: Acceptance,
    /// Keeps the payloads of this run apart from those of others.
    run: u32,
    trials: AtomicU32,
}

/// How a client can know that what it sent was accepted, in a protocol that does not say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acceptance {
    /// A notification without token or payload behind it is the one that is refused [P-40] [P-44].
    Probe,
    /// This server does not answer that, so there is only silence.
    Silence,
}

impl Target {
    /// Reads what was given, connects once, and finds out how the server is to be asked.
    pub(super) async fn reach(options: &Options) -> Result<Self, Failure> {
        let usage = |error: &dyn std::error::Error| {
            let line = match error.source() {
                Some(source) => format!("{error}: {source}"),
                None => error.to_string(),
            };
            Failure::new(Failure::USAGE, line)
        };
        let login = |certificate: &Path, key: Option<&Path>| {
            Login::read(certificate, key).map_err(|error| usage(&error))
        };
        let certificate = options
            .cert
            .as_deref()
            .ok_or_else(|| Failure::new(Failure::USAGE, "--cert is missing"))?;
        let address = resolve(&options.host, options.port.unwrap_or_default()).await?;
        let on = |port: Option<u16>| port.map(|port| SocketAddr::new(address.ip(), port));
        let bad_tokens = options.bad_token.iter().filter_map(|token| match token {
            BadToken::This(token) => Some(token.0.clone()),
            BadToken::Random => None,
        });
        let mut target = Self {
            address,
            feedback: on(options.feedback_port),
            login: login(certificate, options.key.as_deref())?,
            roots: match &options.ca {
                Some(path) => Roots::read(path).map_err(|error| usage(&error))?,
                None => Roots::default(),
            },
            good_tokens: options
                .good_token
                .iter()
                .map(|token| token.0.clone())
                .collect(),
            bad_tokens: bad_tokens.collect(),
            random_is_bad: options.bad_token.contains(&BadToken::Random),
            burst: options.burst,
            timeout: options.run.timeout,
            quiet: options.quiet,
            acceptance: Acceptance::Silence,
            run: fastrand::u32(..),
            trials: AtomicU32::new(0),
        };
        target.acceptance = target.ask().await?;
        Ok(target)
    }

    /// Connects to `address` and logs in.
    pub(super) async fn connect(
        &self,
        address: SocketAddr,
        login: &Login,
        transcript: Transcript,
        number: u32,
    ) -> Result<Link, NoLink> {
        let config = self
            .roots
            .configure(login, ALL_VERSIONS)
            .map_err(|error| NoLink::Handshake(std::io::Error::other(error)))?;
        Link::connect(address, config, transcript, number, self.timeout).await
    }

    /// A token it refuses. `random` makes one that nobody has.
    pub(super) fn bad_token(&self, random: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>, Failed> {
        match self.bad_tokens.first() {
            _ if self.random_is_bad => Ok(random()),
            Some(token) => Ok(token.clone()),
            None => Err(Failed::because("no bad token was given")),
        }
    }

    /// Whether the server answers the probe.
    async fn ask(&self) -> Result<Acceptance, Failure> {
        let unreachable = |what: String| Failure::new(Failure::UNREACHABLE, what);
        let mut link = self
            .connect(self.address, &self.login, Transcript::default(), 1)
            .await
            .map_err(|error| unreachable(format!("{}: {error}", self.address)))?;
        let asked = async {
            link.send(&super::trial::probe()).await?;
            link.refusal().await
        };
        Ok(match asked.await {
            Ok(Answer::Packet(Packet {
                identifier: PROBE, ..
            })) => Acceptance::Probe,
            _ => Acceptance::Silence,
        })
    }
}

impl Subject for Target {
    type Trial = Trial;

    fn has(&self, need: Need) -> bool {
        match need {
            Need::GoodToken => !self.good_tokens.is_empty(),
            Need::BadToken => self.random_is_bad || !self.bad_tokens.is_empty(),
            Need::FreshBadTokens => self.random_is_bad,
            Need::Feedback => self.feedback.is_some(),
            Need::GoneTokens
            | Need::Http2
            | Need::Courier
            | Need::Observer
            | Need::ExpiredCertificate
            | Need::RevokedCertificate
            | Need::OtherEnvironmentCertificate
            | Need::OtherTopicCertificate => false,
        }
    }

    fn trial(self: &Arc<Self>, transcript: Transcript, seed: u64) -> Trial {
        let number = self.trials.fetch_add(1, Ordering::Relaxed);
        let tag = format!("{:08x}-{number}", self.run);
        Trial::new(Arc::clone(self), transcript, seed, tag)
    }
}

async fn resolve(host: &str, port: u16) -> Result<SocketAddr, Failure> {
    let unknown = |why: &str| Failure::new(Failure::UNREACHABLE, format!("{host}: {why}"));
    tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| unknown(&error.to_string()))?
        .next()
        .ok_or_else(|| unknown("has no address"))
}
