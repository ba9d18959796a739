//! Clauses of docs/protocol.md, as cases cite them and `--only` selects them.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// The number of a clause: `P-12`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Clause {
    /// `P` the provider's side, `C` the courier, `H` HTTP/2.
    part: u8,
    number: u8,
}

impl Clause {
    /// The clause with this number, in a table that the compiler checks.
    ///
    /// # Panics
    ///
    /// When it is not the number of a clause.
    #[must_use]
    pub const fn of(text: &str) -> Self {
        match Self::read(text.as_bytes()) {
            Some(clause) => clause,
            None => panic!("a clause is P, C or H, a dash and two digits"),
        }
    }

    const fn read(text: &[u8]) -> Option<Self> {
        let [part @ (b'P' | b'C' | b'H'), b'-', tens, ones] = *text else {
            return None;
        };
        if !tens.is_ascii_digit() || !ones.is_ascii_digit() {
            return None;
        }
        let number = (tens - b'0') * 10 + (ones - b'0');
        Some(Self { part, number })
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:02}", char::from(self.part), self.number)
    }
}

impl Serialize for Clause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Clause {
    type Err = ClauseError;

    fn from_str(text: &str) -> Result<Self, ClauseError> {
        Self::read(text.to_ascii_uppercase().as_bytes())
            .ok_or_else(|| ClauseError::Form(text.to_owned()))
    }
}

/// Some of the clauses: `P-12`, `P-12..P-20`, and several of these with commas between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clauses(Vec<RangeInclusive<Clause>>);

impl Clauses {
    /// Whether `clause` is one of them.
    #[must_use]
    pub fn contains(&self, clause: Clause) -> bool {
        self.0.iter().any(|range| range.contains(&clause))
    }
}

impl FromStr for Clauses {
    type Err = ClauseError;

    fn from_str(text: &str) -> Result<Self, ClauseError> {
        let range = |text: &str| match text.split_once("..") {
            None => text.trim().parse().map(|one| one..=one),
            Some((first, last)) => {
                let (first, last): (Clause, Clause) = (first.trim().parse()?, last.trim().parse()?);
                if first.part == last.part && first <= last {
                    Ok(first..=last)
                } else {
                    Err(ClauseError::Range(first, last))
                }
            }
        };
        text.split(',')
            .map(range)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// Why a text names no clauses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClauseError {
    /// It does not look like a clause.
    #[error(
        "`{0}` is no clause: write P-12, a range P-12..P-20, or several with commas between (P provider, C courier, H HTTP/2)"
    )]
    Form(String),
    /// It is not a range.
    #[error("{0}..{1} is no range: it goes from a lower number to a higher one of the same letter")]
    Range(Clause, Clause),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_lists_select_what_lies_in_them() {
        let clauses: Clauses = "P-12..P-20, h-01".parse().unwrap();
        for (text, inside) in [
            ("P-11", false),
            ("P-12", true),
            ("P-15", true),
            ("P-20", true),
            ("P-21", false),
            ("H-01", true),
            ("C-15", false),
        ] {
            assert_eq!(clauses.contains(Clause::of(text)), inside, "{text}");
        }
    }

    #[test]
    fn what_is_no_clause_is_answered_with_what_is_one() {
        for text in ["", "P-1", "P-123", "Q-12", "12", "P-12...P-14", "P-12,"] {
            let error = text.parse::<Clauses>().unwrap_err().to_string();
            assert!(error.contains("P-12..P-20"), "{text}: {error}");
        }
        let error = "P-20..P-12".parse::<Clauses>().unwrap_err().to_string();
        assert!(error.contains("from a lower number"), "{error}");
        assert!("P-20..H-22".parse::<Clauses>().is_err());
    }
}
