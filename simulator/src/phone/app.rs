//! An app on a phone: what it registered for, what its user allows, whether it is running.

use std::fmt;
use std::ops::BitOr;
use std::sync::Arc;

use apns_proto::Token;
use apns_proto::courier::TopicHash;

/// The bits of `registerForRemoteNotificationTypes:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Types(pub u8);

impl Types {
    /// Nothing to see or hear; the app is still handed what arrives while it is in the foreground.
    pub const NONE: Self = Self(0);
    /// `UIRemoteNotificationTypeBadge`.
    pub const BADGE: Self = Self(1);
    /// `UIRemoteNotificationTypeSound`.
    pub const SOUND: Self = Self(2);
    /// `UIRemoteNotificationTypeAlert`.
    pub const ALERT: Self = Self(4);
    /// Badge, sound and alert.
    pub const ALL: Self = Self(7);

    /// Whether every bit of `other` is set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Types {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::ALERT, "alert"),
            (Self::BADGE, "badge"),
            (Self::SOUND, "sound"),
        ];
        let mut none = true;
        for (_, name) in names.iter().filter(|(bit, _)| self.contains(*bit)) {
            write!(f, "{}{name}", if none { "" } else { "|" })?;
            none = false;
        }
        if none { f.write_str("none") } else { Ok(()) }
    }
}

/// What the user of a phone allows an app, in Settings › Notifications. Applied on the phone; a provider never learns of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The master switch. Off: the phone lists the topic as ignored, and APNs holds the app's notifications back [C-05].
    pub allowed: bool,
    /// Show alerts on the lock screen.
    pub banner: bool,
    /// Play sounds.
    pub sound: bool,
    /// Change the number on the icon.
    pub badge: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allowed: true,
            banner: true,
            sound: true,
            badge: true,
        }
    }
}

/// Whether an app is running, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AppState {
    /// On the screen: the system shows nothing, the app gets the payload.
    Foreground,
    /// Running out of sight.
    Background,
    /// Not started, or ended.
    #[default]
    NotRunning,
}

/// The `NSError` an app is handed in `didFailToRegisterForRemoteNotificationsWithError:`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{domain} {code}: {description}")]
pub struct RegistrationError {
    /// `NSError.domain`.
    pub domain: &'static str,
    /// `NSError.code`.
    pub code: i32,
    /// `NSError.localizedDescription`.
    pub description: String,
}

impl RegistrationError {
    pub(super) fn no_entitlement() -> Self {
        Self {
            domain: "NSCocoaErrorDomain",
            code: 3000,
            description: "no valid 'aps-environment' entitlement string found for application"
                .to_owned(),
        }
    }

    /// Apple names no error for this; the domain says that it is ours.
    pub(super) fn refused(status: u8) -> Self {
        Self {
            domain: "ApnsSimulatorErrorDomain",
            code: i32::from(status),
            description: format!("the push service refused the registration with status {status}"),
        }
    }
}

/// An app as it is built and signed: the same on every phone that has it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Bundle {
    pub(super) topic: Arc<str>,
    pub(super) hash: TopicHash,
    pub(super) name: Arc<str>,
    pub(super) entitled: bool,
}

impl Bundle {
    pub(super) fn new(topic: &str, name: &str, entitled: bool) -> Self {
        Self {
            topic: topic.into(),
            hash: crate::world::topic_hash(topic),
            name: name.into(),
            entitled,
        }
    }
}

/// An app as installed on a phone.
#[derive(Debug, Clone)]
pub struct App {
    pub(super) bundle: Arc<Bundle>,
    pub(super) state: AppState,
    pub(super) settings: Settings,
    pub(super) types: Types,
    /// Its device token, once it has registered.
    pub(super) token: Option<Token>,
    /// It asked to register and is owed a callback.
    pub(super) owed: bool,
    /// The request is still to be written.
    pub(super) ask: bool,
    pub(super) badge: u32,
}

impl App {
    pub(super) fn new(bundle: Bundle) -> Self {
        Self {
            bundle: Arc::new(bundle),
            state: AppState::default(),
            settings: Settings::default(),
            types: Types::NONE,
            token: None,
            owed: false,
            ask: false,
            badge: 0,
        }
    }

    /// The bundle id.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.bundle.topic
    }

    /// The name under the icon.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.bundle.name
    }

    /// The same, to be kept.
    pub(super) fn shared_name(&self) -> Arc<str> {
        self.bundle.name.clone()
    }

    /// Whether it is signed with the `aps-environment` entitlement.
    #[must_use]
    pub fn is_entitled(&self) -> bool {
        self.bundle.entitled
    }

    /// Whether it is running, and where.
    #[must_use]
    pub const fn state(&self) -> AppState {
        self.state
    }

    /// What the user allows.
    #[must_use]
    pub const fn settings(&self) -> Settings {
        self.settings
    }

    /// What it registered for last.
    #[must_use]
    pub const fn types(&self) -> Types {
        self.types
    }

    /// Its device token, once it has registered.
    #[must_use]
    pub const fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// The number on its icon; 0 shows none.
    #[must_use]
    pub const fn badge(&self) -> u32 {
        self.badge
    }

    /// A *push app* keeps the phone's connection up: entitled, and registered or waiting for it [C-15].
    pub(super) fn is_push_app(&self) -> bool {
        self.bundle.entitled && (self.token.is_some() || self.owed)
    }

    /// Whether a notification for `token` is this app's. While a registration is on its way the phone does not know its token yet and takes what
    /// names its topic: APNs may have sent it before the app was installed again.
    pub(super) fn owns(&self, token: &Token) -> bool {
        match &self.token {
            Some(own) => own == token,
            None => self.bundle.entitled && self.owed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_the_bits_of_uikit_and_print_as_the_seed_writes_them() {
        assert_eq!((Types::BADGE | Types::SOUND | Types::ALERT).0, 7);
        assert_eq!(Types(7).to_string(), "alert|badge|sound");
        assert_eq!(Types(2).to_string(), "sound");
        assert_eq!(Types(8).to_string(), "none");
    }

    #[test]
    fn a_missing_entitlement_is_cocoas_error_3000() {
        assert_eq!(
            RegistrationError::no_entitlement().to_string(),
            "NSCocoaErrorDomain 3000: no valid 'aps-environment' entitlement string found for application"
        );
    }
}
