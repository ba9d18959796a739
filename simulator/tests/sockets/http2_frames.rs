//! Requests as frames by hand: what no HTTP/2 library would send.

use apns_net::credentials::Identity;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::support::{Scene, TOPIC, alert, dial, has_received, soon};

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;
const GOAWAY: u8 = 0x7;
const END_STREAM: u8 = 0x1;
const ACK: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// What becomes of a request. A status is the octet that stands for it in HPACK's static table.
#[derive(Debug, PartialEq)]
enum Outcome {
    Answered(u8, String),
    Reset(u32),
    Gone(u32),
}
use Outcome::{Answered, Gone, Reset};

const OK: u8 = 0x88;
const BAD_REQUEST: u8 = 0x8c;
const PROTOCOL_ERROR: u32 = 0x1;
const REFUSED_STREAM: u32 = 0x7;

struct Client {
    stream: TlsStream<TcpStream>,
    next: u32,
}

impl Client {
    /// Without ALPN [H-01].
    async fn connect(scene: &Scene, identity: Option<&Identity>) -> Self {
        let (address, roots) = (scene.simulator.http2(), scene.portal.roots());
        let mut stream = dial(address, identity, roots).await.unwrap();
        stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await
            .unwrap();
        let mut client = Self { stream, next: 1 };
        client.write(SETTINGS, 0, 0, &[]).await;
        client
    }

    async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = len[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        soon(self.stream.write_all(&frame)).await.unwrap();
        soon(self.stream.flush()).await.unwrap();
    }

    /// Kind, stream and payload of the next frame.
    async fn read(&mut self) -> (u8, u32, Vec<u8>) {
        let mut head = [0; 9];
        soon(self.stream.read_exact(&mut head)).await.unwrap();
        let [a, b, c, kind, _, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        soon(self.stream.read_exact(&mut payload)).await.unwrap();
        (kind, u32::from_be_bytes(stream), payload)
    }

    /// Posts with these headers and no others, each as a literal that is not indexed.
    async fn post(&mut self, headers: &[(&str, &str)], body: &str) -> Outcome {
        let stream = self.open(headers).await;
        self.close(stream, body).await
    }

    /// Opens a stream with these headers.
    async fn open(&mut self, headers: &[(&str, &str)]) -> u32 {
        let mut block = Vec::new();
        for (name, value) in headers {
            block.push(0);
            for text in [name, value] {
                block.push(u8::try_from(text.len()).unwrap());
                block.extend(text.as_bytes());
            }
        }
        let stream = self.next;
        self.next += 2;
        self.write(HEADERS, END_HEADERS, stream, &block).await;
        stream
    }

    /// Ends a stream with this body, and waits for what becomes of it.
    async fn close(&mut self, stream: u32, body: &str) -> Outcome {
        self.write(DATA, END_STREAM, stream, body.as_bytes()).await;
        self.outcome(stream).await
    }

    async fn outcome(&mut self, stream: u32) -> Outcome {
        let mut status = None;
        loop {
            let (kind, of, payload) = self.read().await;
            let number = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
            match kind {
                HEADERS if of == stream => status = Some(payload[0]),
                DATA if of == stream => {
                    let body = String::from_utf8(payload).unwrap();
                    return Answered(status.unwrap(), body);
                }
                RST_STREAM if of == stream => return Reset(number(0)),
                GOAWAY => return Gone(number(4)),
                _ => {}
            }
            if status == Some(OK) {
                return Answered(OK, String::new());
            }
        }
    }
}

#[tokio::test]
async fn odd_headers_are_taken_or_refused_and_what_comes_behind_is_answered() {
    let scene = Scene::set().await;
    let (phone, token) = scene.phone("iPhone").await;
    let (method, scheme) = ((":method", "POST"), (":scheme", "https"));
    let path = format!("/3/device/{}", token.to_hex());
    let path = (":path", &*path);
    let authority = (":authority", "api.push.apple.com");
    let topic = ("apns-topic", TOPIC);
    let id = ("apns-id", "eabeae54-14a8-11e5-b60b-1697f925ec7b");
    let head = [method, scheme, path, authority];
    let ok = || Answered(OK, String::new());
    let twice = || Answered(BAD_REQUEST, r#"{"reason":"DuplicateHeaders"}"#.to_owned());
    let malformed = || Reset(PROTOCOL_ERROR);
    let table = [
        ([&head[..], &[topic]].concat(), ok()),
        // Some clients name no host at all, or in the words of HTTP/1.1.
        ([&head[..3], &[topic]].concat(), ok()),
        ([&head[..3], &[("host", "localhost"), topic]].concat(), ok()),
        ([&head[..], &[("host", "other"), topic]].concat(), ok()),
        // Twice is once too often, but for what APNs does not know.
        ([&head[..], &[topic, topic]].concat(), twice()),
        ([&head[..], &[topic, id, id]].concat(), twice()),
        (
            [&head[..], &[topic, ("x-odd", "1"), ("x-odd", "2")]].concat(),
            ok(),
        ),
        // Malformed, as HTTP/2 has it: the stream is reset.
        ([&head[..], &[method, topic]].concat(), malformed()),
        ([&head[..], &[path, topic]].concat(), malformed()),
        ([&[topic], &head[..]].concat(), malformed()),
        ([&head[1..], &[topic]].concat(), malformed()),
        ([method, scheme, authority, topic].to_vec(), malformed()),
        ([method, path, authority, topic].to_vec(), malformed()),
        (
            [&head[..], &[topic, ("connection", "close")]].concat(),
            malformed(),
        ),
        // A name that is none ends the connection.
        (
            [&head[..], &[("Apns-Topic", TOPIC)]].concat(),
            Gone(PROTOCOL_ERROR),
        ),
        (
            [&head[..], &[topic, ("APNS-ID", id.1)]].concat(),
            Gone(PROTOCOL_ERROR),
        ),
        (
            [&head[..], &[topic, (":odd", "1")]].concat(),
            Gone(PROTOCOL_ERROR),
        ),
    ];
    let provider = scene.portal.provider();
    let mut accepted = Vec::new();
    for (case, (headers, expected)) in table.into_iter().enumerate() {
        let (odd, ordinary) = (alert(case), alert(format!("behind {case}")));
        let mut client = Client::connect(&scene, Some(&provider)).await;
        assert_eq!(client.post(&headers, &odd).await, expected, "{headers:?}");
        if expected == ok() {
            accepted.push(odd);
        }
        if !matches!(expected, Gone(_)) {
            let behind = [&head[..], &[topic]].concat();
            assert_eq!(
                client.post(&behind, &ordinary).await,
                ok(),
                "behind {headers:?}"
            );
            accepted.push(ordinary);
        }
    }
    has_received(&phone, &accepted).await;
}

#[tokio::test]
async fn before_a_valid_provider_token_a_second_stream_is_refused_to_a_client_that_has_heard_the_limit()
 {
    let scene = Scene::set().await;
    let headers = [
        (":method", "POST"),
        (":scheme", "https"),
        (":path", "/3/device/00"),
        ("apns-topic", TOPIC),
    ];
    let missing = r#"{"reason":"MissingProviderToken"}"#;
    for heard in [true, false] {
        let mut client = Client::connect(&scene, None).await;
        if heard {
            while client.read().await.0 != SETTINGS {}
            client.write(SETTINGS, ACK, 0, &[]).await;
        }
        let first = client.open(&headers).await;
        let second = client.open(&headers).await;
        if heard {
            assert_eq!(client.outcome(second).await, Reset(REFUSED_STREAM));
        } else {
            let outcome = client.close(second, "{}").await;
            assert!(matches!(outcome, Answered(_, reason) if reason == missing));
        }
        let outcome = client.close(first, "{}").await;
        assert!(matches!(outcome, Answered(_, reason) if reason == missing));
    }
}
