use std::time::{Duration, UNIX_EPOCH};

use apns_net::credentials::Environment;
use apns_proto::{Command, Identifier, Status, Token};
use serde_json::json;

use super::*;
use crate::event::{Device, DeviceId, Dropped};
use crate::faults::{self, Action};

const MAIL: &str = "com.example.Mail";

fn phone() -> Device {
    Device {
        id: DeviceId(0),
        name: "iPhone 1".into(),
    }
}

/// Command 2 with token and payload, [P-12].
fn request(topic: &str, token: u8, payload: &str) -> Request {
    let mut items = vec![1, 0, 32];
    items.extend([token; 32]);
    items.push(2);
    items.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    items.extend(payload.bytes());
    items.extend([5, 0, 1, 10]);
    let mut frame = vec![2];
    frame.extend(u32::try_from(items.len()).unwrap().to_be_bytes());
    frame.extend(items);
    Request {
        topic: topic.into(),
        environment: Environment::Sandbox,
        token: Some(Token::new(vec![token; 32])),
        sent: Sent::Frame {
            command: Command::FRAMED,
            identifier: Some(Identifier::from_u32(7)),
            frame: frame.into(),
        },
    }
}

fn accepted(topic: &str, token: u8, payload: &str) -> What {
    What::Accepted {
        request: request(topic, token, payload),
        route: Route::Queued(phone()),
    }
}

fn page(first: u64, whats: impl IntoIterator<Item = What>) -> Page {
    let events = (first..).zip(whats).map(|(seq, what)| Event {
        seq,
        at: UNIX_EPOCH + Duration::from_secs(seq),
        what,
    });
    Page {
        events: events.collect(),
        missed: 0,
    }
}

fn inbox(whats: impl IntoIterator<Item = What>) -> Inbox {
    let mut inbox = Inbox::default();
    inbox.take(page(1, whats));
    inbox
}

fn filter(json: serde_json::Value) -> Filter {
    serde_json::from_value(json).unwrap()
}

#[test]
fn a_push_shows_what_came_and_what_became_of_it() {
    let mut inbox = inbox([accepted(MAIL, 0xa1, r#"{"aps":{"alert":"hi"}}"#)]);
    let push = inbox.push(1).unwrap();
    assert_eq!(push.payload, r#"{"aps":{"alert":"hi"}}"#);
    assert_eq!((push.priority, push.expiry), (Some(Priority(10)), None));
    assert_eq!(push.phone.as_deref(), Some("iPhone 1"));
    assert_eq!((&push.fate, push.settled_at), (&Fate::OnItsWay, None));
    let delivered = What::Delivered {
        push: 1,
        device: phone(),
        topic: MAIL.into(),
        token: Token::new(vec![0xa1; 32]),
    };
    inbox.take(page(2, [delivered]));
    let push = inbox.push(1).unwrap();
    assert_eq!(push.fate, Fate::Delivered);
    assert_eq!(push.settled_at, Some(UNIX_EPOCH + Duration::from_secs(2)));
    assert_eq!(inbox.seen(), 2);
}

#[test]
fn every_end_of_a_push_has_its_word() {
    let (device, topic) = (phone, || MAIL.into());
    let ends = [
        (
            What::Dropped {
                push: 1,
                device: device(),
                topic: topic(),
                why: Dropped::Expired,
            },
            Outcome::Dropped,
        ),
        (
            What::Overwritten {
                push: 1,
                by: 9,
                device: device(),
                topic: topic(),
            },
            Outcome::Overwritten,
        ),
        (
            What::AppGone {
                push: 1,
                device: device(),
                topic: topic(),
                token: Token::new(vec![0xa1; 32]),
                timestamp: 0,
            },
            Outcome::AppGone,
        ),
    ];
    for (end, outcome) in ends {
        let mut inbox = inbox([accepted(MAIL, 0xa1, "{}")]);
        inbox.take(page(2, [end]));
        let fate = &inbox.push(1).unwrap().fate;
        assert_eq!(fate.outcome(), outcome);
        assert!(fate.why().is_some());
        assert_eq!(json!(outcome), json!(outcome.to_string()));
    }
}

#[test]
fn a_frame_that_is_none_is_in_the_inbox_without_a_payload() {
    let inbox = inbox([What::Rejected {
        request: Request {
            sent: Sent::Frame {
                command: Command::FRAMED,
                frame: Bytes::from_static(&[9, 9, 9]),
                identifier: None,
            },
            token: None,
            ..request(MAIL, 1, "{}")
        },
        status: Some(Status::PROCESSING_ERROR),
        clause: "P-17",
        why: "an unknown command".to_owned(),
    }]);
    let push = inbox.push(1).unwrap();
    assert!(push.payload.is_empty());
    assert_eq!(push.status(), Some(1));
    assert!(filter(json!({"status": 1, "outcome": "rejected"})).matches(push));
    assert!(!filter(json!({"text": "hi"})).matches(push));
}

#[test]
fn the_oldest_pushes_make_room_and_are_counted() {
    let count = PUSHES_MAX as u64 + 3;
    let mut inbox = inbox((0..count).map(|_| accepted(MAIL, 1, "{}")));
    assert_eq!((inbox.total(), inbox.dropped()), (count, 3));
    assert_eq!(inbox.pushes().next().map(|push| push.id), Some(4));
    assert!(inbox.push(3).is_none());
    let late = What::Delivered {
        push: 3,
        device: phone(),
        topic: MAIL.into(),
        token: Token::new(vec![1; 32]),
    };
    inbox.take(page(count + 1, [late]));
    inbox.take(Page {
        events: Vec::new(),
        missed: 5,
    });
    assert_eq!(inbox.missed_events(), 5);
}

#[test]
fn a_push_that_a_fault_decided_has_an_outcome_and_the_name_of_the_fault() {
    let close = |taken| Action::Close { taken };
    let status = Status::INVALID_TOKEN;
    let reason = Action::Reason {
        status: 429,
        reason: "TooManyRequests".into(),
    };
    let delay = Duration::ZERO;
    for (action, outcome) in [
        (
            Action::Status { status },
            Some((Outcome::Rejected, Some(8), None)),
        ),
        (
            reason,
            Some((Outcome::Rejected, Some(429), Some("TooManyRequests"))),
        ),
        (Action::NoPacket, Some((Outcome::Rejected, None, None))),
        (
            Action::Swallow { delay },
            Some((Outcome::Dropped, None, None)),
        ),
        (close(false), Some((Outcome::Lost, None, None))),
        // The world's own event follows.
        (close(true), None),
        (
            Action::Latency {
                delay,
                jitter: delay,
            },
            None,
        ),
    ] {
        let name = action.name();
        let inbox = inbox([What::Injected {
            fault: "bad day".into(),
            action,
            face: Some(faults::Face::Binary),
            topic: MAIL.into(),
            connection: 1,
            request: Some(Box::new(request(MAIL, 0xa1, "{}"))),
        }]);
        let got = inbox.push(1).map(|push| {
            assert_eq!(push.fault(), Some("bad day"));
            let reason = push.reason();
            (push.fate.outcome(), push.status(), reason)
        });
        let outcome =
            outcome.map(|(outcome, status, reason)| (outcome, status, reason.map(str::to_owned)));
        assert_eq!(got, outcome, "{name}");
    }
}

#[test]
fn every_condition_of_a_filter_lets_through_and_holds_back() {
    let inbox = inbox([accepted(MAIL, 0xa1, r#"{"aps":{"alert":"Hi","badge":3}}"#)]);
    let push = inbox.push(1).unwrap();
    let table = [
        (json!({"since": 0}), json!({"since": 1})),
        (json!({"topic": MAIL}), json!({"topic": "com.example"})),
        (json!({"token": "A1a1"}), json!({"token": "a2"})),
        (json!({"phone": "iPhone 1"}), json!({"phone": "iPhone"})),
        (
            json!({"environment": "sandbox"}),
            json!({"environment": "production"}),
        ),
        (json!({"face": "binary"}), json!({"face": "http2"})),
        (json!({"identifier": 7}), json!({"identifier": 8})),
        (
            json!({"outcome": "on_its_way"}),
            json!({"outcome": "delivered"}),
        ),
        (json!({}), json!({"status": 8})),
        (json!({"text": "hI"}), json!({"text": "ho"})),
        (
            json!({"payload": {"aps": {"badge": 3}}}),
            json!({"payload": {"aps": {"badge": 4}}}),
        ),
        (
            json!({"payload": "{\"aps\":{}}"}),
            json!({"payload": "{\"other\":{}}"}),
        ),
    ];
    for (through, back) in table {
        assert_eq!(filter(through.clone()).mismatches(push), [], "{through}");
        assert_eq!(filter(back.clone()).mismatches(push).len(), 1, "{back}");
    }
}

#[test]
fn a_filter_that_no_push_could_pass_is_refused() {
    for (wrong, sentence) in [
        (json!({"tpoic": "x"}), "unknown field `tpoic`"),
        (
            json!({"outcome": "vanished"}),
            "expected one of `on_its_way`",
        ),
        (
            json!({"environment": "test"}),
            "expected `sandbox` or `production`",
        ),
        (json!({"token": "<a1>"}), "hex digits alone"),
        (json!({"token": ""}), "hex digits alone"),
        (json!({"payload": [1]}), "not a JSON object"),
        (json!({"payload": "{"}), "payload is not JSON"),
    ] {
        let error = serde_json::from_value::<Filter>(wrong).unwrap_err();
        assert!(error.to_string().contains(sentence), "{error}");
    }
}

#[test]
fn the_nearest_miss_fails_the_fewest_conditions_and_says_which() {
    let inbox = inbox([
        accepted("com.example.Other", 1, r#"{"aps":{"alert":"hi"}}"#),
        accepted(MAIL, 2, r#"{"aps":{"alert":"ho"}}"#),
        accepted("com.example.Other", 3, r#"{"aps":{"alert":"ho"}}"#),
    ]);
    let wanted = filter(json!({
        "topic": MAIL, "token": "02", "payload": {"aps": {"alert": "hi"}}
    }));
    let miss = wanted.nearest_miss(inbox.pushes()).unwrap();
    assert_eq!(miss.push.id, 2);
    assert_eq!(
        miss.why[0].to_string(),
        r#"payload.aps.alert: expected "hi", got "ho""#
    );
    assert!(Filter::default().nearest_miss(inbox.pushes()).is_none());
}

#[test]
fn an_expectation_counts() {
    let inbox = inbox([
        accepted(MAIL, 1, "{}"),
        accepted(MAIL, 2, "{}"),
        accepted("com.example.Other", 3, "{}"),
    ]);
    let mail = || filter(json!({"topic": MAIL}));
    let met = |count, at_least, at_most| {
        Expectation::new(mail(), count, at_least, at_most)
            .unwrap()
            .count(&inbox)
            .met
    };
    for (count, at_least, at_most, expected) in [
        (None, None, None, true),
        (Some(2), None, None, true),
        (Some(1), None, None, false),
        (Some(3), None, None, false),
        (Some(0), None, None, false),
        (None, Some(2), None, true),
        (None, Some(3), None, false),
        (None, None, Some(2), true),
        (None, None, Some(1), false),
        (None, Some(1), Some(2), true),
    ] {
        assert_eq!(
            met(count, at_least, at_most),
            expected,
            "{count:?} {at_least:?} {at_most:?}"
        );
    }
    assert_eq!(
        Expectation::new(mail(), Some(1), Some(1), None),
        Err(ExpectationError::CountAndRange)
    );
    assert_eq!(
        Expectation::new(mail(), None, Some(2), Some(1)),
        Err(ExpectationError::Range {
            at_least: 2,
            at_most: 1
        })
    );
    let three = Expectation::new(mail(), Some(3), None, None).unwrap();
    assert_eq!(three.to_string(), "exactly 3");
    assert_eq!(three.count(&inbox).nearest.unwrap().push.id, 3);
    assert!(three.exceeded(4) && !three.exceeded(3));
}
