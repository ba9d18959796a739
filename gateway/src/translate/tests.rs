//! Literal requests, and what holds for all of them.

use std::collections::HashSet;
use std::time::{Duration, UNIX_EPOCH};

use apns_proto::Token;
use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::store::RowId;

const NOW: u64 = 1_700_000_000;

/// Bytes 00 to 0f.
const INSTALLATION: Installation =
    Installation([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

fn row(serial: u64, payload: &str) -> Row {
    Row {
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        accepted_at: NOW,
        ..Row::fake(serial, Token::new(Bytes::from_iter(0xa0..0xc0)))
    }
}

fn envelope(topic: &str) -> Envelope {
    let authority = Authority::from_static("api.push.apple.com");
    Envelope::new(authority, topic, false, INSTALLATION).unwrap()
}

fn mail() -> Envelope {
    envelope("com.example.Mail")
}

fn header(request: &Request<()>, name: &str) -> Option<String> {
    let value = request.headers().get(name)?;
    Some(value.to_str().unwrap().to_owned())
}

/// Push type and priority of a payload that asked for nothing.
fn kind(payload: &str) -> (String, String) {
    let request = mail().request(&row(1, payload), now());
    let value = |name| header(&request, name).unwrap();
    (value("apns-push-type"), value("apns-priority"))
}

#[test]
fn a_request_is_what_apple_writes_down() {
    let mut row = row(7, r#"{"aps":{"alert":"hi"}}"#);
    row.expiry = Some(Expiry(1_700_003_600));
    row.priority = Some(Priority(10));
    let request = mail().request(&row, now());
    assert_eq!(request.method(), "POST");
    assert_eq!(
        request.uri(),
        "https://api.push.apple.com/3/device/a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
    );
    let headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    assert_eq!(
        headers,
        [
            // uuid.uuid5 of Python, of this name space and the eight bytes 0000800000000007.
            ("apns-id", "f0671c49-85b6-5424-8a8c-4a0ef8c249ea"),
            ("apns-topic", "com.example.Mail"),
            ("apns-push-type", "alert"),
            ("apns-priority", "10"),
            ("apns-expiration", "1700003600"),
        ]
    );
}

#[test]
fn an_expiry_that_is_no_promise_of_storage_is_0_and_none_is_no_header() {
    for (expiry, expected) in [
        (None, None),
        (Some(0), Some("0")),
        (Some(-1), Some("0")),
        (Some(i32::MIN), Some("0")),
        // rpush's default: a day after 1970.
        (Some(86_400), Some("0")),
        (Some(1_699_999_999), Some("0")),
        (Some(1_700_000_000), Some("0")),
        (Some(1_700_000_001), Some("1700000001")),
        (Some(i32::MAX), Some("2147483647")),
    ] {
        let row = Row {
            expiry: expiry.map(Expiry),
            ..row(1, "{}")
        };
        let expiration = header(&mail().request(&row, now()), "apns-expiration");
        assert_eq!(expiration.as_deref(), expected, "{expiry:?}");
    }
}

#[test]
fn a_priority_that_is_none_counts_as_10() {
    for (asked, expected) in [
        (None, "10"),
        (Some(10), "10"),
        (Some(5), "5"),
        (Some(0), "10"),
        (Some(1), "10"),
        (Some(255), "10"),
    ] {
        let row = Row {
            priority: asked.map(Priority),
            ..row(1, r#"{"aps":{"alert":"hi"}}"#)
        };
        let priority = header(&mail().request(&row, now()), "apns-priority");
        assert_eq!(priority.as_deref(), Some(expected), "{asked:?}");
    }
}

#[test]
fn only_content_available_alone_is_a_background_push_and_of_priority_5() {
    for payload in [
        r#"{"aps":{"content-available":1}}"#,
        r#"{"aps":{"content-available":true}}"#,
        r#"{"aps":{"content-available":"1"}}"#,
        r#"{"aps":{"content-available":1,"alert":null}}"#,
        r#"{"aps":{"category":"NEW","content-available":1},"alert":"not of aps","mdm":"x"}"#,
        r#" { "id": [1, {"sound": 2}], "aps" : { "content\u002davailable" : 1 } } "#,
    ] {
        assert_eq!(
            kind(payload),
            ("background".into(), "5".into()),
            "{payload}"
        );
        let urgent = Row {
            priority: Some(Priority(10)),
            ..row(1, payload)
        };
        let priority = header(&mail().request(&urgent, now()), "apns-priority");
        assert_eq!(priority.as_deref(), Some("5"), "{payload}");
    }
    for payload in [
        r#"{"aps":{"content-available":1,"alert":"hi"}}"#,
        r#"{"aps":{"content-available":1,"badge":0}}"#,
        r#"{"aps":{"content-available":1,"sound":""}}"#,
        r#"{"aps":{"content-available":0}}"#,
        r#"{"aps":{"content-available":false}}"#,
        r#"{"aps":{"content-available":[1]}}"#,
        r#"{"aps":{}}"#,
        r#"{"aps":""}"#,
        r#"{"content-available":1}"#,
        "{}",
        "[]",
        "",
        "{",
        "content-available",
        r#"{"aps":{"content-available":1}} and more"#,
    ] {
        assert_eq!(kind(payload), ("alert".into(), "10".into()), "{payload}");
    }
}

#[test]
fn a_managed_device_is_woken_by_a_push_of_its_own_type() {
    let magic = r#"{"mdm":"C1A2B3C4-0000-0000-0000-000000000000"}"#;
    let request = envelope("com.apple.mgmt.External.0123").request(&row(1, magic), now());
    let value = |name| header(&request, name).unwrap();
    assert_eq!(value("apns-push-type"), "mdm");
    assert_eq!(value("apns-priority"), "10");
    assert_eq!(value("apns-topic"), "com.apple.mgmt.External.0123");
}

#[test]
fn an_app_pushes_nothing_of_a_type_that_its_topic_may_not_have() {
    for payload in [
        r#"{"mdm":"C1A2B3C4"}"#,
        r#"{"aps":{"alert":"hi"},"mdm":"x"}"#,
    ] {
        assert_eq!(kind(payload).0, "alert", "{payload}");
    }
}

#[test]
fn the_topic_says_what_its_pushes_are() {
    let authority = || Authority::from_static("api.sandbox.push.apple.com:2197");
    for (topic, is_voip, expected, push_type) in [
        ("com.example.Mail", true, "com.example.Mail.voip", "voip"),
        (
            "com.example.Mail.voip",
            true,
            "com.example.Mail.voip",
            "voip",
        ),
        (
            "com.example.Mail.voip",
            false,
            "com.example.Mail.voip",
            "voip",
        ),
        (
            "com.example.Mail.complication",
            false,
            "com.example.Mail.complication",
            "complication",
        ),
        (
            "pass.com.example.card",
            false,
            "pass.com.example.card",
            "alert",
        ),
        ("web.com.example", false, "web.com.example", "alert"),
    ] {
        let envelope = Envelope::new(authority(), topic, is_voip, INSTALLATION).unwrap();
        let request = envelope.request(&row(1, r#"{"aps":{"alert":"hi"}}"#), now());
        let value = |name| header(&request, name).unwrap();
        assert_eq!(
            (&*value("apns-topic"), &*value("apns-push-type")),
            (expected, push_type)
        );
        assert_eq!(
            request.uri().authority(),
            Some(&authority()),
            "the port is kept"
        );
    }
    assert!(Envelope::new(authority(), "com.example\n", false, INSTALLATION).is_err());
}

#[test]
fn the_id_is_the_notifications_own_over_requeues_and_in_no_other_store() {
    let id = |installation, row: &Row| {
        let authority = Authority::from_static("localhost");
        let envelope = Envelope::new(authority, "com.example.Mail", false, installation).unwrap();
        header(&envelope.request(row, now()), "apns-id").unwrap()
    };
    let requeued = Row {
        id: RowId::fake(900),
        connection: 0,
        ..row(7, "{}")
    };
    assert_eq!(
        id(INSTALLATION, &requeued),
        "f0671c49-85b6-5424-8a8c-4a0ef8c249ea"
    );
    assert_eq!(
        id(Installation([0; 16]), &requeued),
        "c4055393-b52a-5eb8-9a2b-473553aa3b3a"
    );
    assert_eq!(
        id(INSTALLATION, &row(8, "{}")),
        "595b13f9-0701-511c-9374-6a07f99063de"
    );
    let many: HashSet<_> = (0..10_000)
        .map(|serial| id(INSTALLATION, &row(serial, "{}")))
        .collect();
    assert_eq!(many.len(), 10_000);
}

fn any_payload() -> impl Strategy<Value = Vec<u8>> {
    let json = prop_oneof![
        Just("\"alert\":\"hi\""),
        Just("\"badge\":1"),
        Just("\"content-available\":1"),
        Just("\"mdm\":\"x\""),
        Just("\"aps\":{}"),
    ];
    let object =
        prop::collection::vec(json, 0..4).prop_map(|parts| format!("{{{}}}", parts.join(",")));
    prop_oneof![
        object.clone().prop_map(String::into_bytes),
        object.prop_map(|aps| format!("{{\"aps\":{aps}}}").into_bytes()),
        prop::collection::vec(any::<u8>(), 0..64),
        (0_usize..4096).prop_map(|depth| b"{\"aps\":".repeat(depth / 7)),
    ]
}

proptest! {
    #[test]
    fn whatever_was_accepted_makes_a_request_apple_has_a_word_for(
        token in prop::collection::vec(any::<u8>(), 1..100),
        payload in any_payload(),
        expiry in any::<Option<i32>>(),
        priority in any::<Option<u8>>(),
        serial in 1_u64..1 << 47,
        seconds in 0_u64..1 << 33,
        topic in prop::sample::select(&["com.example.Mail", "com.example.Mail.voip", "com.apple.mgmt.x", "pass.x"]),
    ) {
        let row = Row {
            token: Token::new(Bytes::from(token.clone())),
            payload: Bytes::from(payload),
            expiry: expiry.map(Expiry),
            priority: priority.map(Priority),
            ..row(serial, "")
        };
        let request = envelope(topic).request(&row, UNIX_EPOCH + Duration::from_secs(seconds));
        let path = request.uri().path();
        let hex = path.strip_prefix("/3/device/").unwrap();
        prop_assert_eq!(hex.len(), 2 * token.len());
        prop_assert!(hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)));

        let value = |name| header(&request, name);
        let push_type = value("apns-push-type").unwrap();
        let priority = value("apns-priority").unwrap();
        prop_assert!(["alert", "background", "mdm", "voip"].contains(&&*push_type));
        prop_assert_eq!(push_type == "mdm", topic.starts_with("com.apple.mgmt."), "APNs takes mdm for no other topic [H-18]");
        prop_assert!(["10", "5"].contains(&&*priority));
        prop_assert!(push_type != "background" || priority == "5");
        prop_assert_eq!(push_type == "voip", value("apns-topic").unwrap().ends_with(".voip"));

        let id = value("apns-id").unwrap();
        let lengths: Vec<_> = id.split('-').map(str::len).collect();
        prop_assert_eq!(lengths, [8, 4, 4, 4, 12]);
        prop_assert_eq!(&id[14..15], "5");
        prop_assert!("89ab".contains(&id[19..20]));
        prop_assert_eq!(id.to_lowercase(), id);

        let expiration = value("apns-expiration").map(|at| at.parse::<u64>().unwrap());
        prop_assert_eq!(expiration.is_some(), expiry.is_some());
        prop_assert!(expiration.is_none_or(|at| at == 0 || (at > seconds && i64::try_from(at) == Ok(i64::from(expiry.unwrap())))));
        prop_assert_eq!(request.headers().len(), 4 + usize::from(expiry.is_some()));
    }
}
