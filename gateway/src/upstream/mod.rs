//! Where pushes go: when to connect ([`schedule`]), how ([`connect`]), and what is said there ([`binary`]).

pub(crate) mod binary;
pub(crate) mod connect;
pub(crate) mod schedule;
