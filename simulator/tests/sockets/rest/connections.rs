//! Connections over REST: who is there, and closing one.

use apns_net::h2tap::Tap;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::Bench;
use crate::http2::{Client, said};
use crate::support::{TOPIC, alert, framed, has_received, soon, to_the_end};

#[tokio::test]
async fn connections_are_listed_with_what_they_carried_and_closed_one_by_one() {
    let bench = Bench::set().await;
    let (phone, token) = bench.scene.phone("iPhone").await;
    let mut provider = bench.scene.provider().await;
    let frame = framed(7, token.as_bytes(), &alert("hi"));
    provider.write_all(&frame).await.unwrap();
    bench.get("/v1/pushes/wait?outcome=delivered").await;
    let mut other = bench.scene.provider().await;
    other
        .write_all(&framed(8, token.as_bytes(), &alert("ho")))
        .await
        .unwrap();
    bench.get("/v1/pushes/wait?outcome=delivered&text=ho").await;
    let client = Client::connect(&bench.scene, Some(&bench.scene.portal.provider())).await;
    for (token, status) in [(token.to_hex(), 200), ("ee".repeat(32), 400)] {
        let answer = client.post(&token, &[("apns-topic", TOPIC)], "{}").await;
        assert_eq!(said(&answer).0, status);
    }
    bench
        .get("/v1/pushes/wait?outcome=delivered&face=http2")
        .await;

    let list = bench.get("/v1/connections").await;
    let connections = list["connections"].as_array().unwrap();
    let shown: Vec<_> = connections
        .iter()
        .map(|connection| {
            let field = |name: &str| connection[name].clone();
            ["face", "topic", "device", "number", "notifications"].map(field)
        })
        .collect();
    assert_eq!(
        json!(shown),
        json!([
            ["courier", null, "iPhone", null, 3],
            ["binary", "com.example.Mail", null, 1, 1],
            ["binary", "com.example.Mail", null, 2, 1],
            ["http2", "com.example.Mail", null, 1, 1],
        ])
    );
    let peer = provider.get_ref().0.local_addr().unwrap();
    assert_eq!(connections[1]["peer"], peer.to_string());
    assert_eq!(connections[1]["environment"], "sandbox");

    let path = format!("/v1/connections/{}", connections[1]["id"]);
    let (status, _) = bench.ask("DELETE", &path, &Value::Null).await;
    assert_eq!(status, 204);
    assert_eq!(to_the_end(&mut provider).await, [0; 0], "without a word");
    let gone = async {
        loop {
            let (status, problem) = bench.ask("DELETE", &path, &Value::Null).await;
            if status == 404 {
                break problem;
            }
        }
    };
    assert_eq!(soon(gone).await["error"], "no_such_connection");
    let frame = framed(9, token.as_bytes(), &alert("still open"));
    other.write_all(&frame).await.unwrap();
    bench
        .get("/v1/pushes/wait?outcome=delivered&text=still")
        .await;
    soon(phone.shutdown()).await;
}

/// Waits until a connection of this face is listed, and not the one before; gives it.
async fn listed(bench: &Bench, face: &str, before: u64) -> Value {
    let looking = async {
        loop {
            let list = bench.get("/v1/connections").await;
            let mut connections = list["connections"].as_array().unwrap().iter();
            let wanted = |connection: &&Value| {
                connection["face"] == face && connection["id"].as_u64().unwrap() > before
            };
            if let Some(connection) = connections.find(wanted) {
                break connection.clone();
            }
        }
    };
    soon(looking).await
}

async fn close(bench: &Bench, connection: &Value) {
    let path = format!("/v1/connections/{}", connection["id"]);
    let (status, problem) = bench.ask("DELETE", &path, &Value::Null).await;
    assert_eq!(status, 204, "{problem}");
}

#[tokio::test]
async fn a_phone_that_was_cut_off_comes_back_on_another_connection() {
    let bench = Bench::set().await;
    let (phone, token) = bench.scene.phone("iPhone").await;
    let first = listed(&bench, "courier", 0).await;
    close(&bench, &first).await;
    let second = listed(&bench, "courier", first["id"].as_u64().unwrap()).await;
    assert_eq!(second["device"], "iPhone");
    let frame = framed(7, token.as_bytes(), &alert("hi"));
    let mut provider = bench.scene.provider().await;
    provider.write_all(&frame).await.unwrap();
    has_received(&phone, &[alert("hi")]).await;
    soon(phone.shutdown()).await;
}

#[tokio::test]
async fn a_feedback_reader_is_listed_until_it_is_closed_on() {
    let bench = Bench::set().await;
    let mut reader = bench.scene.reader().await;
    let listed = listed(&bench, "feedback", 0).await;
    assert_eq!(
        (&listed["topic"], &listed["number"]),
        (&json!(TOPIC), &json!(1))
    );
    assert_eq!(listed["environment"], "sandbox");
    close(&bench, &listed).await;
    let gone = async { while bench.get("/v1/connections").await["connections"] != json!([]) {} };
    soon(gone).await;
    assert_eq!(to_the_end(&mut reader).await, [0; 0]);
}

#[tokio::test]
async fn an_http2_connection_is_closed_with_goaway() {
    let bench = Bench::set().await;
    let identity = bench.scene.portal.provider();
    let address = bench.scene.simulator.http2();
    let stream = bench.scene.dial(address, &identity).await.unwrap();
    let (io, tap) = Tap::client(stream);
    let (send, connection) = soon(h2::client::handshake(io)).await.unwrap();
    let driver = tokio::spawn(connection);
    let listed = listed(&bench, "http2", 0).await;
    assert_eq!(listed["topic"], TOPIC);
    close(&bench, &listed).await;
    soon(driver).await.unwrap().unwrap();
    let goaway = tap.goaway().expect("it was told");
    assert_eq!(goaway.reason, h2::Reason::NO_ERROR);
    drop(send);
}

#[tokio::test]
async fn after_a_reset_the_connections_of_before_are_listed_no_more() {
    let bench = Bench::set().await;
    let mut provider = bench.scene.provider().await;
    listed(&bench, "binary", 0).await;
    bench.ask("POST", "/v1/reset", &Value::Null).await;
    assert_eq!(
        bench.get("/v1/connections").await,
        json!({"connections": []})
    );
    assert_eq!(
        to_the_end(&mut provider).await,
        [0; 0],
        "nothing was taken on it"
    );
}
