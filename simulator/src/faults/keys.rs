//! The keys of a rule.

use std::fmt;

use serde_json::Value;

use super::RuleError;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A number without a sign.
    Number,
    /// A number from 0 to 1.
    Fraction,
    /// `true` or `false`.
    Switch,
}

/// A key of a rule.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// What it is called.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// What it says, for `docs/simulator.md`. Keys of actions are explained there.
    pub says: &'static str,
}

const OF_THE_ACTION: &str = "see the action";

/// Every key there is.
pub const KEYS: &[Key] = &[
    key(
        "name",
        Kind::Text,
        "what the events call the rule; its number if absent",
    ),
    key(
        "face",
        Kind::Text,
        "`binary`, `feedback` or `http2`; every face that knows the action if absent",
    ),
    key(
        "token",
        Kind::Text,
        "how the device token begins, in hexadecimal digits",
    ),
    key("topic", Kind::Text, "the topic"),
    key(
        "connection",
        Kind::Number,
        "the connection of the face, counted from 1 at the start, at each reset and when all faults are cleared",
    ),
    key(
        "payload",
        Kind::Text,
        "text the payload contains, byte for byte",
    ),
    key(
        "alert",
        Kind::Text,
        "text that title, subtitle or body of the alert contains",
    ),
    key(
        "at",
        Kind::Text,
        "`push` (a notification came) or `connect` (a connection was opened), where the action has both; `push` if absent",
    ),
    key(
        "nth",
        Kind::Number,
        "act on the nth match only, counted from 1",
    ),
    key(
        "every",
        Kind::Number,
        "act on each match this number divides",
    ),
    key(
        "probability",
        Kind::Fraction,
        "act on so many of the matches, 0 to 1",
    ),
    key(
        "seed",
        Kind::Number,
        "the dice of `probability` and `jitter_ms`: the same seed, the same run; 0 if absent",
    ),
    key("limit", Kind::Number, "act so often at most"),
    key("action", Kind::Text, "what to do: one of the table below"),
    key("ms", Kind::Number, OF_THE_ACTION),
    key("jitter_ms", Kind::Number, OF_THE_ACTION),
    key("bytes", Kind::Number, OF_THE_ACTION),
    key("bytes_per_second", Kind::Number, OF_THE_ACTION),
    key("status", Kind::Number, OF_THE_ACTION),
    key("identifier", Kind::Number, OF_THE_ACTION),
    key("reason", Kind::Text, OF_THE_ACTION),
    key("error_code", Kind::Number, OF_THE_ACTION),
    key("last_stream_id", Kind::Number, OF_THE_ACTION),
    key("debug", Kind::Text, OF_THE_ACTION),
    key("streams", Kind::Number, OF_THE_ACTION),
    key(
        "taken",
        Kind::Switch,
        "the notification is taken before the connection breaks, and only the client cannot know; `false` if absent",
    ),
];

const fn key(name: &'static str, kind: Kind, says: &'static str) -> Key {
    Key { name, kind, says }
}

impl Key {
    /// The key of this name.
    pub(super) fn of(name: &str) -> Result<&'static Self, RuleError> {
        let key = KEYS.iter().find(|key| key.name == name);
        key.ok_or_else(|| RuleError::UnknownKey {
            key: name.to_owned(),
        })
    }

    /// Whether a value in JSON is of its kind.
    pub(super) fn check(&self, value: &Value) -> Result<(), RuleError> {
        let is = match self.kind {
            Kind::Text => value.is_string(),
            Kind::Number => value.is_u64(),
            Kind::Fraction => value.is_number(),
            Kind::Switch => value.is_boolean(),
        };
        is.then_some(()).ok_or_else(|| self.wrong(value))
    }

    fn wrong(&self, value: impl ToString) -> RuleError {
        RuleError::Value {
            key: self.name,
            kind: self.kind,
            value: value.to_string(),
        }
    }

    pub(super) fn value(&self, text: &str) -> Result<Value, RuleError> {
        let value = match self.kind {
            Kind::Text => Some(text.into()),
            Kind::Number => text.parse::<u64>().ok().map(Into::into),
            Kind::Fraction => {
                let fraction = text.parse::<f64>().ok();
                fraction
                    .filter(|fraction| fraction.is_finite())
                    .map(Into::into)
            }
            Kind::Switch => text.parse::<bool>().ok().map(Into::into),
        };
        value.ok_or_else(|| self.wrong(text))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Number => "a whole number",
            Self::Fraction => "a number from 0 to 1",
            Self::Switch => "true or false",
        })
    }
}
