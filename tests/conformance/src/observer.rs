//! Somebody who sees what became of a notification, which the protocol itself never tells: our simulator's REST API, or a command.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use data_encoding::HEXLOWER_PERMISSIVE;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use crate::case::Failed;

/// An answer of the REST API, or the output of a command, is no longer than this.
const OUTPUT_MAX: usize = 16 * 1024 * 1024;

/// Who looks.
#[derive(Clone, Debug)]
pub(crate) struct Observer {
    pub(crate) rest: Option<SocketAddr>,
    /// Prints a JSON line `{"token": "<hex>", "payload": "<text>"}` for each notification that was delivered.
    pub(crate) delivered: Option<String>,
    /// Prints the token, in hex, of an app that is not on its phone any more.
    pub(crate) gone: Option<String>,
    /// Where the phones of the REST API are made.
    pub(crate) environment: Option<Environment>,
    pub(crate) timeout: Duration,
}

/// One of Apple's two services [P-01].
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Environment {
    /// For apps under development.
    Sandbox,
    /// For apps of the store.
    Production,
}

impl Environment {
    fn name(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Production => "production",
        }
    }
}

/// What a command prints of a notification.
#[derive(Deserialize)]
struct Delivered {
    payload: Value,
}

impl Observer {
    /// Whether it sees what is delivered.
    pub(crate) fn sees(&self) -> bool {
        self.rest.is_some() || self.delivered.is_some()
    }

    /// Whether it knows of apps that are gone.
    pub(crate) fn knows_gone(&self) -> bool {
        self.rest.is_some() || self.gone.is_some()
    }

    /// How often each numbered payload of `tag` was delivered so far.
    pub(crate) async fn delivered(&self, tag: &str) -> Result<BTreeMap<u32, u32>, Failed> {
        let payloads = match (self.rest, &self.delivered) {
            (Some(rest), _) => self.listed(rest, tag).await?,
            (None, Some(command)) => self.printed(command, tag).await?,
            (None, None) => return Err(Failed::because("nobody sees what is delivered")),
        };
        let mut counts = BTreeMap::new();
        for number in payloads.iter().filter_map(|text| number_in(text, tag)) {
            *counts.entry(number).or_default() += 1;
        }
        Ok(counts)
    }

    /// A token whose app was on a phone and is not any more.
    pub(crate) async fn gone_token(&self, topic: &str, name: &str) -> Result<Vec<u8>, Failed> {
        let text = match (self.rest, &self.gone) {
            (_, Some(command)) => self.output(command, name).await?,
            (Some(rest), None) => self.uninstalled(rest, topic, name).await?,
            (None, None) => return Err(Failed::because("nobody knows of an app that is gone")),
        };
        let first = text.split_whitespace().next().unwrap_or_default();
        HEXLOWER_PERMISSIVE
            .decode(first.as_bytes())
            .ok()
            .filter(|token| !token.is_empty())
            .ok_or_else(|| {
                Failed(format!(
                    "expected a token in hex of an app that is gone: {text:?}"
                ))
            })
    }

    async fn listed(&self, rest: SocketAddr, tag: &str) -> Result<Vec<String>, Failed> {
        let mut payloads = Vec::new();
        let mut before = String::new();
        loop {
            let path = format!("/v1/pushes?text={tag}&outcome=delivered&limit=1000{before}");
            let page = self.ask(rest, Method::GET, &path, Value::Null).await?;
            let pushes = page["pushes"].as_array().into_iter().flatten();
            payloads.extend(pushes.map(|push| push["payload"].to_string()));
            match page["next"].as_u64() {
                Some(next) => before = format!("&before={next}"),
                None => return Ok(payloads),
            }
        }
    }

    async fn printed(&self, command: &str, tag: &str) -> Result<Vec<String>, Failed> {
        let output = self.output(command, tag).await?;
        let lines = output.lines().filter(|line| !line.trim().is_empty());
        lines
            .map(|line| match serde_json::from_str::<Delivered>(line) {
                Ok(delivered) => Ok(delivered.payload.to_string()),
                Err(error) => Err(Failed(format!("the observer printed {line:?}: {error}"))),
            })
            .collect()
    }

    /// The token of an app on a phone of its own; none where nobody can make one.
    pub(crate) async fn new_token(
        &self,
        topic: &str,
        name: &str,
    ) -> Result<Option<Vec<u8>>, Failed> {
        let Some(rest) = self.rest else {
            return Ok(None);
        };
        let text = self.installed(rest, topic, name).await?;
        Ok(HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok())
    }

    /// A phone with the app. A second one keeps its connection when the first goes, and with it the report of that [C-15].
    async fn installed(&self, rest: SocketAddr, topic: &str, name: &str) -> Result<String, Failed> {
        let second = format!("{topic}.second");
        let mut phone = json!({"name": name, "apps": [{"topic": topic}, {"topic": second}]});
        if let Some(environment) = self.environment {
            phone["environment"] = json!(environment.name());
        }
        let phone = self.ask(rest, Method::POST, "/v1/phones", phone).await?;
        let mut apps = phone["apps"].as_array().into_iter().flatten();
        let token = apps
            .find(|app| app["topic"] == topic)
            .and_then(|app| app["token"].as_str())
            .ok_or_else(|| Failed(format!("the observer gave no token to an app: {phone}")))?;
        Ok(token.to_owned())
    }

    /// A phone with the app, and without it again.
    async fn uninstalled(
        &self,
        rest: SocketAddr,
        topic: &str,
        name: &str,
    ) -> Result<String, Failed> {
        let token = self.installed(rest, topic, name).await?;
        let path = format!("/v1/phones/{name}/apps/{topic}");
        self.ask(rest, Method::DELETE, &path, Value::Null).await?;
        Ok(token)
    }

    /// One request to the REST API.
    async fn ask(
        &self,
        rest: SocketAddr,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<Value, Failed> {
        let failed = |error: &dyn std::error::Error| Failed(format!("observer, {path}: {error}"));
        let asking = async {
            let socket = TcpStream::connect(rest).await.map_err(|e| failed(&e))?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(socket))
                    .await
                    .map_err(|e| failed(&e))?;
            tokio::spawn(connection);
            let body = if body.is_null() {
                Bytes::new()
            } else {
                Bytes::from(body.to_string())
            };
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header("host", rest.to_string())
                .header("content-type", "application/json")
                .body(Full::new(body))
                .map_err(|e| failed(&e))?;
            let answer = sender.send_request(request).await.map_err(|e| failed(&e))?;
            let status = answer.status();
            let body = http_body_util::Limited::new(answer.into_body(), OUTPUT_MAX)
                .collect()
                .await
                .map_err(|e| Failed(format!("observer, {path}: {e}")))?
                .to_bytes();
            if !status.is_success() {
                let text = String::from_utf8_lossy(&body);
                return Err(Failed(format!("observer, {path}: {status} {text}")));
            }
            Ok(serde_json::from_slice(&body).unwrap_or(Value::Null))
        };
        timeout(self.timeout, asking)
            .await
            .unwrap_or_else(|_| Err(Failed(format!("observer, {path}: no answer in time"))))
    }

    /// What a command prints; it finds `text` in its environment.
    async fn output(&self, command: &str, text: &str) -> Result<String, Failed> {
        let run = Command::new("sh")
            .args(["-c", command])
            .env("APNS_CONFORMANCE_TEXT", text)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .output();
        match timeout(self.timeout, run).await {
            Ok(Ok(output)) if output.status.success() && output.stdout.len() <= OUTPUT_MAX => {
                Ok(String::from_utf8_lossy(&output.stdout).into_owned())
            }
            Ok(Ok(output)) => Err(Failed(format!("`{command}`: {}", output.status))),
            Ok(Err(error)) => Err(Failed(format!("`{command}`: {error}"))),
            Err(_) => Err(Failed(format!("`{command}`: not over in time"))),
        }
    }
}

/// The number of a payload of `tag`: the digits behind `tag` and a space.
fn number_in(text: &str, tag: &str) -> Option<u32> {
    let (_, behind) = text.split_once(tag)?;
    let digits = behind.strip_prefix(' ')?;
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    digits[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_known_by_its_tag_and_number() {
        let text = r#"{"aps":{"alert":"0a0b-1 17 xxx"}}"#;
        assert_eq!(number_in(text, "0a0b-1"), Some(17));
        assert_eq!(number_in(text, "0a0b-2"), None);
        assert_eq!(number_in(text, "0a0b"), None);
    }
}
