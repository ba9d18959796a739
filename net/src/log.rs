//! Where log lines go.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Sends this process's log to stderr, as text or as one JSON object a line. `RUST_LOG` chooses what
/// (`RUST_LOG=debug`, `RUST_LOG=apns_gateway=trace`); without it, `info` and above. A second call changes nothing.
pub fn init(json: bool) {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .from_env_lossy();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    let outcome = if json {
        builder.json().try_init()
    } else {
        builder.with_ansi(io::stderr().is_terminal()).try_init()
    };
    // A test may have installed its own subscriber, which then stands.
    drop(outcome);
}
