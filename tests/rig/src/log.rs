//! The log of this process, kept in memory, so that a test can ask whether a reason was named.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::eventually::eventually;

/// What all tests of this process logged.
static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Keeps the log from now on: what `RUST_LOG` chooses, and then on stderr, too; without it, what our own crates say up to debug.
pub fn keep() {
    static KEPT: OnceLock<()> = OnceLock::new();
    KEPT.get_or_init(|| {
        let ours = "warn,apns_gateway=debug,apns_simulator=debug,apns_net=debug,apns_proto=debug";
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(ours));
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .with_writer(Memory)
            .init();
    });
}

/// The lines that contain every one of `words`.
#[must_use]
pub fn lines(words: &[&str]) -> Vec<String> {
    let log = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    let text = String::from_utf8_lossy(&log);
    text.lines()
        .filter(|line| words.iter().all(|word| line.contains(word)))
        .map(String::from)
        .collect()
}

/// Waits for a line about the connection from `peer` that contains every one of `words`.
pub async fn about(peer: SocketAddr, words: &[&str]) -> String {
    let peer = peer.to_string();
    let all: Vec<_> = words.iter().copied().chain([peer.as_str()]).collect();
    eventually(&format!("a log line with {all:?}"), async || {
        lines(&all).pop().ok_or_else(|| lines(&[&peer]).join("\n"))
    })
    .await
}

/// Writes to [`LINES`].
struct Memory;

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if std::env::var_os("RUST_LOG").is_some() {
            io::stderr().write_all(bytes)?;
        }
        LINES
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Memory {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}
