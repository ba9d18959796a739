//! The app server against a scripted gateway.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::{DEADLINE, Portal, TOPIC, http};
use apns_net::listen::{self, Accepted};
use apns_net::tls::{ClientPolicy, TlsVersions, server_config};
use apns_proto::{Limits, Token, decode};
use apns_simulator::app_server::{AppServer, AppServerConfig, ProviderApp};
use bytes::BytesMut;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

const A: &str = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";
const B: &str = "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2";
const C: &str = "c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3";

/// A gateway that refuses some tokens, as Apple's would, and a feedback service with a fixed list.
#[derive(Default)]
struct Script {
    refused: Vec<Token>,
    feedback: Vec<u8>,
    taken: Mutex<Vec<(String, String)>>,
    connections: Mutex<usize>,
}

impl Script {
    async fn gateway(self: Arc<Self>, mut accepted: Accepted) {
        *self.connections.lock().unwrap() += 1;
        let mut buf = BytesMut::new();
        while accepted
            .stream
            .read_buf(&mut buf)
            .await
            .is_ok_and(|len| len > 0)
        {
            while let Some(notification) = decode(&mut buf, &Limits::BINARY) {
                let notification = notification.unwrap();
                if self.refused.contains(&notification.token) {
                    let [a, b, c, d] = notification.identifier.unwrap().0;
                    accepted
                        .stream
                        .write_all(&[8, 8, a, b, c, d])
                        .await
                        .unwrap();
                    accepted.stream.shutdown().await.unwrap();
                    return;
                }
                let payload = String::from_utf8(notification.payload.to_vec()).unwrap();
                self.taken
                    .lock()
                    .unwrap()
                    .push((notification.token.to_hex(), payload));
            }
        }
    }

    async fn feedback(self: Arc<Self>, mut accepted: Accepted) {
        accepted.stream.write_all(&self.feedback).await.unwrap();
        accepted.stream.shutdown().await.unwrap();
        let _ = accepted.stream.read(&mut [0]).await;
    }
}

struct Scene {
    script: Arc<Script>,
    server: AppServer,
    servers: DropGuard,
}

impl Scene {
    async fn set(script: Script) -> Self {
        let portal = Portal::open();
        let script = Arc::new(script);
        let stop = CancellationToken::new();
        let policy = || ClientPolicy {
            roots: vec![portal.ca.certificate_der().clone()],
            ..ClientPolicy::default()
        };
        let tls = server_config(&portal.server(), policy(), TlsVersions::Tls12).unwrap();
        let gateway = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let feedback = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let app = ProviderApp {
            topic: TOPIC.to_owned(),
            identity: portal.provider(),
            roots: portal.roots(),
            gateway: gateway.local_addr().unwrap().into(),
            feedback: feedback.local_addr().unwrap().into(),
        };
        let (one, two) = (script.clone(), script.clone());
        tokio::spawn(listen::serve(
            gateway,
            tls.clone(),
            listen::Limits::default(),
            stop.clone(),
            move |accepted| one.clone().gateway(accepted),
        ));
        tokio::spawn(listen::serve(
            feedback,
            tls,
            listen::Limits::default(),
            stop.clone(),
            move |accepted| two.clone().feedback(accepted),
        ));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = AppServerConfig {
            apps: vec![app],
            quiet: Duration::from_millis(200),
        };
        Self {
            script,
            server: AppServer::start(listener, config).unwrap(),
            servers: stop.drop_guard(),
        }
    }

    async fn get(&self, path: &str) -> (u16, serde_json::Value) {
        http(self.server.address(), "GET", path, "").await
    }

    async fn post(&self, path: &str, body: &str) -> (u16, serde_json::Value) {
        http(self.server.address(), "POST", path, body).await
    }

    async fn register(&self, token: &str) {
        assert_eq!(
            self.post("/apps/com.example.Mail/tokens", token).await,
            (201, json!({ "token": token }))
        );
    }

    async fn tokens(&self) -> Vec<String> {
        let (_, answer) = self.get("/apps/com.example.Mail/tokens").await;
        answer["tokens"]
            .as_array()
            .unwrap()
            .iter()
            .map(|token| token["token"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn token(hex: &str) -> Token {
    apns_simulator::token_text::parse(hex).unwrap()
}

#[tokio::test]
async fn tokens_are_taken_as_text_and_as_json_in_every_form() {
    let scene = Scene::set(Script::default()).await;
    let spaced = "<a1a1a1a1 a1a1a1a1 a1a1a1a1 a1a1a1a1 a1a1a1a1 a1a1a1a1 a1a1a1a1 a1a1a1a1>";
    assert_eq!(
        scene.post("/apps/com.example.Mail/tokens", spaced).await,
        (201, json!({ "token": A }))
    );
    assert_eq!(
        scene
            .post("/apps/com.example.Mail/tokens", &A.to_uppercase())
            .await,
        (200, json!({ "token": A }))
    );
    assert_eq!(
        scene
            .post(
                "/apps/com.example.Mail/tokens",
                &json!({ "token": B }).to_string()
            )
            .await
            .0,
        201
    );
    assert_eq!(
        scene
            .post(
                "/apps/com.example.Mail/tokens",
                "w8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8M="
            )
            .await
            .0,
        201
    );
    assert_eq!(scene.tokens().await, [A, B, C]);
    assert_eq!(
        scene.get("/apps").await,
        (200, json!({ "apps": [{ "topic": TOPIC, "tokens": 3 }] }))
    );
}

#[tokio::test]
async fn what_is_no_token_gets_a_400_that_says_why() {
    let scene = Scene::set(Script::default()).await;
    let cut = "{length = 32, bytes = 0x0f744707 bebcf74f 9b7c25d4 8e335894 ... 462c7eaf 61bb78ad }";
    for (body, why) in [
        (cut.to_owned(), "since iOS 13"),
        (json!({ "token": cut }).to_string(), "since iOS 13"),
        (String::new(), "empty"),
        ("0f74".to_owned(), "32 to 100 bytes"),
        (json!({ "tokens": [A] }).to_string(), "no field token"),
        ("hello world".to_owned(), "neither hex nor base64"),
    ] {
        let (status, answer) = scene.post("/apps/com.example.Mail/tokens", &body).await;
        assert_eq!(status, 400, "{body}");
        assert!(
            answer["error"].as_str().unwrap().contains(why),
            "{body}: {answer}"
        );
    }
    assert!(scene.tokens().await.is_empty());
}

#[tokio::test]
async fn a_push_goes_to_every_token_and_silence_is_success() {
    let scene = Scene::set(Script::default()).await;
    scene.register(A).await;
    scene.register(B).await;
    let payload = r#"{"aps":{"alert":"hi"}}"#;
    let (status, answer) = scene.post("/apps/com.example.Mail/push", payload).await;
    assert_eq!(
        (status, &answer["sent"], &answer["rejected"]),
        (200, &json!(2), &json!(0)),
        "{answer}"
    );
    assert_eq!(
        *scene.script.taken.lock().unwrap(),
        [
            (A.to_owned(), payload.to_owned()),
            (B.to_owned(), payload.to_owned())
        ]
    );
    let (_, history) = scene.get("/apps/com.example.Mail/pushes").await;
    assert_eq!(history["pushes"][0], answer);
}

#[tokio::test]
async fn a_refused_token_is_forgotten_and_the_rest_is_sent_again() {
    let scene = Scene::set(Script {
        refused: vec![token(B)],
        ..Script::default()
    })
    .await;
    for token in [A, B, C] {
        scene.register(token).await;
    }
    let (_, answer) = scene
        .post("/apps/com.example.Mail/push", r#"{"aps":{"alert":"hi"}}"#)
        .await;
    assert_eq!(
        answer["results"],
        json!([
            { "token": A, "outcome": "sent" },
            { "token": B, "outcome": "rejected", "status": 8, "meaning": "8 (invalid token)" },
            { "token": C, "outcome": "sent" },
        ])
    );
    let taken: Vec<_> = scene
        .script
        .taken
        .lock()
        .unwrap()
        .iter()
        .map(|(token, _)| token.clone())
        .collect();
    assert_eq!(taken, [A, C]);
    assert_eq!(scene.tokens().await, [A, C]);
}

#[tokio::test]
async fn pushes_share_one_connection() {
    let scene = Scene::set(Script::default()).await;
    scene.register(A).await;
    for _ in 0..3 {
        scene
            .post("/apps/com.example.Mail/push", r#"{"aps":{"badge":1}}"#)
            .await;
    }
    assert_eq!(scene.script.taken.lock().unwrap().len(), 3);
    assert_eq!(*scene.script.connections.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_push_without_a_gateway_fails_with_the_reason() {
    let Scene {
        server, servers, ..
    } = Scene::set(Script::default()).await;
    drop(servers);
    http(server.address(), "POST", "/apps/com.example.Mail/tokens", A).await;
    let (status, answer) = http(
        server.address(),
        "POST",
        "/apps/com.example.Mail/push",
        r#"{"aps":{"alert":"hi"}}"#,
    )
    .await;
    assert_eq!((status, &answer["failed"]), (200, &json!(1)), "{answer}");
    let why = answer["results"][0]["why"].as_str().unwrap();
    assert!(why.contains("cannot connect to 127.0.0.1:"), "{why}");
    let (_, kept) = http(server.address(), "GET", "/apps/com.example.Mail/tokens", "").await;
    assert_eq!(kept["tokens"][0]["token"], A);
}

#[tokio::test]
async fn feedback_drops_tokens_unless_they_registered_since() {
    let now = u32::try_from(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs(),
    )
    .unwrap();
    let mut feedback = Vec::new();
    for (timestamp, byte) in [(now + 60, 0xa1), (now - 3600, 0xb2), (now, 0xdd)] {
        feedback.extend(timestamp.to_be_bytes());
        feedback.extend([0, 32]);
        feedback.extend([byte; 32]);
    }
    let scene = Scene::set(Script {
        feedback,
        ..Script::default()
    })
    .await;
    scene.register(A).await;
    scene.register(B).await;
    let (status, answer) = scene.post("/apps/com.example.Mail/feedback", "").await;
    assert_eq!(status, 200);
    assert_eq!(
        answer["tuples"],
        json!([
            { "timestamp": now + 60, "token": A, "result": "dropped" },
            { "timestamp": now - 3600, "token": B, "result": "registered_since" },
            { "timestamp": now, "token": "dd".repeat(32), "result": "unknown" },
        ])
    );
    assert_eq!(scene.tokens().await, [B]);
}

#[tokio::test]
async fn a_feedback_list_that_ends_inside_a_tuple_is_an_error() {
    let scene = Scene::set(Script {
        feedback: vec![0x65, 0x53, 0xf1, 0x00, 0x00, 0x20, 0xa1],
        ..Script::default()
    })
    .await;
    let (status, answer) = scene.post("/apps/com.example.Mail/feedback", "").await;
    assert_eq!(status, 502);
    assert!(
        answer["error"].as_str().unwrap().contains("inside a tuple"),
        "{answer}"
    );
}

#[tokio::test]
async fn bad_requests_are_refused_with_a_sentence() {
    let scene = Scene::set(Script::default()).await;
    let large = "x".repeat(20_000);
    for (method, path, body, status) in [
        ("POST", "/apps/com.example.Other/tokens", A, 404),
        ("GET", "/nowhere", "", 404),
        ("DELETE", "/apps/com.example.Mail/tokens", "", 405),
        ("POST", "/apps/com.example.Mail/push", "not json", 400),
        ("POST", "/apps/com.example.Mail/push", "[1]", 400),
        ("POST", "/apps/com.example.Mail/push", "{\"aps\":", 400),
        ("POST", "/apps/com.example.Mail/push", &large, 413),
        ("POST", "/apps/com.example.Mail/tokens", &large, 413),
    ] {
        let answer = http(scene.server.address(), method, path, body).await;
        assert_eq!(answer.0, status, "{method} {path}: {answer:?}");
        assert!(answer.1["error"].is_string(), "{method} {path}: {answer:?}");
    }
}

#[tokio::test]
async fn shutdown_closes_the_listener_and_the_connection() {
    let scene = Scene::set(Script::default()).await;
    scene.register(A).await;
    scene
        .post("/apps/com.example.Mail/push", r#"{"aps":{"badge":1}}"#)
        .await;
    let Scene {
        server, servers, ..
    } = scene;
    let _servers = servers;
    let address = server.address();
    tokio::time::timeout(DEADLINE, server.shutdown())
        .await
        .unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
