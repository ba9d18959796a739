//! A case: one sentence about behaviour, the clauses it comes from, and how to find out whether it is true.

use std::fmt;
use std::pin::Pin;

use clap::ValueEnum;
use serde::Serialize;

use crate::clause::Clause;

/// One thing a subject does or does not.
///
/// Cases stand in static tables, one per chapter of docs/protocol.md; `T` is what a case is given to find out with.
#[derive(Debug)]
pub struct Case<T: 'static> {
    /// Its name, which stays the same for ever: words with dashes between.
    pub name: &'static str,
    /// The behaviour, as a sentence.
    pub title: &'static str,
    /// Where docs/protocol.md says so; the first is the one that a failure is about.
    pub clauses: &'static [Clause],
    /// How far the clause is to be trusted in this.
    pub basis: Basis,
    /// Where it holds.
    pub profiles: &'static [Profile],
    /// What it cannot do without.
    pub needs: &'static [Need],
    /// Cases of one lane run one after the other, whatever `--jobs` says.
    pub lanes: &'static [Lane],
    /// Finds out.
    pub run: Run<T>,
}

/// The code of a case.
pub type Run<T> = for<'a> fn(&'a T) -> Running<'a>;

/// A case under way.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Failed>> + Send + 'a>>;

impl<T> Case<T> {
    /// A case that holds in every profile, needs nothing and is independent of all others.
    #[must_use]
    pub const fn new(
        name: &'static str,
        title: &'static str,
        clauses: &'static [Clause],
        basis: Basis,
        run: Run<T>,
    ) -> Self {
        Self {
            name,
            title,
            clauses,
            basis,
            profiles: &[Profile::Apple, Profile::Bridge],
            needs: &[],
            lanes: &[],
            run,
        }
    }

    /// The same, in one profile only.
    #[must_use]
    pub const fn only(self, profiles: &'static [Profile]) -> Self {
        Self { profiles, ..self }
    }

    /// The same, which cannot do without `needs`.
    #[must_use]
    pub const fn needs(self, needs: &'static [Need]) -> Self {
        Self { needs, ..self }
    }

    /// The same, never beside others of these lanes.
    #[must_use]
    pub const fn lanes(self, lanes: &'static [Lane]) -> Self {
        Self { lanes, ..self }
    }
}

/// Where a behaviour comes from, with the words of docs/protocol.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// It is in Apple's documents.
    AppleSays,
    /// It was reported, or seen in the source or the traffic of real clients and servers.
    Observed,
    /// Nobody knows; a subject may do otherwise, unless `--strict` is given.
    OurChoice,
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AppleSays => "Apple says",
            Self::Observed => "observed",
            Self::OurChoice => "our choice",
        })
    }
}

/// What kind of server the subject is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// It is APNs: it knows at once which tokens are good, and refuses certificates that have expired.
    #[default]
    Apple,
    /// It stands before APNs and learns later what APNs thinks of a token: a rejection is answered at first sight only if nothing was
    /// accepted behind it, else at the second. Certificates that have expired may be pinned.
    Bridge,
}

/// What a case cannot do without, besides the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// A token the subject accepts.
    GoodToken,
    /// A token the subject refuses.
    BadToken,
    /// Tokens the subject has never seen and refuses.
    FreshBadTokens,
    /// Tokens whose app is not on the phone any more.
    GoneTokens,
    /// The port of the feedback service.
    Feedback,
    /// The port of the HTTP/2 provider API.
    Http2,
    /// The port of the courier.
    Courier,
    /// Somebody who sees what was delivered.
    Observer,
    /// A client certificate that has expired.
    ExpiredCertificate,
    /// A client certificate that was revoked.
    RevokedCertificate,
    /// A client certificate of the other environment.
    OtherEnvironmentCertificate,
    /// A second client certificate, for another topic.
    OtherTopicCertificate,
    /// A certificate of the right issuer that names no topic.
    TopiclessCertificate,
    /// A certificate of a phone.
    DeviceCertificate,
    /// One of a phone of another team.
    OtherTeamDeviceCertificate,
    /// A key that signs provider tokens.
    ProviderKey,
    /// A second one, of another team.
    OtherTeamKey,
    /// A second one, for the other environment only.
    OtherEnvironmentKey,
    /// A second one, for some topics only.
    LimitedKey,
    /// A client certificate that has expired, and that the server has pinned.
    PinnedCertificate,
    /// A token that makes the server shut down.
    ShutdownToken,
    /// How long the server gives a frame.
    FrameTimeout,
    /// Which environment the server is.
    Environment,
    /// A client that reads feedback.
    FeedbackReader,
}

impl Need {
    /// The option that gives it.
    #[must_use]
    pub fn option(self) -> &'static str {
        match self {
            Self::GoodToken => "--good-token HEX",
            Self::BadToken => "--bad-token HEX",
            Self::FreshBadTokens => "--bad-token random",
            Self::GoneTokens => "--observer URL or --gone-command CMD",
            Self::Feedback => "--feedback-port PORT",
            Self::Http2 => "--http2-port PORT",
            Self::Courier => "--courier-port PORT",
            Self::Observer => "--observer URL or --observer-command CMD",
            Self::ExpiredCertificate => "--expired-cert FILE",
            Self::RevokedCertificate => "--revoked-cert FILE",
            Self::OtherEnvironmentCertificate => "--other-environment-cert FILE",
            Self::OtherTopicCertificate => "--other-topic-cert FILE",
            Self::TopiclessCertificate => "--topicless-cert FILE",
            Self::DeviceCertificate => "--device-cert FILE",
            Self::OtherTeamDeviceCertificate => "--other-team-device-cert FILE",
            Self::ProviderKey => "--p8 FILE --key-id ID --team-id ID",
            Self::OtherTeamKey => "--other-team-p8 FILE,KEY-ID,TEAM-ID",
            Self::OtherEnvironmentKey => "--other-environment-p8 FILE,KEY-ID,TEAM-ID",
            Self::LimitedKey => "--limited-p8 FILE,KEY-ID,TEAM-ID",
            Self::PinnedCertificate => "--pinned-cert FILE",
            Self::ShutdownToken => "--shutdown-token HEX",
            Self::FrameTimeout => "--frame-timeout SECONDS",
            Self::Environment => "--environment sandbox|production",
            Self::FeedbackReader => "a client that reads feedback, without --no-feedback",
        }
    }
}

/// Cases that would disturb each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lane {
    /// They read the one feedback list, which clears it.
    Feedback,
    /// A bridge believes what is said of bad tokens only among good ones.
    BadTokens,
    /// They are the one phone there is a certificate for.
    Phone,
}

/// What a subject did instead, as a sentence without a full stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failed(pub String);

impl Failed {
    /// With these words.
    pub fn because(words: impl Into<String>) -> Self {
        Self(words.into())
    }
}

/// Fails with `words` unless `condition` holds.
///
/// # Errors
///
/// When it does not.
pub fn ensure(condition: bool, words: impl FnOnce() -> String) -> Result<(), Failed> {
    if condition {
        Ok(())
    } else {
        Err(Failed(words()))
    }
}
