//! Everything that changes in the world is one [`Event`], in a bounded ring with a sequence number.
//!
//! A face that logs or streams keeps the last sequence number it saw and asks [`Events::since`] for what came after; when it was too slow the page says
//! how many it missed. Nobody waits for a slow watcher.

use std::sync::Arc;
use std::time::SystemTime;

use apns_net::credentials::Environment;
use apns_proto::{Command, Expiry, Identifier, Priority, Status, Token};
use bytes::Bytes;

use crate::faults::{Action, Face};
use crate::provider_api::{ApnsId, PushType, Reason};

mod display;
mod parts;
mod ring;

pub use self::parts::Parts;
pub use self::ring::{Events, Page};

/// Something that changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its place among all events of its project, from 1, without gaps. A reset forgets events and numbers on.
    pub seq: u64,
    /// When.
    pub at: SystemTime,
    /// What.
    pub what: What,
}

/// A phone as the world knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its number.
    pub id: DeviceId,
    /// The common name of its device certificate.
    pub name: Arc<str>,
}

/// Numbers the phones of a world: one per device certificate and environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId(pub(crate) u32);

impl DeviceId {
    /// Its place among all phones there ever were.
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a provider sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The topic of its certificate, or that it named; empty where it named none.
    pub topic: Arc<str>,
    /// The environment of the listener.
    pub environment: Environment,
    /// The token, as far as it could be read.
    pub token: Option<Token>,
    /// In which protocol.
    pub sent: Sent,
}

/// A request in its protocol's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The binary protocol.
    Frame {
        /// The frame's layout.
        command: Command,
        /// What the provider calls it.
        identifier: Option<Identifier>,
        /// The whole frame, or as much of it as can be told apart.
        frame: Bytes,
    },
    /// Today's HTTP/2.
    Post(Box<Post>),
    /// Neither: an `.apns` file that was handed in.
    File {
        /// The payload in it.
        payload: Bytes,
        /// How urgent it is.
        priority: Priority,
    },
}

/// A request over HTTP/2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// What the provider calls it, or APNs where it did not say.
    pub id: ApnsId,
    /// What it is meant to do, if it says so.
    pub push_type: Option<PushType>,
    /// The name under which a later one replaces it.
    pub collapse_id: Option<Arc<str>>,
    /// Until when it may be stored, if it says so.
    pub expiry: Option<Expiry>,
    /// How urgent it is; none where it says so in no way that can be read.
    pub priority: Option<Priority>,
    /// The body, or as much of it as was read.
    pub body: Bytes,
}

impl Sent {
    /// The bytes in which it came: the frame, the body, or the payload of the file.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        match self {
            Self::Frame { frame, .. } => frame,
            Self::Post(post) => &post.body,
            Self::File { payload, .. } => payload,
        }
    }

    /// What the provider calls it in the binary protocol.
    #[must_use]
    pub const fn identifier(&self) -> Option<Identifier> {
        match self {
            Self::Frame { identifier, .. } => *identifier,
            Self::Post(_) | Self::File { .. } => None,
        }
    }
}

/// Where an accepted notification went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// On its way to a phone that is online [C-14].
    Queued(Device),
    /// Kept for a phone that is offline [C-12].
    Stored(Device),
    /// Nowhere.
    Dropped(Device, Dropped),
    /// Nowhere: the phone has said that the app is gone, and the feedback list has told the provider, or will [P-54].
    AppGone(Device),
}

/// Why an accepted notification will never be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// The phone was offline, and its expiry of zero or less asks not to store it [P-22].
    NotStored,
    /// Its expiry passed while the phone was offline [C-13].
    Expired,
    /// The world stores no more than [`stored_max`](crate::world::Bounds::stored_max).
    NoRoom,
    /// The user does not want this topic [C-05].
    Unwanted,
    /// The app is gone, the phone said about another notification [C-08].
    AppGone,
    /// The phone had no app for it when it arrived, but the app has registered again since: no feedback.
    RegisteredSince,
    /// The phone answered with a status that says neither "received" nor "app gone".
    Refused(u8),
    /// The token was forgotten to make room for another.
    TokenForgotten,
}

/// Why a phone went offline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offline {
    /// Its connection closed or broke.
    Closed,
    /// It connected again.
    Replaced,
    /// It did not take what was queued for it.
    Stalled,
    /// It said something out of place.
    Fault,
}

/// Why a phone got no device token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationRefused {
    /// The base token is not the one of this connection.
    BaseToken,
    /// The topic is not the hash of the app's bundle id.
    Topic,
    /// The phone, or the world, has as many registered apps as it can have.
    NoRoom,
}

/// What changed. `push` is the sequence number of the [`Accepted`](Self::Accepted) event of the notification.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum What {
    /// A notification was accepted: silence [P-30], or 200 [H-32].
    Accepted {
        /// What came.
        request: Request,
        /// Where it went.
        route: Route,
    },
    /// A push over HTTP/2 was refused [H-30].
    Refused {
        /// What came.
        request: Request,
        /// What was answered.
        reason: Reason,
        /// More about it in words.
        why: String,
    },
    /// A notification was refused.
    Rejected {
        /// What came.
        request: Request,
        /// What was answered; `None` is a bare close.
        status: Option<Status>,
        /// The clause of `docs/protocol.md` behind it.
        clause: &'static str,
        /// The reason in words.
        why: String,
    },
    /// A fault that was asked for acts: what the client sees of it is not the truth.
    Injected {
        /// The rule's name, or [`magic::NAME`](crate::faults::magic::NAME).
        fault: Arc<str>,
        /// What it does.
        action: Action,
        /// Where; `None` for a certificate, which is refused everywhere.
        face: Option<Face>,
        /// The topic of the provider's certificate, or of its request.
        topic: Arc<str>,
        /// The connection, counted on its face; 0 in a handshake.
        connection: u64,
        /// What had come, where it is about a notification. One that is taken all the same has an event of its own.
        request: Option<Box<Request>>,
    },
    /// Bytes behind a refused notification were thrown away [P-40].
    Discarded {
        /// The topic of the provider's certificate.
        topic: Arc<str>,
        /// The environment of the listener.
        environment: Environment,
        /// How many.
        len: u64,
    },
    /// A stored notification gave way to a later one [C-12].
    Overwritten {
        /// The one that is gone.
        push: u64,
        /// The one that took its place.
        by: u64,
        /// The phone.
        device: Device,
        /// The app.
        topic: Arc<str>,
    },
    /// An accepted notification was given up after all.
    Dropped {
        /// Which.
        push: u64,
        /// The phone.
        device: Device,
        /// The app.
        topic: Arc<str>,
        /// Why.
        why: Dropped,
    },
    /// The phone acknowledged a notification [C-07].
    Delivered {
        /// Which.
        push: u64,
        /// The phone.
        device: Device,
        /// The app.
        topic: Arc<str>,
        /// The device token.
        token: Token,
    },
    /// The phone answered "app gone" [C-08]: the token went on the feedback list [P-54].
    AppGone {
        /// The notification it answered.
        push: u64,
        /// The phone.
        device: Device,
        /// The app.
        topic: Arc<str>,
        /// The device token.
        token: Token,
        /// The tuple's timestamp: seconds since 1970.
        timestamp: u32,
    },
    /// A feedback list was full: its oldest tuple made room.
    FeedbackForgotten {
        /// The list's topic.
        topic: Arc<str>,
        /// The list's environment.
        environment: Environment,
        /// The token that is not listed any more.
        token: Token,
    },
    /// A provider read its feedback list to the end: what it read is cleared [P-53].
    FeedbackRead {
        /// The list's topic.
        topic: Arc<str>,
        /// The list's environment.
        environment: Environment,
        /// How many tuples it read.
        tuples: usize,
    },
    /// A new phone was turned away: the world has [`devices_max`](crate::world::Bounds::devices_max).
    DeviceRefused {
        /// Its certificate's common name.
        name: Arc<str>,
    },
    /// A phone got its base token [C-04].
    BaseTokenIssued {
        /// The phone.
        device: Device,
        /// The base token.
        token: Token,
    },
    /// A phone came with a base token that is not its own [C-18].
    BaseTokenRefused {
        /// The phone.
        device: Device,
        /// The base token.
        token: Token,
    },
    /// A phone is online: what was stored for it goes out, then every push [C-14].
    Online {
        /// The phone.
        device: Device,
        /// How many notifications were stored for it and are on their way.
        stored: usize,
    },
    /// A phone is offline.
    Offline {
        /// The phone.
        device: Device,
        /// Why.
        why: Offline,
    },
    /// An app got its device token [C-11].
    Registered {
        /// The phone.
        device: Device,
        /// The app.
        topic: Arc<str>,
        /// The device token.
        token: Token,
        /// It had this token before.
        again: bool,
    },
    /// An app got no device token.
    RegistrationRefused {
        /// The phone.
        device: Device,
        /// The app, as the phone names it.
        topic: Arc<str>,
        /// Why.
        why: RegistrationRefused,
    },
    /// A token whose app is gone, or which belongs to a base token the phone has no more, made room for another.
    TokenForgotten {
        /// The phone.
        device: Device,
        /// The app.
        topic: Arc<str>,
        /// The device token.
        token: Token,
    },
    /// The project's clock was set: [`Event::at`] is the new time.
    ClockSet {
        /// It stands.
        frozen: bool,
    },
    /// A phone said something out of place; its connection is closed.
    CourierFault {
        /// The phone.
        device: Device,
        /// What.
        why: String,
    },
}
