//! Apple's binary push protocol: bytes and rules, nothing else.
//!
//! No clock, socket, file, task or log is touched here: bytes come in as buffers, time as an argument, and what is to be
//! done comes out as values. `[P-17]` and the like cite the numbered clauses of `docs/protocol.md`.
//!
//! * [`decode`] takes notifications (commands 0, 1, 2) off a stream; [`frame`] writes them.
//! * [`ErrorPacket`] is the one answer the protocol has.
//! * [`server::Session`] is the receiving side of a provider connection, [`client::Session`] the sending side.
//! * [`feedback`] holds the tuples of the feedback service, [`courier`] the frames between APNs and a phone.
#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation)]

pub mod client;
pub mod courier;
pub mod feedback;
pub mod frame;
pub mod server;

mod malformed;
mod notification;
mod status;
mod token;
mod types;
mod wire;

pub use frame::{ErrorPacket, NotAnErrorPacket, Push, TooLong, decode};
pub use malformed::{Fault, Malformed};
pub use notification::Notification;
pub use status::Status;
pub use token::Token;
pub use types::{Command, Expiry, Identifier, Limits, Priority};
