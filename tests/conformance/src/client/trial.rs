//! One case's look at the client: a server with a script, the command started against it, and what came of that.

use std::ffi::OsStr;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep_until};

use super::Client;
use super::command::Running;
use super::papers::Shown;
use super::server::{CONNECTIONS_MAX, Connection, Script, Then, Wire, serve};
use crate::case::Failed;
use crate::transcript::Transcript;

/// How many notifications the client is given.
pub(super) const BATCH: usize = 20;

/// A client that never rests is watched for so many times the time that everything expected has.
const WATCH: u32 = 3;

/// One case's look at the client.
#[derive(Debug)]
pub struct Trial {
    client: Arc<Client>,
    transcript: Transcript,
    /// What all tokens of the case begin with.
    prefix: [u8; 30],
}

/// What is asked of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// Send the notifications.
    Send,
    /// Read the feedback list.
    Feedback,
}

/// What came of a run.
#[derive(Debug)]
pub(super) struct Played {
    /// Every connection, in the order they came.
    pub(super) connections: Vec<Connection>,
    /// What it printed that is in the contract.
    pub(super) said: Vec<Said>,
}

/// A line on the client's stdout.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Said {
    /// A notification was refused.
    Error {
        /// Its identifier in the file.
        identifier: Option<i64>,
        /// Why.
        status: Option<i64>,
    },
    /// A tuple of the feedback list.
    Feedback {
        /// In hexadecimal.
        token: String,
        /// Seconds since 1970.
        timestamp: Option<i64>,
    },
}

impl Trial {
    pub(super) fn new(client: Arc<Client>, transcript: Transcript, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        Self {
            client,
            transcript,
            prefix: std::array::from_fn(|_| random.u8(..)),
        }
    }

    /// The token of the notification at this place in the file.
    pub(super) fn token(&self, place: usize) -> Vec<u8> {
        let place = u16::try_from(place).expect("a batch is small");
        [&self.prefix[..], &place.to_be_bytes()].concat()
    }

    /// Where in the file the notification for this token stands.
    pub(super) fn place(&self, token: &[u8]) -> Option<usize> {
        (0..BATCH).find(|place| self.token(*place) == token)
    }

    /// What every notification says: the same, so that clients which send one message to many devices can take part.
    pub(super) fn payload(&self) -> Value {
        json!({ "aps": { "alert": "conformance" } })
    }

    /// Runs the client against a server with this script, until all that was expected has come (`done`) and then nothing for a while, or
    /// nothing has come for as long as everything expected may take, or the client has ended.
    pub(super) async fn play(
        &self,
        verb: Verb,
        shown: Shown,
        script: impl Fn(usize) -> Then + Send + Sync + 'static,
        done: impl Fn(&[Connection]) -> bool + Send,
    ) -> Result<Played, Failed> {
        let wrong = |error: io::Error| Failed(format!("the case cannot be set up: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(wrong)?;
        let port = listener.local_addr().map_err(wrong)?.port();
        let folder = tempfile::tempdir().map_err(wrong)?;
        let notifications = folder.path().join("notifications.jsonl");
        std::fs::write(&notifications, self.batch()).map_err(wrong)?;

        let (wire, script): (_, Script) = (Wire::default(), Arc::new(script));
        let config = self.client.papers.server(shown);
        let served = serve(
            listener,
            config,
            script,
            wire.clone(),
            self.transcript.clone(),
        );
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(served);

        let port = port.to_string();
        let papers = &self.client.papers;
        let files =
            ["cert.pem", "key.pem", "cert-and-key.pem", "ca.pem"].map(|name| papers.file(name));
        let [cert, key, both, ca] = &files;
        let verb = match verb {
            Verb::Send => "send",
            Verb::Feedback => "feedback",
        };
        let environment: [(&str, &OsStr); 8] = [
            ("APNS_DO", OsStr::new(verb)),
            ("APNS_HOST", OsStr::new("127.0.0.1")),
            ("APNS_PORT", OsStr::new(&port)),
            ("APNS_CERT", cert.as_os_str()),
            ("APNS_KEY", key.as_os_str()),
            ("APNS_CERT_AND_KEY", both.as_os_str()),
            ("APNS_CA", ca.as_os_str()),
            ("APNS_NOTIFICATIONS", notifications.as_os_str()),
        ];
        let mut running =
            Running::start(&self.client.command, environment, folder.path()).map_err(wrong)?;
        self.watch(&wire, &mut running, done).await;
        let (out, err) = running.printed();
        drop(running);
        for line in out.lines() {
            self.transcript.noted(0, &format!("stdout: {line}"));
        }
        // Of a long complaint the end says most.
        let complaint: Vec<_> = err.lines().collect();
        for line in &complaint[complaint.len().saturating_sub(12)..] {
            self.transcript.noted(0, &format!("stderr: {line}"));
        }
        let connections = wire.connections().clone();
        Ok(Played {
            connections,
            said: out
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect(),
        })
    }

    /// Waits as [`play`](Self::play) says.
    async fn watch(
        &self,
        wire: &Wire,
        running: &mut Running,
        done: impl Fn(&[Connection]) -> bool,
    ) {
        let started = Instant::now();
        let mut last = started;
        loop {
            let satisfied = done(&wire.connections());
            if wire.connections().len() >= CONNECTIONS_MAX {
                return;
            }
            let rest = if satisfied {
                self.client.quiet
            } else {
                self.client.timeout
            };
            let until = (last + rest).min(started + WATCH * self.client.timeout);
            tokio::select! {
                () = wire.news() => last = Instant::now(),
                ended = running.ended() => {
                    match ended {
                        Ok(status) => self.transcript.noted(0, &format!("the client ended: {status}")),
                        Err(error) => self.transcript.noted(0, &format!("the client: {error}")),
                    }
                    return self.rest(wire).await;
                }
                () = sleep_until(until) => {
                    self.transcript.noted(0, "nothing more is waited for");
                    return;
                }
            }
        }
    }

    /// Lets what a client wrote before it ended be read.
    async fn rest(&self, wire: &Wire) {
        let until = Instant::now() + self.client.quiet;
        while !wire.connections().iter().all(|connection| connection.over) {
            tokio::select! {
                () = wire.news() => {}
                () = sleep_until(until) => return,
            }
        }
    }

    /// The file of notifications: JSON lines.
    fn batch(&self) -> String {
        (0..BATCH)
            .map(|place| {
                let line = json!({
                    "identifier": place + 1,
                    "token": HEXLOWER.encode(&self.token(place)),
                    "payload": self.payload(),
                    "expiry": 2_000_000_000,
                    "priority": 10,
                });
                format!("{line}\n")
            })
            .collect()
    }
}
