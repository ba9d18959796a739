//! Chapter 2: the three layouts of a notification, and what may stand in them.

mod items;
mod lengths;
mod values;

use super::Trial;
use crate::case::Case;

/// The cases.
pub(super) const CASES: &[&[Case<Trial>]] = &[lengths::CASES, items::CASES, values::CASES];
