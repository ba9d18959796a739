//! The order contract, rule by rule and scenario by scenario, on a gateway without sockets but with a real store.

#![expect(clippy::unwrap_used, reason = "in a test that is the message")]

mod frames;
mod http2;
mod life;
mod lives;
mod modes;
mod rules_answers;
mod rules_blame;
mod rules_trust;
mod scenarios_answers;
mod scenarios_http2;
mod scenarios_verdicts;
mod upstream;
mod world;
