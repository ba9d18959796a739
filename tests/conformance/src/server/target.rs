//! The server under test, and all that the user gave about it, read once.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::options::{BadToken, Options};
use super::papers::Papers;
use super::trial::{PROBE, Trial, probe};
use crate::bytes::framed;
use crate::case::{Failed, Need, Profile};
use crate::cli::Failure;
use crate::link::{Answer, Hello, Link, NoLink, Packet, Roots};
use crate::observer::Observer;
use crate::suite::Subject;
use crate::transcript::Transcript;

/// Deliveries between which a bridge is told of a bad token: twice what ours wants.
const WARMING: u32 = 20;

/// Phones that the observer is asked for.
const PHONES: u32 = 32;

/// The server.
#[derive(Debug)]
pub(super) struct Target {
    ports: BTreeMap<Port, SocketAddr>,
    pub(super) papers: Papers,
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

/// Where a server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Port {
    /// For notifications.
    Binary,
    Feedback,
    Http2,
    /// For phones.
    Courier,
}

impl fmt::Display for Port {
    /// As the option that names it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Binary => "port",
            Self::Feedback => "feedback-port",
            Self::Http2 => "http2-port",
            Self::Courier => "courier-port",
        })
    }
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
        let host = resolve(&options.host).await?;
        let papers = Papers::read(options)?;
        let bad_tokens = options.bad_token.iter().filter_map(|token| match token {
            BadToken::This(token) => Some(token.0.clone()),
            BadToken::Random => None,
        });
        let ports = [
            (Port::Binary, options.port),
            (Port::Feedback, options.feedback_port),
            (Port::Http2, options.http2_port),
            (Port::Courier, options.courier_port),
        ];
        let mut target = Self {
            ports: ports
                .into_iter()
                .filter_map(|(port, number)| Some((port, SocketAddr::new(host, number?))))
                .collect(),
            topic: options.topic.clone().or_else(|| papers.login.topic()),
            papers,
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
        target.acceptance = target.ask().await?;
        if options.run.profile == Profile::Bridge {
            // A server that nothing can be pushed to is what the cases are about.
            let _ = target.warm_up().await;
        }
        Ok(target)
    }

    /// Connects to one of its ports and says `hello`.
    pub(super) async fn connect(
        &self,
        port: Port,
        hello: &Hello<'_>,
        transcript: Transcript,
        number: u32,
    ) -> Result<Link, NoLink> {
        let none = || std::io::Error::other(format!("no --{port} was given"));
        let address = self.ports.get(&port);
        let address = *address.ok_or_else(|| NoLink::Unreachable(none()))?;
        Link::connect(
            address,
            hello,
            &self.roots,
            transcript,
            number,
            self.timeout,
        )
        .await
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

    /// The app's bundle id.
    pub(super) fn topic(&self) -> Result<&str, Failed> {
        self.topic
            .as_deref()
            .ok_or_else(|| Failed::because("the certificate has no UID, and no --topic was given"))
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

    /// Whether the server answers the probe.
    async fn ask(&self) -> Result<Acceptance, Failure> {
        let unreachable = |error: NoLink| Failure::new(Failure::UNREACHABLE, error);
        let mut link = self.first_link().await.map_err(unreachable)?;
        let asked = async {
            link.send(&probe()).await?;
            link.refusal().await
        };
        Ok(match asked.await {
            Ok(Answer::Packet(Packet {
                identifier: PROBE, ..
            })) => Acceptance::Probe,
            _ => Acceptance::Silence,
        })
    }

    /// Pushes until a bridge answers a bad token: a wrong upstream calls all of them bad, so it waits for deliveries before it believes
    /// that. Whether it ever does is for the cases to find out.
    async fn warm_up(&self) -> Result<(), Failed> {
        let payload = br#"{"aps":{"alert":"apns-conformance"}}"#;
        let deadline = Instant::now() + self.timeout;
        loop {
            let mut frames = Vec::new();
            for n in 0..WARMING {
                frames.extend(framed(n, self.good_token()?, payload));
            }
            let bad = self.bad_token(|| (0..32).map(|_| fastrand::u8(..)).collect())?;
            frames.extend(framed(WARMING, &bad, payload));
            let mut link = self
                .first_link()
                .await
                .map_err(|error| Failed(error.to_string()))?;
            link.send(&frames).await?;
            if link.answer_within(self.quiet).await? != Answer::Nothing || Instant::now() > deadline
            {
                return Ok(());
            }
        }
    }

    /// A connection before any case, of which nothing is kept.
    async fn first_link(&self) -> Result<Link, NoLink> {
        let hello = Hello::with(&self.papers.login);
        self.connect(Port::Binary, &hello, Transcript::default(), 1)
            .await
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
            Need::Feedback => self.ports.contains_key(&Port::Feedback),
            Need::Http2 => self.ports.contains_key(&Port::Http2),
            Need::Courier => self.ports.contains_key(&Port::Courier),
            Need::Observer => self.observer.sees(),
            Need::ShutdownToken => self.shutdown_token.is_some(),
            Need::FrameTimeout => self.frame_timeout.is_some(),
            Need::Environment => self.observer.environment.is_some(),
            Need::ExpiredCertificate
            | Need::RevokedCertificate
            | Need::OtherEnvironmentCertificate
            | Need::OtherTopicCertificate
            | Need::TopiclessCertificate
            | Need::DeviceCertificate
            | Need::OtherTeamDeviceCertificate
            | Need::PinnedCertificate
            | Need::ProviderKey
            | Need::OtherTeamKey
            | Need::OtherEnvironmentKey
            | Need::LimitedKey => self.papers.has(need),
        }
    }

    fn trial(self: &Arc<Self>, transcript: Transcript, seed: u64) -> Trial {
        let number = self.trials.fetch_add(1, Ordering::Relaxed);
        let tag = format!("{:08x}-{number}", self.run);
        Trial::new(Arc::clone(self), transcript, seed, tag)
    }
}

async fn resolve(host: &str) -> Result<IpAddr, Failure> {
    let unknown = |why: &str| Failure::new(Failure::UNREACHABLE, format!("{host}: {why}"));
    tokio::net::lookup_host((host, 0))
        .await
        .map_err(|error| unknown(&error.to_string()))?
        .next()
        .map(|address| address.ip())
        .ok_or_else(|| unknown("has no address"))
}
