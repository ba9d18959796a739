//! What happens on a phone, for whoever watches it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use apns_proto::Token;
use bytes::Bytes;

use super::app::RegistrationError;
use super::present::NotShown;
use super::screen::Note;

/// Events kept for a watcher that does not take them; the oldest leave, and are counted.
const EVENTS_MAX: usize = 10_000;

/// Something that happened on a phone. `topic` is the app's bundle id. Displayed without payloads and with tokens shortened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PhoneEvent {
    /// The first push app is there, or airplane mode ended: open a connection.
    ConnectionWanted,
    /// The last push app went, or airplane mode began: close the connection.
    ConnectionUnwanted,
    /// APNs took the connection.
    Online,
    /// The connection is gone.
    Offline,
    /// APNs does not know the phone's base token [C-18]; it comes back without one and registers its apps again.
    BaseTokenRefused,
    /// `didRegisterForRemoteNotificationsWithDeviceToken:`.
    DidRegister {
        /// The app.
        topic: Arc<str>,
        /// The device token, raw.
        token: Token,
    },
    /// `didFailToRegisterForRemoteNotificationsWithError:`.
    DidFail {
        /// The app.
        topic: Arc<str>,
        /// The `NSError`.
        error: RegistrationError,
    },
    /// A note appeared on the lock screen.
    Shown(Note),
    /// The number on an icon changed.
    BadgeChanged {
        /// The app.
        topic: Arc<str>,
        /// The new number; 0: none.
        badge: u32,
    },
    /// A sound was played.
    SoundPlayed {
        /// The app.
        topic: Arc<str>,
        /// The sound's file name, or `default`.
        sound: String,
    },
    /// The app is in the foreground: `didReceiveRemoteNotification:`, and no user interface.
    HandedToDelegate {
        /// The app.
        topic: Arc<str>,
        /// The JSON.
        payload: Bytes,
    },
    /// `content-available`: the app runs in the background for a while.
    WokenInBackground {
        /// The app.
        topic: Arc<str>,
        /// The JSON.
        payload: Bytes,
    },
    /// The user opened a note.
    Opened {
        /// The app, in the foreground now.
        topic: Arc<str>,
        /// The JSON.
        payload: Bytes,
        /// The app was not running: the payload is in its launch options; otherwise it goes to the delegate.
        launched: bool,
    },
    /// A device management payload: the phone asks its management server what to do.
    DeviceManagementWoken {
        /// The topic it came for.
        topic: Arc<str>,
    },
    /// A notification arrived and shows nowhere.
    NotShown {
        /// The app.
        topic: Arc<str>,
        /// Why.
        why: NotShown,
    },
    /// A notification arrived for an app that is not installed; APNs was told so [C-08].
    AppGone {
        /// The token it was sent to.
        token: Token,
    },
    /// A notification arrived a second time, since its acknowledgement was lost; it is acknowledged again and shown no second time [C-17].
    ArrivedTwice {
        /// The app.
        topic: Arc<str>,
    },
}

impl fmt::Display for PhoneEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectionWanted => f.write_str("wants a connection"),
            Self::ConnectionUnwanted => f.write_str("wants no connection any more"),
            Self::Online => f.write_str("is online"),
            Self::Offline => f.write_str("is offline"),
            Self::BaseTokenRefused => f.write_str("came with a base token APNs does not know"),
            Self::DidRegister { topic, token } => {
                write!(f, "{topic} registered and has the token {token}")
            }
            Self::DidFail { topic, error } => write!(f, "{topic} failed to register: {error}"),
            Self::Shown(note) => write!(
                f,
                "shows a notification of {} on its lock screen",
                note.topic
            ),
            Self::BadgeChanged { topic, badge } => write!(f, "shows the badge {badge} on {topic}"),
            Self::SoundPlayed { topic, .. } => write!(f, "plays a sound for {topic}"),
            Self::HandedToDelegate { topic, .. } => write!(
                f,
                "hands a notification to {topic}, which is in the foreground"
            ),
            Self::WokenInBackground { topic, .. } => write!(f, "wakes {topic} in the background"),
            Self::Opened {
                topic,
                launched: true,
                ..
            } => write!(f, "launches {topic} with a notification"),
            Self::Opened {
                topic,
                launched: false,
                ..
            } => write!(f, "brings {topic} to the foreground with a notification"),
            Self::DeviceManagementWoken { topic } => {
                write!(f, "wakes its device management for {topic}")
            }
            Self::NotShown { topic, why } => {
                write!(f, "shows a notification of {topic} nowhere: {why}")
            }
            Self::AppGone { token } => write!(f, "has no app for the token {token}"),
            Self::ArrivedTwice { topic } => write!(f, "received a notification of {topic} again"),
        }
    }
}

/// One notification as a phone received it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// When.
    pub at: SystemTime,
    /// The app; `None` when it is not installed.
    pub topic: Option<Arc<str>>,
    /// The token it was sent to.
    pub token: Token,
    /// The JSON.
    pub payload: Bytes,
    /// Whether APNs had stored it while the phone was offline.
    pub stored: bool,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a notification on the phone, in one word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The user could notice it: lock screen, badge or sound.
    Shown,
    /// The app in the foreground got it.
    HandedToDelegate,
    /// It only woke the app.
    WokenInBackground,
    /// It woke the device management.
    DeviceManagement,
    /// It shows nowhere.
    NotShown(NotShown),
    /// The app is not installed.
    AppGone,
}

/// Events taken from a phone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PhoneEvents {
    /// Oldest first.
    pub events: Vec<PhoneEvent>,
    /// How many older ones were lost, since nobody took them in time.
    pub missed: u64,
}

impl IntoIterator for PhoneEvents {
    type Item = PhoneEvent;
    type IntoIter = std::vec::IntoIter<PhoneEvent>;

    fn into_iter(self) -> Self::IntoIter {
        self.events.into_iter()
    }
}

/// The events nobody took yet.
#[derive(Debug, Default)]
pub(super) struct Log(Option<Box<Untaken>>);

#[derive(Debug, Default)]
struct Untaken {
    events: VecDeque<PhoneEvent>,
    missed: u64,
}

impl Log {
    pub(super) fn push(&mut self, event: PhoneEvent) {
        let untaken = self.0.get_or_insert_default();
        if untaken.events.len() == EVENTS_MAX {
            untaken.events.pop_front();
            untaken.missed += 1;
        }
        untaken.events.push_back(event);
    }

    pub(super) fn take(&mut self) -> PhoneEvents {
        let untaken = self.0.take().unwrap_or_default();
        PhoneEvents {
            events: untaken.events.into(),
            missed: untaken.missed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_nobody_takes_are_bounded_and_counted() {
        let mut log = Log::default();
        for _ in 0..EVENTS_MAX + 3 {
            log.push(PhoneEvent::Online);
        }
        let taken = log.take();
        assert_eq!((taken.events.len(), taken.missed), (EVENTS_MAX, 3));
        assert_eq!(log.take(), PhoneEvents::default());
    }
}
