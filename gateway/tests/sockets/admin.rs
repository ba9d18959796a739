//! The admin port, and the command line verbs that ask it.

use std::net::SocketAddr;
use std::process::Output;
use std::time::Duration;

use apns_gateway::config::AdminConfig;
use apns_net::http::ask;
use http::header::{HeaderName, ORIGIN};
use http::{Method, Request};
use serde_json::{Value, json};

use crate::support::*;

async fn bench() -> (Bench, SocketAddr) {
    let bench = Bench::with(|config| {
        config.admin = Some(AdminConfig {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        });
    })
    .await;
    let admin = bench.gateway().ready_file().admin.unwrap();
    (bench, admin)
}

/// The status and the body of an answer.
async fn asked(admin: SocketAddr, method: Method, path: &str, body: Value) -> (u16, String) {
    asked_with(admin, method, path, body, None).await
}

async fn asked_with(
    admin: SocketAddr,
    method: Method,
    path: &str,
    body: Value,
    header: Option<(HeaderName, &str)>,
) -> (u16, String) {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json");
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let asking = ask("127.0.0.1", admin.port(), request, body.to_string());
    let answer = soon(path, asking).await.unwrap();
    (
        answer.status.as_u16(),
        String::from_utf8(answer.body.to_vec()).unwrap(),
    )
}

async fn got(admin: SocketAddr, path: &str) -> (u16, String) {
    asked(admin, Method::GET, path, Value::Null).await
}

async fn json_of(admin: SocketAddr, path: &str) -> Value {
    let (status, body) = got(admin, path).await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// Takes two notifications, one malformed, and leaves one of three on its way.
async fn used(bench: &Bench) {
    let mut peer = bench.upstream.accept().await;
    let mut backend = bench.backend().await;
    let malformed = vec![1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 1, 9, 0, 1, b'{'];
    backend
        .write(&[enhanced(1, 1), enhanced(2, 2), malformed].concat())
        .await;
    assert_eq!(peer.names(2).await, [1, 2]);
    bench.delivered(2).await;
}

async fn cli(admin: SocketAddr, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_apns-gateway"));
    command
        .args(arguments)
        .args(["--admin", &admin.to_string()])
        .env_remove("RUST_LOG");
    let Output {
        status,
        stdout,
        stderr,
    } = soon("the command", command.output()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[tokio::test]
async fn it_lives_and_is_ready_whatever_upstream_does() {
    let (bench, admin) = bench().await;
    // Nobody accepts upstream's connection.
    assert_eq!(got(admin, "/livez").await, (200, "ok\n".to_owned()));
    assert_eq!(got(admin, "/readyz").await, (200, "ok\n".to_owned()));
    drop(bench);
}

#[tokio::test]
async fn the_status_and_the_metrics_have_the_accounting_identity_and_no_token() {
    let (bench, admin) = bench().await;
    used(&bench).await;
    let status = json_of(admin, "/v1/status").await;
    let app = &status["apps"][0];
    assert_eq!(app["topic"], TOPIC);
    assert_eq!(app["environment"], "production");
    let number = |key: &str| app[key].as_u64().unwrap();
    assert_eq!(
        (number("accepted"), number("delivered"), number("rejected")),
        (3, 2, 1)
    );
    let ends = ["delivered", "rejected", "expired", "given_up", "queued"].map(number);
    assert_eq!(number("accepted"), ends.iter().sum::<u64>());
    assert_eq!(app["oldest_age"], Value::Null);

    let (code, text) = got(admin, "/metrics").await;
    assert_eq!(code, 200);
    let labels = format!("{{topic=\"{TOPIC}\",environment=\"production\"}}");
    for line in [
        format!("apns_gateway_accepted_total{labels} 3"),
        format!("apns_gateway_delivered_total{labels} 2"),
        format!("apns_gateway_rejected_total{labels} 1"),
        format!("apns_gateway_queued{labels} 0"),
        format!("apns_gateway_held{labels} 0"),
        "apns_gateway_answers_total 1".to_owned(),
        "# TYPE apns_gateway_accepted counter".to_owned(),
        "# TYPE apns_gateway_commit_duration_seconds histogram".to_owned(),
        "apns_gateway_store_full 0".to_owned(),
        "# EOF".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse::<f64>().unwrap()
    };
    let commits = value("apns_gateway_commit_duration_seconds_count");
    assert!(commits > 0.0);
    let all = value("apns_gateway_commit_duration_seconds_bucket{le=\"+Inf\"}");
    assert_eq!(all.to_bits(), commits.to_bits());
    assert!(!text.contains(&"01".repeat(8)), "a token in\n{text}");
}

#[tokio::test]
async fn what_waits_is_counted_and_has_an_age() {
    let (bench, admin) = bench().await;
    let mut backend = bench.backend().await;
    backend.push([1]).await;
    eventually("acceptance", || bench.counts().accepted == 1).await;
    let app = json_of(admin, "/v1/status").await["apps"][0].clone();
    assert_eq!(app["queued"], 1);
    assert!(app["oldest_age"].as_u64().unwrap() < 60, "{app}");
}

#[tokio::test]
async fn dead_letters_are_listed_page_by_page_and_put_back() {
    let (bench, admin) = bench().await;
    let mut backend = bench.backend().await;
    backend.push([1, 2]).await;
    let mut peer = bench.upstream.accept().await;
    let first = peer.next().await;
    peer.answer(8, identifier(&first)).await;
    let mut peer = bench.upstream.accept().await;
    let second = peer.next().await;
    peer.answer(8, identifier(&second)).await;
    eventually("two rejections", || bench.counts().rejected == 2).await;

    let path = format!("/v1/apps/production/{TOPIC}/dead-letters");
    let page = json_of(admin, &format!("{path}?limit=1")).await;
    let letter = &page["dead_letters"][0];
    assert_eq!(letter["status"], 8);
    assert_eq!(letter["token"].as_str().unwrap(), "01".repeat(32));
    assert!(letter.get("payload").is_none());
    let next = page["next"].as_u64().unwrap();
    let page = json_of(admin, &format!("{path}?limit=5&after={next}")).await;
    assert_eq!(page["dead_letters"].as_array().unwrap().len(), 1);
    assert_eq!(page["next"], Value::Null);

    let requeue = format!("{path}/requeue");
    let (code, body) = asked(admin, Method::POST, &requeue, json!({"id": next})).await;
    assert_eq!((code, body.as_str()), (200, r#"{"requeued":1}"#));
    let (code, body) = asked(admin, Method::POST, &requeue, json!({"id": 999})).await;
    assert_eq!(code, 404, "{body}");
    let mut peer = bench.upstream.accept().await;
    assert_eq!(peer.names(1).await, [1]);
    bench.delivered(1).await;

    let (code, out, err) = cli(admin, &["dead-letters", "list", TOPIC]).await;
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains(&"02".repeat(32)), "{out}");
    let (code, out, err) = cli(admin, &["dead-letters", "requeue", TOPIC, "--all"]).await;
    assert_eq!((code, out.as_str()), (Some(0), "1 queued again\n"), "{err}");
    let (_, out, _) = cli(admin, &["dead-letters", "list", TOPIC]).await;
    assert_eq!(out, "no dead letters\n");
}

#[tokio::test]
async fn an_operators_hold_sends_nothing_at_all_until_it_is_ended_over_a_restart_too() {
    let (mut bench, admin) = bench().await;
    let mut peer = bench.upstream.accept().await;
    let (code, out, err) = cli(admin, &["hold", TOPIC, "--reason", "moving house"]).await;
    assert_eq!(
        (code, out.as_str()),
        (Some(0), "on hold: moving house\n"),
        "{err}"
    );
    let mut backend = bench.backend().await;
    backend.push([1, 2]).await;
    eventually("acceptance", || bench.counts().queued == 2).await;
    // Probes would come every 50 ms.
    assert!(peer.is_left_alone(Duration::from_millis(200)).await);
    let app = json_of(admin, "/v1/status").await["apps"][0].clone();
    assert_eq!(app["held"], "moving house");

    drop(backend);
    bench.stop().await;
    bench.run().await;
    assert_eq!(bench.held().as_deref(), Some("moving house"));
    let admin = bench.gateway().ready_file().admin.unwrap();
    let mut peer = bench.upstream.accept().await;
    assert!(peer.is_left_alone(Duration::from_millis(200)).await);
    let (code, out, err) = cli(admin, &["resume", TOPIC]).await;
    assert_eq!((code, out.as_str()), (Some(0), "not on hold\n"), "{err}");
    assert_eq!(peer.names(2).await, [1, 2]);
    bench.delivered(2).await;
    assert_eq!(bench.held(), None);
}

#[tokio::test]
async fn what_cannot_be_served_says_what_can() {
    let (bench, admin) = bench().await;
    for (method, path, body, code, words) in [
        (Method::GET, "/v2", Value::Null, 404, "/v1/status"),
        (
            Method::POST,
            "/v1/status",
            Value::Null,
            405,
            "does not take POST",
        ),
        (
            Method::GET,
            "/v1/apps/production/com.example.Mial/dead-letters",
            Value::Null,
            404,
            "no app com.example.Mial",
        ),
        (
            Method::GET,
            "/v1/apps/staging/com.example.Mail/dead-letters",
            Value::Null,
            400,
            "staging",
        ),
        (
            Method::GET,
            "/v1/apps/production/com.example.Mail/dead-letters?limit=0",
            Value::Null,
            400,
            "1 to 1000",
        ),
        (
            Method::GET,
            "/v1/apps/production/com.example.Mail/dead-letters?limt=1",
            Value::Null,
            400,
            "limt",
        ),
        (
            Method::POST,
            "/v1/apps/production/com.example.Mail/dead-letters/requeue",
            json!({"everything": true}),
            422,
            "everything",
        ),
    ] {
        let (status, said) = asked(admin, method, path, body).await;
        assert_eq!(status, code, "{path}: {said}");
        let error: Value = serde_json::from_str(&said).unwrap();
        assert!(error["error"].as_str().unwrap().contains(words), "{said}");
    }
    drop(bench);
}

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing() {
    let (bench, admin) = bench().await;
    let path = format!("/v1/apps/production/{TOPIC}/dead-letters/requeue");
    let origin = Some((ORIGIN, "http://example.com"));
    let (status, _) = asked_with(admin, Method::POST, &path, json!({"all": true}), origin).await;
    assert_eq!(status, 403);
    drop(bench);
}

#[tokio::test]
async fn the_command_line_says_how_it_stands_and_what_is_wrong() {
    let (mut bench, admin) = bench().await;
    used(&bench).await;
    let (code, out, err) = cli(admin, &["status"]).await;
    assert_eq!(code, Some(0), "{err}");
    let identity = "accepted 3 = delivered 2 + rejected 1 + expired 0 + given up 0 + queued 0";
    assert!(out.contains(identity), "{out}");
    for certificate in [
        "the certificate that backends are shown ends in ",
        "  its certificate ends in ",
    ] {
        assert!(out.contains(certificate), "{out}");
    }
    let (_, out, _) = cli(admin, &["status", "--json"]).await;
    let status: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(status["apps"][0]["accepted"], 3);

    let (code, _, err) = cli(admin, &["dead-letters", "list", "com.example.Mial"]).await;
    assert_eq!(code, Some(1));
    assert!(err.contains("com.example.Mail (production)"), "{err}");
    bench.stop().await;
    let (code, _, err) = cli(admin, &["status"]).await;
    assert_eq!(code, Some(1));
    assert!(err.contains(&format!("no gateway at {admin}")), "{err}");
}
