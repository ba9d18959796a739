//! Drives a [`Phone`] over a real courier connection: connects while the phone wants to be connected, moves its messages, keeps
//! the connection alive, comes back after a loss.
//!
//! ```text
//! test, CLI, demo ──with()──▶ Phone ◀──receive / take_messages──▶ driver ◀──TLS──▶ courier :5223
//!        ▲── wait_for() ────────┘                                   └── its apps' tokens ──HTTP──▶ app server
//! ```

mod apps;
mod transcript;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use apns_net::credentials::Identity;
use apns_net::tls::{Roots, TlsError, client_config};
use apns_proto::Token;
use apns_proto::courier::{self, Message};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, info, info_span, warn};

pub use self::apps::{AppServerUrl, AppServerUrlError, NoAnswer};
use self::transcript::Transcript;
pub use self::transcript::{Line, Side};
use crate::dial::{Endpoint, dial};
use crate::io_step::{read_batch, until, write_some};
use crate::phone::{Phone, PhoneEvent, Received};
use crate::wait::{NotInTime, wait_for};

/// Between two keepalives [C-09].
const KEEPALIVE: Duration = Duration::from_secs(60);
/// The server must take what the phone writes within this.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Unwritten acknowledgements beyond which the phone stops reading.
const UNWRITTEN_LEN_MAX: usize = 64 * 1024;
/// A phone waits up to this, doubled at every failure, before it connects again; the actual time is drawn at random.
const BACKOFF: Duration = Duration::from_millis(100);
/// The longest of these times.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// For the last acknowledgements and the close.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// How a phone reaches the world outside.
#[derive(Debug)]
pub struct LinkConfig {
    /// The courier port.
    pub courier: Endpoint,
    /// The device certificate.
    pub identity: Identity,
    /// Whom to trust as the courier.
    pub roots: Roots,
    /// Where the phone's apps post their device tokens.
    pub app_server: Option<AppServerUrl>,
    /// Gets everything that happens on the phone, under the phone's name. A receiver that falls behind slows the phone.
    pub events: Option<mpsc::Sender<(Arc<str>, PhoneEvent)>>,
    /// Gets every message of the courier connection: the phone's once it is written, APNs' when it is read. A receiver that
    /// falls behind slows the phone.
    pub transcript: Option<mpsc::Sender<Line>>,
}

/// A phone with its connection. Dropping it stops both.
#[derive(Debug)]
pub struct PhoneLink {
    name: Arc<str>,
    cell: Arc<Cell>,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl PhoneLink {
    /// Takes a phone into service.
    ///
    /// # Errors
    ///
    /// Where the certificates cannot be used. Whether the courier is there shows later; until then the phone is offline.
    pub fn start(phone: Phone, config: LinkConfig) -> Result<Self, TlsError> {
        let tls = client_config(Some(&config.identity), config.roots)?;
        let name: Arc<str> = phone.name().into();
        let cell = Arc::new(Cell {
            phone: Mutex::new(phone),
            acted: Notify::new(),
            changed: watch::Sender::new(()),
        });
        let stop = CancellationToken::new();
        let posts = config
            .app_server
            .map(|url| apps::start(name.clone(), url, stop.clone()));
        let driver = Driver {
            name: name.clone(),
            cell: cell.clone(),
            courier: config.courier,
            tls,
            posts,
            events: config.events,
            transcript: config.transcript,
            stop: stop.clone(),
        };
        let span = info_span!("phone", name = &*name);
        let task = Some(tokio::spawn(driver.run().instrument(span)));
        Ok(Self {
            name,
            cell,
            stop,
            task,
        })
    }

    /// The phone's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Does something to the phone, or looks at it. Its messages leave at once.
    pub fn with<T>(&self, act: impl FnOnce(&mut Phone) -> T) -> T {
        let done = self.cell.change(act);
        self.cell.acted.notify_one();
        done
    }

    /// Waits until `look` sees what it looks for; `what` names it in the error.
    ///
    /// # Errors
    ///
    /// When it does not happen within `deadline`.
    pub async fn wait_for<T>(
        &self,
        what: &str,
        deadline: Duration,
        mut look: impl FnMut(&Phone) -> Option<T>,
    ) -> Result<T, NotInTime> {
        let what = format!("{}: {what}", self.name);
        let changed = self.cell.changed.subscribe();
        wait_for(changed, &what, deadline, || look(&self.cell.lock())).await
    }

    /// Waits for an app's device token.
    ///
    /// # Errors
    ///
    /// When it does not come within `deadline`.
    pub async fn token(&self, topic: &str, deadline: Duration) -> Result<Token, NotInTime> {
        self.wait_for(&format!("the device token of {topic}"), deadline, |phone| {
            phone.app(topic)?.token().cloned()
        })
        .await
    }

    /// Waits for a notification of which `wanted` holds.
    ///
    /// # Errors
    ///
    /// When it does not come within `deadline`.
    pub async fn received(
        &self,
        deadline: Duration,
        wanted: impl Fn(&Received) -> bool,
    ) -> Result<Received, NotInTime> {
        self.wait_for("the notification", deadline, |phone| {
            phone.history().find(|received| wanted(received)).cloned()
        })
        .await
    }

    /// Hangs up and ends.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::error!(phone = &*self.name, %error, "a phone's task failed");
        }
    }
}

impl Drop for PhoneLink {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The phone, shared between its user and its connection.
#[derive(Debug)]
struct Cell {
    phone: Mutex<Phone>,
    /// The user did something.
    acted: Notify,
    /// Anything happened.
    changed: watch::Sender<()>,
}

impl Cell {
    fn lock(&self) -> MutexGuard<'_, Phone> {
        self.phone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Phone) -> T) -> T {
        let done = change(&mut self.lock());
        self.changed.send_replace(());
        done
    }
}

/// The task behind a phone.
struct Driver {
    name: Arc<str>,
    cell: Arc<Cell>,
    courier: Endpoint,
    tls: Arc<ClientConfig>,
    posts: Option<mpsc::Sender<apps::Post>>,
    events: Option<mpsc::Sender<(Arc<str>, PhoneEvent)>>,
    transcript: Option<mpsc::Sender<Line>>,
    stop: CancellationToken,
}

impl Driver {
    async fn run(self) {
        let mut failures = 0;
        while !self.stop.is_cancelled() {
            self.spread_events().await;
            if !self.cell.lock().wants_connection() {
                failures = 0;
                tokio::select! {
                    () = self.cell.acted.notified() => {}
                    () = self.stop.cancelled() => {}
                }
                continue;
            }
            let dialled = tokio::select! {
                dialled = dial(&self.courier, self.tls.clone()) => dialled,
                () = self.stop.cancelled() => break,
            };
            match dialled {
                Ok(stream) => {
                    let wanted = self.cell.change(|phone| {
                        let wanted = phone.wants_connection();
                        if wanted {
                            phone.connected();
                        }
                        wanted
                    });
                    if !wanted {
                        continue;
                    }
                    let ended = self.converse(stream).await;
                    if self.cell.lock().is_online() {
                        failures = 0;
                    }
                    self.cell.change(Phone::disconnected);
                    match ended {
                        Ok(why) => info!(why, "hung up"),
                        Err(error) => warn!(%error, "lost the connection"),
                    }
                }
                Err(error) => warn!(%error, "no connection"),
            }
            self.spread_events().await;
            let pause = BACKOFF
                .saturating_mul(1 << failures.min(20))
                .min(BACKOFF_MAX)
                .mul_f64(fastrand::f64());
            failures += 1;
            self.pause(pause).await;
        }
    }

    /// Waits before the next attempt, as long as there is to be one.
    async fn pause(&self, pause: Duration) {
        let resumed = Instant::now() + pause;
        while self.cell.lock().wants_connection() {
            tokio::select! {
                () = tokio::time::sleep_until(resumed) => return,
                () = self.cell.acted.notified() => self.spread_events().await,
                () = self.stop.cancelled() => return,
            }
        }
    }

    /// One connection, from the handshake to its end.
    async fn converse(&self, stream: TlsStream<TcpStream>) -> io::Result<&'static str> {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
        let mut write_deadline = None;
        let mut transcript = Transcript::new(&self.name, self.transcript.as_ref());
        let mut keepalive = tokio::time::interval_at(Instant::now() + KEEPALIVE, KEEPALIVE);
        keepalive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let (messages, wanted) = self
                .cell
                .change(|phone| (phone.take_messages(), phone.keeps_connection()));
            for message in messages {
                debug!(?message, "says");
                let before = output.len();
                message
                    .clone()
                    .encode(&mut output)
                    .map_err(io::Error::other)?;
                transcript.says(message, &output[before..]);
            }
            self.spread_events().await;
            if !wanted || self.stop.is_cancelled() {
                // A server that does not take it in time has not heard it; the phone goes all the same.
                let _ =
                    tokio::time::timeout(GOODBYE_TIMEOUT, goodbye(&mut writer, &mut output)).await;
                return Ok("no connection is wanted any more");
            }
            if !output.is_empty() && write_deadline.is_none() {
                write_deadline = Some(Instant::now() + WRITE_TIMEOUT);
            }
            tokio::select! {
                read = read_batch(&mut reader, &mut input), if output.len() < UNWRITTEN_LEN_MAX => {
                    if read? == 0 {
                        return Ok("the courier closed");
                    }
                    self.take(&mut input, &mut transcript).await?;
                }
                written = write_some(&mut writer, &mut output), if write_deadline.is_some() => {
                    if written? {
                        write_deadline = None;
                    }
                    // Before the flush: the answer to what TLS has may come before the flush is done.
                    if output.is_empty() {
                        transcript.written(&self.stop).await;
                    }
                }
                () = until(write_deadline) => return Err(io::Error::new(io::ErrorKind::TimedOut, "the courier takes nothing")),
                () = self.cell.acted.notified() => {}
                () = self.stop.cancelled() => {}
                _ = keepalive.tick() => {
                    if !self.cell.change(Phone::keep_alive) {
                        return Err(io::Error::new(io::ErrorKind::TimedOut, "the courier does not answer [C-09]"));
                    }
                }
            }
        }
    }

    /// Gives the phone every whole message in `input`.
    async fn take(&self, input: &mut BytesMut, transcript: &mut Transcript<'_>) -> io::Result<()> {
        let mut messages = Vec::new();
        while let Some(frame) = courier::decode(input).map_err(io::Error::other)? {
            let message = Message::try_from(frame).map_err(io::Error::other)?;
            debug!(?message, "hears");
            messages.push(detached(message));
        }
        for message in &messages {
            transcript.hears(message, &self.stop).await;
        }
        let now = SystemTime::now();
        self.cell.change(|phone| {
            for message in messages {
                phone.receive(now, message);
            }
        });
        Ok(())
    }

    /// Hands on what happened: to the log, to the watcher, and what concerns an app's server to the apps.
    async fn spread_events(&self) {
        let taken = self.cell.lock().take_events();
        if taken.missed > 0 {
            warn!(missed = taken.missed, "events were lost");
        }
        for event in taken {
            debug!("{event}");
            let post = match &event {
                PhoneEvent::DidRegister { topic, token } => Some(apps::Post {
                    topic: topic.clone(),
                    token: token.clone(),
                }),
                _ => None,
            };
            let spreading = async {
                // A receiver that went away wants no more of them.
                if let (Some(posts), Some(post)) = (&self.posts, post) {
                    let _ = posts.send(post).await;
                }
                if let Some(events) = &self.events {
                    let _ = events.send((self.name.clone(), event)).await;
                }
            };
            tokio::select! {
                biased;
                () = spreading => {}
                () = self.stop.cancelled() => return,
            }
        }
    }
}

/// The phone keeps what a notification carries: copies, or they would pin the read buffer.
fn detached(mut message: Message) -> Message {
    if let Message::Notification {
        payload,
        collapse_id,
        ..
    } = &mut message
    {
        for kept in collapse_id.iter_mut().chain([payload]) {
            *kept = Bytes::copy_from_slice(kept);
        }
    }
    message
}

/// Writes what is left, acknowledgements above all, and hangs up.
async fn goodbye(writer: &mut (impl AsyncWrite + Unpin), output: &mut BytesMut) -> io::Result<()> {
    while !write_some(writer, output).await? {}
    writer.shutdown().await
}
