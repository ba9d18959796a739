//! The daemon on real sockets, with an upstream that does what the test says.

#![expect(clippy::unwrap_used, reason = "in a test that is the message")]

mod admin;
mod backends;
mod certificates;
mod connections;
mod fairness;
mod feedback;
mod flush;
#[path = "../made/mod.rs"]
mod made;
mod metrics;
mod reload;
mod replay;
mod start;
mod stop;
mod support;
mod troubles;
