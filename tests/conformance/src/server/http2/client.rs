//! A client of the HTTP/2 provider API: requests that are well formed as HTTP/2, whatever they say.

use std::time::Duration;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use h2::client::SendRequest;
use http::{HeaderMap, Method, Request, StatusCode};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::Trial;
use super::super::target::Port;
use crate::case::{Failed, ensure};
use crate::link::{Hello, Login};
use crate::transcript::Transcript;

/// Bytes of an answer that are read; one has a few words.
const ANSWER_MAX: usize = 64 * 1024;

/// A connection.
pub(super) struct Api {
    sender: SendRequest<Bytes>,
    driver: JoinHandle<()>,
    transcript: Transcript,
    number: u32,
    timeout: Duration,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A push as a request.
#[derive(Clone, Debug)]
pub(in crate::server) struct Push {
    pub(super) method: Method,
    pub(super) path: String,
    /// `apns-topic`, unless the headers have one: a certificate with several topics wants it named [H-18].
    pub(super) topic: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Push {
    /// Of `payload` to `token`, and nothing else.
    pub(super) fn new(token: &[u8], payload: Vec<u8>) -> Self {
        Self {
            method: Method::POST,
            path: format!("/3/device/{}", HEXLOWER.encode(token)),
            topic: None,
            headers: Vec::new(),
            body: payload,
        }
    }

    /// The same with a header more.
    pub(in crate::server) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// What came back.
#[derive(Debug)]
pub(in crate::server) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// A header's text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body's `reason` [H-30].
    pub(super) fn reason(&self) -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        Some(body.get("reason")?.as_str()?.to_owned())
    }

    /// Expects 200 with an empty body [H-32].
    pub(super) fn accepted(&self) -> Result<(), Failed> {
        ensure(self.status == StatusCode::OK, || {
            format!("expected 200: the server answered {self}")
        })?;
        ensure(self.body.is_empty(), || {
            format!("200 with a body of {} bytes", self.body.len())
        })
    }

    /// Expects a refusal [H-30].
    pub(super) fn refused(&self, status: u16, reason: &str) -> Result<(), Failed> {
        let found = self.status.as_u16() == status && self.reason().as_deref() == Some(reason);
        ensure(found, || {
            format!("expected {status} {reason}: the server answered {self}")
        })
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        write!(f, "{} {:.200}", self.status.as_u16(), body)
    }
}

impl Api {
    /// Connects with `login`, offering `h2`.
    pub(super) async fn connect(t: &Trial, login: &Login) -> Result<Self, Failed> {
        let link = t
            .connect_to(Port::Http2, &Hello::offering(&["h2"], login))
            .await
            .map_err(|error| Failed(error.to_string()))?;
        let (stream, transcript, number) = link.into_stream();
        let wait = t.target().timeout;
        let handshake = timeout(wait, h2::client::handshake(stream)).await;
        let (sender, connection) = handshake
            .map_err(|_| Failed::because("no HTTP/2 preface in time"))?
            .map_err(|error| Failed(format!("no HTTP/2: {error}")))?;
        let noted = transcript.clone();
        let driver = tokio::spawn(async move {
            let end = match connection.await {
                Ok(()) => "closed".to_owned(),
                Err(error) => error.to_string(),
            };
            noted.noted(number, &end);
        });
        Ok(Self {
            sender,
            driver,
            transcript,
            number,
            timeout: wait,
        })
    }

    /// Sends `push` and waits for the answer.
    pub(super) async fn send(&mut self, push: Push) -> Result<Reply, Failed> {
        let wait = self.timeout;
        timeout(wait, self.exchange(push))
            .await
            .map_err(|_| Failed(format!("no answer within {wait:?}")))?
            .map_err(|error| Failed(format!("no answer: {error}")))
    }

    async fn exchange(&mut self, mut push: Push) -> Result<Reply, h2::Error> {
        let named = push.headers.iter().any(|(name, _)| name == "apns-topic");
        if let Some(topic) = push.topic.take_if(|_| !named) {
            push = push.with("apns-topic", topic);
        }
        let headers: String = push
            .headers
            .iter()
            .map(|(name, value)| format!(" {name}: {value:.80}"))
            .collect();
        let line = format!(
            "> {} {}{headers} ({} bytes)",
            push.method,
            push.path,
            push.body.len()
        );
        self.transcript.noted(self.number, &line);
        let mut request = Request::builder()
            .method(push.method)
            .uri(format!("https://api.push.apple.com{}", push.path));
        for (name, value) in &push.headers {
            request = request.header(name, value);
        }
        let request = request.body(()).expect("a case writes proper headers");
        self.sender = self.sender.clone().ready().await?;
        let no_body = push.body.is_empty();
        let (response, mut stream) = self.sender.send_request(request, no_body)?;
        if !no_body {
            // A server that has judged the headers may not want the body any more.
            let _ = stream.send_data(push.body.into(), true);
        }
        let response = response.await?;
        let (head, mut body) = response.into_parts();
        let mut bytes = Vec::new();
        while let Some(data) = body.data().await {
            let data = data?;
            body.flow_control().release_capacity(data.len())?;
            bytes.extend_from_slice(&data);
            if bytes.len() > ANSWER_MAX {
                break;
            }
        }
        let reply = Reply {
            status: head.status,
            headers: head.headers,
            body: bytes,
        };
        self.transcript.noted(self.number, &format!("< {reply}"));
        Ok(reply)
    }
}

impl Trial {
    /// A connection to the provider API with the user's certificate.
    pub(super) async fn api(&self) -> Result<Api, Failed> {
        Api::connect(self, &self.target().papers.login).await
    }

    /// A push to a good token with a payload of its own.
    pub(super) fn push(&self) -> Result<Push, Failed> {
        self.push_of(self.good()?, self.payload())
    }

    /// A push of `payload` to `token`.
    pub(in crate::server) fn push_of(
        &self,
        token: &[u8],
        payload: Vec<u8>,
    ) -> Result<Push, Failed> {
        let topic = Some(self.target().topic()?.to_owned());
        Ok(Push {
            topic,
            ..Push::new(token, payload)
        })
    }

    /// Expects `push` to be accepted.
    pub(in crate::server) async fn takes(&self, push: Push) -> Result<Reply, Failed> {
        let reply = self.api().await?.send(push).await?;
        reply.accepted().map(|()| reply)
    }

    /// Expects `push` to be refused.
    pub(super) async fn refuses(
        &self,
        push: Push,
        status: u16,
        reason: &str,
    ) -> Result<(), Failed> {
        self.api().await?.send(push).await?.refused(status, reason)
    }
}
