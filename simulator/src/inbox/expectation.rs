//! How many pushes of a kind there must be.

use std::fmt;

use super::{Filter, Inbox, Miss, Push};

/// So many pushes that pass a filter.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    filter: Filter,
    at_least: u64,
    at_most: Option<u64>,
}

/// What no number of pushes can meet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpectationError {
    /// More at least than at most.
    #[error("at_least is {at_least} and at_most is {at_most}: no number is both")]
    Range {
        /// The lower bound.
        at_least: u64,
        /// The upper bound.
        at_most: u64,
    },
    /// A number given twice.
    #[error("count says it all: leave out at_least and at_most, or count")]
    CountAndRange,
}

/// What there was.
#[derive(Debug)]
pub struct Counted<'a> {
    /// Those that pass, oldest first.
    pub matching: Vec<&'a Push>,
    /// The one that comes nearest of those that do not.
    pub nearest: Option<Miss<'a>>,
    /// Whether it is what was expected.
    pub met: bool,
}

impl Expectation {
    /// `count` pushes exactly, or at least and at most so many; one at least where nothing is said.
    ///
    /// # Errors
    ///
    /// When nothing could ever meet it.
    pub fn new(
        filter: Filter,
        count: Option<u64>,
        at_least: Option<u64>,
        at_most: Option<u64>,
    ) -> Result<Self, ExpectationError> {
        let (at_least, at_most) = match (count, at_least, at_most) {
            (Some(count), None, None) => (count, Some(count)),
            (Some(_), ..) => return Err(ExpectationError::CountAndRange),
            (None, None, Some(at_most)) => (0, Some(at_most)),
            (None, at_least, at_most) => (at_least.unwrap_or(1), at_most),
        };
        match at_most {
            Some(at_most) if at_most < at_least => {
                Err(ExpectationError::Range { at_least, at_most })
            }
            _ => Ok(Self {
                filter,
                at_least,
                at_most,
            }),
        }
    }

    /// Counts.
    #[must_use]
    pub fn count<'a>(&self, inbox: &'a Inbox) -> Counted<'a> {
        let matching: Vec<_> = inbox
            .pushes()
            .filter(|push| self.filter.matches(push))
            .collect();
        let number = matching.len() as u64;
        let met = number >= self.at_least && self.at_most.is_none_or(|most| number <= most);
        let nearest = if met {
            None
        } else {
            self.filter.nearest_miss(inbox.pushes())
        };
        Counted {
            matching,
            nearest,
            met,
        }
    }

    /// Whether there are too many: waiting for more does not help then.
    #[must_use]
    pub fn exceeded(&self, number: usize) -> bool {
        self.at_most.is_some_and(|most| number as u64 > most)
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.at_least, self.at_most) {
            (least, Some(most)) if least == most => write!(f, "exactly {least}"),
            (0, Some(most)) => write!(f, "at most {most}"),
            (least, None) => write!(f, "at least {least}"),
            (least, Some(most)) => write!(f, "{least} to {most}"),
        }
    }
}
