//! One request over a connection of its own.

use std::fmt;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::StatusCode;
use hyper::header::HOST;
use hyper::http::request::Builder;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Of an answer.
const ANSWER_LEN_MAX: usize = 1024 * 1024;

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its body, of 1 MiB at most.
    pub body: Bytes,
}

/// There was no answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no answer: {0}")]
pub struct NoAnswer(String);

impl NoAnswer {
    fn because(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Sends `request`, whose URI is a path, with `body` to `host:port`. Set a deadline around it.
///
/// # Errors
///
/// When the server cannot be reached, or its answer cannot be read.
pub async fn ask(
    host: &str,
    port: u16,
    request: Builder,
    body: String,
) -> Result<Answer, NoAnswer> {
    let authority = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    let request = request
        .header(HOST, authority)
        .body(Full::new(Bytes::from(body)))
        .map_err(NoAnswer::because)?;
    let stream = TcpStream::connect((host, port))
        .await
        .map_err(NoAnswer::because)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(NoAnswer::because)?;
    let exchange = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(NoAnswer::because)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_LEN_MAX)
            .collect()
            .await
            .map_err(NoAnswer::because)?
            .to_bytes();
        Ok(Answer { status, body })
    };
    tokio::select! {
        answered = exchange => answered,
        Err(error) = connection => Err(NoAnswer::because(error)),
    }
}
