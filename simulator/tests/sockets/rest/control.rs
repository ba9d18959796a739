//! Clock, knobs and feedback over REST.

use serde_json::{Value, json};

use super::Bench;
use crate::support::{DEADLINE, TOPIC, alert, to_the_end};

#[tokio::test]
async fn a_clock_is_frozen_set_moved_on_and_let_go() {
    let bench = Bench::set().await;
    let path = "/v1/clock?project=TEAM000001";
    let set = async |change: Value| {
        let (status, clock) = bench.ask("PATCH", path, &change).await;
        assert_eq!(status, 200, "{change}: {clock}");
        clock
    };
    assert_eq!(bench.get(path).await["mode"], "real");
    let noon = set(json!({"mode": "frozen", "now": "2030-01-01T13:00:00+01:00"})).await;
    let expected = json!({"mode": "frozen", "now": "2030-01-01T12:00:00Z", "unix": 1_893_499_200});
    assert_eq!(noon, expected);
    assert_eq!(bench.get(path).await, expected);
    let later = set(json!({"advance": 1.5})).await;
    assert_eq!(later["now"], "2030-01-01T12:00:01.5Z");
    let runs = set(json!({"mode": "running"})).await;
    assert_eq!(runs["mode"], "running");
    assert!(runs["unix"].as_u64() >= later["unix"].as_u64());
    let earlier = set(json!({"now": "1999-12-31T23:59:59Z"})).await;
    assert!(earlier["now"].as_str().unwrap() < "2000-01-02", "{earlier}");
    assert_eq!(set(json!({"mode": "real"})).await["mode"], "real");
    assert_eq!(bench.get("/v1/clock").await["mode"], "real");
}

#[tokio::test]
async fn a_clock_that_cannot_be_set_so_says_why_and_stays() {
    let bench = Bench::set().await;
    let frozen = json!({"mode": "frozen", "now": "2030-01-01T12:00:00Z"});
    let (_, before) = bench.ask("PATCH", "/v1/clock", &frozen).await;
    for (change, said) in [
        (json!({"advance": 1e15}), "1970 to 9999"),
        (json!({"advance": 1e300}), "1970 to 9999"),
        (json!({"advance": -1}), "only now goes back"),
        (json!({"now": "1969-12-31T23:59:59Z"}), "1970 to 9999"),
        (json!({"now": "tomorrow"}), "2026-11-24T09:08:16Z"),
        (
            json!({"now": "2031-01-01T12:00:00Z", "advance": 1}),
            "leave one out",
        ),
        (json!({"mode": "real", "advance": 1}), "leave `mode` out"),
        (json!({"mode": "stopped"}), "`real`, `running`, `frozen`"),
        (json!({"to": 1}), "expected one of `mode`, `now`, `advance`"),
    ] {
        let (status, problem) = bench.ask("PATCH", "/v1/clock", &change).await;
        let message = problem["message"].as_str().unwrap();
        assert!(
            status == 400 && message.contains(said),
            "{change}: {problem}"
        );
    }
    assert_eq!(bench.get("/v1/clock").await, before);
}

#[tokio::test]
async fn what_expires_is_gone_when_the_clock_has_been_moved() {
    let bench = Bench::set().await;
    let token = bench.phone("iPhone 1").await;
    let airplane = json!({"airplane": true});
    bench.ask("PATCH", "/v1/phones/iPhone%201", &airplane).await;
    bench.push(&token, &alert("stale")).await;
    bench.get("/v1/pushes/wait?outcome=stored").await;
    // The expiry of the push is that of the year 2038.
    let after = json!({"now": "2038-01-19T03:14:08Z"});
    let (status, _) = bench.ask("PATCH", "/v1/clock", &after).await;
    assert_eq!(status, 200);
    let gone = bench.get("/v1/pushes/wait?outcome=dropped&timeout=0").await;
    assert_eq!(gone["token"], token);
}

#[tokio::test]
async fn knobs_are_turned_by_name_all_or_none() {
    let bench = Bench::set().await;
    let knobs = bench.get("/v1/knobs").await;
    assert_eq!(
        (&knobs["close"], &knobs["parse-error"]),
        (&json!("linger"), &json!("128"))
    );
    let change = json!({"close": "abrupt", "parse-error": 255});
    let (status, turned) = bench.ask("PATCH", "/v1/knobs", &change).await;
    assert_eq!(status, 200);
    assert_eq!(
        (
            &turned["close"],
            &turned["parse-error"],
            &turned["dead-token"]
        ),
        (&json!("abrupt"), &json!("255"), &json!("feedback"))
    );
    for (change, said) in [
        (
            json!({"close": "linger", "colour": "red"}),
            "expected command-0-error,",
        ),
        (
            json!({"close": "linger", "dead-token": "9"}),
            "expected feedback or status-8",
        ),
    ] {
        let (status, problem) = bench.ask("PATCH", "/v1/knobs", &change).await;
        let message = problem["message"].as_str().unwrap();
        assert!(status == 400 && message.contains(said), "{problem}");
        assert_eq!(problem["error"], "bad_knob");
    }
    assert_eq!(bench.get("/v1/knobs").await, turned);
    assert_eq!(bench.get("/v1/knobs?project=TEAM000001").await, knobs);
    let document = bench.get("/v1/openapi.json").await;
    let close = &document["components"]["schemas"]["Knobs"]["properties"]["close"];
    assert_eq!(close["enum"], json!(["linger", "abrupt"]));
}

#[tokio::test]
async fn a_feedback_list_stays_when_it_is_looked_at_and_goes_when_a_provider_has_read_it() {
    let bench = Bench::set().await;
    assert_eq!(bench.get("/v1/feedback").await, json!({"lists": []}));
    let frozen = json!({"mode": "frozen", "now": "2026-11-24T12:00:00Z"});
    bench.ask("PATCH", "/v1/clock", &frozen).await;
    let mut tokens = Vec::new();
    for name in ["iPhone 1", "iPhone 2"] {
        let token = bench.phone(name).await;
        let app = format!("/v1/phones/{}/apps/{TOPIC}", name.replace(' ', "%20"));
        bench.ask("DELETE", &app, &Value::Null).await;
        bench.push(&token, &alert("to nobody")).await;
        let query = format!("/v1/pushes/wait?outcome=app_gone&token={token}");
        bench.get(&query).await;
        tokens.push(token);
    }
    let first = bench.get("/v1/feedback?limit=1").await;
    let list = json!({
        "topic": TOPIC, "environment": "sandbox", "total": 2,
        "tokens": [{"token": tokens[0], "at": "2026-11-24T12:00:00Z", "timestamp": 1_795_521_600}]
    });
    assert_eq!(first, json!({"lists": [list]}));
    let both = bench.get("/v1/feedback").await;
    assert_eq!(both["lists"][0]["tokens"][1]["token"], tokens[1]);
    assert_eq!(
        to_the_end(&mut bench.scene.reader().await).await.len(),
        2 * 38
    );
    let cleared = bench
        .scene
        .simulator
        .wait_for("the list to be cleared", DEADLINE, |world| {
            world.feedback_lists().next().is_none().then_some(())
        });
    cleared.await.unwrap();
    assert_eq!(bench.get("/v1/feedback").await, json!({"lists": []}));
}
