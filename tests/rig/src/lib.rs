//! What end-to-end tests are made of: certificates, frames by hand, a proxy that sees TLS records, a legacy backend, real processes.

pub mod certificates;
pub mod eventually;
pub mod frames;
pub mod ledger;
pub mod log;
pub mod numbered;
pub mod process;
pub mod provider;
pub mod proxy;
