//! The server under test, and all that the user gave about it, read once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio_rustls::rustls::{ALL_VERSIONS, SupportedProtocolVersion};

use super::forged;
use super::http2::ProviderKey;
use super::options::{BadToken, Options};
use super::trial::{PROBE, Trial, probe};
use crate::bytes::framed;
use crate::case::{Failed, Need, Profile};
use crate::cli::Failure;
use crate::link::{Answer, Link, Login, NoLink, Packet, Roots};
use crate::observer::Observer;
use crate::suite::Subject;
use crate::transcript::Transcript;

/// Deliveries after which a bridge believes what is said of bad tokens: twice what ours wants.
const WARMING: u32 = 20;

/// Phones that the observer is asked for.
const PHONES: u32 = 32;

/// The server.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    pub(super) feedback: Option<SocketAddr>,
    ports: BTreeMap<&'static str, SocketAddr>,
    pub(super) login: Login,
    logins: Vec<(Need, Login)>,
    provider_key: Option<ProviderKey>,
    roots: Roots,
    pub(super) topic: Option<String>,
    good_tokens: Vec<Vec<u8>>,
    next_token: AtomicU32,
    bad_tokens: Vec<Vec<u8>>,
    random_is_bad: bool,
    shutdown_token: Option<Vec<u8>>,
    pub(super) observer: Observer,
    pub(super) payload_limit: usize,
    pub(super) burst: u32,
    pub(super) timeout: Duration,
    pub(super) quiet: Duration,
    pub(super) feedback_delay: Duration,
    pub(super) frame_timeout: Option<Duration>,
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
        let certificate = options
            .cert
            .as_deref()
            .ok_or_else(|| Failure::new(Failure::USAGE, "--cert is missing"))?;
        let address = resolve(&options.host, options.port.unwrap_or_default()).await?;
        let on = |port: Option<u16>| port.map(|port| SocketAddr::new(address.ip(), port));
        let login = read(certificate, options.key.as_deref())?;
        let bad_tokens = options.bad_token.iter().filter_map(|token| match token {
            BadToken::This(token) => Some(token.0.clone()),
            BadToken::Random => None,
        });
        let ports = [
            ("http2", options.http2_port),
            ("courier", options.courier_port),
        ];
        let mut target = Self {
            address,
            feedback: on(options.feedback_port),
            ports: ports
                .into_iter()
                .filter_map(|(name, port)| Some((name, on(port)?)))
                .collect(),
            topic: options.topic.clone().or_else(|| login.topic()),
            login,
            logins: logins(options)?,
            provider_key: provider_key(options)?,
            roots: match &options.ca {
                Some(path) => Roots::read(path).map_err(|error| Failure::usage(&error))?,
                None => Roots::default(),
            },
            good_tokens: options
                .good_token
                .iter()
                .map(|token| token.0.clone())
                .collect(),
            next_token: AtomicU32::new(0),
            bad_tokens: bad_tokens.collect(),
            random_is_bad: options.bad_token.contains(&BadToken::Random),
            shutdown_token: options.shutdown_token.as_ref().map(|token| token.0.clone()),
            observer: Observer {
                rest: options.observer.map(|rest| rest.0),
                delivered: options.observer_command.clone(),
                gone: options.gone_command.clone(),
                environment: options.environment,
                timeout: options.run.timeout,
            },
            payload_limit: usize::from(options.payload_limit),
            burst: options.burst,
            timeout: options.run.timeout,
            quiet: options.quiet,
            feedback_delay: options.feedback_delay,
            frame_timeout: options.frame_timeout,
            acceptance: Acceptance::Silence,
            run: fastrand::u32(..),
            trials: AtomicU32::new(0),
        };
        target.make_tokens().await?;
        target.acceptance = target.ask(options.run.profile).await?;
        Ok(target)
    }

    /// Connects to `address` and logs in.
    pub(super) async fn connect(
        &self,
        address: SocketAddr,
        login: &Login,
        versions: &[&'static SupportedProtocolVersion],
        transcript: Transcript,
        number: u32,
    ) -> Result<Link, NoLink> {
        let config = self
            .roots
            .configure(login, versions)
            .map_err(|error| NoLink::Handshake(std::io::Error::other(error)))?;
        Link::connect(address, config, transcript, number, self.timeout).await
    }

    /// Without a token of the user's own, phones of the observer's.
    async fn make_tokens(&mut self) -> Result<(), Failure> {
        let Some(topic) = self
            .topic
            .as_deref()
            .filter(|_| self.good_tokens.is_empty())
        else {
            return Ok(());
        };
        for phone in 0..PHONES {
            let name = format!("conformance-{:08x}-{phone}", self.run);
            let made = self.observer.new_token(topic, &name).await;
            let token = made.map_err(|error| Failure::new(Failure::UNREACHABLE, error))?;
            self.good_tokens.extend(token);
        }
        Ok(())
    }

    /// A token it accepts, another one each time: a bridge pushes to one token after the other, and to many at once.
    pub(super) fn good_token(&self) -> Result<&[u8], Failed> {
        let next = self.next_token.fetch_add(1, Ordering::Relaxed) as usize;
        let tokens = &self.good_tokens;
        next.checked_rem(tokens.len())
            .and_then(|place| tokens.get(place))
            .map(Vec::as_slice)
            .ok_or_else(|| Failed::because("no good token was given"))
    }

    /// Connects to another of its ports, offering `protocols` by ALPN.
    pub(super) async fn connect_to(
        &self,
        port: &'static str,
        login: &Login,
        protocols: &[&str],
        transcript: Transcript,
        number: u32,
    ) -> Result<Link, NoLink> {
        let none = || std::io::Error::other(format!("no --{port}-port was given"));
        let address = self.ports.get(port);
        let address = *address.ok_or_else(|| NoLink::Unreachable(none()))?;
        let config = self
            .roots
            .configure(login, ALL_VERSIONS)
            .map_err(|error| NoLink::Handshake(std::io::Error::other(error)))?;
        let mut config = Arc::unwrap_or_clone(config);
        let protocols = protocols
            .iter()
            .map(|protocol| protocol.as_bytes().to_vec());
        config.alpn_protocols = protocols.collect();
        Link::connect(address, Arc::new(config), transcript, number, self.timeout).await
    }

    /// The app's bundle id.
    pub(super) fn topic(&self) -> Result<&str, Failed> {
        self.topic
            .as_deref()
            .ok_or_else(|| Failed::because("the certificate has no UID, and no --topic was given"))
    }

    /// The key that signs provider tokens.
    pub(super) fn provider_key(&self) -> Result<&ProviderKey, Failed> {
        self.provider_key
            .as_ref()
            .ok_or_else(|| Failed::because("no --p8 was given"))
    }

    /// A token it refuses. `random` makes one that nobody has.
    pub(super) fn bad_token(&self, random: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>, Failed> {
        match self.bad_tokens.first() {
            _ if self.random_is_bad => Ok(random()),
            Some(token) => Ok(token.clone()),
            None => Err(Failed::because("no bad token was given")),
        }
    }

    /// The token that makes it shut down.
    pub(super) fn shutdown_token(&self) -> Result<&[u8], Failed> {
        self.shutdown_token
            .as_deref()
            .ok_or_else(|| Failed::because("no --shutdown-token was given"))
    }

    /// The certificate that `need` is about.
    pub(super) fn login_of(&self, need: Need) -> Result<&Login, Failed> {
        let given = self.logins.iter().find(|(of, _)| *of == need);
        given
            .map(|(_, login)| login)
            .ok_or_else(|| Failed(format!("no {} was given", need.option())))
    }

    /// A login like the user's, of an issuer that nobody knows: not even its name, or just that.
    pub(super) fn forged(&self, known_name: bool) -> Result<Login, Failed> {
        let Login::Certificate { chain, .. } = &self.login else {
            return Err(Failed::because("there is no certificate to forge"));
        };
        let own = chain
            .first()
            .ok_or_else(|| Failed::because("an empty chain"))?;
        forged::forge(own, known_name)
            .map_err(|error| Failed(format!("the certificate cannot be forged: {error}")))
    }

    /// Whether the server answers the probe. What stands before it lets a bridge see some deliveries.
    async fn ask(&self, profile: Profile) -> Result<Acceptance, Failure> {
        let unreachable = |what: String| Failure::new(Failure::UNREACHABLE, what);
        let transcript = Transcript::default();
        let mut link = self
            .connect(self.address, &self.login, ALL_VERSIONS, transcript, 1)
            .await
            .map_err(|error| unreachable(format!("{}: {error}", self.address)))?;
        let mut frames = Vec::new();
        if let (Profile::Bridge, Some(token)) = (profile, self.good_tokens.first()) {
            let payload = br#"{"aps":{"alert":"apns-conformance"}}"#;
            (0..WARMING).for_each(|n| frames.extend(framed(n, token, payload)));
        }
        frames.extend(probe());
        let asked = async {
            link.send(&frames).await?;
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
            Need::FeedbackReader => false,
            Need::GoodToken => !self.good_tokens.is_empty(),
            Need::BadToken => self.random_is_bad || !self.bad_tokens.is_empty(),
            Need::FreshBadTokens => self.random_is_bad,
            Need::GoneTokens => self.topic.is_some() && self.observer.knows_gone(),
            Need::Feedback => self.feedback.is_some(),
            Need::Http2 => self.ports.contains_key("http2"),
            Need::Courier => self.ports.contains_key("courier"),
            Need::Observer => self.observer.sees(),
            Need::ShutdownToken => self.shutdown_token.is_some(),
            Need::FrameTimeout => self.frame_timeout.is_some(),
            Need::ProviderKey => self.provider_key.is_some(),
            Need::ExpiredCertificate
            | Need::RevokedCertificate
            | Need::OtherEnvironmentCertificate
            | Need::OtherTopicCertificate
            | Need::PinnedCertificate => self.login_of(need).is_ok(),
        }
    }

    fn trial(self: &Arc<Self>, transcript: Transcript, seed: u64) -> Trial {
        let number = self.trials.fetch_add(1, Ordering::Relaxed);
        let tag = format!("{:08x}-{number}", self.run);
        Trial::new(Arc::clone(self), transcript, seed, tag)
    }
}

/// The certificates that single cases are about.
fn logins(options: &Options) -> Result<Vec<(Need, Login)>, Failure> {
    let given = [
        (
            Need::ExpiredCertificate,
            &options.expired_cert,
            &options.expired_key,
        ),
        (
            Need::PinnedCertificate,
            &options.pinned_cert,
            &options.pinned_key,
        ),
        (
            Need::RevokedCertificate,
            &options.revoked_cert,
            &options.revoked_key,
        ),
        (
            Need::OtherEnvironmentCertificate,
            &options.other_environment_cert,
            &options.other_environment_key,
        ),
        (
            Need::OtherTopicCertificate,
            &options.other_topic_cert,
            &options.other_topic_key,
        ),
    ];
    given
        .into_iter()
        .filter_map(|(need, certificate, key)| {
            let certificate = certificate.as_deref()?;
            Some(read(certificate, key.as_deref()).map(|login| (need, login)))
        })
        .collect()
}

fn provider_key(options: &Options) -> Result<Option<ProviderKey>, Failure> {
    let (Some(path), Some(key), Some(team)) = (&options.p8, &options.key_id, &options.team_id)
    else {
        return Ok(None);
    };
    ProviderKey::read(path, key, team)
        .map(Some)
        .map_err(|error| Failure::new(Failure::USAGE, error))
}

fn read(certificate: &Path, key: Option<&Path>) -> Result<Login, Failure> {
    Login::read(certificate, key).map_err(|error| Failure::usage(&error))
}

async fn resolve(host: &str, port: u16) -> Result<SocketAddr, Failure> {
    let unknown = |why: &str| Failure::new(Failure::UNREACHABLE, format!("{host}: {why}"));
    tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| unknown(&error.to_string()))?
        .next()
        .ok_or_else(|| unknown("has no address"))
}
