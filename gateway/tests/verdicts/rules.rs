//! What must hold for any answer, however odd.

use std::time::Duration;

use apns_gateway::verdict::{
    Answer, Auth, Class, ErrorCode, Fault, GoAway, Misconfiguration, Outcome, Place, Reason, Retry,
    Verdict, When,
};
use apns_proto::Status;
use proptest::prelude::*;

const AUTHS: [Auth; 3] = [Auth::Certificate, Auth::Token, Auth::FreshToken];

fn answered(status: u16, body: &str) -> Outcome {
    Outcome::Answered(Answer::new(status, body.as_bytes()))
}

fn verdict(status: u16, body: &str) -> Verdict {
    Verdict::of_http2(&answered(status, body), Auth::Token)
}

fn because(reason: &str) -> String {
    format!(r#"{{"reason":"{reason}"}}"#)
}

fn back_off(class: Class) -> Verdict {
    Verdict::Retry(Retry {
        when: When::BackOff(class),
        place: Place::Same,
    })
}

#[test]
fn a_body_is_read_leniently() {
    let nothing: &[&[u8]] = &[
        b"",
        b"{",
        b"<html>busy</html>",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"\"BadDeviceToken\"",
        br#"{"reason":8}"#,
        br#"{"Reason":"BadDeviceToken"}"#,
    ];
    for body in nothing {
        let answer = Answer::new(400, body);
        assert_eq!((answer.reason, answer.timestamp_ms), (None, None));
    }
    let answer = Answer::new(
        410,
        br#" { "timestamp" : 1700000000999, "more": {"a": [1]}, "reason" : "Unregistered" } "#,
    );
    assert_eq!(answer.reason, Some(Reason::Unregistered));
    assert_eq!(answer.timestamp_ms, Some(1_700_000_000_999));
    for odd in ["-1", "1.5", "\"1700000000999\"", "null", "1e40"] {
        let body = format!(r#"{{"reason":"Unregistered","timestamp":{odd}}}"#);
        let answer = Answer::new(410, body.as_bytes());
        assert_eq!(
            (answer.reason, answer.timestamp_ms),
            (Some(Reason::Unregistered), None)
        );
    }
    let long = format!(
        r#"{{"reason":"BadDeviceToken","x":"{}"}}"#,
        "x".repeat(1024)
    );
    assert_eq!(Answer::new(400, long.as_bytes()).reason, None, "it is cut");
    let deep = "[".repeat(1024);
    assert_eq!(Answer::new(400, deep.as_bytes()).reason, None);
}

#[test]
fn a_410_says_since_when_in_seconds() {
    for reason in ["Unregistered", "ExpiredToken"] {
        let body = format!(r#"{{"reason":"{reason}","timestamp":1700000000999}}"#);
        let since = Some(1_700_000_000);
        assert_eq!(verdict(410, &body), Verdict::Unregistered { since });
    }
    let now = Verdict::Unregistered { since: None };
    assert_eq!(verdict(410, ""), now, "the status alone says it");
    assert_eq!(verdict(410, &because("NewIn2027")), now);
}

#[test]
fn a_provider_token_is_made_anew_once_and_then_the_key_is_at_fault() {
    let fresh = Verdict::Retry(Retry {
        when: When::AtOnce,
        place: Place::FreshToken,
    });
    let held = Verdict::Misconfigured;
    for (reason, with_token, with_a_fresh_one) in [
        ("ExpiredProviderToken", fresh, held(Misconfiguration::Clock)),
        ("InvalidProviderToken", fresh, held(Misconfiguration::Key)),
        ("UnrelatedKeyIdInToken", fresh, held(Misconfiguration::Key)),
        (
            "MissingProviderToken",
            held(Misconfiguration::Key),
            held(Misconfiguration::Key),
        ),
        (
            "BadEnvironmentKeyIdInToken",
            held(Misconfiguration::Environment),
            held(Misconfiguration::Environment),
        ),
        (
            "BadEnvironmentKeyInToken",
            held(Misconfiguration::Environment),
            held(Misconfiguration::Environment),
        ),
    ] {
        let outcome = answered(403, &because(reason));
        assert_eq!(Verdict::of_http2(&outcome, Auth::Token), with_token);
        assert_eq!(
            Verdict::of_http2(&outcome, Auth::FreshToken),
            with_a_fresh_one
        );
        assert!(matches!(
            Verdict::of_http2(&outcome, Auth::Certificate),
            Verdict::Misconfigured(_)
        ));
    }
}

#[test]
fn a_goodbye_frees_the_streams_above_the_last_one_and_says_nothing_of_the_others() {
    let goodbye = GoAway::new(5, ErrorCode::NO_ERROR, b"");
    assert_eq!((goodbye.outcome(3), goodbye.outcome(5)), (None, None));
    let above = goodbye.outcome(7).unwrap();
    assert_eq!(above, goodbye.unprocessed());
    assert!(!above.is_unknown());
    let elsewhere = Verdict::Retry(Retry {
        when: When::AtOnce,
        place: Place::NewConnection,
    });
    assert_eq!(Verdict::of_http2(&above, Auth::Token), elsewhere);
    let lost = Outcome::Lost { alone: false };
    assert!(lost.is_unknown());
    assert_eq!(Verdict::of_http2(&lost, Auth::Token), elsewhere);
}

#[test]
fn a_goodbye_that_blames_the_certificate_holds_the_app() {
    let goodbye = |reason: &str| {
        let data = because(reason);
        GoAway::new(0, ErrorCode::NO_ERROR, data.as_bytes()).unprocessed()
    };
    let wrong = goodbye("BadCertificateEnvironment");
    assert_eq!(
        Verdict::of_http2(&wrong, Auth::Certificate),
        Verdict::Misconfigured(Misconfiguration::Environment)
    );
    assert_eq!(
        wrong.to_string(),
        "goaway with NO_ERROR, BadCertificateEnvironment"
    );
    // A token is nobody's connection: whatever a goodbye says of one is not believed.
    assert!(matches!(
        Verdict::of_http2(&goodbye("BadDeviceToken"), Auth::Token),
        Verdict::Retry(_)
    ));
}

#[test]
fn a_refused_stream_was_not_looked_at_and_any_other_reset_may_have_been_delivered() {
    for code in 0..=0x20 {
        let outcome = Outcome::Reset(ErrorCode(code));
        let verdict = Verdict::of_http2(&outcome, Auth::Token);
        let charged = !matches!(
            verdict,
            Verdict::Retry(Retry {
                when: When::After(_),
                place: Place::Same
            })
        );
        assert!(matches!(verdict, Verdict::Retry(_)));
        assert_eq!((outcome.is_unknown(), charged), (code != 7, code != 7));
    }
    assert_eq!(
        Outcome::Reset(ErrorCode(0xd)).to_string(),
        "stream reset with HTTP_1_1_REQUIRED"
    );
    assert_eq!(ErrorCode(0xe).to_string(), "0xe");
}

#[test]
fn an_unknown_reason_leaves_it_to_the_status() {
    let rejected = Verdict::Refused {
        status: Status::PROCESSING_ERROR,
        fault: Fault::Gateway,
    };
    for (status, expected) in [
        (200, Verdict::Delivered),
        (204, Verdict::Delivered),
        (302, back_off(Class::Failed)),
        (400, rejected),
        (401, rejected),
        (403, Verdict::Misconfigured(Misconfiguration::Forbidden)),
        (404, rejected),
        (405, rejected),
        (408, back_off(Class::Failed)),
        (418, rejected),
        (
            413,
            Verdict::Refused {
                status: Status::INVALID_PAYLOAD_SIZE,
                fault: Fault::Backend,
            },
        ),
        (429, back_off(Class::Throttled)),
        (500, back_off(Class::Failed)),
        (502, back_off(Class::Failed)),
        (503, back_off(Class::Unavailable)),
        (599, back_off(Class::Failed)),
        (0, back_off(Class::Failed)),
        (600, back_off(Class::Failed)),
    ] {
        for body in ["", &because("NewIn2027")] {
            assert_eq!(verdict(status, body), expected, "{status} {body}");
        }
    }
}

#[test]
fn what_older_lists_gave_another_status_means_the_same() {
    assert_eq!(
        verdict(400, &because("BadPath")),
        verdict(404, &because("BadPath"))
    );
    assert_eq!(
        verdict(400, &because("Forbidden")),
        verdict(403, &because("Forbidden"))
    );
    assert_eq!(
        verdict(503, &because("IdleTimeout")),
        verdict(400, &because("IdleTimeout"))
    );
}

fn reason() -> impl Strategy<Value = String> {
    let known = proptest::sample::select(Reason::ALL).prop_map(|(_, reason)| reason.to_string());
    prop_oneof![4 => known, 1 => ".{0,80}"]
}

proptest! {
    #[test]
    fn only_apples_two_words_in_a_4xx_make_a_token_bad(
        status in 100_u16..700,
        reason in reason(),
        auth in proptest::sample::select(&AUTHS),
    ) {
        let body = serde_json::json!({ "reason": reason }).to_string();
        let verdict = Verdict::of_http2(&answered(status, &body), auth);
        let bad = (400..500).contains(&status) && ["BadDeviceToken", "DeviceTokenNotForTopic"].contains(&&*reason);
        let month = Duration::from_secs(30 * 24 * 3600);
        prop_assert_eq!(bad, verdict == Verdict::BadToken { status: Status::INVALID_TOKEN, lifetime: month });
        prop_assert_eq!(bad, matches!(verdict, Verdict::BadToken { .. }));
        // Nor is a backend told of it in any other way: a purged token is gone for good.
        if let Verdict::Refused { status, .. } = verdict {
            prop_assert!([1, 2, 4, 7].contains(&status.0));
        }
        prop_assert_eq!((200..300).contains(&status), verdict == Verdict::Delivered);
        if matches!(verdict, Verdict::Unregistered { .. }) {
            prop_assert!(status == 410 || ["Unregistered", "ExpiredToken"].contains(&&*reason));
        }
    }

    #[test]
    fn any_body_is_survived_and_what_is_logged_of_it_is_short_and_printable(
        status in any::<u16>(),
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..3000),
            ".{0,300}".prop_map(|word| serde_json::json!({ "reason": word, "timestamp": 1 }).to_string().into_bytes()),
        ],
        last_stream_id in any::<u32>(),
        code in any::<u32>(),
    ) {
        let goodbye = GoAway::new(last_stream_id, ErrorCode(code), &body).unprocessed();
        for outcome in [Outcome::Answered(Answer::new(status, &body)), goodbye] {
            let said = outcome.to_string();
            prop_assert!(said.chars().count() <= 100, "{}", said);
            prop_assert!(!said.contains(char::is_control));
            for auth in AUTHS {
                let _whatever = Verdict::of_http2(&outcome, auth);
            }
        }
    }

    #[test]
    fn nothing_that_may_have_been_delivered_is_given_another_end_than_a_retry(code in any::<u32>(), alone in any::<bool>()) {
        for outcome in [Outcome::Reset(ErrorCode(code)), Outcome::Lost { alone }, Outcome::Unanswered, Outcome::Garbled, Outcome::NoPreface] {
            for auth in AUTHS {
                prop_assert!(matches!(Verdict::of_http2(&outcome, auth), Verdict::Retry(_)));
            }
        }
    }
}
