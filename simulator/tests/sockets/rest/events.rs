//! The stream of events over REST.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Bench;
use crate::support::{alert, soon};

/// One stream.
pub(super) struct Reader {
    stream: TcpStream,
    read: String,
}

impl Reader {
    pub(super) async fn open(bench: &Bench, query: &str, header: &str) -> Self {
        let mut stream = TcpStream::connect(bench.rest.address()).await.unwrap();
        let request = format!("GET /v1/events{query} HTTP/1.1\r\nhost: localhost\r\n{header}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reader = Self {
            stream,
            read: String::new(),
        };
        reader.until("\r\n\r\n").await;
        reader
    }

    /// What is sent up to and with `text`.
    async fn until(&mut self, text: &str) -> String {
        while !self.read.contains(text) {
            let mut buf = [0; 4096];
            let len = soon(self.stream.read(&mut buf)).await.unwrap();
            assert_ne!(len, 0, "it ended, having said {}", self.read);
            self.read += std::str::from_utf8(&buf[..len]).unwrap();
        }
        let end = self.read.find(text).unwrap() + text.len();
        self.read.drain(..end).collect()
    }

    /// The next event: its id, its type, its data.
    pub(super) async fn next(&mut self) -> (u64, String, Value) {
        let mut field = async |name: &str| {
            self.until(&format!("{name}: ")).await;
            self.until("\n").await.trim_end().to_owned()
        };
        let id = field("id").await.parse().unwrap();
        let kind = field("event").await;
        let data = serde_json::from_str(&field("data").await).unwrap();
        (id, kind, data)
    }
}

#[tokio::test]
async fn a_stream_tells_what_happens_and_goes_on_where_it_was_left() {
    let bench = Bench::set().await;
    let mut reader = Reader::open(&bench, "", "").await;
    let token = bench.phone("iPhone 1").await;
    let (first, kind, data) = reader.next().await;
    assert_eq!(
        (kind.as_str(), &data["phone"]),
        ("base_token_issued", &json!("iPhone 1"))
    );
    assert_eq!((&data["type"], &data["seq"]), (&json!(kind), &json!(first)));
    bench.push(&token, &alert("hi")).await;
    let mut kinds = vec![kind];
    while kinds.last().unwrap() != "delivered" {
        let (id, kind, data) = reader.next().await;
        assert_eq!(id, first + kinds.len() as u64);
        if kind == "accepted" {
            assert_eq!(data["token"], token);
            assert!(!data["text"].as_str().unwrap().contains(&token), "{data}");
        }
        kinds.push(kind);
    }
    assert_eq!(kinds.iter().filter(|kind| *kind == "registered").count(), 2);
    let header = format!("last-event-id: {first}\r\n");
    let mut again = Reader::open(&bench, "?since=9999", &header).await;
    assert_eq!(again.next().await.1, kinds[1]);
    let mut late = Reader::open(&bench, "?since=0", "").await;
    assert_eq!(late.next().await.0, 1);
}

#[tokio::test]
async fn a_reader_that_was_away_too_long_is_told_how_much_it_missed() {
    let bench = Bench::set_with(|config| config.bounds.events_max = 2).await;
    bench.phone("iPhone 1").await;
    let mut reader = Reader::open(&bench, "?since=0", "").await;
    let (id, kind, data) = reader.next().await;
    assert_eq!((kind.as_str(), &data), ("missed", &json!({"missed": id})));
    assert_eq!(reader.next().await.0, id + 1);
}

#[tokio::test]
async fn a_last_event_id_that_is_none_is_refused_and_a_stream_ends_with_the_api() {
    let bench = Bench::set().await;
    let mut stream = TcpStream::connect(bench.rest.address()).await.unwrap();
    let request = "GET /v1/events HTTP/1.1\r\nhost: localhost\r\nlast-event-id: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.contains("bad_header"),
        "{answer}"
    );
    let mut reader = Reader::open(&bench, "", "").await;
    soon(bench.rest.shutdown()).await;
    let ended = soon(reader.stream.read_to_end(&mut Vec::new())).await;
    ended.unwrap();
}
