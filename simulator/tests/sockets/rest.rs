//! The REST API as a test in another language sees it: JSON over HTTP.

use apns_simulator::rest::{Rest, RestConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{SECOND, Scene, TOPIC, alert, framed, http, soon};

struct Bench {
    scene: Scene,
    rest: Rest,
}

impl Bench {
    async fn set() -> Self {
        let scene = Scene::set().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let rest = Rest::start(listener, &scene.simulator, RestConfig::default()).unwrap();
        Self { scene, rest }
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        http(self.rest.address(), method, path, &body).await
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, &Value::Null).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask("POST", path, &body).await;
        assert!((200..300).contains(&status), "{path}: {answer}");
        answer
    }

    /// Switches a phone on that has both apps, and gives the first one's token.
    async fn phone(&self, name: &str) -> String {
        let apps = json!([{ "topic": TOPIC }, { "topic": SECOND }]);
        let phone = self
            .post("/v1/phones", json!({"name": name, "apps": apps}))
            .await;
        phone["apps"][0]["token"].as_str().unwrap().to_owned()
    }

    async fn push(&self, token: &str, payload: &str) {
        let token = data_encoding::HEXLOWER.decode(token.as_bytes()).unwrap();
        let mut provider = self.scene.provider().await;
        let frame = framed(7, &token, payload);
        provider.write_all(&frame).await.unwrap();
        provider.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_test_switches_a_phone_on_pushes_waits_and_sees_the_lock_screen() {
    let bench = Bench::set().await;
    let token = bench.phone("iPhone 1").await;
    assert_eq!(token.len(), 64);
    bench.push(&token, &alert("hi")).await;
    let push = bench.get("/v1/pushes/wait?outcome=delivered&text=HI").await;
    assert_eq!(push["topic"], TOPIC);
    assert_eq!(push["token"], token);
    assert_eq!(push["phone"], "iPhone 1");
    assert_eq!(push["identifier"], 7);
    assert_eq!(push["priority"], 10);
    assert_eq!(push["payload"], json!({"aps": {"alert": "hi"}}));
    let screen = bench.get("/v1/phones/iPhone%201/screen").await;
    assert_eq!(screen["notes"][0]["body"], "hi");
    assert!(screen["picture"].as_str().unwrap().contains("MAIL"));
    let opened = bench
        .post("/v1/phones/iPhone%201/notes/1/open", Value::Null)
        .await;
    assert_eq!(
        (&opened["notes"], &opened["apps"][0]["state"]),
        (&json!(0), &json!("foreground"))
    );
    let history = bench.get("/v1/phones/iPhone%201/received?limit=1").await;
    assert_eq!(history["total"], 1);
    assert_eq!(history["received"][0]["outcome"], "shown");
}

#[tokio::test]
async fn phones_and_apps_come_and_go() {
    let bench = Bench::set().await;
    bench.phone("iPhone 1").await;
    let path = "/v1/phones/iPhone%201";
    let offline = bench.ask("PATCH", path, &json!({"airplane": true})).await;
    assert_eq!((offline.0, &offline.1["online"]), (200, &json!(false)));
    let third = json!({"topic": "com.example.Third", "types": ["alert"], "name": "Third"});
    let installed = bench
        .post("/v1/phones/iPhone%201/apps", third.clone())
        .await;
    assert_eq!(installed["token"], Value::Null, "it is offline");
    bench.ask("PATCH", path, &json!({"airplane": false})).await;
    let app = "/v1/phones/iPhone%201/apps/com.example.Third";
    let third_now = bench.get(app).await;
    assert_eq!(third_now["types"], json!(["alert"]));
    assert_eq!(third_now["token"].as_str().unwrap().len(), 64);
    let change = json!({"state": "background", "settings": {"sound": false}, "badge": 3, "types": ["badge", "alert"]});
    let (status, changed) = bench.ask("PATCH", app, &change).await;
    assert_eq!(status, 200);
    assert_eq!(changed["state"], "background");
    assert_eq!(
        changed["settings"],
        json!({"allowed": true, "alerts": true, "sound": false, "badge": true})
    );
    assert_eq!(
        (&changed["badge"], &changed["types"]),
        (&json!(3), &json!(["alert", "badge"]))
    );
    assert_eq!(bench.ask("DELETE", app, &Value::Null).await.0, 204);
    assert_eq!(bench.ask("GET", app, &Value::Null).await.0, 404);
    assert_eq!(bench.ask("DELETE", path, &Value::Null).await.0, 204);
    assert_eq!(bench.get("/v1/phones").await, json!({"phones": []}));
}

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
    let frame = details["frame_hex"].as_str().unwrap();
    assert!(frame.starts_with("02") && frame.contains(&token), "{frame}");
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
async fn what_is_wrong_with_a_request_is_said_in_json() {
    let bench = Bench::set().await;
    bench.phone("iPhone 1").await;
    for (method, path, body, status, error, words) in [
        (
            "GET",
            "/v1/nothing",
            "",
            404,
            "no_such_route",
            "/v1/openapi.json",
        ),
        (
            "PUT",
            "/v1/phones",
            "",
            405,
            "wrong_method",
            "does not take PUT",
        ),
        (
            "GET",
            "/v1/phones/none",
            "",
            404,
            "no_such_phone",
            "there is iPhone 1",
        ),
        ("GET", "/v1/phones/%ff", "", 400, "bad_path", "UTF-8"),
        (
            "GET",
            "/v1/pushes/9",
            "",
            404,
            "no_such_push",
            "the inbox is empty",
        ),
        ("GET", "/v1/pushes/x", "", 400, "bad_path", "Cannot parse"),
        (
            "GET",
            "/v1/pushes?tpoic=x",
            "",
            400,
            "unknown_parameter",
            "since, topic",
        ),
        (
            "GET",
            "/v1/pushes?limit=0",
            "",
            400,
            "bad_parameter",
            "1 to 1000",
        ),
        (
            "GET",
            "/v1/pushes?since=x",
            "",
            400,
            "bad_parameter",
            "invalid digit",
        ),
        (
            "GET",
            "/v1/pushes?since=1&since=2",
            "",
            400,
            "bad_parameter",
            "duplicate",
        ),
        (
            "GET",
            "/v1/pushes/wait?timeout=61",
            "",
            400,
            "bad_parameter",
            "0 to 60",
        ),
        (
            "GET",
            "/v1/pushes/wait?timeout=NaN",
            "",
            400,
            "bad_parameter",
            "0 to 60",
        ),
        (
            "GET",
            "/v1/health?x=1",
            "",
            400,
            "unknown_parameter",
            "there is no parameter x",
        ),
        ("POST", "/v1/phones", "", 400, "bad_body", "empty"),
        ("POST", "/v1/phones", "{", 400, "bad_body", "EOF"),
        (
            "POST",
            "/v1/phones",
            r#"{"name":"a","nmae":1}"#,
            400,
            "bad_body",
            "unknown field `nmae`",
        ),
        (
            "POST",
            "/v1/phones",
            r#"{"name":""}"#,
            400,
            "bad_name",
            "1 to 100",
        ),
        (
            "POST",
            "/v1/phones",
            r#"{"name":"iPhone 1"}"#,
            409,
            "exists",
            "already",
        ),
        (
            "POST",
            "/v1/phones/iPhone%201/apps",
            r#"{"topic":"com.*"}"#,
            400,
            "bad_topic",
            "com.*",
        ),
        (
            "POST",
            "/v1/phones/iPhone%201/apps",
            r#"{"topic":"com.example.Mail"}"#,
            409,
            "exists",
            "already",
        ),
        (
            "DELETE",
            "/v1/phones/iPhone%201/apps/a.b",
            "",
            404,
            "no_such_app",
            "a.b",
        ),
        (
            "POST",
            "/v1/phones/iPhone%201/notes/1/open",
            "",
            404,
            "no_such_note",
            "lock screen",
        ),
        (
            "POST",
            "/v1/pushes",
            r#"{"aps":{}}"#,
            400,
            "bad_file",
            "Simulator Target Bundle",
        ),
        (
            "POST",
            "/v1/pushes",
            r#"{"aps":{},"Simulator Target Bundle":"a.b"}"#,
            404,
            "no_such_app",
            "on any phone",
        ),
    ] {
        let (got, answer) = http(bench.rest.address(), method, path, body).await;
        assert_eq!(
            (got, &answer["error"]),
            (status, &json!(error)),
            "{method} {path} {body}: {answer}"
        );
        let message = answer["message"].as_str().unwrap();
        assert!(message.contains(words), "{method} {path}: {message}");
    }
    let large = "x".repeat(65 * 1024);
    let (status, answer) = http(bench.rest.address(), "POST", "/v1/pushes", &large).await;
    assert_eq!((status, &answer["error"]), (413, &json!("bad_body")));
}

#[tokio::test]
async fn only_its_own_names_and_pages_are_answered() {
    let bench = Bench::set().await;
    for (head, status) in [
        ("GET /v1/phones HTTP/1.1\r\nhost: evil.example", "403"),
        ("GET /v1/phones HTTP/1.1\r\nhost: localhost", "200"),
        (
            "POST /v1/phones HTTP/1.1\r\nhost: localhost\r\norigin: http://evil.example",
            "403",
        ),
        ("GET /v1/phones HTTP/1.0", "400"),
    ] {
        let answer = soon(async {
            let mut stream = TcpStream::connect(bench.rest.address()).await.unwrap();
            let request = format!("{head}\r\nconnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        })
        .await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{head}: {answer}");
        assert!(
            !answer.to_lowercase().contains("access-control-allow"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_wait_ends_when_the_api_stops() {
    let Bench {
        scene: _scene,
        rest,
    } = Bench::set().await;
    let mut stream = TcpStream::connect(rest.address()).await.unwrap();
    let health = b"GET /v1/health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(health).await.unwrap();
    assert_ne!(soon(stream.read(&mut [0; 1024])).await.unwrap(), 0);
    let wait = b"GET /v1/pushes/wait?timeout=60 HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(wait).await.unwrap();
    soon(rest.shutdown()).await;
    // Whether the request was read before the stop or not: the connection ends.
    let _ = soon(stream.read_to_end(&mut Vec::new())).await;
}
