//! The tap between real HTTP/2 libraries, over a wire that crumbles.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use apns_net::h2tap::{Frame, GoAway, INJECTED_LEN_MAX, Setting, Tap, TapFull, TapHandle};
use bytes::Bytes;
use h2::Reason;
use h2::client::{ResponseFuture, SendRequest};
use http::{Request, Response};
use proptest::prelude::*;
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};
use tokio::task::JoinHandle;

const FIRST: [(Setting, u32); 2] = [
    (Setting::MAX_CONCURRENT_STREAMS, 1),
    (Setting::MAX_HEADER_LIST_SIZE, 8000),
];

/// Takes and gives no more than a few bytes at a time, as many as the next of `lens` says.
struct Crumbs {
    io: DuplexStream,
    lens: Vec<usize>,
    at: usize,
}

impl Crumbs {
    fn new(io: DuplexStream, lens: &[usize]) -> Self {
        let lens = lens.to_vec();
        Self { io, lens, at: 0 }
    }

    fn next(&mut self) -> usize {
        self.at += 1;
        self.lens[self.at % self.lens.len()]
    }
}

impl AsyncRead for Crumbs {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let len = self.next().min(buf.remaining());
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(len));
        let read = Pin::new(&mut self.io).poll_read(cx, &mut part);
        let len = part.filled().len();
        buf.advance(len);
        read
    }
}

impl AsyncWrite for Crumbs {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let len = self.next().min(bytes.len());
        Pin::new(&mut self.io).poll_write(cx, &bytes[..len])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// A client and a server, each behind a tap.
struct Pair {
    client: SendRequest<Bytes>,
    /// The client's end of the connection.
    at_client: TapHandle,
    at_server: TapHandle,
    client_end: JoinHandle<Result<(), h2::Error>>,
}

impl Pair {
    /// The server answers every request with its own body, but never those to `/silence`.
    async fn new(lens: &[usize]) -> Self {
        let (near, far) = duplex(64 * 1024);
        let (tap, at_server) = Tap::server(Crumbs::new(far, lens), FIRST.to_vec());
        tokio::spawn(serve(tap));
        let (tap, at_client) = Tap::client(Crumbs::new(near, lens));
        let (client, connection) = h2::client::handshake(tap).await.unwrap();
        Self {
            client,
            at_client,
            at_server,
            client_end: tokio::spawn(connection),
        }
    }

    async fn request(&self, path: &str, body: &[u8]) -> ResponseFuture {
        let request = Request::post(format!("https://localhost{path}"))
            .body(())
            .unwrap();
        let mut client = self.client.clone().ready().await.unwrap();
        let (response, mut stream) = client.send_request(request, false).unwrap();
        stream
            .send_data(Bytes::copy_from_slice(body), true)
            .unwrap();
        response
    }

    async fn echo(&self, body: &[u8]) {
        let response = self.request("/echo", body).await.await.unwrap();
        assert_eq!(read(response.into_body()).await, body);
    }
}

async fn read(mut body: h2::RecvStream) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(part) = body.data().await {
        let part = part.unwrap();
        body.flow_control().release_capacity(part.len()).unwrap();
        whole.extend(part);
    }
    whole
}

async fn serve(tap: Tap<Crumbs>) {
    let mut server = h2::server::Builder::new()
        .max_concurrent_streams(1000)
        .handshake::<_, Bytes>(tap)
        .await
        .unwrap();
    let mut silent = Vec::new();
    while let Some(Ok((request, mut respond))) = server.accept().await {
        if request.uri().path() == "/silence" {
            silent.push(respond);
            continue;
        }
        tokio::spawn(async move {
            let body = read(request.into_body()).await;
            let mut stream = respond.send_response(Response::new(()), false).unwrap();
            stream.send_data(Bytes::from(body), true).unwrap();
        });
    }
}

/// Waits until it holds; whatever makes it hold needs only this thread's tasks.
async fn settles(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if holds() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{what} did not come about");
}

fn streams(max: u32) -> Frame {
    Frame::Settings(vec![(Setting::MAX_CONCURRENT_STREAMS, max)])
}

#[tokio::test]
async fn the_first_settings_are_the_taps_and_later_ones_reach_the_client_alone() {
    let pair = Pair::new(&[7, 1, 30]).await;
    pair.echo(b"one").await;
    assert_eq!(pair.client.current_max_send_streams(), 1);
    settles("the first acknowledgement", || pair.at_server.is_settled()).await;

    pair.at_server.inject(&streams(1000)).unwrap();
    assert!(!pair.at_server.is_settled());
    settles("the acknowledgement", || pair.at_server.is_settled()).await;
    assert_eq!(pair.client.current_max_send_streams(), 1000);
    // The library has not seen the acknowledgement of settings it knows nothing of: it would have ended the connection.
    pair.echo(b"two").await;
    assert_eq!(pair.at_client.goaway(), None);
}

#[tokio::test]
async fn a_goaway_is_put_in_and_read_with_everything_it_says() {
    let pair = Pair::new(&[16]).await;
    pair.echo(b"one").await;
    let goaway = GoAway {
        last_stream: 1,
        reason: Reason::NO_ERROR,
        debug_data: Bytes::from_static(br#"{"reason":"BadCertificateEnvironment"}"#),
    };
    let open = pair.request("/silence", b"").await;
    pair.at_server
        .inject(&Frame::GoAway(goaway.clone()))
        .unwrap();
    let refused = open.await.unwrap_err();
    assert!(
        refused.is_go_away(),
        "stream 3 is behind the last: {refused}"
    );
    assert_eq!(pair.at_client.goaway(), Some(goaway));
    pair.client_end.await.unwrap().unwrap();
}

#[tokio::test]
async fn long_debug_data_is_read_in_part_and_the_connection_goes_on() {
    let pair = Pair::new(&[1000]).await;
    let goaway = |len| {
        Frame::GoAway(GoAway {
            last_stream: 0x7fff_ffff,
            reason: Reason::NO_ERROR,
            debug_data: vec![b'x'; len].into(),
        })
    };
    let open = pair.request("/echo", b"still here").await;
    pair.at_server.inject(&goaway(5000)).unwrap();
    let response = open.await.unwrap();
    assert_eq!(read(response.into_body()).await, b"still here");
    let read = pair.at_client.goaway().unwrap();
    assert_eq!(read.debug_data, vec![b'x'; 1024]);
}

#[tokio::test]
async fn a_stream_is_reset_behind_the_librarys_back() {
    let pair = Pair::new(&[5]).await;
    pair.at_server.inject(&streams(2)).unwrap();
    settles("the acknowledgement", || pair.at_server.is_settled()).await;
    let open = pair.request("/silence", b"").await;
    pair.echo(b"the server has seen the first").await;
    let reset = Frame::Reset {
        stream: 1,
        reason: Reason::REFUSED_STREAM,
    };
    pair.at_server.inject(&reset).unwrap();
    let error = open.await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::REFUSED_STREAM));
}

#[tokio::test]
async fn what_waits_to_be_put_in_is_bounded_and_a_blocked_peer_is_noticed() {
    let (near, _far) = duplex(16);
    let (mut tap, handle) = Tap::client(near);
    assert_eq!(handle.blocked_at(), None);
    let blocked = tokio::time::timeout(Duration::ZERO, tap.write_all(&[0; 100])).await;
    assert!(blocked.is_err());
    assert_eq!(handle.blocked_at(), Some(16));
    let room = INJECTED_LEN_MAX / 15;
    for _ in 0..room {
        handle.inject(&streams(1)).unwrap();
    }
    assert_eq!(handle.inject(&streams(1)), Err(TapFull));
}

#[tokio::test]
async fn an_end_in_the_middle_of_a_head_is_passed_on() {
    let (near, mut far) = duplex(1024);
    let (mut tap, handle) = Tap::client(near);
    tap.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    handle.inject(&streams(1)).unwrap();
    tap.flush().await.unwrap();
    far.write_all(b"\x00\x00\x00\x04\x00").await.unwrap();
    drop(far);
    let mut read = Vec::new();
    tap.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, b"\x00\x00\x00\x04\x00");
}

#[tokio::test]
async fn a_peer_has_greeted_once_its_first_frame_is_its_settings() {
    let pair = Pair::new(&[5]).await;
    assert!(!pair.at_client.has_greeted());
    pair.echo(b"one").await;
    assert!(pair.at_client.has_greeted() && pair.at_server.has_greeted());
    // An acknowledgement says nothing about the peer; what follows it is no first frame.
    for said in [
        &b"\x00\x00\x00\x04\x01\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00"[..],
        b"HTTP/1.1 400",
    ] {
        let (near, mut far) = duplex(1024);
        let (mut tap, handle) = Tap::client(near);
        far.write_all(said).await.unwrap();
        drop(far);
        tap.read_to_end(&mut Vec::new()).await.unwrap();
        assert!(!handle.has_greeted(), "{said:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_put_in_and_however_the_wire_crumbles_every_request_is_answered(
        lens in prop::collection::vec(1..40usize, 1..12),
        bodies in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..300), prop::option::of(1..100u32)), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let pair = Pair::new(&lens).await;
            let mut last = None;
            for (body, max) in &bodies {
                if let Some(max) = max {
                    pair.at_server.inject(&streams(*max)).unwrap();
                    last = Some(*max as usize);
                }
                pair.echo(body).await;
            }
            settles("everything is acknowledged", || pair.at_server.is_settled()).await;
            assert_eq!(pair.client.current_max_send_streams(), last.unwrap_or(1));
            assert_eq!(pair.at_client.goaway(), None);
        });
    }
}
