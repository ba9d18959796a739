//! The tables of verdicts: as a page for people, and as rules that hold for whatever upstream says.

mod page;
mod rules;
