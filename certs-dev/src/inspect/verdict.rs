//! Whether somebody would take a certificate or key.

use std::fmt;

use serde::Serialize;

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// It is taken.
    Yes,
    /// It is taken under the condition that is named.
    If,
    /// It is refused.
    No,
}

/// Whether somebody would take it, and on what ground.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Yes or no.
    pub answer: Answer,
    /// The ground, as a clause.
    pub why: String,
}

impl Verdict {
    pub(super) fn yes(why: impl Into<String>) -> Self {
        Self {
            answer: Answer::Yes,
            why: why.into(),
        }
    }

    pub(super) fn on_condition(why: impl Into<String>) -> Self {
        Self {
            answer: Answer::If,
            why: why.into(),
        }
    }

    pub(super) fn no(why: impl Into<String>) -> Self {
        Self {
            answer: Answer::No,
            why: why.into(),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.answer {
            Answer::Yes => write!(f, "yes, {}", self.why),
            Answer::If => write!(f, "only {}", self.why),
            Answer::No => write!(f, "no: {}", self.why),
        }
    }
}
