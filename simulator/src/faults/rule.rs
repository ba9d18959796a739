//! What a rule says: where and when it acts, and what it does.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::text::RuleText;
use super::{Action, Facts};
use crate::phone::{Aps, Payload};

/// A front of the world that misbehaves on demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Face {
    /// The binary provider port.
    Binary,
    /// The feedback service.
    Feedback,
    /// The HTTP/2 provider API.
    Http2,
}

/// When a face asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    /// A client shows its certificate, or has one shown and is connected.
    Handshake,
    /// The handshake is done and nothing has been read. On the feedback face this is the only moment: the list is next.
    Connect,
    /// A notification has come, and nobody has looked at it.
    Push,
}

/// One fault: in a file, on the command line and in JSON it has the same keys, [`KEYS`](super::KEYS).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RuleText", into = "RuleText")]
pub struct Rule {
    /// What events call it; else it is called by its number.
    pub name: Option<String>,
    /// Where it acts.
    pub matches: Match,
    /// At which of the moments its action can have.
    pub moment: Moment,
    /// Which of the times that match.
    pub when: When,
    /// It acts so often at most.
    pub limit: Option<NonZeroU64>,
    /// The same seed rolls the same dice.
    pub seed: u64,
    /// What it does.
    pub action: Action,
}

/// Where a rule acts: all that is said must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Match {
    /// On this face; else on every face that can do what the rule says.
    pub face: Option<Face>,
    /// For tokens that begin so.
    pub token: Option<TokenPrefix>,
    /// For this topic.
    pub topic: Option<Arc<str>>,
    /// On this connection of the face, counted from 1.
    pub connection: Option<NonZeroU64>,
    /// Where the payload contains this text, byte for byte.
    pub payload: Option<String>,
    /// Where a line of the alert contains this text.
    pub alert: Option<String>,
}

/// Which of the matching times a rule acts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum When {
    /// Each.
    Always,
    /// One only, counted from 1.
    Nth(NonZeroU64),
    /// Each that this divides.
    Every(NonZeroU64),
    /// As the dice fall: 0 never, 1 always.
    Probability(f64),
}

/// How a token begins, in hexadecimal digits; their number may be odd.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenPrefix(String);

impl TokenPrefix {
    /// `None` when there is something else than hexadecimal digits, or nothing.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        hex.then(|| Self(text.to_ascii_lowercase()))
    }

    /// Whether `token` begins so.
    #[must_use]
    pub fn begins(&self, token: &[u8]) -> bool {
        let digits = token.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let mut digits = digits.map(|digit| char::from_digit(digit.into(), 16));
        self.0
            .chars()
            .all(|digit| digits.next() == Some(Some(digit)))
    }

    /// Its digits, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenPrefix {
    /// As short as a token in a log: the prefix may be a whole one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get(..8) {
            Some(shown) if self.0.len() > 8 => write!(f, "{shown}…"),
            _ => f.write_str(&self.0),
        }
    }
}

impl Rule {
    pub(super) fn matches(&self, facts: &Facts<'_>) -> bool {
        self.acts_at(facts.face, facts.moment) && self.matches.holds(facts)
    }

    /// The list is what a feedback connection is about: there is nothing to wait for.
    fn acts_at(&self, face: Option<Face>, moment: Moment) -> bool {
        let own = match (face, self.moment) {
            (Some(Face::Feedback), Moment::Push) => Moment::Connect,
            (_, own) => own,
        };
        let possible = |face| self.action.entry().faces.contains(&face);
        own == moment && face.is_none_or(possible)
    }
}

impl Match {
    fn holds(&self, facts: &Facts<'_>) -> bool {
        fn said<T>(said: Option<&T>, holds: impl FnOnce(&T) -> bool) -> bool {
            said.is_none_or(holds)
        }
        // The cheap ones first.
        said(self.face.as_ref(), |face| Some(*face) == facts.face)
            && said(self.connection.as_ref(), |number| {
                number.get() == facts.connection
            })
            && said(self.topic.as_ref(), |topic| **topic == *facts.topic)
            && said(self.token.as_ref(), |prefix| {
                facts.token.is_some_and(|token| prefix.begins(token))
            })
            && said(self.payload.as_ref(), |text| {
                facts
                    .payload
                    .is_some_and(|payload| contains(payload, text.as_bytes()))
            })
            && said(self.alert.as_ref(), |text| {
                facts
                    .payload
                    .is_some_and(|payload| alert_contains(payload, text))
            })
    }
}

fn contains(payload: &[u8], text: &[u8]) -> bool {
    text.is_empty() || payload.windows(text.len()).any(|window| window == text)
}

fn alert_contains(payload: &[u8], text: &str) -> bool {
    let Ok(Payload::App(Aps {
        alert: Some(alert), ..
    })) = Payload::parse(payload)
    else {
        return false;
    };
    [alert.title, alert.subtitle, alert.body]
        .iter()
        .flatten()
        .any(|line| line.contains(text))
}

impl Face {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Binary, Self::Feedback, Self::Http2];

    /// What a rule calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Feedback => "feedback",
            Self::Http2 => "http2",
        }
    }
}

impl Moment {
    /// What a rule calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Connect => "connect",
            Self::Push => "push",
        }
    }
}

impl fmt::Display for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
