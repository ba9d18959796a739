//! The way back: tokens whose app is gone, read from the upstream and served again to backends.
//!
//! ```text
//! upstream :2196 ──▶ poll ──commit per read──▶ store ──▶ serve ──▶ backend :2196, one durable cursor per backend
//! ```
//!
//! The upstream forgets its list once it was read [P-53]. Every read is committed before the next, so a crash loses at most
//! what one receive buffer holds. Towards backends nothing is lost: a cursor moves only when the backend has taken
//! everything and closed.

mod poll;
mod serve;

pub(crate) use poll::Poller;
pub(crate) use serve::serve;
