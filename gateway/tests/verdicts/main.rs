//! The tables of verdicts: as a page for people, and as rules that hold for whatever upstream says.

#[path = "../made/mod.rs"]
mod made;
mod page;
mod rules;
