//! Today's APNs [H-01]: provider tokens ([`token`]), one connection ([`connection`]), as many of them as an app needs ([`pool`]), and what is
//! under way on them ([`pushes`]).

pub(crate) mod connection;
#[cfg(test)]
mod driven;
#[cfg(test)]
mod garbage;
pub(crate) mod pool;
pub(crate) mod pushes;
pub(crate) mod token;
