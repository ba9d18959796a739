//! Holds any server or client of Apple's legacy push protocol against docs/protocol.md, clause by clause, and depends on none of this
//! project's other packages: what is wrong there would be wrong here in the same way.
//!
//! ```text
//! cli ──▶ server (options, trial, one table of cases per chapter) ──▶ suite (which cases, how many at a time) ──▶ report
//!                        │
//!                        ├──▶ bytes (frames by hand) ──▶ link (TLS, records, segments, transcript) ──▶ the subject
//!                        └──▶ observer (what was delivered)
//! ```

pub mod bytes;
pub mod case;
pub mod clause;
pub mod cli;
pub mod client;
mod link;
mod observer;
pub mod report;
pub mod server;
pub mod suite;
pub mod transcript;
