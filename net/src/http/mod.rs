//! HTTP/1 for people and scripts beside a daemon's own protocol: served with bounds ([`serve()`]), to this machine alone
//! ([`guard`]), and asked ([`ask()`]).

mod ask;
pub mod guard;
mod serve;

pub use ask::{Answer, NoAnswer, ask};
pub use serve::serve;
