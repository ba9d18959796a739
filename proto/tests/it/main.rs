//! The crate from outside: literal bytes from the specification, properties, and two sessions over a dropping link.

mod common;
mod courier;
mod decode;
mod encode;
mod faults;
mod link;
mod properties;
mod vectors;
