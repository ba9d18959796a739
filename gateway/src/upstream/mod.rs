//! Where pushes go: when to connect ([`schedule`]), when once more ([`crowd`]), how ([`connect`]), and what is said there ([`binary`],
//! [`http2`]).

pub(crate) mod binary;
pub(crate) mod connect;
pub(crate) mod crowd;
pub(crate) mod http2;
pub(crate) mod schedule;
