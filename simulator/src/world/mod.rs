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
mod delivery;
mod device;
mod faults;
mod feedback;
mod file;
mod look;
mod provider;
mod provider_api;
mod registrations;
mod scoped_token;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::{SystemTime, UNIX_EPOCH};

use apns_net::credentials::Environment;
use apns_proto::Token;
use apns_proto::courier::TopicHash;
use rustc_hash::FxHashMap;

pub use self::courier::{CourierFault, DeviceRefused};
use self::credentials::Credentials;
use self::device::{DeviceEntry, Item, Spare};
use self::feedback::Lists;
pub use self::feedback::Snapshot;
pub use self::look::Registered;
pub use self::provider::{Answer, Provider, Pushed};
pub(crate) use self::provider_api::milliseconds;
pub use self::provider_api::{Posted, Refusal};
use self::registrations::Registrations;
use crate::clock::Clock;
pub use crate::event::DeviceId;
use crate::event::{Events, Page, What};
use crate::faults::Faults;
use crate::knobs::Knobs;

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

    fn device(&self, id: DeviceId) -> &DeviceEntry {
        &self.devices[id.index()]
    }

    fn device_mut(&mut self, id: DeviceId) -> &mut DeviceEntry {
        &mut self.devices[id.index()]
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

/// Seconds since 1970; 0 before.
fn unix_seconds(now: SystemTime) -> i64 {
    let seconds = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
