//! What the apps on a phone do with their device token: post it to their server, step 3.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

pub use apns_net::http::NoAnswer;
use apns_net::http::{Answer, ask};
use apns_proto::Token;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Builder;
use http::{Request, StatusCode, Uri};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::dial::Endpoint;
use crate::token_text;

const POST_TIMEOUT: Duration = Duration::from_secs(10);
const ATTEMPTS: u32 = 5;
/// Doubled at every attempt; the actual pause is drawn at random.
const PAUSE: Duration = Duration::from_millis(200);
/// More apps than this register at once on no phone; they wait.
const POSTS_WAITING_MAX: usize = 128;

/// Where an app server is: `http://host:port`, with a path before `/apps` or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppServerUrl {
    endpoint: Endpoint,
    path: String,
}

/// Not the URL of an app server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text} is not of the form http://host:port")]
pub struct AppServerUrlError {
    text: String,
}

impl FromStr for AppServerUrl {
    type Err = AppServerUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = || {
            let uri: Uri = text.parse().ok()?;
            let plain = uri.scheme_str() == Some("http") && uri.query().is_none();
            let host = uri.host()?.trim_matches(['[', ']']).to_owned();
            let endpoint = Endpoint {
                host,
                port: uri.port_u16().unwrap_or(80),
            };
            plain.then(|| Self {
                endpoint,
                path: uri.path().trim_end_matches('/').to_owned(),
            })
        };
        parsed().ok_or_else(|| AppServerUrlError {
            text: text.to_owned(),
        })
    }
}

impl AppServerUrl {
    /// One GET of a path of the app server, such as `/apps/com.example.Mail/tokens`. Set a deadline around it.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached or its answer, of 1 MiB at most, cannot be read.
    pub async fn get(&self, path: &str) -> Result<(StatusCode, Bytes), NoAnswer> {
        self.ask(self.request(path).method("GET"), String::new())
            .await
    }

    /// One POST to a path of the app server, such as `/apps/com.example.Mail/push`. Set a deadline around it.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    pub async fn post(
        &self,
        path: &str,
        content_type: &'static str,
        body: String,
    ) -> Result<(StatusCode, Bytes), NoAnswer> {
        let request = self.request(path).method("POST");
        self.ask(request.header(CONTENT_TYPE, content_type), body)
            .await
    }

    fn request(&self, path: &str) -> Builder {
        Request::builder().uri(format!("{}{path}", self.path))
    }

    async fn ask(&self, request: Builder, body: String) -> Result<(StatusCode, Bytes), NoAnswer> {
        let Endpoint { host, port } = &self.endpoint;
        let Answer { status, body } = ask(host, *port, request, body).await?;
        Ok((status, body))
    }
}

impl From<std::net::SocketAddr> for AppServerUrl {
    fn from(address: std::net::SocketAddr) -> Self {
        Self {
            endpoint: address.into(),
            path: String::new(),
        }
    }
}

/// A device token on its way to its app's server.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) topic: Arc<str>,
    pub(super) token: Token,
}

/// Starts the task that posts for the apps of one phone, one after the other.
pub(super) fn start(
    phone: Arc<str>,
    url: AppServerUrl,
    stop: CancellationToken,
) -> mpsc::Sender<Post> {
    let (posts, mut waiting) = mpsc::channel(POSTS_WAITING_MAX);
    tokio::spawn(async move {
        let posting = async {
            while let Some(post) = waiting.recv().await {
                deliver(&phone, &url, &post).await;
            }
        };
        tokio::select! {
            () = posting => {}
            () = stop.cancelled() => {}
        }
    });
    posts
}

/// Tries until the server has the token or says that it will not have it. An app tries again at its next launch; so this ends.
async fn deliver(phone: &str, url: &AppServerUrl, post: &Post) {
    let Post { topic, token } = post;
    for attempt in 0..ATTEMPTS {
        let why = match tokio::time::timeout(POST_TIMEOUT, send(url, post)).await {
            Ok(Ok(())) => {
                info!(phone, topic = &**topic, %token, "the app posted its device token to its server");
                return;
            }
            Ok(Err(PostError::Refused(status, answer))) => {
                warn!(phone, topic = &**topic, %token, %status, answer, "the app server refused the device token");
                return;
            }
            Ok(Err(PostError::Failed(why))) => why,
            Err(_) => format!("no answer within {} s", POST_TIMEOUT.as_secs()),
        };
        warn!(phone, topic = &**topic, %token, attempt, why, "the app could not post its device token to its server");
        tokio::time::sleep((PAUSE * (1 << attempt)).mul_f64(fastrand::f64())).await;
    }
}

enum PostError {
    /// Trying again is of no use.
    Refused(StatusCode, String),
    Failed(String),
}

impl From<NoAnswer> for PostError {
    fn from(error: NoAnswer) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Posts the token as `NSLog(@"%@", token)` would print it.
async fn send(url: &AppServerUrl, post: &Post) -> Result<(), PostError> {
    let path = format!("/apps/{}/tokens", post.topic);
    let body = token_text::description(&post.token);
    let (status, answer) = url.post(&path, "text/plain", body).await?;
    match status {
        status if status.is_success() => Ok(()),
        status if status.is_client_error() => Err(PostError::Refused(
            status,
            String::from_utf8_lossy(&answer).into_owned(),
        )),
        status => Err(PostError::Failed(status.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_server_is_named_by_a_plain_http_url() {
        let url = |host: &str, port, path: &str| {
            Ok(AppServerUrl {
                endpoint: Endpoint {
                    host: host.to_owned(),
                    port,
                },
                path: path.to_owned(),
            })
        };
        assert_eq!(
            "http://127.0.0.1:22003".parse(),
            url("127.0.0.1", 22003, "")
        );
        assert_eq!(
            "http://push.example.com/".parse(),
            url("push.example.com", 80, "")
        );
        assert_eq!(
            "http://push.example.com:8080/v1/".parse(),
            url("push.example.com", 8080, "/v1")
        );
        assert_eq!("http://[::1]:80".parse(), url("::1", 80, ""));
        for text in [
            "",
            "127.0.0.1:22003",
            "https://127.0.0.1:1",
            "http://",
            "http://a/?b=c",
        ] {
            assert!(text.parse::<AppServerUrl>().is_err(), "{text}");
        }
    }
}
