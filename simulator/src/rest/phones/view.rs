//! Phones and what is on them, as JSON.

use std::borrow::Cow;

use apns_net::credentials::Environment;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::time;
use super::apps::{Kind, State};
use crate::inbox::EnvironmentName;
use crate::phone::{App, AppState, Note, Outcome, Received, Types};
use crate::virtual_phone::VirtualPhone;

/// A phone
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Phone)]
pub(in crate::rest) struct PhoneView {
    name: String,
    #[schema(value_type = EnvironmentName)]
    environment: Environment,
    /// Whether APNs has its connection. A phone without a push app has none.
    online: bool,
    airplane: bool,
    apps: Vec<AppView>,
    /// How many notes are on the lock screen.
    notes: usize,
    /// How many notifications ever arrived.
    received: u64,
}

/// An app on a phone
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = App)]
pub(in crate::rest) struct AppView {
    /// Its bundle id.
    topic: String,
    name: String,
    entitled: bool,
    state: State,
    /// What it registered for last.
    types: Vec<Kind>,
    settings: SettingsView,
    /// The number on its icon.
    badge: u32,
    /// Its device token in hex, once it has registered and the phone was online.
    token: Option<String>,
}

/// What the user allows
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Settings)]
struct SettingsView {
    /// The master switch.
    allowed: bool,
    alerts: bool,
    sound: bool,
    badge: bool,
}

/// A note on a lock screen
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Note)]
pub(super) struct NoteView {
    number: u64,
    at: String,
    topic: String,
    /// The app's name.
    app: String,
    title: Option<String>,
    subtitle: Option<String>,
    body: Option<String>,
}

/// A notification that arrived on a phone
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Received)]
pub(super) struct ReceivedView {
    at: String,
    /// The app; none where it is not installed.
    topic: Option<String>,
    token: String,
    /// As JSON, or as text where it is none.
    payload: Value,
    /// Whether APNs had kept it while the phone was offline.
    stored: bool,
    /// What the phone did with it.
    outcome: OutcomeWord,
    /// Why it shows nowhere.
    why: Option<String>,
}

/// What a phone did with a notification
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum OutcomeWord {
    /// The user could notice it: lock screen, badge or sound.
    Shown,
    /// The app in the foreground got it.
    HandedToApp,
    /// It only woke the app.
    WokenInBackground,
    /// It woke the device management.
    DeviceManagement,
    /// It shows nowhere.
    NotShown,
    /// The app is not installed.
    AppGone,
}

impl PhoneView {
    pub(super) fn of(virtual_phone: &VirtualPhone) -> Self {
        let phone = &virtual_phone.phone;
        Self {
            name: phone.name().to_owned(),
            environment: virtual_phone.environment(),
            online: phone.is_online(),
            airplane: phone.is_in_airplane_mode(),
            apps: phone.apps().iter().map(AppView::of).collect(),
            notes: phone.lock_screen().notes().len(),
            received: phone.received_count(),
        }
    }
}

impl AppView {
    pub(super) fn of(app: &App) -> Self {
        let settings = app.settings();
        let types = [
            (Types::ALERT, Kind::Alert),
            (Types::BADGE, Kind::Badge),
            (Types::SOUND, Kind::Sound),
        ];
        Self {
            topic: app.topic().to_owned(),
            name: app.name().to_owned(),
            entitled: app.is_entitled(),
            state: match app.state() {
                AppState::Foreground => State::Foreground,
                AppState::Background => State::Background,
                AppState::NotRunning => State::NotRunning,
            },
            types: types
                .into_iter()
                .filter(|(bit, _)| app.types().contains(*bit))
                .map(|(_, kind)| kind)
                .collect(),
            settings: SettingsView {
                allowed: settings.allowed,
                alerts: settings.banner,
                sound: settings.sound,
                badge: settings.badge,
            },
            badge: app.badge(),
            token: app.token().map(apns_proto::Token::to_hex),
        }
    }
}

impl NoteView {
    pub(super) fn of(note: Note) -> Self {
        let line = |line: Option<Cow<'_, str>>| line.map(Cow::into_owned);
        Self {
            number: note.number,
            at: time::text(note.at),
            topic: note.topic.to_string(),
            app: note.app.to_string(),
            title: line(note.alert.title),
            subtitle: line(note.alert.subtitle),
            body: line(note.alert.body),
        }
    }
}

impl ReceivedView {
    pub(super) fn of(received: &Received) -> Self {
        let (outcome, why) = match &received.outcome {
            Outcome::Shown => (OutcomeWord::Shown, None),
            Outcome::HandedToDelegate => (OutcomeWord::HandedToApp, None),
            Outcome::WokenInBackground => (OutcomeWord::WokenInBackground, None),
            Outcome::DeviceManagement => (OutcomeWord::DeviceManagement, None),
            Outcome::NotShown(why) => (OutcomeWord::NotShown, Some(why.to_string())),
            Outcome::AppGone => (OutcomeWord::AppGone, None),
        };
        Self {
            at: time::text(received.at),
            topic: received.topic.as_deref().map(str::to_owned),
            token: received.token.to_hex(),
            payload: payload(&received.payload),
            stored: received.stored,
            outcome,
            why,
        }
    }
}

/// A payload as JSON, or as text where it is none.
pub(in crate::rest) fn payload(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}
