//! Tests of the simulator on real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod app_server;
mod binary;
mod courier;
mod environments;
mod faults;
mod feedback;
mod flow;
mod http2;
mod http2_faults;
mod http2_frames;
mod http2_limits;
mod knobs;
mod phones;
mod projects;
mod rest;
mod support;
