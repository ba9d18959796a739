//! The REST API as a test in another language sees it: JSON over HTTP.

mod connections;
mod control;
mod events;
mod faults;
mod phones;
mod portal;
mod projects;
mod pushes;
mod requests;

use std::sync::Arc;

use apns_certs::Ca;
use apns_simulator::Config;
use apns_simulator::rest::{Rest, RestConfig};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::support::{SECOND, Scene, TOPIC, framed, http, to_the_end};

struct Bench {
    scene: Scene,
    rest: Rest,
}

impl Bench {
    async fn set() -> Self {
        Self::set_with(|_| {}).await
    }

    async fn set_with(change: impl FnOnce(&mut Config)) -> Self {
        let scene = Scene::set_with(change).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ca = &scene.portal.ca;
        let config = RestConfig {
            ca: Some(Arc::new(
                Ca::from_pem(ca.cert_pem(), &ca.key_pem()).unwrap(),
            )),
            ..RestConfig::default()
        };
        let rest = Rest::start(listener, &scene.simulator, config).unwrap();
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

    /// A body that is no JSON.
    async fn download(&self, path: &str) -> Vec<u8> {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let mut stream = TcpStream::connect(self.rest.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = to_the_end(&mut stream).await;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        answer.split_off(end.unwrap() + 4)
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
