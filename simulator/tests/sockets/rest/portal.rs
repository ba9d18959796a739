//! The developer portal over REST.

use std::sync::Arc;

use apns_certs::{KeyKind, csr};
use apns_net::credentials::{CertificateInfo, Identity};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Bench;
use crate::http2::{Client, Signer, said, seconds_now};
use crate::support::{TOPIC, alert, framed, soon};

#[tokio::test]
async fn a_signing_request_becomes_a_certificate_that_can_be_downloaded_and_revoked() {
    let bench = Bench::set().await;
    let request = csr::create("a@example.com", "A", KeyKind::P256).unwrap();
    let order = json!({"csr": request.request_pem, "kind": "development", "app_id": TOPIC});
    let (status, refused) = bench.ask("POST", "/v1/portal/certificates", &order).await;
    assert_eq!((status, &refused["error"]), (404, &json!("no_such_app_id")));
    let created = bench.post("/v1/portal/app-ids", json!({"id": TOPIC})).await;
    assert_eq!(created["development"], "off");
    let (status, refused) = bench.ask("POST", "/v1/portal/certificates", &order).await;
    assert_eq!(
        (status, &refused["error"]),
        (409, &json!("push_not_enabled"))
    );
    let push = format!("/v1/portal/app-ids/{TOPIC}/push");
    assert_eq!(
        bench.post(&push, Value::Null).await["development"],
        "configurable"
    );
    let issued = bench.post("/v1/portal/certificates", order).await;
    assert_eq!(
        (&issued["topic"], &issued["status"]),
        (&json!(TOPIC), &json!("active"))
    );
    let listed = bench.get("/v1/portal/app-ids").await;
    assert_eq!(listed["app_ids"][0]["development"], "enabled");
    let serial = issued["serial"].as_str().unwrap();
    let der = bench
        .download(&format!("/v1/portal/certificates/{serial}/cer"))
        .await;
    let info = CertificateInfo::parse(&der.into()).unwrap();
    assert_eq!(info.topic.as_deref(), Some(TOPIC));
    assert_eq!(json!(info.pin.to_string()), issued["sha256"]);
    let revoked = bench
        .post(
            &format!("/v1/portal/certificates/{serial}/revoke"),
            Value::Null,
        )
        .await;
    assert_eq!(revoked["status"], "revoked");
    let all = bench.get("/v1/portal/certificates").await;
    assert_eq!(all["certificates"], json!([revoked]));
}

#[tokio::test]
async fn credentials_from_the_portal_let_a_provider_in() {
    let bench = Bench::set().await;
    let token = bench.phone("iPhone 1").await;
    let made = bench
        .post("/v1/portal/credentials", json!({"app_id": TOPIC}))
        .await;
    let text = |key: &str| made[key].as_str().unwrap().as_bytes();
    let identity = Identity::from_pem(text("certificate"), text("private_key")).unwrap();
    let tls = apns_net::tls::client_config(Some(&identity), bench.scene.portal.roots()).unwrap();
    let address = bench.scene.simulator.binary();
    let tcp = TcpStream::connect(address).await.unwrap();
    let connecting = TlsConnector::from(Arc::clone(&tls)).connect(address.ip().into(), tcp);
    let mut provider = soon(connecting).await.unwrap();
    let bytes = data_encoding::HEXLOWER.decode(token.as_bytes()).unwrap();
    provider
        .write_all(&framed(1, &bytes, &alert("hi")))
        .await
        .unwrap();
    provider.flush().await.unwrap();
    let push = bench.get("/v1/pushes/wait?outcome=delivered").await;
    assert_eq!(push["token"], token);
}

#[tokio::test]
async fn a_key_is_handed_out_once() {
    let bench = Bench::set().await;
    let made = bench.post("/v1/portal/keys", json!({"name": "CI"})).await;
    assert!(
        made["private_key"]
            .as_str()
            .unwrap()
            .starts_with("-----BEGIN PRIVATE KEY")
    );
    let keys = bench.get("/v1/portal/keys").await;
    assert_eq!(keys["keys"][0]["key_id"], made["key_id"]);
    assert_eq!(keys["keys"][0]["name"], "CI");
    assert!(keys["keys"][0].get("private_key").is_none());
}

#[tokio::test]
async fn a_key_of_the_portal_signs_tokens_that_are_taken_also_after_a_reset() {
    let bench = Bench::set().await;
    for (project, team) in [("default", "DEVTEAM001"), ("TEAM0000OF", "TEAM0000OF")] {
        let made = bench
            .post(&format!("/v1/portal/keys?project={project}"), json!({}))
            .await;
        let text = |key: &str| made[key].as_str().unwrap();
        assert_eq!(text("team"), team);
        let signer = Signer::of_file(text("private_key"), text("key_id"), team);
        let bearer = signer.bearer(seconds_now());
        bench.scene.simulator.project(team).unwrap().reset();
        let apps = json!([{ "topic": TOPIC }]);
        let phone = json!({"name": "iPhone", "apps": apps});
        let phone = bench
            .post(&format!("/v1/phones?project={project}"), phone)
            .await;
        let token = phone["apps"][0]["token"].as_str().unwrap();
        let client = Client::connect(&bench.scene, None).await;
        let headers = [("apns-topic", TOPIC), ("authorization", &*bearer)];
        let answer = client.post(token, &headers, &alert("hi")).await;
        assert_eq!(said(&answer), (200, ""), "{team}");
    }
}

#[tokio::test]
async fn a_certificate_revoked_over_rest_is_refused_everywhere_also_after_a_reset() {
    let bench = Bench::set().await;
    let simulator = &bench.scene.simulator;
    let equip = async |app: &str| {
        let made = bench
            .post("/v1/portal/credentials", json!({"app_id": app}))
            .await;
        let text = |key: &str| made[key].as_str().unwrap().as_bytes();
        let identity = Identity::from_pem(text("certificate"), text("private_key")).unwrap();
        let serial = made["issued"]["serial"].as_str().unwrap().to_owned();
        (identity, serial)
    };
    let (revoked, serial) = equip(TOPIC).await;
    let (kept, _) = equip(TOPIC).await;
    bench
        .scene
        .dial(simulator.binary(), &revoked)
        .await
        .unwrap();
    let revoke = format!("/v1/portal/certificates/{serial}/revoke");
    bench.post(&revoke, Value::Null).await;
    simulator.default_project().reset();
    for address in [simulator.binary(), simulator.feedback(), simulator.http2()] {
        // In TLS 1.3 the client is done before the server has seen its certificate.
        let refused = match bench.scene.dial(address, &revoked).await {
            Ok(mut open) => soon(open.read_u8()).await.unwrap_err(),
            Err(refused) => refused,
        };
        let alert = refused.to_string();
        assert!(alert.contains("CertificateRevoked"), "{address}: {alert}");
        bench.scene.dial(address, &kept).await.unwrap();
    }
}

#[tokio::test]
async fn the_portal_says_what_to_do_instead() {
    let bench = Bench::set().await;
    for (path, body, status, error, words) in [
        ("app-ids", json!({"id": "no id"}), 400, "bad_body", "no id"),
        (
            "app-ids",
            json!({"id": "com.example.*", "push": true}),
            409,
            "wildcard",
            "POST /v1/portal/app-ids",
        ),
        (
            "app-ids/com.example.None/push",
            Value::Null,
            404,
            "no_such_app_id",
            "POST /v1/portal/app-ids",
        ),
        (
            "certificates",
            json!({"csr": "x", "kind": "mdm"}),
            400,
            "bad_csr",
            "",
        ),
        (
            "certificates",
            json!({"csr": "x", "kind": "any"}),
            400,
            "bad_body",
            "any",
        ),
        (
            "credentials",
            json!({"app_id": "com.example.App", "kind": "pass"}),
            409,
            "not_issued",
            "pass",
        ),
        ("certificates/0123/revoke", Value::Null, 400, "bad_path", ""),
        (
            "certificates/4123456789abcdef/revoke",
            Value::Null,
            404,
            "no_such_certificate",
            "GET /v1/portal",
        ),
    ] {
        let (got, answer) = bench
            .ask("POST", &format!("/v1/portal/{path}"), &body)
            .await;
        assert_eq!(
            (got, &answer["error"]),
            (status, &json!(error)),
            "{path} {body}: {answer}"
        );
        let message = answer["message"].as_str().unwrap();
        assert!(message.contains(words), "{path}: {message}");
    }
}
