//! Acts as APNs and delivers to fake iPhones, offline.

pub mod app_server;
pub mod dial;
pub mod event;
mod io_step;
pub mod phone;
pub mod token_text;
pub mod virtual_phone;
pub mod world;
