//! Chapter 3: what is answered, and what is not.

mod close;
mod faults;
mod others;

use super::Trial;
use crate::case::Case;

/// The cases.
pub(super) const CASES: &[&[Case<Trial>]] = &[faults::CASES, close::CASES, others::CASES];
