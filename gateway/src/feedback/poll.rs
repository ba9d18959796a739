//! Reading the upstream's feedback list, again and again.

use std::time::Duration;

use apns_proto::Token;
use apns_proto::feedback::Tuple;
use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info, info_span, warn};

use crate::counters::Counters;
use crate::store::{AppId, Store, StoreDown};
use crate::upstream::connect::{ConnectError, Connector, refusal};
use crate::upstream::schedule::{Ended, Schedule};

/// One read, and so the most that a crash can lose.
const READ_LEN: usize = 16 * 1024;

/// How long the upstream may be silent before the end of its list.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The same, once it is time to stop.
const READ_TIMEOUT_AT_STOP: Duration = Duration::from_secs(1);

/// The first pause after a failure.
const BACKOFF_BASE: Duration = Duration::from_secs(1);

/// The poller of one app.
pub(crate) struct Poller {
    pub(crate) app: AppId,
    pub(crate) topic: String,
    pub(crate) connector: Connector,
    pub(crate) interval: Duration,
    pub(crate) store: Store,
    pub(crate) counters: std::sync::Arc<Counters>,
}

/// Why a list was not read to its end. What was read before that is kept.
#[derive(Debug, thiserror::Error)]
enum PollError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the feedback service was silent for {0:?} and did not close")]
    Silent(Duration),
    #[error("the feedback connection broke")]
    Broken(#[source] std::io::Error),
    #[error(transparent)]
    Store(#[from] StoreDown),
}

impl Poller {
    /// Reads the list at once and then at every interval, until told to stop.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<(), StoreDown> {
        let span =
            info_span!("feedback_upstream", topic = self.topic, address = %self.connector.address);
        self.poll_on(stop).instrument(span).await
    }

    async fn poll_on(self, stop: CancellationToken) -> Result<(), StoreDown> {
        let mut schedule = Schedule::new(BACKOFF_BASE.min(self.interval), self.interval);
        loop {
            let Some(connected) = stop.run_until_cancelled(self.connector.connect()).await else {
                return Ok(());
            };
            let polled = match connected {
                Ok(stream) => self.poll(stream, &stop).await,
                Err(error) => Err(error.into()),
            };
            let pause = match polled {
                Ok(tuples_len) => {
                    info!(tuples_len, "read the feedback list");
                    self.counters.feedback_polls.add(1);
                    schedule.progress(0);
                    self.interval
                }
                Err(PollError::Store(down)) => return Err(down),
                Err(problem) => {
                    schedule.ended(Ended::Unreachable);
                    let pause = schedule.pause(fastrand::f64());
                    report(&problem, pause);
                    pause
                }
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = sleep(pause) => {}
            }
        }
    }

    /// Reads one list; returns how many tuples were in it. Once begun it is read to its end even if it is time to stop,
    /// because the upstream forgets it; only the patience is shorter then.
    async fn poll(
        &self,
        mut stream: TlsStream<TcpStream>,
        stop: &CancellationToken,
    ) -> Result<usize, PollError> {
        let mut buf = BytesMut::new();
        let mut tuples_len = 0;
        while read(&mut stream, &mut buf, stop).await? {
            let tuples: Vec<_> = std::iter::from_fn(|| Tuple::decode(&mut buf))
                .filter(is_plausible)
                .collect();
            if tuples.is_empty() {
                continue;
            }
            tuples_len += tuples.len();
            self.store.feedback_append(self.app, tuples).await?;
        }
        if !buf.is_empty() {
            warn!(
                bytes_len = buf.len(),
                "the feedback list ended in the middle of a tuple"
            );
        }
        Ok(tuples_len)
    }
}

/// `false`: the list has ended [P-56].
async fn read(
    stream: &mut TlsStream<TcpStream>,
    buf: &mut BytesMut,
    stop: &CancellationToken,
) -> Result<bool, PollError> {
    buf.reserve(READ_LEN);
    let hurry = async {
        stop.cancelled().await;
        sleep(READ_TIMEOUT_AT_STOP).await;
    };
    let read = tokio::select! {
        biased;
        read = timeout(READ_TIMEOUT, stream.read_buf(buf)) => read,
        () = hurry => return Err(PollError::Silent(READ_TIMEOUT_AT_STOP)),
    };
    match read {
        Err(_) => Err(PollError::Silent(READ_TIMEOUT)),
        Ok(Ok(len)) => Ok(len > 0),
        // The end of the list without a close_notify.
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Ok(Err(error)) => Err(match refusal(&error) {
            Some(alert) => ConnectError::Refused(alert).into(),
            None => PollError::Broken(error),
        }),
    }
}

/// Backends that read feedback choke on what cannot be a token [P-20].
fn is_plausible(tuple: &Tuple) -> bool {
    let len = tuple.token.as_bytes().len();
    let plausible = (1..=Token::LEN_MAX).contains(&len);
    if !plausible {
        warn!(
            token_len = len,
            "the feedback list names something that cannot be a token: left out"
        );
    }
    plausible
}

fn report(problem: &PollError, pause: Duration) {
    let source = std::error::Error::source(problem);
    match problem {
        PollError::Connect(connect) if connect.needs_someone() => {
            error!(%problem, source, ?pause, "no feedback can be read: someone must act");
        }
        _ => warn!(%problem, source, ?pause, "the feedback list could not be read"),
    }
}
