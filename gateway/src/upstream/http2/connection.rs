//! One HTTP/2 connection: requests go in, and for each one something comes out.
//!
//! Whoever owns it drives it, in the same task as its exchanges: what arrived is answered to, and what was sent is written, as one. It pings its
//! peer. How many streams there may be is the peer's to say: one until it has said so, and then whatever it says last. Bodies are sent as far as
//! flow control allows; answers are read up to a bound.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use apns_net::h2tap::{self, Tap, TapHandle};
use bytes::{Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{Ping, PingPong, RecvStream, StreamId};
use http::Request;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};
use tokio_rustls::rustls::AlertDescription;

use crate::traffic::Part;
use crate::upstream::connect::refusal;
use crate::verdict::{Answer, ErrorCode, GoAway, Outcome};

/// Streams until the peer has said how many it takes. A server that has seen no valid token takes one [H-04].
const STREAMS_AT_FIRST: usize = 1;

/// Bytes of an answer's headers; Apple's have less than two hundred.
const HEADER_LIST_LEN_MAX: u32 = 16 * 1024;

/// How long our goodbye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A live connection.
pub(super) struct Connection {
    requests: SendRequest<Bytes>,
    tap: TapHandle,
    /// Until it has ended.
    driver: Option<Pin<Box<dyn Future<Output = Ended> + Send>>>,
}

/// How a connection ended.
#[derive(Debug, Error)]
pub(crate) enum Ended {
    /// The peer said goodbye.
    #[error("the upstream said goodbye ({}{})", .0.code, .0.reason.as_ref().map(|reason| format!(", {reason}")).unwrap_or_default())]
    Goodbye(GoAway),
    /// Under TLS 1.3 that comes after the handshake.
    #[error("the upstream refuses our certificate (alert {0:?})")]
    Refused(AlertDescription),
    /// A ping was not answered.
    #[error("the upstream did not answer a ping within {0:?}")]
    Silent(Duration),
    /// It broke the rules of HTTP/2.
    #[error("the upstream does not speak HTTP/2 as it is written")]
    Gibberish(#[source] h2::Error),
    /// It never began to speak HTTP/2.
    #[error("the connection ended before the upstream had said a word of HTTP/2")]
    NoPreface,
    /// TCP or TLS failed.
    #[error("the connection broke")]
    Broken(#[source] h2::Error),
    /// The peer closed without a word, or we did.
    #[error("the connection was closed")]
    Closed,
}

impl Connection {
    /// Begins to speak HTTP/2; the peer's settings are not waited for.
    pub(super) async fn start(
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        ping_interval: Duration,
        streams_max: Part,
    ) -> Result<Self, h2::Error> {
        let (io, tap) = Tap::client(io);
        let mut builder = h2::client::Builder::new();
        builder
            .enable_push(false)
            .initial_max_send_streams(STREAMS_AT_FIRST)
            .max_header_list_size(HEADER_LIST_LEN_MAX);
        let (requests, connection) = builder.handshake(io).await?;
        Ok(Self {
            requests,
            driver: Some(Box::pin(drive(
                connection,
                tap.clone(),
                ping_interval,
                streams_max,
            ))),
            tap,
        })
    }

    /// Streams the peer takes at once, as it said last.
    pub(super) fn streams_max(&self) -> usize {
        self.requests.current_max_send_streams()
    }

    /// Whether it takes new requests.
    pub(super) fn is_open(&self) -> bool {
        self.driver.is_some() && self.tap.goaway().is_none()
    }

    /// Sends a request; the future says what became of it.
    pub(super) fn send(&mut self, request: Request<()>, body: Bytes) -> Exchange {
        let begun =
            self.requests
                .send_request(request, false)
                .and_then(|(response, mut stream)| {
                    // Kept there as far as there is no room for it.
                    stream.send_data(body, true)?;
                    Ok(response)
                });
        Exchange {
            stage: match begun {
                Ok(response) => Stage::Head(response),
                Err(error) => Stage::NeverSent(error),
            },
            tap: self.tap.clone(),
        }
    }

    /// Drives it, and says how it ended, once. Nothing moves on it otherwise.
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let Some(driver) = &mut self.driver else {
            return Poll::Pending;
        };
        let ended = ready!(driver.as_mut().poll(cx));
        self.driver = None;
        Poll::Ready(ended)
    }

    /// Ends it from our side, in good order. Nothing may be on it.
    pub(super) async fn close(self) {
        let Self {
            requests, driver, ..
        } = self;
        // Nobody being left to send anything is what makes the driver say goodbye.
        drop(requests);
        if let Some(driver) = driver {
            // Late or not, it is over.
            let _ = timeout(CLOSE_TIMEOUT, driver).await;
        }
    }
}

/// Drives a connection to its end.
async fn drive<S: AsyncRead + AsyncWrite + Unpin>(
    mut connection: h2::client::Connection<S, Bytes>,
    tap: TapHandle,
    ping_interval: Duration,
    mut streams_max: Part,
) -> Ended {
    let pings = connection
        .ping_pong()
        .expect("nobody else has asked this connection for its pings");
    let ended = tokio::select! {
        ended = poll_fn(|cx| {
            let ended = Pin::new(&mut connection).poll(cx);
            // Where the peer sets no limit, HTTP/2 has one.
            streams_max.set(connection.max_concurrent_send_streams().min(u32::MAX as usize));
            ended
        }) => ended,
        () = silence(pings, ping_interval) => return Ended::Silent(ping_interval),
    };
    if let Some(goaway) = goaway(&tap) {
        return Ended::Goodbye(goaway);
    }
    if let Some(alert) = tap.take_error().as_ref().and_then(refusal) {
        return Ended::Refused(alert);
    }
    match ended {
        Err(error) if error.is_go_away() && error.is_library() => Ended::Gibberish(error),
        _ if !tap.has_greeted() => Ended::NoPreface,
        Err(error) => Ended::Broken(error),
        Ok(()) => Ended::Closed,
    }
}

/// Pings until one has not been answered when the next is due.
async fn silence(mut pings: PingPong, interval: Duration) {
    loop {
        sleep(interval).await;
        match timeout(interval, pings.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {}
            // It has ended, and the one who drives it says how.
            Ok(Err(_)) => std::future::pending().await,
            Err(_) => return,
        }
    }
}

/// What the peer said last, if it said goodbye.
fn goaway(tap: &TapHandle) -> Option<GoAway> {
    let h2tap::GoAway {
        last_stream,
        reason,
        debug_data,
    } = tap.goaway()?;
    Some(GoAway::new(
        last_stream,
        ErrorCode(reason.into()),
        &debug_data,
    ))
}

/// What became of a request that has no stream.
fn never_sent(error: &h2::Error, tap: &TapHandle) -> Outcome {
    tracing::debug!(%error, "a request was not sent");
    match goaway(tap) {
        Some(goaway) => goaway.unprocessed(),
        None if error.is_io() || error.is_go_away() => Outcome::Unprocessed {
            code: ErrorCode::NO_ERROR,
            reason: None,
        },
        // The library counts a stream that we do not: as if the peer had refused it.
        None => Outcome::Reset(ErrorCode::REFUSED_STREAM),
    }
}

/// What became of a request whose stream has failed.
fn failed(error: &h2::Error, stream: StreamId, tap: &TapHandle) -> Outcome {
    if let Some(outcome) = goaway(tap).and_then(|goaway| goaway.outcome(stream.into())) {
        return outcome;
    }
    match error.reason() {
        // The library's word on the answer.
        Some(_) if error.is_reset() && error.is_library() => Outcome::Garbled,
        Some(reason) if error.is_reset() => Outcome::Reset(ErrorCode(reason.into())),
        _ if !tap.has_greeted() => Outcome::NoPreface,
        // Whoever knows what else was on it says whether it was alone.
        _ => Outcome::Lost { alone: false },
    }
}

/// A request on its stream, and its answer: what became of it. There are thousands of these.
pub(super) struct Exchange {
    stage: Stage,
    tap: TapHandle,
}

/// What is waited for.
enum Stage {
    /// Nothing: there is no stream.
    NeverSent(h2::Error),
    Head(ResponseFuture),
    Body(Body),
}

/// The body of an answer.
struct Body {
    status: u16,
    stream: RecvStream,
    read: BytesMut,
}

impl Exchange {
    /// What became of it when there was no answer in time.
    pub(super) fn overdue(&self) -> Outcome {
        if self.tap.has_greeted() {
            Outcome::Unanswered
        } else {
            Outcome::NoPreface
        }
    }
}

impl Future for Exchange {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        loop {
            let Self { stage, tap } = &mut *self;
            return Poll::Ready(match stage {
                Stage::NeverSent(error) => never_sent(error, tap),
                Stage::Head(response) => match ready!(Pin::new(&mut *response).poll(cx)) {
                    Err(error) => failed(&error, response.stream_id(), tap),
                    Ok(response) => {
                        *stage = Stage::Body(Body {
                            status: response.status().as_u16(),
                            stream: response.into_body(),
                            read: BytesMut::new(),
                        });
                        continue;
                    }
                },
                Stage::Body(body) => match ready!(body.poll_answer(cx)) {
                    Err(error) => failed(&error, body.stream.stream_id(), tap),
                    Ok(answer) => Outcome::Answered(answer),
                },
            });
        }
    }
}

impl Body {
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, h2::Error>> {
        while self.read.len() < Answer::BODY_LEN_MAX
            && let Some(part) = ready!(self.stream.poll_data(cx))
        {
            let part = part?;
            // Only a stream that is gone has nothing to release.
            let _ = self.stream.flow_control().release_capacity(part.len());
            self.read.extend_from_slice(&part);
        }
        Poll::Ready(Ok(Answer::new(self.status, &self.read)))
    }
}

#[cfg(test)]
mod tests {
    use apns_net::h2tap::{Frame, Setting};
    use h2::RecvStream;
    use h2::server::SendResponse;
    use http::{Response, StatusCode};
    use tokio::io::{DuplexStream, duplex};
    use tokio::sync::mpsc;
    use tokio::task::JoinHandle;
    use tokio::time::Instant;

    use super::super::driven::{Driven, INTERVAL};
    use super::*;
    use crate::verdict::Reason;

    const PATIENCE: Duration = Duration::from_secs(30);

    type Asked = (Request<RecvStream>, SendResponse<Bytes>);

    /// APNs' end: what arrives there, and the tap to put frames in with.
    struct Peer {
        asked: mpsc::Receiver<Asked>,
        tap: TapHandle,
        driver: JoinHandle<()>,
    }

    impl Peer {
        fn start(io: DuplexStream, streams_max: u32, window: u32) -> Self {
            let settings = vec![
                (Setting::MAX_CONCURRENT_STREAMS, streams_max),
                (Setting::INITIAL_WINDOW_SIZE, window),
            ];
            let (io, tap) = Tap::server(io, settings);
            let (sender, asked) = mpsc::channel(100);
            let driver = tokio::spawn(async move {
                let mut builder = h2::server::Builder::new();
                builder.initial_window_size(window);
                let mut h2 = builder.handshake(io).await.unwrap();
                while let Some(Ok(asked)) = h2.accept().await {
                    sender.send(asked).await.unwrap();
                }
            });
            Self { asked, tap, driver }
        }

        async fn asked(&mut self) -> Asked {
            let asked = timeout(PATIENCE, self.asked.recv()).await;
            asked.expect("a request arrives").expect("the peer lives")
        }
    }

    async fn pair() -> (Driven, Peer) {
        pair_with(1_000, 65_535).await
    }

    async fn pair_with(streams_max: u32, window: u32) -> (Driven, Peer) {
        let (near, far) = duplex(256 * 1024);
        let peer = Peer::start(far, streams_max, window);
        (Driven::start(near).await, peer)
    }

    fn answer(respond: &mut SendResponse<Bytes>, status: u16, body: &'static [u8]) {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        let mut stream = respond.send_response(response, body.is_empty()).unwrap();
        if !body.is_empty() {
            stream.send_data(Bytes::from_static(body), true).unwrap();
        }
    }

    async fn limit(connection: &Driven, streams_max: usize) {
        let reached = async {
            while connection.streams_max() != streams_max {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, reached)
            .await
            .expect("the limit is followed");
    }

    fn goaway(last_stream: u32, debug_data: &'static [u8]) -> Frame {
        Frame::GoAway(h2tap::GoAway {
            last_stream,
            reason: h2::Reason::NO_ERROR,
            debug_data: Bytes::from_static(debug_data),
        })
    }

    #[tokio::test]
    async fn there_is_one_stream_until_the_peer_says_how_many_and_its_last_word_counts() {
        let (near, far) = duplex(64 * 1024);
        let connection = Driven::start(near).await;
        assert_eq!(connection.streams_max(), 1);
        let peer = Peer::start(far, 1_000, 65_535);
        limit(&connection, 1_000).await;
        for streams_max in [1, 500] {
            let settings = Frame::Settings(vec![(Setting::MAX_CONCURRENT_STREAMS, streams_max)]);
            peer.tap.inject(&settings).unwrap();
            limit(&connection, streams_max as usize).await;
        }
    }

    #[tokio::test]
    async fn an_answer_is_its_status_and_what_its_body_says() {
        let (connection, mut peer) = pair().await;
        limit(&connection, 1_000).await;
        let pushes = [connection.push("{}"), connection.push("{}")];
        let (mut first, mut second) = (peer.asked().await.1, peer.asked().await.1);
        answer(&mut second, 400, br#"{"reason":"BadDeviceToken"}"#);
        answer(&mut first, 200, b"");
        let [first, second] = pushes;
        let Outcome::Answered(first) = first.await.unwrap() else {
            panic!("it was answered");
        };
        assert_eq!((first.status, first.reason), (200, None));
        let Outcome::Answered(second) = second.await.unwrap() else {
            panic!("it was answered");
        };
        assert_eq!(
            (second.status, second.reason),
            (400, Some(Reason::BadDeviceToken))
        );
    }

    #[tokio::test]
    async fn after_a_goodbye_what_was_not_looked_at_is_known_and_the_rest_is_waited_for() {
        let (mut connection, mut peer) = pair().await;
        limit(&connection, 1_000).await;
        let pushes = [connection.push("{}"), connection.push("{}")];
        let (mut first, _second) = (peer.asked().await.1, peer.asked().await);
        peer.tap
            .inject(&goaway(1, br#"{"reason":"Shutdown"}"#))
            .unwrap();
        let [first_push, second_push] = pushes;
        let unprocessed = Outcome::Unprocessed {
            code: ErrorCode::NO_ERROR,
            reason: Some(Reason::Shutdown),
        };
        assert_eq!(second_push.await.unwrap(), unprocessed);
        assert!(!connection.is_open());
        assert_eq!(
            connection.push("{}").await.unwrap(),
            unprocessed,
            "never sent"
        );
        answer(&mut first, 200, b"");
        assert!(
            matches!(first_push.await.unwrap(), Outcome::Answered(answer) if answer.status == 200)
        );
        assert!(
            matches!(connection.ended().await, Ended::Goodbye(goaway) if goaway.last_stream_id == 1)
        );
    }

    #[tokio::test]
    async fn what_the_peer_may_have_looked_at_before_it_hung_up_is_lost() {
        let (mut connection, mut peer) = pair().await;
        let pushed = connection.push("{}");
        let _asked = peer.asked().await;
        peer.driver.abort();
        assert_eq!(pushed.await.unwrap(), Outcome::Lost { alone: false });
        connection.ended().await;
        assert!(!connection.is_open());
    }

    #[tokio::test]
    async fn a_reset_stream_is_the_end_of_one_push_and_of_no_other() {
        let (connection, mut peer) = pair().await;
        limit(&connection, 1_000).await;
        let pushes = [connection.push("{}"), connection.push("{}")];
        let (mut first, mut second) = (peer.asked().await.1, peer.asked().await.1);
        first.send_reset(h2::Reason::REFUSED_STREAM);
        answer(&mut second, 200, b"");
        let [first, second] = pushes;
        assert_eq!(
            first.await.unwrap(),
            Outcome::Reset(ErrorCode::REFUSED_STREAM)
        );
        assert!(matches!(second.await.unwrap(), Outcome::Answered(_)));
        assert!(connection.is_open());
    }

    #[tokio::test]
    async fn a_payload_larger_than_the_window_is_sent_as_the_peer_makes_room() {
        let (connection, mut peer) = pair_with(1_000, 100).await;
        limit(&connection, 1_000).await;
        let payload = Bytes::from(vec![b'x'; 5_000]);
        let pushed = connection.push(payload.clone());
        let (request, mut respond) = peer.asked().await;
        let mut body = request.into_body();
        let mut received = Vec::new();
        while let Some(part) = body.data().await {
            let part = part.unwrap();
            assert!(part.len() <= 100);
            body.flow_control().release_capacity(part.len()).unwrap();
            received.extend_from_slice(&part);
        }
        assert_eq!(received, payload);
        answer(&mut respond, 200, b"");
        assert!(matches!(pushed.await.unwrap(), Outcome::Answered(_)));
    }

    #[tokio::test]
    async fn an_answer_that_comes_before_the_payload_was_taken_is_taken() {
        let (connection, mut peer) = pair_with(1_000, 100).await;
        limit(&connection, 1_000).await;
        let pushed = connection.push(vec![b'x'; 5_000]);
        let (_request, mut respond) = peer.asked().await;
        answer(&mut respond, 413, b"");
        assert!(matches!(pushed.await.unwrap(), Outcome::Answered(answer) if answer.status == 413));
    }

    #[tokio::test]
    async fn of_an_endless_answer_no_more_is_read_than_there_can_be_to_say() {
        static LONG: [u8; 60_000] = [b'x'; 60_000];
        let (connection, mut peer) = pair().await;
        let pushed = connection.push("{}");
        let mut respond = peer.asked().await.1;
        let mut stream = respond.send_response(Response::new(()), false).unwrap();
        stream.send_data(Bytes::from_static(&LONG), false).unwrap();
        assert!(matches!(pushed.await.unwrap(), Outcome::Answered(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_push_without_an_answer_comes_to_an_end_and_leaves_the_connection_alone() {
        let (connection, mut peer) = pair().await;
        limit(&connection, 1_000).await;
        let pushed = connection.push("{}");
        let _asked = peer.asked().await;
        assert_eq!(pushed.await.unwrap(), Outcome::Unanswered);
        assert!(connection.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_answers_no_ping_is_given_up_and_one_that_does_is_kept() {
        let (connection, _peer) = pair().await;
        limit(&connection, 1_000).await;
        sleep(10 * INTERVAL).await;
        assert!(connection.is_open());

        let (near, _silent) = duplex(64 * 1024);
        let mut connection = Driven::start(near).await;
        let pushed = connection.push("{}");
        let began = Instant::now();
        assert!(matches!(connection.ended().await, Ended::Silent(INTERVAL)));
        assert_eq!(began.elapsed().as_secs(), 2 * INTERVAL.as_secs());
        // Its own deadline came first.
        assert_eq!(pushed.await.unwrap(), Outcome::NoPreface);
    }
}
