//! Where pushes go: when to connect ([`schedule`]), how ([`connect`]), and what is said there ([`binary`],
//! [`http2`]).

pub(crate) mod binary;
pub(crate) mod connect;
pub(crate) mod http2;
pub(crate) mod schedule;
