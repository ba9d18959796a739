//! Acts as APNs and delivers to fake iPhones, offline.
//!
//! ```text
//! provider ──▶ face/binary   :2195 ──▶ ┌───────┐ ◀──▶ face/courier :5223 ◀──TLS──▶ phone_link ── phone
//! provider ◀── face/feedback :2196 ◀── │ world │
//! provider ──▶ face/http2    :443  ──▶ └───────┘  one per project; the faces are there twice, for sandbox and production
//! rest:       tests in any language drive phones and look into the inbox
//! app_server: the provider of a company of one's own; apps post their tokens to it, it pushes
//! ```
//!
//! [`world`], [`phone`], [`provider_api`] and [`faults`] are pure: what they do follows from their arguments. A face turns a socket's bytes into calls on the
//! world; [`phone_link`] does the same for a phone. [`Simulator::start`] starts it all; `apns-simulator run` is a shell around it, and
//! `examples/five_lines.rs` a test with it.

pub mod apns_file;
pub mod app_server;
pub mod cli;
pub mod clock;
mod config;
mod connections;
mod deliver;
pub mod dial;
pub mod event;
mod face;
pub mod faults;
pub mod inbox;
mod io_step;
pub mod knobs;
pub mod phone;
pub mod phone_link;
mod phones;
mod pool;
mod project;
pub mod provider_api;
mod provider_keys;
pub mod rest;
mod shared;
pub mod stage;
mod start;
pub mod token_text;
pub mod virtual_phone;
mod wait;
pub mod world;

pub use config::{Addresses, CertificateError, Config, Timeouts};
pub use phones::{AddPhoneError, OnPhoneError};
pub use project::{NoProject, Project};
pub use provider_keys::SigningKey;
pub use start::{Handle, Simulator, StartError};
pub use wait::NotInTime;
