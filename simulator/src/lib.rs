//! Acts as APNs and delivers to fake iPhones, offline.

pub mod app_server;
pub mod dial;
mod io_step;
pub mod token_text;
