//! Phones and apps over REST.

use serde_json::{Value, json};

use super::Bench;
use crate::support::{TOPIC, alert};

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
