//! What a phone does with a payload, by the app's state, the types it registered for and its user's settings. One pure function.

use std::borrow::Cow;

use super::app::{App, AppState, Types};
use super::payload::{Alert, Aps};
use crate::provider_api::PushType;

/// What becomes of one notification on the phone. Several can hold at once: an alert with a sound and a badge, say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Presentation<'a> {
    /// The app is in the foreground: no user interface, its delegate gets the payload.
    pub(super) delegate: bool,
    /// To the lock screen.
    pub(super) alert: Option<Alert<'a>>,
    /// The new number on the icon.
    pub(super) badge: Option<u32>,
    /// To be played.
    pub(super) sound: Option<Cow<'a, str>>,
    /// The app is woken, or started, in the background.
    pub(super) wake: bool,
    /// Nothing of the above: why.
    pub(super) nothing: Option<NotShown>,
}

/// Why a notification that arrived shows nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotShown {
    /// Not a payload.
    #[error("{0}")]
    Unreadable(super::payload::Unreadable),
    /// `{"aps":{}}`, or only keys this phone has no use for.
    #[error("aps has neither alert, badge, sound nor content-available")]
    NothingToShow,
    /// The user switched the app's notifications off.
    #[error("notifications are switched off for this app")]
    SwitchedOff,
    /// The user switched off the parts it has.
    #[error("the user's settings for this app leave nothing of it")]
    Settings,
    /// The app did not register for the types it has.
    #[error("the app did not register for this type of notification")]
    Types,
}

pub(super) fn present<'a>(
    aps: Aps<'a>,
    push_type: Option<PushType>,
    app: &App,
) -> Presentation<'a> {
    if app.state == AppState::Foreground {
        return Presentation {
            delegate: true,
            ..Presentation::default()
        };
    }
    // Everything but an alert is for the app, not for its user, whatever the payload says [H-16].
    match push_type {
        None | Some(PushType::Alert) => {}
        Some(PushType::Background) if !aps.content_available => {
            return Presentation {
                nothing: Some(NotShown::NothingToShow),
                ..Presentation::default()
            };
        }
        Some(_) => {
            return Presentation {
                wake: true,
                ..Presentation::default()
            };
        }
    }
    let (types, settings) = (app.types, app.settings);
    let shows = |kind: Types, setting: bool| settings.allowed && setting && types.contains(kind);
    let parts = [
        (aps.alert.is_some(), Types::ALERT),
        (aps.badge.is_some(), Types::BADGE),
        (aps.sound.is_some(), Types::SOUND),
    ];
    let mut presentation = Presentation {
        delegate: false,
        alert: aps.alert.filter(|_| shows(Types::ALERT, settings.banner)),
        badge: aps.badge.filter(|_| shows(Types::BADGE, settings.badge)),
        sound: aps.sound.filter(|_| shows(Types::SOUND, settings.sound)),
        wake: aps.content_available,
        nothing: None,
    };
    if presentation == Presentation::default() {
        presentation.nothing = Some(if parts.iter().all(|(present, _)| !present) {
            NotShown::NothingToShow
        } else if !settings.allowed {
            NotShown::SwitchedOff
        } else if parts
            .iter()
            .any(|(present, kind)| *present && types.contains(*kind))
        {
            NotShown::Settings
        } else {
            NotShown::Types
        });
    }
    presentation
}

#[cfg(test)]
mod tests {
    use super::super::app::{Bundle, Settings};
    use super::super::payload::Payload;
    use super::*;

    const EVERYTHING: &str = r#"{"aps":{"alert":"hi","badge":3,"sound":"default"}}"#;

    fn app(state: AppState, types: Types, settings: Settings) -> App {
        App {
            state,
            types,
            settings,
            ..App::new(Bundle::new("com.example.Mail", "Mail", true))
        }
    }

    fn shown<'a>(json: &'a str, app: &App) -> Presentation<'a> {
        match Payload::parse(json.as_bytes()) {
            Ok(Payload::App(aps)) => present(aps, None, app),
            other => panic!("{json} was read as {other:?}"),
        }
    }

    #[test]
    fn in_the_foreground_there_is_no_user_interface_and_the_delegate_gets_it() {
        let presentation = shown(
            EVERYTHING,
            &app(AppState::Foreground, Types::ALL, Settings::default()),
        );
        assert_eq!(
            presentation,
            Presentation {
                delegate: true,
                ..Presentation::default()
            }
        );
    }

    #[test]
    fn in_the_background_and_not_running_the_system_shows_it() {
        for state in [AppState::Background, AppState::NotRunning] {
            let presentation = shown(EVERYTHING, &app(state, Types::ALL, Settings::default()));
            assert_eq!(
                presentation.alert.and_then(|alert| alert.body).as_deref(),
                Some("hi")
            );
            assert_eq!(
                (presentation.badge, presentation.sound.as_deref()),
                (Some(3), Some("default"))
            );
            assert!(!presentation.delegate && !presentation.wake && presentation.nothing.is_none());
        }
    }

    #[test]
    fn each_part_needs_its_type_and_its_setting() {
        for bits in 0..8_u8 {
            for switches in 0..8_u8 {
                let settings = Settings {
                    allowed: true,
                    badge: switches & 1 != 0,
                    sound: switches & 2 != 0,
                    banner: switches & 4 != 0,
                };
                let presentation = shown(
                    EVERYTHING,
                    &app(AppState::Background, Types(bits), settings),
                );
                let both = bits & switches;
                assert_eq!(
                    presentation.badge.is_some(),
                    both & 1 != 0,
                    "{bits} {switches}"
                );
                assert_eq!(
                    presentation.sound.is_some(),
                    both & 2 != 0,
                    "{bits} {switches}"
                );
                assert_eq!(
                    presentation.alert.is_some(),
                    both & 4 != 0,
                    "{bits} {switches}"
                );
                let why = match (both, bits) {
                    (0, 0) => Some(NotShown::Types),
                    (0, _) => Some(NotShown::Settings),
                    _ => None,
                };
                assert_eq!(presentation.nothing, why, "{bits} {switches}");
            }
        }
    }

    #[test]
    fn content_available_wakes_whatever_is_shown_and_whatever_the_settings() {
        let off = Settings {
            allowed: false,
            ..Settings::default()
        };
        for (json, settings, alert) in [
            (
                r#"{"aps":{"content-available":1}}"#,
                Settings::default(),
                false,
            ),
            (
                r#"{"aps":{"content-available":1,"alert":"hi"}}"#,
                Settings::default(),
                true,
            ),
            (
                r#"{"aps":{"content-available":1,"alert":"hi"}}"#,
                off,
                false,
            ),
        ] {
            let presentation = shown(json, &app(AppState::NotRunning, Types::ALL, settings));
            assert!(presentation.wake, "{json}");
            assert_eq!(presentation.alert.is_some(), alert, "{json}");
            assert_eq!(presentation.nothing, None, "{json}");
        }
    }

    #[test]
    fn what_shows_nowhere_says_why() {
        let off = Settings {
            allowed: false,
            ..Settings::default()
        };
        for (json, types, settings, why) in [
            (
                r#"{"aps":{}}"#,
                Types::ALL,
                Settings::default(),
                NotShown::NothingToShow,
            ),
            (EVERYTHING, Types::ALL, off, NotShown::SwitchedOff),
            (
                r#"{"aps":{"alert":"hi"}}"#,
                Types::BADGE,
                Settings::default(),
                NotShown::Types,
            ),
            (
                r#"{"aps":{"alert":"hi"}}"#,
                Types::ALL,
                Settings {
                    banner: false,
                    ..Settings::default()
                },
                NotShown::Settings,
            ),
        ] {
            assert_eq!(
                shown(json, &app(AppState::Background, types, settings)).nothing,
                Some(why),
                "{json}"
            );
        }
    }
}
