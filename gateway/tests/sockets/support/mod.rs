//! A gateway, an upstream that does what the test says, and backends that write bytes from the specification.

mod apns;
mod authority;
mod backend;
mod bench;
pub(crate) mod exposition;
mod frames;
mod upstream;

use std::time::Duration;

use apns_net::credentials::Environment;
use tokio::task::yield_now;
use tokio::time::timeout;

pub(crate) use apns::Apns;
pub(crate) use apns_proto::Notification;
pub(crate) use authority::{Authority, Validity};
pub(crate) use backend::Backend;
pub(crate) use bench::{Bench, Kind, binary, private};
pub(crate) use frames::{enhanced, enhanced_with, identifier, name, token};
pub(crate) use upstream::{Peer, Upstream};

pub(crate) const TOPIC: &str = "com.example.Mail";
pub(crate) const ENVIRONMENT: Environment = Environment::Production;

/// Silence that confirms. Long enough for a slow machine to answer in, short enough to wait for.
pub(crate) const QUIET: Duration = Duration::from_millis(150);

/// Longer than anything here takes, shorter than anybody's patience.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for something that must happen.
pub(crate) async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, happens).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("{what} did not happen in {PATIENCE:?}"),
    }
}

/// Waits until something that nobody announces holds. Looks again whenever nobody else has anything to do right now.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    soon(what, async {
        while !holds() {
            yield_now().await;
        }
    })
    .await;
}
