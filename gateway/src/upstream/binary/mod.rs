//! Apple's original protocol: one connection ([`link`]), its place among several ([`lane`]), which notification goes where
//! ([`spread`]), and all of them together ([`pool`]).

mod lane;
mod link;
pub(crate) mod pool;
mod spread;
