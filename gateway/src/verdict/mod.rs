//! What upstream's answers mean: one table per kind of upstream, and nothing else. Pure.
//!
//! `docs/verdicts.md` shows both tables; a test makes that page from them.

mod binary;
mod http2;
mod kind;
mod reason;

use std::fmt;
use std::time::Duration;

use apns_proto::Status;

pub use http2::{Answer, Auth, ErrorCode, GoAway, Outcome};
pub use kind::Kind;
pub use reason::Reason;

/// The judgement on one push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Upstream took it.
    Delivered,
    /// The token means nothing there. Whether that is believed is for the contract to say.
    BadToken {
        /// What a backend would be told.
        status: Status,
        /// How long it may be remembered.
        lifetime: Duration,
    },
    /// The app is gone from the phone. The backend learns it from the feedback service, as it always did.
    Unregistered {
        /// When APNs found out, in UNIX seconds; none: it did not say, which means now.
        since: Option<u64>,
    },
    /// The notification is refused for what it is; another attempt would end alike.
    Refused {
        /// What a backend would be told.
        status: Status,
        /// Whose fault it is.
        fault: Fault,
    },
    /// Certificate, key, topic or environment are wrong: the app's trouble, never the notification's.
    Misconfigured(Misconfiguration),
    /// Upstream could not, this time.
    Retry(Retry),
}

/// Whose fault a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The backend's: the notification is too large, or empty.
    Backend,
    /// This gateway's, who made the request out of a good notification; or nobody knows. Someone must look at it.
    Gateway,
}

/// What is wrong with an app's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Misconfiguration {
    /// Certificate or key and the app's topic do not belong together.
    Topic,
    /// The certificate is none that may push.
    Certificate,
    /// Certificate or key are of the other environment.
    Environment,
    /// The provider token is not accepted.
    Key,
    /// A provider token just made counts as expired.
    Clock,
    /// Upstream does not say what it dislikes about the caller.
    Forbidden,
}

impl Misconfiguration {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Topic,
        Self::Certificate,
        Self::Environment,
        Self::Key,
        Self::Clock,
        Self::Forbidden,
    ];
}

/// What to look at.
impl fmt::Display for Misconfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Topic => {
                "the topic of the app and that of its certificate or key do not fit together"
            }
            Self::Certificate => "the app's certificate is not one that may push",
            Self::Environment => "the app's certificate or key is of the other environment",
            Self::Key => {
                "the app's key, its key id or its team id is wrong, or the key was revoked"
            }
            Self::Clock => "this machine's clock is more than an hour off",
            Self::Forbidden => "the app's certificate or key may not push",
        })
    }
}

/// Another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// When.
    pub when: When,
    /// Where.
    pub place: Place,
}

/// When the next attempt is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// As soon as there is a connection for it: the notification has nothing to do with it.
    AtOnce,
    /// After so long; not charged either.
    After(Duration),
    /// After a pause that grows; charged to the notification's budget of this class.
    BackOff(Class),
}

/// Where the next attempt is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the same connection, or any.
    Same,
    /// Not on this connection, which takes nothing more.
    NewConnection,
    /// With a provider token made after the one it was sent with, on a new connection.
    FreshToken,
}

/// What a notification is charged for. Each class has a budget of its own; when one is spent the notification is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// It was alone on a connection, and that broke: it may be what breaks it. From now on it is always sent alone, because
    /// what is sent along with it might be shown twice.
    Broke,
    /// Upstream failed, at this notification if not in general.
    Failed,
    /// Upstream wants less for this token.
    Throttled,
    /// Upstream is out of order, and says so.
    Unavailable,
    /// Upstream says at this notification that the configuration is wrong, though it takes others.
    Blamed,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 5] = [
        Self::Broke,
        Self::Failed,
        Self::Throttled,
        Self::Unavailable,
        Self::Blamed,
    ];

    /// Attempts it may be charged. The pauses between them double from `backoff_base` to `backoff_max`, so that with the
    /// defaults 10 attempts take about a minute, 60 half an hour, and 1,000 a working day.
    pub const fn attempts_max(self) -> u32 {
        match self {
            Self::Broke => 10,
            Self::Failed | Self::Throttled | Self::Blamed => 60,
            Self::Unavailable => 1_000,
        }
    }
}
