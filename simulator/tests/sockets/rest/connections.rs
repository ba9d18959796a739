//! Connections over REST: who is there, and closing one.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::Bench;
use crate::support::{alert, framed, soon, to_the_end};

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
            ["courier", null, "iPhone", null, 2],
            ["binary", "com.example.Mail", null, 1, 1],
            ["binary", "com.example.Mail", null, 2, 1],
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
