//! A fake iPhone without a socket: messages and user actions in, messages and [`PhoneEvent`]s out.
//!
//! One `Phone` is behind the virtual phones of a test and behind `apns-simulator phone`; only what moves its messages differs. A driver:
//!
//! ```text
//! while the phone lives
//!   wait until wants_connection()            // changes only in a call below; look again after each
//!   open TLS, call connected()
//!   until the stream ends or !keeps_connection()
//!     write all of take_messages()           // after every call below, whoever made it
//!     a message arrived    → receive(now, message)
//!     a user did something → install, register, uninstall, set_state, …
//!     every few minutes    → keep_alive(); when it says so, the connection is dead
//!     take_events() at leisure
//!   call disconnected()
//! ```
//!
//! The phone connects when its first push app registers and hangs up when its last one goes [C-15]. It acknowledges everything it receives [C-07], and
//! what it receives for an app that is not installed with "app gone" [C-08].

use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use apns_proto::Token;
use apns_proto::courier::{Message, TopicHash};
use bytes::Bytes;

use crate::pool::Pool;

mod app;
mod cells;
mod event;
mod lenient;
mod memory;
mod payload;
mod present;
mod receive;
mod screen;

#[cfg(test)]
mod tests;

pub(crate) use app::Bundle;
pub use app::{App, AppState, RegistrationError, Settings, Types};
pub use event::{Outcome, PhoneEvent, PhoneEvents, Received};
pub use memory::HISTORY_MAX;
use memory::{Memory, Recent};
pub use payload::{Alert, Aps, Payload, Unreadable};
pub use present::NotShown;
pub use screen::{LockScreen, Note};

/// Apps on one phone.
pub const APPS_MAX: usize = 100;
/// What a phone remembers that never received anything.
static BLANK: LazyLock<Memory> = LazyLock::new(Memory::default);

/// A fake iPhone. See the [module](self).
#[derive(Debug)]
pub struct Phone {
    name: Arc<str>,
    apps: Vec<App>,
    base: Option<Token>,
    airplane: bool,
    link: Link,
    wanted: bool,
    /// Somebody may want to know what its notifications do to it.
    watched: bool,
    recent: Recent,
    /// How many notifications it ever received, those sent twice counted once.
    received: u64,
    /// None while it remembers nothing.
    memory: Option<Box<Memory>>,
    events: event::Log,
}

/// The courier connection, and what is to be written on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Down,
    /// `hello`: Connect is still to be written.
    Connecting {
        hello: bool,
    },
    Up {
        /// The topics changed.
        filter: bool,
        keepalive: Keepalive,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keepalive {
    Quiet,
    Due,
    Unanswered,
}

/// Why a user action came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// The app is not on this phone.
    #[error("the app is not installed")]
    NotInstalled,
    /// It already is.
    #[error("the app is already installed")]
    AlreadyInstalled,
    /// [`APPS_MAX`] are.
    #[error("no room for another app")]
    NoRoom,
    /// The note has left the lock screen.
    #[error("no such notification on the lock screen")]
    NoSuchNote,
}

impl Phone {
    /// A phone fresh from the box: no apps, and so no connection.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            apps: Vec::new(),
            base: None,
            airplane: false,
            link: Link::Down,
            wanted: false,
            watched: true,
            recent: Recent::default(),
            received: 0,
            memory: None,
            events: event::Log::default(),
        }
    }

    // The user.

    /// Installs an app. `entitled`: it is signed with the `aps-environment` entitlement, without which it cannot register.
    ///
    /// # Errors
    ///
    /// When it is installed already, or [`APPS_MAX`] apps are.
    pub fn install(&mut self, topic: &str, name: &str, entitled: bool) -> Result<(), ActionError> {
        if self.app(topic).is_some() {
            return Err(ActionError::AlreadyInstalled);
        }
        if self.apps.len() >= APPS_MAX {
            return Err(ActionError::NoRoom);
        }
        self.apps.reserve_exact(1);
        self.apps.push(App::new(Bundle::new(topic, name, entitled)));
        Ok(())
    }

    /// The app calls `registerForRemoteNotificationTypes:`. The answer is a later [`PhoneEvent::DidRegister`] or [`PhoneEvent::DidFail`]; as long as the
    /// phone is offline neither comes.
    ///
    /// # Errors
    ///
    /// When the app is not installed.
    pub fn register(&mut self, topic: &str, types: Types) -> Result<(), ActionError> {
        let app = self.app_mut(topic)?;
        app.types = types;
        app.owed = true;
        app.ask = true;
        self.answer_unentitled();
        self.filter_changed();
        self.note_wish();
        Ok(())
    }

    /// Deletes an app with its notes. APNs learns of it from the phone's answer to a later push [C-08] — unless this was the last push app, whose removal
    /// takes the connection down [C-15].
    ///
    /// # Errors
    ///
    /// When it is not installed.
    pub fn uninstall(&mut self, topic: &str) -> Result<(), ActionError> {
        let at = self
            .apps
            .iter()
            .position(|app| app.topic() == topic)
            .ok_or(ActionError::NotInstalled)?;
        self.apps.remove(at);
        if let Some(memory) = &mut self.memory {
            memory.forget_notes(topic);
        }
        self.filter_changed();
        self.note_wish();
        Ok(())
    }

    /// Brings an app to the foreground (the one that was there goes to the background), sends it to the background, or ends it.
    ///
    /// # Errors
    ///
    /// When it is not installed.
    pub fn set_state(&mut self, topic: &str, state: AppState) -> Result<(), ActionError> {
        self.app_mut(topic)?;
        for app in &mut self.apps {
            if app.topic() == topic {
                app.state = state;
            } else if state == AppState::Foreground && app.state == AppState::Foreground {
                app.state = AppState::Background;
            }
        }
        Ok(())
    }

    /// Changes what the user allows an app.
    ///
    /// # Errors
    ///
    /// When it is not installed.
    pub fn set_settings(&mut self, topic: &str, settings: Settings) -> Result<(), ActionError> {
        self.app_mut(topic)?.settings = settings;
        self.filter_changed();
        Ok(())
    }

    /// The app sets the number on its own icon, as apps do once the user has read what it counted.
    ///
    /// # Errors
    ///
    /// When it is not installed.
    pub fn set_badge(&mut self, topic: &str, badge: u32) -> Result<(), ActionError> {
        let app = self.app_mut(topic)?;
        if std::mem::replace(&mut app.badge, badge) != badge {
            let topic = app.bundle.topic.clone();
            self.events.push(PhoneEvent::BadgeChanged { topic, badge });
        }
        Ok(())
    }

    /// Switches airplane mode: the phone is offline at once, whatever its connection still delivers.
    pub fn set_airplane(&mut self, on: bool) {
        self.airplane = on;
        if on {
            self.hang_up();
        } else {
            self.answer_unentitled();
        }
        self.note_wish();
    }

    /// The user taps a note on the lock screen: it goes, and the app comes to the foreground with its payload — as launch options when it was not running.
    ///
    /// # Errors
    ///
    /// When the note is not there any more.
    pub fn open(&mut self, note: u64) -> Result<(), ActionError> {
        let memory = self.memory.as_mut().ok_or(ActionError::NoSuchNote)?;
        let noted = memory.take_note(note).ok_or(ActionError::NoSuchNote)?;
        let (topic, payload) = (noted.topic.clone(), noted.payload.clone());
        let topic = topic.ok_or(ActionError::NotInstalled)?;
        let launched = self
            .app(&topic)
            .is_some_and(|app| app.state == AppState::NotRunning);
        self.set_state(&topic, AppState::Foreground)?;
        self.events.push(PhoneEvent::Opened {
            topic,
            payload,
            launched,
        });
        Ok(())
    }

    // The connection.

    /// Whether a connection is wanted now: there is a push app, and no airplane mode.
    #[must_use]
    pub fn wants_connection(&self) -> bool {
        !self.airplane && self.apps.iter().any(App::is_push_app)
    }

    /// Whether the connection it has is still its own. It hangs up when it is sent away [C-18], and in airplane mode even if that is over before the
    /// driver has looked; what it wants then is another connection.
    #[must_use]
    pub const fn keeps_connection(&self) -> bool {
        !matches!(self.link, Link::Down)
    }

    /// The TLS connection stands; Connect [C-03] is the first message to write.
    pub fn connected(&mut self) {
        self.take_acks();
        self.link = Link::Connecting { hello: true };
    }

    /// The connection is gone. What was not acknowledged APNs sends again [C-17]; what was not registered is asked for again.
    pub fn disconnected(&mut self) {
        self.hang_up();
        self.note_wish();
    }

    /// Asks APNs whether it is still there [C-09]. `false`: it did not answer the last time, the connection is dead.
    #[must_use]
    pub fn keep_alive(&mut self) -> bool {
        match &mut self.link {
            Link::Up {
                keepalive: Keepalive::Unanswered,
                ..
            } => return false,
            Link::Up { keepalive, .. } => *keepalive = Keepalive::Due,
            Link::Down | Link::Connecting { .. } => {}
        }
        true
    }

    /// What is to be written now, in this order.
    pub fn take_messages(&mut self) -> Vec<Message> {
        let mut messages = self.take_acks();
        messages.extend(std::iter::from_fn(|| self.next_message()));
        messages
    }

    /// The next of those.
    pub(crate) fn next_message(&mut self) -> Option<Message> {
        if let Some(memory) = &mut self.memory
            && let Some(ack) = memory.next_ack()
        {
            return Some(ack.into());
        }
        match &mut self.link {
            Link::Down => None,
            Link::Connecting { hello } => std::mem::take(hello).then(|| Message::Connect {
                token: self.base.clone(),
                state: 1,
            }),
            Link::Up { filter, .. } => {
                if let Some(base) = &self.base {
                    if std::mem::take(filter) {
                        return Some(self.filter_topics(base.clone()));
                    }
                    let asking = |app: &&mut App| app.ask && app.bundle.entitled;
                    if let Some(app) = self.apps.iter_mut().find(asking) {
                        app.ask = false;
                        return Some(Message::ScopedToken {
                            base: base.clone(),
                            topic: app.bundle.hash,
                            app: Bytes::copy_from_slice(app.topic().as_bytes()),
                        });
                    }
                }
                self.keeps_alive()
            }
        }
    }

    /// What happened since the last call, oldest first.
    pub fn take_events(&mut self) -> PhoneEvents {
        self.events.take()
    }

    // What can be seen.

    /// The phone's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same, to be kept.
    pub(crate) fn shared_name(&self) -> Arc<str> {
        self.name.clone()
    }

    /// From now on its notifications leave no events: they are in its history and on its lock screen.
    pub(crate) const fn unwatched(&mut self) {
        self.watched = false;
    }

    /// Forgets the notifications up to the one that was the `number`th it received.
    pub(crate) fn forget(&mut self, number: u64) {
        if let Some(memory) = &mut self.memory {
            memory.forget(number);
            self.memory.take_if(|memory| memory.is_empty());
        }
    }

    /// Holds in common with other phones what their apps have in common.
    pub(crate) fn share(&mut self, bundles: &mut Pool<Bundle>) {
        for app in &mut self.apps {
            app.bundle = bundles.share(app.bundle.clone());
        }
    }

    /// Whether APNs has taken its connection.
    #[must_use]
    pub const fn is_online(&self) -> bool {
        matches!(self.link, Link::Up { .. })
    }

    /// Whether it is in airplane mode.
    #[must_use]
    pub const fn is_in_airplane_mode(&self) -> bool {
        self.airplane
    }

    /// Its apps, in the order they were installed.
    #[must_use]
    pub fn apps(&self) -> &[App] {
        &self.apps
    }

    /// One of its apps.
    #[must_use]
    pub fn app(&self, topic: &str) -> Option<&App> {
        self.apps.iter().find(|app| app.topic() == topic)
    }

    /// The notes on its lock screen.
    #[must_use]
    pub const fn lock_screen(&self) -> LockScreen<'_> {
        LockScreen { phone: self }
    }

    /// What it received, oldest first; the last [`HISTORY_MAX`]. Phones that live in a project remember [no more together](crate::world::Bounds::remembered_max).
    pub fn history(&self) -> impl DoubleEndedIterator<Item = &Received> + ExactSizeIterator {
        self.memory().history()
    }

    /// How many notifications it ever received and acknowledged, those sent twice counted once if their app was there.
    #[must_use]
    pub const fn received_count(&self) -> u64 {
        self.received
    }

    /// The phone and its lock screen as a picture for a terminal, `width` cells wide (28 to 80).
    #[must_use]
    pub fn lock_screen_text(&self, now: SystemTime, width: usize) -> String {
        let icons: Vec<_> = self
            .apps
            .iter()
            .map(|app| screen::Icon {
                name: app.name(),
                badge: app.badge,
            })
            .collect();
        screen::draw(
            self.lock_screen(),
            &self.name,
            self.is_online(),
            &icons,
            now,
            width,
        )
    }

    // Inside.

    fn memory(&self) -> &Memory {
        self.memory.as_deref().unwrap_or(&BLANK)
    }

    /// Something that a notification did.
    fn happened(&mut self, event: impl FnOnce() -> PhoneEvent) {
        if self.watched {
            self.events.push(event());
        }
    }

    fn take_acks(&mut self) -> Vec<Message> {
        let acks = self.memory.as_mut().map(|memory| memory.take_acks());
        let acks = acks.into_iter().flatten();
        acks.map(Message::from).collect()
    }

    fn app_mut(&mut self, topic: &str) -> Result<&mut App, ActionError> {
        self.apps
            .iter_mut()
            .find(|app| app.topic() == topic)
            .ok_or(ActionError::NotInstalled)
    }

    fn filter_topics(&self, token: Token) -> Message {
        let topics = |ignored: bool| -> Vec<TopicHash> {
            self.apps
                .iter()
                .filter(|app| app.is_push_app() && app.settings.allowed != ignored)
                .map(|app| app.bundle.hash)
                .collect()
        };
        Message::FilterTopics {
            token,
            enabled: topics(false),
            ignored: topics(true),
        }
    }

    fn keeps_alive(&mut self) -> Option<Message> {
        let Link::Up { keepalive, .. } = &mut self.link else {
            return None;
        };
        (*keepalive == Keepalive::Due).then(|| {
            *keepalive = Keepalive::Unanswered;
            Message::KeepAlive
        })
    }

    fn filter_changed(&mut self) {
        if let Link::Up { filter, .. } = &mut self.link {
            *filter = true;
        }
    }

    /// The entitlement is checked on the phone; only airplane mode keeps the answer back.
    fn answer_unentitled(&mut self) {
        if self.airplane {
            return;
        }
        let unentitled = |app: &&mut App| app.owed && !app.bundle.entitled;
        for app in self.apps.iter_mut().filter(unentitled) {
            app.owed = false;
            app.ask = false;
            self.events.push(PhoneEvent::DidFail {
                topic: app.bundle.topic.clone(),
                error: RegistrationError::no_entitlement(),
            });
        }
    }

    fn hang_up(&mut self) {
        if matches!(self.link, Link::Up { .. }) {
            self.events.push(PhoneEvent::Offline);
        }
        self.link = Link::Down;
        self.take_acks();
        for app in self.apps.iter_mut().filter(|app| app.owed) {
            app.ask = true;
        }
    }

    /// Says when the wish for a connection changed; without a wish for it, it is not listened to any more.
    fn note_wish(&mut self) {
        let wants = self.wants_connection();
        if std::mem::replace(&mut self.wanted, wants) == wants {
            return;
        }
        if wants {
            self.events.push(PhoneEvent::ConnectionWanted);
        } else {
            self.hang_up();
            self.events.push(PhoneEvent::ConnectionUnwanted);
        }
    }
}
