//! The daemon a legacy push backend connects to instead of Apple.
//!
//! ```text
//! legacy backend                          gateway                                     APNs (or simulator)
//!                 ┌───────────────────────────────────────────────────────────┐
//! TLS :2195 ─────▶│ listener ─▶ backend ─▶ store ─▶ dispatch ─▶ upstream ──────│──▶ HTTP/2, or binary 2195
//!                 │                ▲         ▲                     │           │
//! ◀─ error packet │◀───────────────┤         └── settle ───┐       ▼           │
//!                 │                └── late rejection ─────┴── verdict         │
//! TLS :2196 ◀─────│ feedback ◀──── store ◀───────────────────────── poller ◀───│◀── feedback 2196
//!                 └───────────────────────────────────────────────────────────┘
//! ```
//!
//! * A connection is accepted by `listener`, which finds out who is `caller`, and served by `backend`: what it reads is
//!   judged by [`contract`] and made durable by [`store`] before anything is said or sent.
//! * `dispatch`, one task per app, pages the store and sends upstream; what became of it is judged by [`verdict`] and
//!   [`contract`] and settled in the store.
//! * `feedback` reads the upstream's list and serves it again.
//!
//! What is decided without IO is decided in modules without IO: [`config`], `caller`, [`contract`], [`translate`], [`verdict`],
//! `dispatch::aside`, `upstream::schedule`, and the sessions of `apns-proto`. The rest are drivers.

pub mod cli;
pub mod config;
pub mod contract;
pub mod store;
pub mod translate;
pub mod verdict;

mod admin;
mod app;
mod backend;
mod call;
mod caller;
mod clock;
mod counters;
mod daemon;
mod dispatch;
mod ends;
mod failure;
mod feedback;
mod handle;
mod late;
mod listener;
mod own;
mod read;
mod reload;
mod setup;
mod shared;
mod silences;
mod traffic;
mod upstream;

pub use counters::{Counter, Counters};
pub use daemon::Gateway;
pub use failure::{Failure, StartError};
pub use handle::{Handle, ReadyFile};
pub use reload::ReloadError;
pub use setup::{SetupError, check};
