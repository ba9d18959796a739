//! Apple's original protocol: one connection ([`link`]), its place among several ([`slot`]), which notification goes where
//! ([`spread`]), and all of them together ([`pool`]).

mod link;
pub(crate) mod pool;
mod slot;
mod spread;
