//! Serves routes over HTTP/1 on a listener: so many connections, heads of a bounded size, and a deadline for whoever is slow to ask or to
//! read.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

const CONNECTIONS_MAX: usize = 256;
/// For a request's head, and so for a connection kept alive without a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Of a request's head, and of what hyper reads ahead.
const BUFFER_LEN_MAX: usize = 64 * 1024;
/// A peer must take some of what is written to it within this.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// What a handler leaves of a request's body is taken up to this.
const REST_LEN_MAX: usize = 64 * 1024;
/// And within this.
const REST_TIMEOUT: Duration = Duration::from_secs(2);
/// For requests under way at shutdown.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// Runs until `stop`; returns when every connection has ended.
pub async fn serve(listener: TcpListener, routes: Router, stop: CancellationToken) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let connections = TaskTracker::new();
    let accepting = async {
        loop {
            let permit = permits
                .clone()
                .acquire_owned()
                .await
                .expect("the semaphore is never closed");
            match listener.accept().await {
                Ok((stream, _)) => {
                    let connection = connection(stream, routes.clone(), stop.clone());
                    connections.spawn(async move {
                        connection.await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    warn!(%error, "cannot accept an HTTP connection");
                    sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        () = stop.cancelled() => {}
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    routes: Router,
    stop: CancellationToken,
) {
    let routes = TowerToHyperService::new(routes);
    let answer = service_fn(|request: Request<Incoming>| {
        let (head, body) = request.into_parts();
        let body = Lent::new(body);
        let answer = routes.call(Request::from_parts(head, body.clone()));
        async move {
            let answer = answer.await;
            body.take_rest().await;
            answer
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(BUFFER_LEN_MAX)
        .serve_connection(TokioIo::new(Impatient::new(stream, WRITE_TIMEOUT)), answer);
    let mut served = std::pin::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            tokio::time::timeout(DRAIN_TIMEOUT, served).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        debug!(%error, "an HTTP connection ended");
    }
}

/// A request's body, lent to a handler that need not look at it. hyper hangs up, without saying so, on a peer whose body was not taken, and
/// the peer's next request is lost with the connection.
#[derive(Clone)]
struct Lent(Arc<Mutex<Incoming>>);

impl Lent {
    fn new(body: Incoming) -> Self {
        Self(Arc::new(Mutex::new(body)))
    }

    fn with<T>(&self, look: impl FnOnce(&mut Incoming) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes what is left of it; who sends more than that, or slowly, is hung up on.
    async fn take_rest(mut self) {
        let mut len = 0;
        let taking = async {
            while let Some(Ok(frame)) = self.frame().await {
                len += frame.data_ref().map_or(0, Bytes::len);
                if len > REST_LEN_MAX {
                    break;
                }
            }
        };
        if tokio::time::timeout(REST_TIMEOUT, taking).await.is_err() {
            debug!("a request's body did not come in time");
        }
    }
}

impl Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.with(|body| Pin::new(body).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.with(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|body| body.size_hint())
    }
}

/// A socket that fails once its peer has taken nothing for a while: nothing else would ever end a reader that stops reading.
struct Impatient<S> {
    stream: S,
    patience: Duration,
    /// Runs while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> Impatient<S> {
    const fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            waiting: None,
        }
    }

    fn watched<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.waiting = None;
            return polled;
        }
        let patience = self.patience;
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(sleep(patience)));
        match waiting.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the peer takes nothing",
            ))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watched(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.watched(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.watched(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watched(cx, polled)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_nobody_looks_at_costs_the_next_request_nothing() {
        let routes = Router::new().route("/", axum::routing::post(async || "done"));
        let (ours, mut theirs) = tokio::io::duplex(4_096);
        let served = tokio::spawn(connection(ours, routes, CancellationToken::new()));
        let head = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n";
        for _ in 0..2 {
            theirs.write_all(head).await.unwrap();
            // Until the server has nothing left to do.
            sleep(REST_TIMEOUT / 2).await;
            theirs.write_all(b"{}").await.unwrap();
            let mut answer = vec![0; 4_096];
            let len = theirs.read(&mut answer).await.unwrap();
            assert!(answer[..len].starts_with(b"HTTP/1.1 200"), "{len}");
        }
        theirs.write_all(head).await.unwrap();
        let mut rest = Vec::new();
        theirs.read_to_end(&mut rest).await.unwrap();
        assert!(rest.starts_with(b"HTTP/1.1 200"), "its body never comes");
        served.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up_and_a_slow_one_is_not() {
        let (ours, mut theirs) = tokio::io::duplex(4);
        let mut ours = Impatient::new(ours, WRITE_TIMEOUT);
        let writing = async {
            for _ in 0..5 {
                ours.write_all(b"word").await?;
            }
            ours.write_all(b"and more").await
        };
        let reading = async {
            for _ in 0..5 {
                sleep(WRITE_TIMEOUT * 2 / 3).await;
                theirs.read_exact(&mut [0; 4]).await.unwrap();
            }
            Instant::now()
        };
        let (written, read) = tokio::join!(writing, reading);
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(read.elapsed() >= WRITE_TIMEOUT);
    }
}
