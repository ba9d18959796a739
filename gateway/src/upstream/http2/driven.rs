//! For tests: a connection that somebody drives, as a pool does.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::connection::{Connection, Ended, Exchange};
use crate::traffic::Gauge;
use crate::verdict::Outcome;

/// Between pings.
pub(super) const INTERVAL: Duration = Duration::from_secs(60);

/// How long an answer is waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) struct Driven {
    connection: Arc<Mutex<Connection>>,
    driver: JoinHandle<Ended>,
}

impl Driven {
    pub(super) async fn start(io: DuplexStream) -> Self {
        let started = Connection::start(io, INTERVAL, Gauge::default().part());
        let connection = Arc::new(Mutex::new(started.await.unwrap()));
        let driven = Arc::clone(&connection);
        let driver = poll_fn(move |cx| driven.lock().unwrap().poll_ended(cx));
        Self {
            connection,
            driver: tokio::spawn(driver),
        }
    }

    pub(super) fn streams_max(&self) -> usize {
        self.connection.lock().unwrap().streams_max()
    }

    pub(super) fn is_open(&self) -> bool {
        self.connection.lock().unwrap().is_open()
    }

    pub(super) fn send(&self, body: impl Into<Bytes>) -> Exchange {
        let request = Request::post("https://localhost/3/device/00")
            .body(())
            .unwrap();
        let mut connection = self.connection.lock().unwrap();
        connection.send(request, body.into())
    }

    /// What becomes of a push.
    pub(super) fn push(&self, body: impl Into<Bytes>) -> JoinHandle<Outcome> {
        let mut exchange = self.send(body);
        tokio::spawn(async move {
            match timeout(ANSWER_TIMEOUT, &mut exchange).await {
                Ok(outcome) => outcome,
                Err(_) => exchange.overdue(),
            }
        })
    }

    /// How it ends.
    pub(super) async fn ended(&mut self) -> Ended {
        let ended = timeout(3 * INTERVAL, &mut self.driver).await;
        ended.expect("it ends").unwrap()
    }
}
