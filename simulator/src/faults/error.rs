//! What a rule can have wrong, in words that say what to write instead.

use super::{ACTIONS, Entry, Face, KEYS, Kind, Moment};

/// Why a text is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// A part of the command line's form is not `key=value`.
    #[error("`{0}` is not of the form key=value")]
    NotAPair(String),
    /// No such key.
    #[error("there is no key `{key}`; the keys are {}", names(KEYS.iter().map(|key| key.name)))]
    UnknownKey {
        /// What was written.
        key: String,
    },
    /// A key twice.
    #[error("`{0}` is said twice")]
    Twice(&'static str),
    /// A value of the wrong kind.
    #[error("`{key}` is {kind}, not `{value}`")]
    Value {
        /// Whose value.
        key: &'static str,
        /// What it must be.
        kind: Kind,
        /// What was written.
        value: String,
    },
    /// What serde says.
    #[error("{0}")]
    Shape(String),
    /// No such action.
    #[error("there is no action `{action}`; the actions are {}", names(ACTIONS.iter().map(|entry| entry.name)))]
    UnknownAction {
        /// What was written.
        action: String,
    },
    /// A key the action cannot do without.
    #[error("`{key}` is missing: the action `{action}` needs it")]
    Missing {
        /// The key.
        key: &'static str,
        /// The action.
        action: &'static str,
    },
    /// A key of another action.
    #[error("the action `{}` takes no `{key}`; it takes {}", action.name, takes(action))]
    NotTaken {
        /// The key.
        key: &'static str,
        /// The action.
        action: &'static Entry,
    },
    /// Not on this face.
    #[error("the action `{}` is not possible on the {face} face; it is on {}", action.name, names(action.faces.iter().map(|face| face.name())))]
    Face {
        /// The face.
        face: Face,
        /// The action.
        action: &'static Entry,
    },
    /// Not at this moment.
    #[error("the action `{}` is not possible at `{moment}`; it is at {}", action.name, names(action.moments.iter().map(|moment| moment.name())))]
    Moment {
        /// The moment.
        moment: Moment,
        /// The action.
        action: &'static Entry,
    },
    /// There is no notification to look at.
    #[error(
        "a rule with `{0}` looks at a notification, and there is none yet when a connection is opened or the feedback list is read: leave it out"
    )]
    NoPush(&'static str),
    /// A certificate is the same on all connections.
    #[error(
        "a certificate is refused on every face alike, and before the connection has a number: leave `{0}` out, and use `topic`"
    )]
    OfNoConnection(&'static str),
    /// More than one of `nth`, `every`, `probability`.
    #[error("a rule has one of `nth`, `every` and `probability`")]
    When,
    /// A number out of its range.
    #[error("`{key}` must be {range}")]
    Range {
        /// The key.
        key: &'static str,
        /// What it may be.
        range: &'static str,
    },
    /// A prefix with other characters.
    #[error("`token` is how a token begins, in hexadecimal digits, not `{0}`")]
    Token(String),
}

fn names(names: impl Iterator<Item = &'static str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn takes(action: &Entry) -> String {
    let keys = action.needs.iter().chain(action.takes).copied();
    let keys = names(keys);
    if keys.is_empty() {
        "none".to_owned()
    } else {
        keys
    }
}
