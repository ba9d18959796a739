//! The provider connection of one app: one persistent, mutually authenticated socket, driven by `client::Session`.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use apns_proto::client::Session;
use apns_proto::{ErrorPacket, Expiry, Priority, Push as Frame, Status};
use bytes::{Bytes, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::App;
use super::pushes::{Outcome, Push};
use crate::dial::{Endpoint, dial};
use crate::io_step::{read_batch, until, write_some};

/// Notifications written and not yet confirmed.
const WINDOW: usize = 1_000;
/// Frames are gathered up to one TLS record before they are written.
const WRITE_LEN: usize = 16 * 1024;
/// After a failed write the error packet may still be on its way.
const LAST_WORD_TIMEOUT: Duration = Duration::from_secs(1);
/// Connections in a row that brought nothing before what waits is given up.
const FRUITLESS_MAX: u32 = 3;
const BACKOFF: Duration = Duration::from_millis(250);

/// A payload for every token of a push.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) push: Arc<Push>,
    pub(super) payload: Bytes,
    pub(super) expiry: Option<Expiry>,
    pub(super) priority: Option<Priority>,
}

impl Batch {
    pub(super) fn fail_all(&self, why: &str) {
        for index in 0..self.push.tokens().len() {
            self.push.settle(
                index,
                Outcome::Failed {
                    why: why.to_owned(),
                },
            );
        }
    }
}

/// One notification: the token at `index` of a batch.
#[derive(Debug, Clone)]
struct Job {
    batch: Arc<Batch>,
    index: usize,
}

impl Job {
    fn settle(&self, outcome: Outcome) {
        self.batch.push.settle(self.index, outcome);
    }

    fn fail(&self, why: &str) {
        self.settle(Outcome::Failed {
            why: why.to_owned(),
        });
    }
}

/// How a connection ended.
enum End {
    Stopped,
    /// An error packet, a bare close or a broken connection: what is to be sent again is back in the queue. No progress where
    /// something was pending and nothing of it was settled.
    Closed {
        progress: bool,
        why: String,
    },
}

/// The task behind an app's pushes.
#[derive(Debug)]
pub(super) struct Provider {
    app: Arc<App>,
    gateway: Endpoint,
    tls: Arc<ClientConfig>,
    quiet: Duration,
    batches: mpsc::Receiver<Batch>,
    stop: CancellationToken,
    queue: VecDeque<Job>,
}

impl Provider {
    pub(super) fn new(
        app: Arc<App>,
        gateway: Endpoint,
        tls: Arc<ClientConfig>,
        quiet: Duration,
        batches: mpsc::Receiver<Batch>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            app,
            gateway,
            tls,
            quiet,
            batches,
            stop,
            queue: VecDeque::new(),
        }
    }

    /// Connects when there is something to push, stays connected, and connects again after every answer.
    pub(super) async fn run(mut self) {
        let mut fruitless = 0;
        let stop = self.stop.clone();
        while !stop.is_cancelled() {
            if self.queue.is_empty() {
                tokio::select! {
                    batch = self.batches.recv() => match batch {
                        Some(batch) => self.enqueue(batch),
                        None => break,
                    },
                    () = stop.cancelled() => break,
                }
                continue;
            }
            let why = match dial(&self.gateway, self.tls.clone()).await {
                Err(error) => error.to_string(),
                Ok(stream) => match self.converse(stream).await {
                    End::Stopped => break,
                    End::Closed {
                        progress: true,
                        why,
                    } => {
                        debug!(topic = self.app.topic, why, "the provider connection ended");
                        fruitless = 0;
                        continue;
                    }
                    End::Closed {
                        progress: false,
                        why,
                    } => why,
                },
            };
            fruitless += 1;
            warn!(topic = self.app.topic, gateway = %self.gateway, why, fruitless, "the provider connection brought nothing");
            if fruitless >= FRUITLESS_MAX {
                self.queue.drain(..).for_each(|job| job.fail(&why));
                fruitless = 0;
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(BACKOFF.mul_f64(fastrand::f64())) => {}
                () = stop.cancelled() => break,
            }
        }
        self.close();
    }

    fn enqueue(&mut self, batch: Batch) {
        let batch = Arc::new(batch);
        self.queue
            .extend((0..batch.push.tokens().len()).map(|index| Job {
                batch: batch.clone(),
                index,
            }));
    }

    /// Nothing is left without an outcome.
    fn close(&mut self) {
        const WHY: &str = "the app server is shutting down";
        self.queue.drain(..).for_each(|job| job.fail(WHY));
        self.batches.close();
        while let Ok(batch) = self.batches.try_recv() {
            batch.fail_all(WHY);
        }
    }

    /// One connection, from the handshake to its end.
    async fn converse(&mut self, stream: TlsStream<TcpStream>) -> End {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut session: Session<Job> = Session::new(self.quiet, WINDOW);
        let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
        let mut unflushed = false;
        let mut progress = false;
        let mut write_error: Option<(io::Error, Instant)> = None;
        let stop = self.stop.clone();
        loop {
            if write_error.is_none() && !unflushed && output.is_empty() {
                self.fill(&mut session, &mut output);
                if !output.is_empty() {
                    session.write_started(now());
                    unflushed = true;
                }
            }
            let confirmation = session.next_confirmation().map(Instant::from_std);
            let last_word = write_error.as_ref().map(|(_, until)| *until);
            // In this order: an answer that is already there outranks the silence that would confirm what it names.
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    session.finish(None).resend.iter().for_each(|job| job.fail("the app server is shutting down"));
                    // The goodbye is a courtesy.
                    let _ = tokio::time::timeout(LAST_WORD_TIMEOUT, writer.shutdown()).await;
                    return End::Stopped;
                }
                read = read_batch(&mut reader, &mut input) => {
                    let (packet, why) = match read {
                        Ok(len) if len > 0 => match session.receive(&mut input) {
                            None => continue,
                            Some(Ok(packet)) => (Some(packet), format!("answered with status {}", packet.status)),
                            Some(Err(error)) => (None, error.to_string()),
                        },
                        Ok(_) => (None, "closed by the gateway without an answer".to_owned()),
                        Err(error) => (None, error.to_string()),
                    };
                    return self.finish(session, packet, progress, why);
                }
                written = write_some(&mut writer, &mut output), if unflushed && write_error.is_none() => match written {
                    Ok(false) => {}
                    Ok(true) => {
                        session.write_finished(now());
                        unflushed = false;
                    }
                    Err(error) => write_error = Some((error, Instant::now() + LAST_WORD_TIMEOUT)),
                },
                () = until(last_word) => {
                    let why = write_error.map_or_else(String::new, |(error, _)| error.to_string());
                    return self.finish(session, None, progress, why);
                }
                () = until(confirmation) => {
                    for job in session.confirmed(now()) {
                        job.settle(Outcome::Sent);
                        progress = true;
                    }
                }
                Some(batch) = self.batches.recv(), if self.queue.is_empty() => self.enqueue(batch),
            }
        }
    }

    /// Encodes what waits, up to one record.
    fn fill(&mut self, session: &mut Session<Job>, output: &mut BytesMut) {
        while output.len() < WRITE_LEN && session.room() > 0 {
            let Some(job) = self.queue.pop_front() else {
                break;
            };
            let batch = job.batch.clone();
            let frame = Frame {
                token: batch.push.tokens()[job.index].as_bytes(),
                payload: &batch.payload,
                expiry: batch.expiry,
                priority: batch.priority,
            };
            let failed = job.clone();
            if let Err(error) = session.push(&frame, job, output) {
                failed.fail(&error.to_string());
            }
        }
    }

    /// Settles what the end of a connection tells, and puts the rest back in front of the queue.
    fn finish(
        &mut self,
        session: Session<Job>,
        packet: Option<ErrorPacket>,
        progress: bool,
        why: String,
    ) -> End {
        let idle = session.pending_len() == 0;
        let outcome = session.finish(packet);
        let progress =
            progress || idle || !outcome.confirmed.is_empty() || outcome.rejected.is_some();
        for job in outcome.confirmed {
            job.settle(Outcome::Sent);
        }
        if let Some((job, status)) = outcome.rejected {
            self.reject(&job, status);
        }
        for job in outcome.resend.into_iter().rev() {
            self.queue.push_front(job);
        }
        End::Closed { progress, why }
    }

    fn reject(&self, job: &Job, status: Status) {
        let push = &job.batch.push;
        let token = &push.tokens()[job.index];
        job.settle(Outcome::rejected(status));
        let forgotten =
            (status == Status::INVALID_TOKEN).then(|| self.app.tokens().forget(token, push.at()));
        info!(topic = self.app.topic, %token, %status, ?forgotten, "the gateway refused a notification");
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}
