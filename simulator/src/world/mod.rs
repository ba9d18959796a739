//! What APNs knows: phones, apps, device tokens, notifications kept for later, feedback lists. No socket, no clock, no log.
//!
//! Every method that can change something takes `now` and leaves [`Event`](crate::event::Event)s behind. How the faces drive it, each under one
//! lock per batch of bytes:
//!
//! ```text
//! provider   push(now, provider, notification) → Answer, or Wait: ask again once the phone has room
//!            malformed / discarded             → recorded, nothing else
//!            post(now, environment, id, push)  → the same over HTTP/2; refuse → recorded, nothing else
//! feedback   feedback(provider) → write it, wait for the close → feedback_read(now, provider, snapshot)
//! courier    connect(now, …) → ConnectionId; receive(now, connection, message); next_message(connection) → write it;
//!            hangs_up(connection) → so does the face; disconnect(now, connection, why) when the socket is gone
//! after each call   next_wake(): whose outbox has filled, which phone has room again
//! ```

mod courier;
mod credentials;
mod device;
mod faults;
mod feedback;
mod file;
mod look;
mod provider_api;
mod registrations;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use apns_net::credentials::Environment;
use apns_proto::courier::TopicHash;
use apns_proto::{Expiry, Malformed, Notification, Priority, Status, Token};
use bytes::Bytes;
use rustc_hash::FxHashMap;

pub use self::courier::{CourierFault, DeviceRefused};
use self::credentials::Credentials;
use self::device::{DeviceEntry, Item, Spare};
use self::feedback::Lists;
pub use self::feedback::Snapshot;
pub use self::look::Registered;
pub(crate) use self::provider_api::milliseconds;
pub use self::provider_api::{Posted, Refusal};
use self::registrations::Registrations;
use crate::clock::Clock;
pub use crate::event::DeviceId;
use crate::event::{Dropped, Events, Page, Request, Route, Sent, What};
use crate::faults::Faults;
use crate::knobs::{DeadToken, Knobs};
use crate::provider_api::PushType;

/// How much a world holds at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Phones. One more is turned away.
    pub devices_max: usize,
    /// Device tokens of one phone. At the bound one whose app is gone makes room; where there is none the registration is refused.
    pub tokens_per_device_max: usize,
    /// Notifications kept for phones that are offline. One more is accepted and dropped.
    pub stored_max: usize,
    /// Notifications on their way to one phone, written or not, and not acknowledged. One more waits at the provider's face.
    pub outbox_max: usize,
    /// Notifications that virtual phones remember, all together. The oldest leaves its phone, with its note on the lock screen.
    pub remembered_max: usize,
    /// Feedback tuples per topic and environment. The oldest makes room.
    pub feedback_max: usize,
    /// Events remembered. The oldest makes room.
    pub events_max: usize,
    /// Bytes of frames in the events remembered.
    pub event_frame_bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            devices_max: 100_000,
            tokens_per_device_max: 200,
            stored_max: 1_000_000,
            outbox_max: 10_000,
            remembered_max: 100_000,
            feedback_max: 1_000_000,
            events_max: 100_000,
            event_frame_bytes_max: 64 * 1024 * 1024,
        }
    }
}

/// Who pushes, or reads feedback: the topic is its certificate's [P-02], the environment the listener's [P-05].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Provider {
    topic: Arc<str>,
    environment: Environment,
}

impl Provider {
    /// A provider that shows a certificate for `topic` on a listener of `environment`.
    #[must_use]
    pub fn new(topic: impl Into<Arc<str>>, environment: Environment) -> Self {
        Self {
            topic: topic.into(),
            environment,
        }
    }

    /// Its topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Where it connected.
    #[must_use]
    pub const fn environment(&self) -> Environment {
        self.environment
    }
}

/// What a provider is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Silence [P-30].
    Accepted,
    /// An error packet; everything behind is discarded [P-40].
    Rejected {
        /// Its status.
        status: Status,
        /// The clause of `docs/protocol.md` behind it.
        clause: &'static str,
    },
}

/// What became of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It is decided.
    Answer(Answer),
    /// Nothing happened: the phone has [`Bounds::outbox_max`] on their way. Ask again after [`Wake::Room`].
    Wait(DeviceId),
}

/// Names a courier connection of this world; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    device: DeviceId,
    /// Counted per phone.
    number: u32,
}

impl ConnectionId {
    /// Whose it is.
    pub(crate) const fn device(self) -> DeviceId {
        self.device
    }
}

/// Someone who waits may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// There is something in the outbox of this connection, or it is to be closed.
    Courier(ConnectionId),
    /// This phone takes pushes again, or has gone offline.
    Room(DeviceId),
}

/// APNs' state.
#[derive(Debug)]
pub struct World {
    bounds: Bounds,
    knobs: Knobs,
    rng: fastrand::Rng,
    devices: Vec<DeviceEntry>,
    spare: Spare,
    /// By certificate and environment: production and sandbox are two worlds that share a phone's hardware.
    by_certificate: HashMap<(apns_net::credentials::Pin, Environment), DeviceId>,
    /// Connections on which Connect has not come yet; the others are on their phones' lines.
    dialling: HashSet<ConnectionId>,
    registrations: Registrations,
    /// One notification per app at most [C-12], by its device token.
    stored: FxHashMap<Token, Item>,
    /// What is stored and has an end: UNIX seconds, phone, app.
    expiries: BTreeSet<(i64, DeviceId, Token)>,
    feedback: Lists,
    faults: Faults,
    credentials: Credentials,
    events: Events,
    wakes: VecDeque<Wake>,
}

/// Whose a device token is; the topic is the table's own.
struct Found {
    token: Token,
    device: DeviceId,
    topic: Arc<str>,
    hash: TopicHash,
    gone: Option<SystemTime>,
}

/// Why a push has no phone to go to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Unfound {
    #[error("no phone has this token")]
    NoPhone,
    #[error("no phone has this token: there are no phones in this project")]
    NoPhones,
    #[error("the token is one of {0}")]
    OtherTopic(Arc<str>),
    #[error("the token is one of the other environment")]
    OtherEnvironment,
}

/// What is to be delivered, whichever protocol it came in.
struct Content {
    expiry: Option<Expiry>,
    priority: Option<Priority>,
    push_type: Option<PushType>,
    collapse_id: Option<Arc<str>>,
}

/// Whether it was taken.
enum Delivered {
    /// It is on its way, stored, or dropped for a reason that is no concern of its provider.
    Done,
    /// Nothing happened: the phone has no room.
    NoRoom(DeviceId),
}

impl World {
    /// An empty world. The same `seed` makes the same tokens.
    #[must_use]
    pub fn new(bounds: Bounds, seed: u64) -> Self {
        Self::after(0, bounds, seed)
    }

    /// An empty world in the place of another, which had its last event: events are numbered on.
    pub(crate) fn after(event: u64, bounds: Bounds, seed: u64) -> Self {
        Self {
            bounds,
            knobs: Knobs::default(),
            rng: fastrand::Rng::with_seed(seed),
            devices: Vec::new(),
            spare: Spare::default(),
            by_certificate: HashMap::new(),
            dialling: HashSet::new(),
            registrations: Registrations::default(),
            stored: FxHashMap::default(),
            expiries: BTreeSet::new(),
            feedback: Lists::default(),
            faults: Faults::default(),
            credentials: Credentials::default(),
            events: Events::after(event, bounds.events_max, bounds.event_frame_bytes_max),
            wakes: VecDeque::new(),
        }
    }

    /// A provider pushes. The order of the checks is [P-32]; what can be wrong with the frame itself was found before.
    pub fn push(
        &mut self,
        now: SystemTime,
        provider: &Provider,
        notification: &Notification,
    ) -> Pushed {
        self.expire(now);
        let Provider { topic, environment } = provider;
        let found = self
            .find(&notification.token, topic, *environment)
            .map_err(|unfound| unfound.to_string())
            .and_then(|found| match self.knobs.dead_token {
                DeadToken::Status8 if found.gone.is_some() => {
                    Err("the app is gone, and the knob dead-token is at status-8".to_owned())
                }
                _ => Ok(found),
            });
        let found = match found {
            Ok(found) => found,
            Err(why) => {
                let (status, clause) = (Status::INVALID_TOKEN, "P-37");
                let (request, _) = request(provider, notification);
                let packet = self.knobs.answer(notification.answer_identifier(), status);
                self.events.record(
                    now,
                    What::Rejected {
                        request,
                        status: packet.map(|packet| packet.status),
                        clause,
                        why,
                    },
                );
                return Pushed::Answer(Answer::Rejected { status, clause });
            }
        };
        let content = Content {
            expiry: notification.expiry,
            priority: notification.priority,
            push_type: None,
            collapse_id: None,
        };
        match self.deliver(now, found, content, || request(provider, notification)) {
            Delivered::Done => Pushed::Answer(Answer::Accepted),
            Delivered::NoRoom(device) => Pushed::Wait(device),
        }
    }

    /// What is known of a device token, if it is one of this topic and environment.
    fn find(&self, token: &Token, topic: &str, environment: Environment) -> Result<Found, Unfound> {
        let registration = self
            .registrations
            .get(token)
            .ok_or(if self.devices.is_empty() {
                Unfound::NoPhones
            } else {
                Unfound::NoPhone
            })?;
        if *registration.topic.name != *topic {
            return Err(Unfound::OtherTopic(registration.topic.name.clone()));
        }
        if self.device(registration.device).environment != environment {
            return Err(Unfound::OtherEnvironment);
        }
        Ok(Found {
            token: token.clone(),
            device: registration.device,
            topic: registration.topic.name.clone(),
            hash: registration.topic.hash,
            gone: registration.gone,
        })
    }

    /// Puts a notification on its way to the phone, or keeps it.
    fn deliver(
        &mut self,
        now: SystemTime,
        found: Found,
        content: Content,
        request: impl FnOnce() -> (Request, Bytes),
    ) -> Delivered {
        let Found {
            token,
            device: id,
            topic,
            hash,
            gone,
        } = found;
        let device = self.device(id);
        let public = device.public();
        let keep = Keep::of(content.expiry.map(|expiry| expiry.0), now);
        let route = if gone.is_some() {
            Route::AppGone(public)
        } else if device.ignores(&hash) {
            Route::Dropped(public, Dropped::Unwanted)
        } else if device.is_online() {
            if device.on_the_way() >= self.bounds.outbox_max {
                self.device_mut(id).wanted = true;
                return Delivered::NoRoom(id);
            }
            Route::Queued(public)
        } else {
            match keep {
                Keep::No(why) => Route::Dropped(public, why),
                // What is there already gives way, so that its place is free.
                Keep::Yes
                    if self.stored.len() >= self.bounds.stored_max
                        && !self.stored.contains_key(&token) =>
                {
                    Route::Dropped(public, Dropped::NoRoom)
                }
                Keep::Yes => Route::Stored(public),
            }
        };
        let (queued, stored) = (
            matches!(route, Route::Queued(_)),
            matches!(route, Route::Stored(_)),
        );
        let (request, payload) = request();
        let push = self.events.record(now, What::Accepted { request, route });
        let item = |id| Item {
            push,
            id,
            token,
            topic,
            hash,
            payload,
            expiry: content.expiry,
            priority: content.priority,
            push_type: content.push_type,
            collapse_id: content.collapse_id,
            accepted_at: now,
            storage: None,
        };
        if queued {
            let device = &mut self.devices[id.index()];
            let item = item(device.next_id());
            device.queue(item, &mut self.spare);
            self.wake_courier(id);
        } else if stored {
            let item = item(self.device_mut(id).next_id());
            self.store(now, id, item);
        }
        Delivered::Done
    }

    /// A provider's frame was no notification; it has been answered so.
    pub fn malformed(&mut self, now: SystemTime, provider: &Provider, malformed: &Malformed) {
        let request = Request {
            topic: provider.topic.clone(),
            environment: provider.environment,
            token: malformed.token.clone(),
            sent: Sent::Frame {
                command: malformed.command,
                identifier: malformed.identifier,
                frame: Bytes::copy_from_slice(&malformed.frame),
            },
        };
        self.events.record(
            now,
            What::Rejected {
                request,
                status: self
                    .knobs
                    .answer_fault(malformed.answer_identifier(), malformed.fault)
                    .map(|packet| packet.status),
                clause: if malformed.farewell() {
                    "P-44"
                } else {
                    malformed.fault.clause()
                },
                why: malformed.fault.to_string(),
            },
        );
    }

    /// Bytes behind an answer were thrown away [P-40].
    pub fn discarded(&mut self, now: SystemTime, provider: &Provider, len: u64) {
        let Provider { topic, environment } = provider.clone();
        self.events.record(
            now,
            What::Discarded {
                topic,
                environment,
                len,
            },
        );
    }

    /// What a provider's feedback list holds now, oldest first. Nothing is cleared by this [P-53].
    #[must_use]
    pub fn feedback(&self, provider: &Provider) -> Snapshot {
        self.feedback.snapshot(provider)
    }

    /// A provider has read `snapshot` to the close: those tuples are cleared, newer ones stay [P-53].
    pub fn feedback_read(&mut self, now: SystemTime, provider: &Provider, snapshot: &Snapshot) {
        let tuples = self.feedback.clear(provider, snapshot);
        let Provider { topic, environment } = provider.clone();
        self.events.record(
            now,
            What::FeedbackRead {
                topic,
                environment,
                tuples,
            },
        );
    }

    /// Whether a phone takes a push now, rather than having it wait.
    #[must_use]
    pub fn has_room(&self, device: DeviceId) -> bool {
        let device = self.device(device);
        !device.is_online() || device.on_the_way() < self.bounds.outbox_max
    }

    /// Who is to be woken next; nobody twice for the same reason.
    pub fn next_wake(&mut self) -> Option<Wake> {
        let wake = self.wakes.pop_front()?;
        if let Wake::Courier(connection) = wake
            && let Some(line) = self.device_mut(connection.device).line_mut(connection)
        {
            line.woken = false;
        }
        Some(wake)
    }

    /// At most `max` events with a sequence number above `after`; 0 is before the first.
    #[must_use]
    pub fn events(&self, after: u64, max: usize) -> Page {
        self.events.since(after, max)
    }

    /// The sequence number of the newest event; 0 when there is none.
    #[must_use]
    pub fn newest_event(&self) -> u64 {
        self.events.newest()
    }

    /// How much it holds at most.
    #[must_use]
    pub const fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// How its knobs are set.
    #[must_use]
    pub fn knobs(&self) -> Knobs {
        self.knobs
    }

    /// Sets its knobs.
    pub fn set_knobs(&mut self, knobs: Knobs) {
        self.knobs = knobs;
    }

    /// Whether nothing has happened in it.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.devices.is_empty() && self.events.is_empty() && self.credentials.is_empty()
    }

    /// The clock that gives `now` was set.
    pub(crate) fn clock_set(&mut self, now: SystemTime, clock: Clock) {
        let frozen = clock.is_frozen();
        self.events.record(now, What::ClockSet { frozen });
    }

    /// How many notifications are kept for phones that are offline.
    #[must_use]
    pub fn stored_len(&self) -> usize {
        self.stored.len()
    }

    /// When the next notification that is kept expires: [`expire`](Self::expire) has something to do then.
    #[must_use]
    pub fn next_expiry(&self) -> Option<SystemTime> {
        let (expiry, ..) = self.expiries.first()?;
        Some(UNIX_EPOCH + Duration::from_secs(expiry.unsigned_abs()))
    }

    /// Drops what was kept until `now` [C-13]. Every call that takes `now` does it by itself, so nothing is delivered too late; the simulator calls it
    /// every second, so that the event comes on time in an idle world too.
    pub fn expire(&mut self, now: SystemTime) {
        let seconds = unix_seconds(now);
        while let Some((expiry, id, token)) = self.expiries.first()
            && *expiry <= seconds
        {
            let (id, token) = (*id, token.clone());
            let Some(item) = self.unstore(id, &token) else {
                break;
            };
            self.drop_item(now, id, &item, Dropped::Expired);
        }
    }

    fn device(&self, id: DeviceId) -> &DeviceEntry {
        &self.devices[id.index()]
    }

    fn device_mut(&mut self, id: DeviceId) -> &mut DeviceEntry {
        &mut self.devices[id.index()]
    }

    /// Keeps `item` in the one place its app has on this phone [C-12].
    fn store(&mut self, now: SystemTime, id: DeviceId, item: Item) {
        if let Some(older) = self.unstore(id, &item.token) {
            let what = What::Overwritten {
                push: older.push,
                by: item.push,
                device: self.device(id).public(),
                topic: older.topic,
            };
            self.events.record(now, what);
        }
        if let Some(expiry) = item.expiry {
            self.expiries
                .insert((expiry.0.into(), id, item.token.clone()));
        }
        self.stored.insert(item.token.clone(), item);
    }

    fn unstore(&mut self, id: DeviceId, token: &Token) -> Option<Item> {
        let item = self.stored.remove(token)?;
        if let Some(expiry) = item.expiry {
            self.expiries.remove(&(expiry.0.into(), id, token.clone()));
        }
        Some(item)
    }

    fn drop_item(&mut self, now: SystemTime, id: DeviceId, item: &Item, why: Dropped) {
        let what = What::Dropped {
            push: item.push,
            device: self.device(id).public(),
            topic: item.topic.clone(),
            why,
        };
        self.events.record(now, what);
    }

    fn wake_courier(&mut self, id: DeviceId) {
        let Some(line) = &mut self.device_mut(id).line else {
            return;
        };
        if !std::mem::replace(&mut line.woken, true) {
            let wake = Wake::Courier(line.connection);
            self.wakes.push_back(wake);
        }
    }

    fn wake_waiting(&mut self, id: DeviceId) {
        if std::mem::take(&mut self.device_mut(id).wanted) {
            self.wakes.push_back(Wake::Room(id));
        }
    }
}

/// SHA-1 of a topic's name: what the courier calls it.
#[must_use]
pub fn topic_hash(topic: &str) -> TopicHash {
    let digest = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
        topic.as_bytes(),
    );
    TopicHash(digest.as_ref().try_into().expect("SHA-1 has 20 bytes"))
}

/// Whether a notification may be kept for a phone that is offline.
enum Keep {
    Yes,
    No(Dropped),
}

impl Keep {
    /// [P-22]: no expiry keeps without end, zero or less does not keep.
    fn of(expiry: Option<i32>, now: SystemTime) -> Self {
        match expiry {
            None => Self::Yes,
            Some(..=0) => Self::No(Dropped::NotStored),
            Some(expiry) if i64::from(expiry) <= unix_seconds(now) => Self::No(Dropped::Expired),
            Some(_) => Self::Yes,
        }
    }
}

/// What came, as events tell of it, and the payload in it: copies, or they would pin the read buffer for as long as an event is remembered, or a phone
/// is offline.
fn request(provider: &Provider, notification: &Notification) -> (Request, Bytes) {
    let frame = Bytes::copy_from_slice(&notification.frame);
    let payload = match notification.payload_range() {
        Some(range) => frame.slice(range),
        None => Bytes::copy_from_slice(&notification.payload),
    };
    let request = Request {
        topic: provider.topic.clone(),
        environment: provider.environment,
        token: Some(notification.token.clone()),
        sent: Sent::Frame {
            command: notification.command,
            identifier: notification.identifier,
            frame,
        },
    };
    (request, payload)
}

/// Seconds since 1970; 0 before.
fn unix_seconds(now: SystemTime) -> i64 {
    let seconds = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
