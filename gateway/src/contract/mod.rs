//! The order contract: what a backend is told, when, and what becomes of the rest. Pure: no clock, socket or file.
//!
//! The rules are those of `order-contract.md`; the numbers cited are its. [`Mode`] says which answers an app's backends get.
//!
//! **Towards the backend**: one [`Receipt`] per connection.
//!
//! ```text
//! read ─▶ take ─▶ rows ─▶ store.append ── answered ──▶ stop? ──no──▶ read
//!                                                        │yes
//!                            read ahead ≤ 20 ms, ≤ 1 MiB for the peer's close
//!                               │ closed: peer_closed, take the rest        │ open: answer, write, linger
//! ```
//!
//! In mode `exact` a batch is one notification, and the next one is taken when that is settled: [`Receipt::waits_until`].
//!
//! Everything [`Receipt::take`] returns is in one batch, the notification that is answered last: appending the batch *is*
//! the barrier, and nothing may be written to the backend before the append has answered. Lines for the log: a row with
//! [`NewRow::end`](crate::store::NewRow::end) set says why it was rejected, a [`Stop`] says [`Stop::why`].
//!
//! **Towards upstream**: one [`App`] per app, under a mutex that is never held over an await. Judge the answers in the order
//! of the rows (what an error packet confirms before what it rejects), gather the settlements, and store what
//! [`App::settle`] makes of them; then hand late answers to the connection they name, which asks [`Receipt::late`].
//!
//! ```text
//! verdict ─▶ judge ─▶ settlement ──┐                      ┌─▶ late answer ─▶ connection ─▶ Receipt::late
//! expired / given up ─▶ settlement ┴▶ settle ─▶ store.settle
//! ```

mod app;
mod blame;
mod calendar;
mod dead_tokens;
mod mode;
mod receipt;
mod silence;

use std::time::SystemTime;

pub use app::{Alarm, App, AppOptions, Disbelief, Judged, Late, Pushed};
pub use calendar::{BELIEVED_AFTER, Calendar, JUMP, Look, Noticed};
pub use mode::Mode;
pub use receipt::{Batch, Receipt, Stop, Why};
pub use silence::{AnsweredEnd, Silence};

use crate::store::{Row, unix_seconds};

/// Whether a queued row's time is over (rule 9): its expiry was in the future when it was accepted, and has passed. An expiry
/// that was no promise then (zero, negative, or past already [P-22]) ends nothing. `now` is what a [`Calendar`] says, as the time of
/// acceptance was: an expiry is for good.
pub fn expired(row: &Row, now: SystemTime) -> bool {
    row.expiry.is_some_and(|expiry| {
        u64::try_from(expiry.0).is_ok_and(|at| at > row.accepted_at && at <= unix_seconds(now))
    })
}
