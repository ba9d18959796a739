//! The inbox over REST: waiting, asserting, files.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::Bench;
use crate::http2::Client;
use crate::support::{TOPIC, alert, framed};

#[tokio::test]
async fn an_uninstalled_app_shows_as_gone_and_an_unknown_token_as_rejected() {
    let bench = Bench::set().await;
    let token = bench.phone("iPhone 1").await;
    let app = format!("/v1/phones/iPhone%201/apps/{TOPIC}");
    assert_eq!(bench.ask("DELETE", &app, &Value::Null).await.0, 204);
    bench.push(&token, &alert("hi")).await;
    let push = bench.get("/v1/pushes/wait?outcome=app_gone").await;
    assert_eq!(push["why"], "the app is not on the phone");
    bench.push(&"ab".repeat(32), &alert("nobody")).await;
    let push = bench.get("/v1/pushes/wait?status=8").await;
    assert_eq!(
        (&push["outcome"], &push["clause"]),
        (&json!("rejected"), &json!("P-37"))
    );
    let all = bench.get("/v1/pushes?limit=1").await;
    assert_eq!((&all["total"], &all["dropped"]), (&json!(2), &json!(0)));
    assert_eq!(all["pushes"][0]["id"], push["id"]);
    let older = bench
        .get(&format!("/v1/pushes?before={}", all["next"]))
        .await;
    assert_eq!(older["pushes"][0]["outcome"], "app_gone");
    assert_eq!(older["next"], Value::Null);
}

#[tokio::test]
async fn what_a_fault_decided_is_found_by_what_the_client_was_told() {
    let bench = Bench::set().await;
    for (start, query, outcome) in [
        ("ffff0007", "status=7", "rejected"),
        ("ffff0100", "outcome=dropped", "dropped"),
        ("ffff02", "outcome=lost", "lost"),
    ] {
        bench.push(&format!("{start:0<64}"), "{}").await;
        let push = bench.get(&format!("/v1/pushes/wait?{query}")).await;
        assert_eq!(
            (&push["outcome"], &push["fault"], &push["face"]),
            (&json!(outcome), &json!("magic token"), &json!("binary")),
            "{start}"
        );
    }
    let client = Client::connect(&bench.scene, Some(&bench.scene.portal.provider())).await;
    let token = format!("{:0<64}", "ffff031d");
    let headers = [("apns-topic", TOPIC)];
    client.post(&token, &headers, &alert("hi")).await;
    let push = bench
        .get("/v1/pushes/wait?status=429&reason=TooManyRequests")
        .await;
    assert_eq!(
        (&push["outcome"], &push["fault"], &push["face"]),
        (&json!("rejected"), &json!("magic token"), &json!("http2"))
    );
    assert_eq!(bench.get("/v1/pushes").await["total"], 4, "each once");
}

#[tokio::test]
async fn a_file_is_found_by_the_face_it_came_in() {
    let bench = Bench::set().await;
    let token = bench.phone("iPhone 1").await;
    bench.push(&token, &alert("one")).await;
    let file = json!({"Simulator Target Bundle": TOPIC, "aps": {"alert": "two"}});
    let sent = bench.post("/v1/pushes", file).await;
    let push = bench.get("/v1/pushes/wait?face=rest").await;
    assert_eq!((&push["id"], &push["command"]), (&sent["id"], &Value::Null));
    assert_eq!(push["outcome"], "delivered");
    let push = bench.get("/v1/pushes/wait?face=binary").await;
    assert_eq!(push["payload"]["aps"]["alert"], "one");
}

#[tokio::test]
async fn a_wait_in_vain_names_the_nearest_miss() {
    let bench = Bench::set().await;
    let token = bench.phone("iPhone 1").await;
    let (status, miss) = bench
        .ask("GET", "/v1/pushes/wait?timeout=0", &Value::Null)
        .await;
    assert_eq!((status, &miss["nearest"]), (504, &Value::Null));
    bench.push(&token, &alert("ho")).await;
    bench.get("/v1/pushes/wait?outcome=delivered").await;
    let query = "/v1/pushes/wait?timeout=0.05&topic=com.example.Mail&payload=%7B%22aps%22:%7B%22alert%22:%22hi%22%7D%7D";
    let (status, miss) = bench.ask("GET", query, &Value::Null).await;
    assert_eq!((status, &miss["error"]), (504, &json!("not_in_time")));
    assert_eq!(
        miss["nearest"]["why"],
        json!([{"field": "payload.aps.alert", "expected": "\"hi\"", "got": "\"ho\""}])
    );
    let message = miss["message"].as_str().unwrap();
    assert!(
        message.contains("payload.aps.alert: expected \"hi\", got \"ho\""),
        "{message}"
    );
}

#[tokio::test]
async fn an_assertion_holds_or_says_what_there_is_instead() {
    let bench = Bench::set().await;
    let token = bench.phone("iPhone 1").await;
    bench.push(&token, &alert("one")).await;
    let held = bench
        .post(
            "/v1/assert",
            json!({"push": {"text": "one"}, "count": 1, "within": 10}),
        )
        .await;
    assert_eq!(held["count"], 1);
    bench
        .post("/v1/assert", json!({"push": {"text": "two"}, "count": 0}))
        .await;
    for (wrong, expected) in [
        (json!({"push": {"text": "two"}}), "at least 1"),
        (json!({"count": 0, "within": 60}), "exactly 0"),
        (json!({"at_least": 2, "at_most": 3}), "2 to 3"),
    ] {
        let (status, unmet) = bench.ask("POST", "/v1/assert", &wrong).await;
        assert_eq!(
            (status, &unmet["expected"]),
            (409, &json!(expected)),
            "{unmet}"
        );
        assert_eq!(unmet["error"], "assertion_failed");
    }
    let contradiction = json!({"count": 1, "at_most": 3});
    assert_eq!(bench.ask("POST", "/v1/assert", &contradiction).await.0, 400);
}

#[tokio::test]
async fn a_push_comes_out_as_a_file_and_a_file_goes_in_as_a_push() {
    let bench = Bench::set().await;
    let token = bench.phone("iPhone 1").await;
    let file = json!({"Simulator Target Bundle": TOPIC, "aps": {"alert": "from a file"}});
    let push = bench.post("/v1/pushes", file.clone()).await;
    assert_eq!(
        (&push["outcome"], &push["token"]),
        (&json!("delivered"), &json!(token))
    );
    let path = format!("/v1/pushes/{}", push["id"]);
    assert_eq!(bench.get(&format!("{path}/apns")).await, file);
    let details = bench.get(&path).await;
    let payload = data_encoding::HEXLOWER.encode(br#"{"aps":{"alert":"from a file"}}"#);
    // Command 2: the token, the payload of 31 bytes, and priority 10.
    let frame = format!("0200000049010020{token}02001f{payload}0500010a");
    assert_eq!(details["frame_hex"], frame);
    let curl = details["curl"].as_str().unwrap();
    assert!(
        curl.contains(&format!("/3/device/{token}")) && curl.contains("apns-push-type: alert"),
        "{curl}"
    );
    bench.phone("iPhone 2").await;
    let (status, which) = bench.ask("POST", "/v1/pushes", &file).await;
    assert_eq!((status, &which["error"]), (409, &json!("which_phone")));
    let push = bench.post("/v1/pushes?phone=iPhone%202", file).await;
    assert_eq!(push["phone"], "iPhone 2");
}

#[tokio::test]
async fn what_was_refused_over_http2_is_found_by_what_could_be_read_of_it() {
    let bench = Bench::set().await;
    let token = bench.phone("iPhone 1").await;
    let client = Client::connect(&bench.scene, Some(&bench.scene.portal.provider())).await;
    let headers = [
        ("apns-topic", TOPIC),
        ("apns-push-type", "background"),
        ("apns-priority", "10"),
        ("apns-expiration", "1800000000"),
        ("apns-collapse-id", "score"),
    ];
    client.post(&token, &headers, &alert("hi")).await;
    client.post("a1b2", &headers[..1], &alert("hi")).await;
    let push = bench
        .get(&format!("/v1/pushes/wait?outcome=rejected&token={token}"))
        .await;
    assert_eq!(push["reason"], "BadPriority");
    assert_eq!(push["push_type"], "background");
    assert_eq!(push["collapse_id"], "score");
    assert_eq!(
        (&push["priority"], &push["expiry"]),
        (&Value::Null, &json!(1_800_000_000))
    );
    let push = bench.get("/v1/pushes/wait?reason=BadDeviceToken").await;
    assert_eq!(push["token"], Value::Null);
    let details = bench.get(&format!("/v1/pushes/{}", push["id"])).await;
    assert_eq!(
        (&details["frame_hex"], &details["curl"]),
        (&Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn the_curl_of_a_frame_says_nothing_that_todays_apns_refuses_and_names_no_file() {
    let bench = Bench::set().await;
    let token = bench.phone("iPhone 1").await;
    bench
        .push(&token, r#"{"aps":{"content-available":1}}"#)
        .await;
    let curl = async |query: &str| {
        let push = bench.get(&format!("/v1/pushes/wait?{query}")).await;
        let details = bench.get(&format!("/v1/pushes/{}", push["id"])).await;
        details["curl"].as_str().unwrap().to_owned()
    };
    let background = curl("text=content-available").await;
    assert!(
        background.contains("-H 'apns-push-type: background' -H 'apns-priority: 5' "),
        "{background}"
    );
    // An expiry that is negative, of which HTTP/2 knows nothing.
    let raw = data_encoding::HEXLOWER.decode(token.as_bytes()).unwrap();
    let mut frame = framed(8, &raw, "@/etc/hostname");
    let expiry = frame.len() - 8;
    frame[expiry] = 0x80;
    let mut provider = bench.scene.provider().await;
    provider.write_all(&frame).await.unwrap();
    let file = curl("text=hostname").await;
    assert!(
        file.contains("-H 'apns-expiration: 0' --data-raw '@/etc/hostname' "),
        "{file}"
    );
}
