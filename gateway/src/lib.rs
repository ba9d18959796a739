//! The daemon a legacy push backend connects to instead of Apple.

pub mod config;
pub mod contract;
pub mod store;
pub mod verdict;
