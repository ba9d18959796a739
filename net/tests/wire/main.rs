//! What peers see on the wire: who is let in, what the others are told, how connections come and end.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, a panic that names its place is the best report"
)]

mod admission;
mod linger;
mod listening;
mod support;
mod versions;
