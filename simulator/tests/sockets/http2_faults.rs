//! Faults on the HTTP/2 port: what a client sees of each.

use std::io::ErrorKind;
use std::time::{Duration, Instant, UNIX_EPOCH};

use apns_net::h2tap::GoAway;
use apns_proto::Token;
use apns_simulator::event::What;
use apns_simulator::provider_api::Reason;
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::faults::{add, injected, magic, scene};
use crate::http2::{Answer, Client, Signer, TEAM, said, seconds_now};
use crate::support::{DEADLINE, Scene, TOPIC, alert, dial, has_received, received, soon};

const HEADERS: [(&str, &str); 1] = [("apns-topic", TOPIC)];

async fn client(scene: &Scene) -> Client {
    Client::connect(scene, Some(&scene.portal.provider())).await
}

/// Pushes `text` to a phone.
async fn push(client: &Client, token: &Token, text: &str) -> Result<Answer, h2::Error> {
    client
        .try_post(&token.to_hex(), &HEADERS, &alert(text))
        .await
}

async fn is_accepted(client: &Client, token: &Token, text: &str) {
    let answer = push(client, token, text).await.unwrap();
    assert_eq!(said(&answer), (200, ""), "{text}");
}

/// Pushes to a magic token.
async fn ask(client: &Client, prefix: [u8; 4]) -> Answer {
    let token = Token::new(magic(prefix)).to_hex();
    client.post(&token, &HEADERS, &alert("magic")).await
}

fn count(scene: &Scene, is: impl Fn(&What) -> bool) -> usize {
    let page = scene.simulator.events(0, usize::MAX);
    page.events.iter().filter(|event| is(&event.what)).count()
}

/// What the simulator refused by itself.
fn refusals(scene: &Scene) -> usize {
    count(scene, |what| matches!(what, What::Refused { .. }))
}

/// What it took.
fn accepted(scene: &Scene) -> usize {
    count(scene, |what| matches!(what, What::Accepted { .. }))
}

/// Freezes the clock; says what time it is, in milliseconds since 1970.
fn frozen_ms(scene: &Scene) -> u128 {
    let project = scene.simulator.default_project();
    project.freeze();
    let now = project.now().duration_since(UNIX_EPOCH).unwrap();
    now.as_millis()
}

#[tokio::test]
async fn a_reason_that_was_asked_for_is_answered_with_its_status() {
    let scene = Scene::set().await;
    let now = frozen_ms(&scene);
    let (phone, token) = scene.phone("iPhone").await;
    let client = client(&scene).await;
    let plain = |reason| format!(r#"{{"reason":"{reason}"}}"#);
    let dated = |reason| format!(r#"{{"reason":"{reason}","timestamp":{now}}}"#);
    let table = [
        ("reason=TooManyRequests", 429, plain("TooManyRequests")),
        ("reason=Unheard", 400, plain("Unheard")),
        ("reason=Unheard,status=418", 418, plain("Unheard")),
        ("reason=BadTopic,status=500", 500, plain("BadTopic")),
        ("reason=Unregistered", 410, dated("Unregistered")),
        ("reason=ExpiredToken", 410, dated("ExpiredToken")),
    ];
    for (rule, status, body) in table {
        scene.simulator.faults(|faults| faults.clear());
        add(
            &scene,
            &[&format!("action=reason,{rule},name=asked for,limit=1")],
        );
        let id = "eabeae54-14a8-11e5-b60b-1697f925ec7b";
        let headers = [HEADERS[0], ("apns-id", id)];
        let answer = client.post(&token.to_hex(), &headers, "{}").await;
        assert_eq!(said(&answer), (status, &*body), "{rule}");
        assert_eq!(answer.headers["apns-id"], id);
    }
    // The connection goes on, and tells the truth.
    is_accepted(&client, &token, "hi").await;
    has_received(&phone, &[alert("hi")]).await;
    let expected = ("asked for".to_owned(), "reason", 1, true);
    assert!(injected(&scene).into_iter().all(|what| what == expected));
    assert_eq!((injected(&scene).len(), refusals(&scene)), (6, 0));
}

#[tokio::test]
async fn every_reason_has_a_magic_token() {
    let scene = Scene::set().await;
    let now = frozen_ms(&scene);
    let client = client(&scene).await;
    for (number, reason) in (1..).zip(Reason::ALL) {
        let answer = ask(&client, [0xff, 0xff, 0x03, number]).await;
        let timestamp = match reason.status() {
            410 => format!(r#","timestamp":{now}"#),
            _ => String::new(),
        };
        let body = format!(r#"{{"reason":"{reason}"{timestamp}}}"#);
        assert_eq!(said(&answer), (reason.status(), &*body));
    }
    let expected = ("magic token".to_owned(), "reason", 1, true);
    assert!(injected(&scene).into_iter().all(|what| what == expected));
    assert_eq!((injected(&scene).len(), refusals(&scene)), (32, 0));
}

#[tokio::test]
async fn a_status_has_the_reason_that_a_bridge_would_translate_it_into() {
    let scene = Scene::set().await;
    let client = client(&scene).await;
    for (status, expected) in [
        (0x02, (400, r#"{"reason":"MissingDeviceToken"}"#)),
        (0x03, (400, r#"{"reason":"MissingTopic"}"#)),
        (0x04, (400, r#"{"reason":"PayloadEmpty"}"#)),
        (0x05, (400, r#"{"reason":"BadDeviceToken"}"#)),
        (0x06, (400, r#"{"reason":"BadTopic"}"#)),
        (0x07, (413, r#"{"reason":"PayloadTooLarge"}"#)),
        (0x08, (400, r#"{"reason":"BadDeviceToken"}"#)),
        (0x0a, (503, r#"{"reason":"Shutdown"}"#)),
        (0x01, (500, r#"{"reason":"InternalServerError"}"#)),
        (0x63, (500, r#"{"reason":"InternalServerError"}"#)),
    ] {
        let answer = ask(&client, [0xff, 0xff, 0x00, status]).await;
        assert_eq!(said(&answer), expected, "{status:02x}");
    }
}

#[tokio::test]
async fn magic_tokens_stall_and_close_and_can_be_turned_off() {
    let scene = Scene::set().await;
    let (phone, token) = scene.phone("iPhone").await;
    let client = client(&scene).await;
    let begun = Instant::now();
    let stalled = ask(&client, [0xff, 0xff, 0x01, 0x02]).await;
    assert_eq!(said(&stalled), (200, ""));
    assert!(begun.elapsed() >= Duration::from_millis(200));
    is_accepted(&client, &token, "hi").await;
    has_received(&phone, &[alert("hi")]).await;

    let closing = Token::new(magic([0xff, 0xff, 0x02, 0x00]));
    push(&client, &closing, "magic").await.unwrap_err();
    assert!(soon(client.driver).await.is_ok(), "it is over");
    assert_eq!(client.tap.goaway(), None, "without a word");

    scene
        .simulator
        .faults(|faults| faults.set_magic_tokens(false));
    let client = self::client(&scene).await;
    let answer = ask(&client, [0xff, 0xff, 0x02, 0x00]).await;
    assert_eq!(said(&answer), (400, r#"{"reason":"BadDeviceToken"}"#));
}

#[tokio::test]
async fn a_rule_looks_at_token_topic_payload_and_alert_of_what_is_in_order() {
    let scene = Scene::set().await;
    let (_phone, token) = scene.phone("iPhone").await;
    let hex = token.to_hex();
    for condition in [
        format!("token={}", &hex[..7]),
        format!("topic={TOPIC}"),
        "payload=\"alert\":\"hi\"".to_owned(),
        "alert=hi".to_owned(),
        "connection=1".to_owned(),
        "face=http2,nth=1".to_owned(),
    ] {
        scene.simulator.faults(|faults| faults.clear());
        add(
            &scene,
            &[&format!("action=reason,reason=Forbidden,{condition}")],
        );
        let client = client(&scene).await;
        let answer = push(&client, &token, "hi").await.unwrap();
        assert_eq!(said(&answer).0, 403, "{condition}");
        // What is not in order no fault is asked about.
        let answer = client.post(&hex, &HEADERS, "").await;
        assert_eq!(said(&answer), (400, r#"{"reason":"PayloadEmpty"}"#));
    }
    assert_eq!(injected(&scene).len(), 6);
}

#[tokio::test]
async fn a_burst_is_over_at_its_limit() {
    let scene = scene(&["action=reason,reason=TooManyRequests,limit=3"]).await;
    let (phone, token) = scene.phone("iPhone").await;
    let client = client(&scene).await;
    for _ in 0..3 {
        let answer = push(&client, &token, "burst").await.unwrap();
        assert_eq!(said(&answer), (429, r#"{"reason":"TooManyRequests"}"#));
    }
    is_accepted(&client, &token, "hi").await;
    has_received(&phone, &[alert("hi")]).await;
}

#[tokio::test]
async fn a_latency_holds_back_one_request_and_no_other() {
    let scene = scene(&[
        "action=latency,ms=200,alert=slow",
        "action=latency,ms=600000,alert=slower",
    ])
    .await;
    let (phone, token) = scene.phone("iPhone").await;
    let client = client(&scene).await;
    let begun = Instant::now();
    is_accepted(&client, &token, "slow").await;
    assert!(begun.elapsed() >= Duration::from_millis(200));

    let slower = push(&client, &token, "slower");
    tokio::pin!(slower);
    tokio::select! {
        biased;
        answer = &mut slower => panic!("{answer:?}"),
        () = is_accepted(&client, &token, "quick") => {}
    }
    has_received(&phone, &[alert("slow"), alert("quick")]).await;
    // A stall ends when the simulator stops.
    let (answer, ()) = tokio::join!(slower, soon(scene.simulator.shutdown()));
    assert_eq!(said(&answer.unwrap()), (503, r#"{"reason":"Shutdown"}"#));
}

#[tokio::test]
async fn what_is_swallowed_is_accepted_and_shown_nowhere() {
    let scene = scene(&["action=swallow,nth=1", "action=swallow,ms=200,nth=1"]).await;
    let (phone, token) = scene.phone("iPhone").await;
    let client = client(&scene).await;
    is_accepted(&client, &token, "one").await;
    let begun = Instant::now();
    is_accepted(&client, &token, "two").await;
    assert!(begun.elapsed() >= Duration::from_millis(200));
    is_accepted(&client, &token, "three").await;
    has_received(&phone, &[alert("three")]).await;
}

#[tokio::test]
async fn a_connection_breaks_on_a_push_that_is_taken_or_lost() {
    for rule in ["close", "half_close", "reset_peer", "timeout,ms=100"] {
        for taken in [false, true] {
            let scene = scene(&[&format!("action={rule},taken={taken},nth=2")]).await;
            let (phone, token) = scene.phone("iPhone").await;
            let client = client(&scene).await;
            is_accepted(&client, &token, "one").await;
            let begun = Instant::now();
            push(&client, &token, "two").await.unwrap_err();
            let ended = soon(client.driver).await.unwrap();
            assert_eq!(client.tap.goaway(), None, "{rule}: without a word");
            if rule == "reset_peer" {
                let error = ended.unwrap_err();
                assert_eq!(error.get_io().unwrap().kind(), ErrorKind::ConnectionReset);
            }
            if rule.starts_with("timeout") {
                assert!(begun.elapsed() >= Duration::from_millis(100));
            }
            let shown: &[_] = if taken {
                &[alert("one"), alert("two")]
            } else {
                &[alert("one")]
            };
            has_received(&phone, shown).await;
            assert_eq!(accepted(&scene), shown.len(), "{rule}");
            let [(_, action, 1, true)] = &injected(&scene)[..] else {
                panic!("{rule}: {:?}", injected(&scene));
            };
            assert!(rule.starts_with(action));
        }
    }
}

#[tokio::test]
async fn a_stream_is_reset_with_any_error_and_the_connection_goes_on() {
    for (rule, reason, taken) in [
        ("rst_stream", h2::Reason::REFUSED_STREAM, false),
        ("rst_stream,error_code=2", h2::Reason::INTERNAL_ERROR, false),
        (
            "rst_stream,error_code=8,taken=true",
            h2::Reason::CANCEL,
            true,
        ),
        ("rst_stream,error_code=77", h2::Reason::from(77), false),
    ] {
        let scene = scene(&[&format!("action={rule},nth=1")]).await;
        let (phone, token) = scene.phone("iPhone").await;
        let client = client(&scene).await;
        let error = push(&client, &token, "one").await.unwrap_err();
        assert!(error.is_reset() && error.is_remote(), "{rule}: {error}");
        assert_eq!(error.reason(), Some(reason), "{rule}");
        is_accepted(&client, &token, "two").await;
        let shown: &[_] = if taken {
            &[alert("one"), alert("two")]
        } else {
            &[alert("two")]
        };
        has_received(&phone, shown).await;
    }
}

#[tokio::test]
async fn a_goaway_answers_what_is_open_up_to_its_last_stream_and_closes() {
    // On stream 1 a push is held back, on stream 3 comes the one that the fault is about.
    let table = [
        ("goaway", 1, false, false),
        ("goaway,taken=true", 3, true, true),
        ("goaway,last_stream_id=2147483647", 0x7fff_ffff, true, true),
        ("goaway,last_stream_id=1,taken=true", 1, true, false),
    ];
    for (rule, last_stream, taken, answered) in table {
        let scene = scene(&[
            "action=latency,ms=200,alert=slow",
            &format!(r#"action={rule},error_code=2,debug={{"reason":"Odd"}},alert=bye"#),
        ])
        .await;
        let (phone, token) = scene.phone("iPhone").await;
        let client = client(&scene).await;
        let (slow, bye) = tokio::join!(
            biased;
            push(&client, &token, "slow"),
            push(&client, &token, "bye")
        );
        assert_eq!(said(&slow.unwrap()), (200, ""), "{rule}");
        match (bye, answered) {
            (Ok(bye), true) => assert_eq!(said(&bye), (200, ""), "{rule}"),
            (Err(error), false) => assert!(error.is_go_away(), "{rule}: {error}"),
            other => panic!("{rule}: {other:?}"),
        }
        let goaway = GoAway {
            last_stream,
            reason: h2::Reason::INTERNAL_ERROR,
            debug_data: Bytes::from_static(br#"{"reason":"Odd"}"#),
        };
        assert_eq!(client.tap.goaway(), Some(goaway), "{rule}");
        let _ended = soon(client.driver).await.unwrap();
        let mut shown = vec![alert("slow")];
        if taken {
            shown.insert(0, alert("bye"));
        }
        has_received(&phone, &shown).await;
        assert_eq!(accepted(&scene), shown.len(), "{rule}");
    }
}

#[tokio::test]
async fn fewer_streams_are_allowed_from_one_moment_to_the_next() {
    let scene = scene(&["action=max_streams,streams=2,nth=2"]).await;
    let (phone, token) = scene.phone("iPhone").await;
    let client = client(&scene).await;
    is_accepted(&client, &token, "one").await;
    assert_eq!(client.send.current_max_send_streams(), 1_000);
    is_accepted(&client, &token, "two").await;
    assert_eq!(client.send.current_max_send_streams(), 2);
    is_accepted(&client, &token, "three").await;
    has_received(&phone, &[alert("one"), alert("two"), alert("three")]).await;
}

#[tokio::test]
async fn faults_at_the_beginning_are_about_one_connection() {
    let scene = Scene::set().await;
    let (phone, token) = scene.phone("iPhone").await;
    let odd = GoAway {
        last_stream: 7,
        reason: h2::Reason::ENHANCE_YOUR_CALM,
        debug_data: Bytes::from_static(b"odd"),
    };
    for (rule, goaway) in [
        ("close", None),
        ("reset_peer", None),
        ("timeout,ms=100", None),
        ("goaway,last_stream_id=7,error_code=11,debug=odd", Some(odd)),
    ] {
        scene.simulator.faults(|faults| faults.clear());
        add(
            &scene,
            &[&format!(
                "action={rule},at=connect,topic={TOPIC},connection=2,face=http2"
            )],
        );
        let first = client(&scene).await;
        is_accepted(&first, &token, "hi").await;
        let second = client(&scene).await;
        push(&second, &token, "lost").await.unwrap_err();
        let _ended = soon(second.driver).await.unwrap();
        assert_eq!(second.tap.goaway(), goaway, "{rule}");
        let third = client(&scene).await;
        is_accepted(&third, &token, "hi").await;
    }
    assert!(received(&phone).iter().all(|shown| *shown == alert("hi")));
    let all = injected(&scene);
    assert_eq!(all.len(), 4);
    assert!(
        all.iter()
            .all(|(_, _, connection, push)| (*connection, *push) == (2, false))
    );
}

#[tokio::test]
async fn a_half_closed_connection_takes_bytes_for_nobody() {
    let scene = scene(&["action=half_close,at=connect,face=http2"]).await;
    let identity = scene.portal.provider();
    let mut stream = scene
        .dial(scene.simulator.http2(), &identity)
        .await
        .unwrap();
    assert_eq!(soon(stream.read(&mut [0; 8])).await.unwrap(), 0);
    // Far more than any buffer holds.
    soon(stream.write_all(&vec![0; 10_000_000])).await.unwrap();
    soon(stream.flush()).await.unwrap();
}

#[tokio::test]
async fn a_connection_begins_late_slowly_or_narrow_and_tells_the_truth() {
    let scene = scene(&[
        "action=latency,ms=200,at=connect,connection=1",
        "action=max_streams,streams=3,at=connect,connection=2",
        "action=bandwidth,bytes_per_second=2000,connection=3",
    ])
    .await;
    let (phone, token) = scene.phone("iPhone").await;
    let begun = Instant::now();
    let late = client(&scene).await;
    is_accepted(&late, &token, "late").await;
    assert!(begun.elapsed() >= Duration::from_millis(200));

    let narrow = client(&scene).await;
    is_accepted(&narrow, &token, "narrow").await;
    assert_eq!(narrow.send.current_max_send_streams(), 3);

    let slow = client(&scene).await;
    let begun = Instant::now();
    let long = "x".repeat(1000);
    for text in [&long, "slow"] {
        is_accepted(&slow, &token, text).await;
    }
    assert!(begun.elapsed() >= Duration::from_millis(500));
    let shown = ["late", "narrow", &long, "slow"].map(alert);
    has_received(&phone, &shown).await;
}

#[tokio::test]
async fn a_stall_at_the_beginning_ends_when_the_simulator_stops() {
    let scene = scene(&[
        "action=latency,ms=600000,at=connect,limit=1,face=http2",
        "action=timeout,at=connect,limit=1,face=http2",
    ])
    .await;
    let (_late, _silent) = (client(&scene).await, client(&scene).await);
    let both = |world: &apns_simulator::world::World| {
        let rules = world.faults().rules();
        rules.iter().all(|rule| rule.injected == 1).then_some(())
    };
    let stalls = scene.simulator.wait_for("both stalls", DEADLINE, both);
    stalls.await.unwrap();
    soon(scene.simulator.shutdown()).await;
}

#[tokio::test]
async fn a_certificate_is_refused_from_one_moment_to_the_next_and_a_provider_token_is_not() {
    let scene = Scene::set().await;
    let (_phone, token) = scene.phone("iPhone").await;
    let signer = Signer::known(scene.simulator.default_project());
    let bearer = signer.bearer(seconds_now());
    let headers = [HEADERS[0], ("authorization", &*bearer)];
    let open = client(&scene).await;
    let by_token = Client::connect(&scene, None).await;
    is_accepted(&open, &token, "hi").await;
    for (action, alert) in [
        ("certificate_expired", "CertificateExpired"),
        ("certificate_revoked", "CertificateRevoked"),
    ] {
        scene.simulator.faults(|faults| faults.clear());
        add(&scene, &[&format!("action={action}")]);
        let (identity, roots) = (scene.portal.provider(), scene.portal.roots());
        // In TLS 1.3 the alert comes behind the handshake.
        let refused = async {
            let address = scene.simulator.http2();
            let mut stream = dial(address, Some(&identity), roots).await?;
            soon(stream.read_u8()).await
        };
        let error = refused.await.unwrap_err().to_string();
        assert!(error.contains(alert), "{action}: {error}");
        let answer = by_token.post(&token.to_hex(), &headers, "{}").await;
        assert_eq!(said(&answer), (200, ""), "{action}");
    }
    let _ended = soon(open.driver).await.unwrap();
    assert_eq!(open.tap.goaway(), None, "without a word");
}

#[tokio::test]
async fn a_connection_of_a_provider_token_belongs_to_its_team_from_the_first_request_on() {
    let scene = scene(&[
        "action=close,at=connect,face=http2,connection=1",
        "action=close,at=connect,face=http2,topic=com.example.Mail",
        "action=max_streams,streams=5,at=connect,face=http2,connection=2",
    ])
    .await;
    let project = scene.simulator.project(TEAM).unwrap();
    let signer = Signer::known(&project);
    let rule = "action=reason,reason=Forbidden,topic=com.example.Mail,connection=1";
    project
        .faults(|faults| faults.add(rule.parse().unwrap()))
        .unwrap();
    let bearer = signer.bearer(seconds_now());
    let headers = [HEADERS[0], ("authorization", &*bearer)];
    let token = Token::new(vec![0xee; 32]).to_hex();
    let first = Client::connect(&scene, None).await;
    first.try_post(&token, &headers, "{}").await.unwrap_err();
    let second = Client::connect(&scene, None).await;
    let answer = second.post(&token, &headers, "{}").await;
    assert_eq!(said(&answer), (403, r#"{"reason":"Forbidden"}"#));
    // A valid provider token does not undo what a fault has allowed.
    assert_eq!(second.send.current_max_send_streams(), 5);
    let third = Client::connect(&scene, None).await;
    let answer = third.post(&token, &headers, "{}").await;
    assert_eq!(said(&answer), (400, r#"{"reason":"BadDeviceToken"}"#));
    assert_eq!(injected(&scene).len(), 2);
}
