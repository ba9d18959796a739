//! A phone and what APNs says to it, message by message.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use apns_proto::Token;
use apns_proto::courier::{Message, Status};
use bytes::Bytes;

use super::{
    ActionError, AppState, HISTORY_MAX, NotShown, Outcome, Phone, PhoneEvent, Settings, Types,
};
use crate::world::topic_hash;

const MAIL: &str = "com.example.Mail";
const CHAT: &str = "com.example.Chat";

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

fn base() -> Token {
    Token::new(vec![0xba; 32])
}

fn token() -> Token {
    Token::new(vec![0xa1; 32])
}

fn events(phone: &mut Phone) -> Vec<PhoneEvent> {
    phone.take_events().into_iter().collect()
}

/// A phone that APNs has welcomed, with Mail registered for everything under [`token`].
fn registered() -> Phone {
    let mut phone = Phone::new("Ada's iPhone");
    phone.install(MAIL, "Mail", true).unwrap();
    phone.register(MAIL, Types::ALL).unwrap();
    online(&mut phone);
    let asked = phone.take_messages();
    assert!(
        matches!(
            asked[..],
            [Message::FilterTopics { .. }, Message::ScopedToken { .. }]
        ),
        "{asked:?}"
    );
    let ack = Message::ScopedTokenAck {
        status: Status::OK,
        token: Some(token()),
        topic: topic_hash(MAIL),
    };
    phone.receive(now(), ack);
    phone.take_messages();
    events(&mut phone);
    phone
}

fn online(phone: &mut Phone) {
    assert!(phone.wants_connection());
    phone.connected();
    assert_eq!(
        phone.take_messages(),
        [Message::Connect {
            token: None,
            state: 1
        }]
    );
    let welcome = Message::ConnectAck {
        status: Status::OK,
        token: Some(base()),
    };
    phone.receive(now(), welcome);
}

fn notification(token: Token, topic: &str, id: u8, payload: &'static str) -> Message {
    Message::Notification {
        token,
        topic: topic_hash(topic),
        payload: Bytes::from_static(payload.as_bytes()),
        id: [0, 0, 0, id],
        expiry: None,
        timestamp_ns: None,
        storage: None,
        priority: None,
        push_type: None,
        collapse_id: None,
    }
}

/// Pushes to Mail; gives back what the phone answered and what happened.
fn arrives(phone: &mut Phone, id: u8, payload: &'static str) -> (Vec<Message>, Vec<PhoneEvent>) {
    phone.receive(now(), notification(token(), MAIL, id, payload));
    (phone.take_messages(), events(phone))
}

fn ack(id: u8, status: Status) -> Message {
    Message::Ack {
        token: Some(token()),
        id: [0, 0, 0, id],
        status,
    }
}

#[test]
fn a_phone_without_push_apps_wants_no_connection_and_its_first_registration_makes_it_want_one() {
    let mut phone = Phone::new("Ada's iPhone");
    assert!(!phone.wants_connection());
    phone.install(MAIL, "Mail", true).unwrap();
    assert!(!phone.wants_connection());
    phone.register(MAIL, Types::ALL).unwrap();
    assert!(phone.wants_connection());
    assert_eq!(events(&mut phone), [PhoneEvent::ConnectionWanted]);
}

#[test]
fn an_app_without_the_entitlement_is_told_so_and_no_connection_is_made_for_it() {
    let mut phone = Phone::new("Ada's iPhone");
    phone.install(MAIL, "Mail", false).unwrap();
    phone.register(MAIL, Types::ALL).unwrap();
    let happened = events(&mut phone);
    let [PhoneEvent::DidFail { error, .. }] = &happened[..] else {
        panic!("{happened:?}");
    };
    assert_eq!(
        error.to_string(),
        "NSCocoaErrorDomain 3000: no valid 'aps-environment' entitlement string found for application"
    );
    assert!(!phone.wants_connection());
}

#[test]
fn in_airplane_mode_an_app_hears_neither_success_nor_failure() {
    let mut phone = Phone::new("Ada's iPhone");
    phone.set_airplane(true);
    for (topic, entitled) in [(MAIL, true), (CHAT, false)] {
        phone.install(topic, topic, entitled).unwrap();
        phone.register(topic, Types::ALL).unwrap();
    }
    assert_eq!(events(&mut phone), []);
    assert!(!phone.wants_connection());
    phone.set_airplane(false);
    assert!(phone.wants_connection());
    assert!(matches!(
        events(&mut phone)[..],
        [PhoneEvent::DidFail { .. }, PhoneEvent::ConnectionWanted]
    ));
}

#[test]
fn an_alert_with_sound_and_badge_is_shown_heard_counted_and_acknowledged() {
    let mut phone = registered();
    let (said, happened) = arrives(
        &mut phone,
        1,
        r#"{"aps":{"alert":"hi","badge":3,"sound":"default"}}"#,
    );
    assert_eq!(said, [ack(1, Status::OK)]);
    let [
        PhoneEvent::Shown(note),
        PhoneEvent::BadgeChanged { badge: 3, .. },
        PhoneEvent::SoundPlayed { sound, .. },
    ] = &happened[..]
    else {
        panic!("{happened:?}");
    };
    assert_eq!((&*note.app, sound.as_str()), ("Mail", "default"));
    assert!(phone.lock_screen_text(now(), 40).contains("hi"));
    assert_eq!(phone.app(MAIL).unwrap().badge(), 3);
}

#[test]
fn a_badge_of_0_clears_and_an_absent_one_leaves_the_number() {
    let mut phone = registered();
    arrives(&mut phone, 1, r#"{"aps":{"badge":3}}"#);
    arrives(&mut phone, 2, r#"{"aps":{"alert":"hi"}}"#);
    assert_eq!(phone.app(MAIL).unwrap().badge(), 3);
    arrives(&mut phone, 3, r#"{"aps":{"badge":0}}"#);
    assert_eq!(phone.app(MAIL).unwrap().badge(), 0);
}

#[test]
fn an_app_in_the_foreground_gets_the_payload_and_nothing_is_shown() {
    let mut phone = registered();
    phone.set_state(MAIL, AppState::Foreground).unwrap();
    let (said, happened) = arrives(&mut phone, 1, r#"{"aps":{"alert":"hi"}}"#);
    assert_eq!(said, [ack(1, Status::OK)]);
    assert!(
        matches!(happened[..], [PhoneEvent::HandedToDelegate { .. }]),
        "{happened:?}"
    );
    assert_eq!(phone.lock_screen().notes().len(), 0);
}

#[test]
fn the_users_settings_hold_on_the_phone_and_apns_sees_no_difference() {
    let mut phone = registered();
    let settings = Settings {
        banner: false,
        ..Settings::default()
    };
    phone.set_settings(MAIL, settings).unwrap();
    phone.take_messages();
    let (said, happened) = arrives(&mut phone, 1, r#"{"aps":{"alert":"hi","sound":"default"}}"#);
    assert_eq!(said, [ack(1, Status::OK)]);
    assert!(
        matches!(happened[..], [PhoneEvent::SoundPlayed { .. }]),
        "{happened:?}"
    );
}

#[test]
fn what_cannot_be_read_is_acknowledged_and_shown_nowhere_with_its_reason() {
    let mut phone = registered();
    let (said, happened) = arrives(&mut phone, 1, r#"{"aps":"#);
    assert_eq!(said, [ack(1, Status::OK)]);
    assert!(
        matches!(
            happened[..],
            [PhoneEvent::NotShown {
                why: NotShown::Unreadable(_),
                ..
            }]
        ),
        "{happened:?}"
    );
}

#[test]
fn a_device_management_payload_needs_no_aps() {
    let mut phone = registered();
    let (_, happened) = arrives(&mut phone, 1, r#"{"mdm":"3A3B6C9D"}"#);
    assert!(
        matches!(happened[..], [PhoneEvent::DeviceManagementWoken { .. }]),
        "{happened:?}"
    );
}

#[test]
fn what_comes_twice_is_acknowledged_twice_and_shown_once() {
    let mut phone = registered();
    arrives(&mut phone, 1, r#"{"aps":{"alert":"hi"}}"#);
    let (said, happened) = arrives(&mut phone, 1, r#"{"aps":{"alert":"hi"}}"#);
    assert_eq!(said, [ack(1, Status::OK)]);
    assert!(
        matches!(happened[..], [PhoneEvent::ArrivedTwice { .. }]),
        "{happened:?}"
    );
    assert_eq!(phone.lock_screen().notes().len(), 1);
    assert_eq!(phone.received_count(), 1);
}

#[test]
fn a_push_for_an_app_that_was_removed_is_answered_app_gone() {
    let mut phone = registered();
    phone.install(CHAT, "Chat", true).unwrap();
    phone.register(CHAT, Types::ALL).unwrap();
    phone.uninstall(MAIL).unwrap();
    phone.take_messages();
    let (said, happened) = arrives(&mut phone, 9, r#"{"aps":{"alert":"anyone?"}}"#);
    assert_eq!(said, [ack(9, Status::APP_GONE)]);
    assert!(
        matches!(happened.last(), Some(PhoneEvent::AppGone { .. })),
        "{happened:?}"
    );
    assert_eq!(
        phone.history().last().map(|received| &received.outcome),
        Some(&Outcome::AppGone)
    );
}

#[test]
fn without_its_last_push_app_a_phone_hangs_up() {
    let mut phone = registered();
    phone.uninstall(MAIL).unwrap();
    assert!(!phone.keeps_connection());
    assert_eq!(
        events(&mut phone),
        [PhoneEvent::Offline, PhoneEvent::ConnectionUnwanted]
    );
    assert_eq!(phone.take_messages(), []);
}

#[test]
fn airplane_mode_for_a_moment_costs_the_connection_all_the_same() {
    let mut phone = registered();
    phone.set_airplane(true);
    phone.set_airplane(false);
    assert!(!phone.keeps_connection());
    assert!(phone.wants_connection());
}

#[test]
fn a_base_token_apns_does_not_know_is_given_up_and_every_app_registers_again() {
    let mut phone = registered();
    phone.disconnected();
    phone.connected();
    let hello = phone.take_messages();
    assert_eq!(
        hello,
        [Message::Connect {
            token: Some(base()),
            state: 1
        }]
    );
    let refusal = Message::ConnectAck {
        status: Status::BAD_TOKEN,
        token: None,
    };
    phone.receive(now(), refusal);
    assert!(!phone.keeps_connection());
    assert_eq!(phone.app(MAIL).unwrap().token(), None);
    online(&mut phone);
    assert!(matches!(
        phone.take_messages()[..],
        [Message::FilterTopics { .. }, Message::ScopedToken { .. }]
    ));
}

#[test]
fn opening_a_note_launches_the_app_with_its_payload_and_takes_the_note_away() {
    let mut phone = registered();
    arrives(&mut phone, 1, r#"{"aps":{"alert":"hi"},"mail":42}"#);
    let number = phone.lock_screen().notes().next().unwrap().number;
    phone.open(number).unwrap();
    let happened = events(&mut phone);
    let [
        PhoneEvent::Opened {
            payload,
            launched: true,
            ..
        },
    ] = &happened[..]
    else {
        panic!("{happened:?}");
    };
    assert_eq!(payload, r#"{"aps":{"alert":"hi"},"mail":42}"#);
    assert_eq!(phone.app(MAIL).unwrap().state(), AppState::Foreground);
    assert_eq!(phone.open(number), Err(ActionError::NoSuchNote));
}

#[test]
fn a_notification_that_is_forgotten_takes_its_note_with_it() {
    let mut phone = registered();
    let received = |phone: &mut Phone, id: u32, payload: &'static str| {
        let mut message = notification(token(), MAIL, 0, payload);
        if let Message::Notification { id: its, .. } = &mut message {
            *its = id.to_be_bytes();
        }
        phone.receive(now(), message);
    };
    received(&mut phone, 1, r#"{"aps":{"alert":"the first"}}"#);
    let last = u32::try_from(HISTORY_MAX).unwrap() + 1;
    for id in 2..last {
        received(&mut phone, id, r#"{"aps":{"badge":1}}"#);
    }
    assert_eq!(phone.lock_screen().notes().len(), 1);
    received(&mut phone, last, r#"{"aps":{"alert":"the last"}}"#);
    let notes: Vec<_> = phone.lock_screen().notes().collect();
    assert_eq!(notes[0].alert.body.as_deref(), Some("the last"));
    assert_eq!((notes.len(), notes[0].number), (1, u64::from(last)));
    assert_eq!(phone.history().len(), HISTORY_MAX);
    assert_eq!(phone.received_count(), u64::from(last));
}

#[test]
fn a_note_gives_way_to_a_later_one_of_its_app_and_collapse_id_alone() {
    let mut phone = registered();
    for (id, collapse_id, payload) in [
        (1, Some("score"), r#"{"aps":{"alert":"1:0"}}"#),
        (2, Some("weather"), r#"{"aps":{"alert":"rain"}}"#),
        (3, None, r#"{"aps":{"alert":"hello"}}"#),
        (4, Some("score"), r#"{"aps":{"alert":"1:1"}}"#),
    ] {
        let mut message = notification(token(), MAIL, id, payload);
        if let Message::Notification {
            collapse_id: its, ..
        } = &mut message
        {
            *its = collapse_id.map(|id: &str| Bytes::from_static(id.as_bytes()));
        }
        phone.receive(now(), message);
    }
    let bodies = phone
        .lock_screen()
        .notes()
        .map(|note| note.alert.body.unwrap());
    assert_eq!(bodies.collect::<Vec<_>>(), ["rain", "hello", "1:1"]);
    assert_eq!(phone.history().len(), 4, "each has arrived");
}

#[test]
fn a_keepalive_without_an_answer_means_the_connection_is_dead() {
    let mut phone = registered();
    assert!(phone.keep_alive());
    assert_eq!(phone.take_messages(), [Message::KeepAlive]);
    phone.receive(now(), Message::KeepAliveAck);
    assert!(phone.keep_alive());
    assert_eq!(phone.take_messages(), [Message::KeepAlive]);
    assert!(!phone.keep_alive());
}

#[test]
fn the_lock_screen_is_drawn_with_clock_notes_and_badges() {
    let mut phone = registered();
    phone.install(CHAT, "Chat", true).unwrap();
    arrives(
        &mut phone,
        1,
        r#"{"aps":{"alert":{"title":"Jenna","body":"Dinner at eight? 日本 \u001b[2J"},"badge":3}}"#,
    );
    let picture = phone.lock_screen_text(now() + Duration::from_secs(120), 40);
    // It is 22:15 UTC; the escape sequence in the alert has become harmless.
    let expected = "\
╭──────────────────────────────────────╮
│ Ada's iPhone                    ●●●● │
│                                      │
│          ╺━┓ ╺━┓ ╻  ╻  ┏━╸           │
│          ┏━┛ ┏━┛ ╹  ┃  ┗━┓           │
│          ┗━╸ ┗━╸    ╹  ╺━┛           │
│         Tuesday, 14 November         │
│                                      │
│ ╭──────────────────────────────────╮ │
│ │ MAIL                      2m ago │ │
│ │ Jenna                            │ │
│ │ Dinner at eight? 日本  [2J       │ │
│ ╰──────────────────────────────────╯ │
│                                      │
│         ▣ Mail (3)   ▢ Chat          │
│               ━━━━━━━━               │
╰──────────────────────────────────────╯
";
    assert_eq!(picture, expected);
}
