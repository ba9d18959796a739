//! What is wrong with a request, who may ask, and how it ends.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Bench;
use crate::support::{http, soon};

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
