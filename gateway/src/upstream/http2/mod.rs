//! Today's APNs [H-01]: provider tokens ([`token`]), one connection ([`connection`]), and as many of them as an app needs
//! ([`pool`]).

pub(crate) mod connection;
#[cfg(test)]
mod garbage;
pub(crate) mod pool;
pub(crate) mod token;
