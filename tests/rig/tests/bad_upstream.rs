//! An HTTP/2 upstream that is none: it answers garbage for a while. Nothing is lost, nothing turns in circles, the log and a counter say what
//! it was, and when it is put right everything goes out by itself.

#![expect(clippy::unwrap_used, reason = "in a test that is the message")]

use std::time::Duration;

use apns_net::tls::{ClientPolicy, http2_server_config};
use apns_rig::certificates::certificates;
use apns_rig::eventually::{eventually, let_pass};
use apns_rig::numbered::{each_once, payload};
use apns_rig::{Knobs, Rig, Upstream, frames, log};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional, sink};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// What the upstream does with a connection.
#[derive(Clone, Copy)]
enum Mood {
    /// Speaks TLS, waits for a push, says this so often, and closes.
    Babbles { said: &'static [u8], times: usize },
    /// Speaks TLS and closes at once.
    Closes,
    /// Is the simulator.
    Sane,
}

/// A server that is mad until it is put right.
struct MadServer {
    address: std::net::SocketAddr,
    mood: watch::Sender<Mood>,
}

impl MadServer {
    async fn start(mood: Mood, sane: std::net::SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mood, seen) = watch::channel(mood);
        let identity = certificates().server.identity().unwrap();
        let policy = ClientPolicy::http2(Vec::new());
        let tls = TlsAcceptor::from(http2_server_config(&identity, policy).unwrap());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let mood = *seen.borrow();
                tokio::spawn(serve(socket, mood, tls.clone(), sane));
            }
        });
        Self { address, mood }
    }
}

async fn serve(
    mut socket: TcpStream,
    mood: Mood,
    tls: TlsAcceptor,
    sane: std::net::SocketAddr,
) -> std::io::Result<()> {
    if let Mood::Sane = mood {
        let mut simulator = TcpStream::connect(sane).await?;
        return copy_bidirectional(&mut socket, &mut simulator)
            .await
            .map(drop);
    }
    let mut stream = tls.accept(socket).await?;
    if let Mood::Babbles { said, times } = mood {
        let mut begun = Vec::new();
        // The end of a payload.
        while !begun.ends_with(b"}") && stream.read_buf(&mut begun).await? > 0 {}
        for _ in 0..times {
            stream.write_all(said).await?;
        }
    }
    stream.shutdown().await?;
    // A close with something unread would destroy what was said.
    copy(&mut stream, &mut sink()).await.map(drop)
}

/// SETTINGS, and then frames on stream 1.
macro_rules! greeted {
    ($($rest:literal),+) => {
        concat!("\x00\x00\x00\x04\x00\x00\x00\x00\x00", $($rest),+).as_bytes()
    };
}

fn once(said: &'static [u8]) -> Mood {
    Mood::Babbles { said, times: 1 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_an_upstream_says_that_is_no_http2_loses_nothing_and_is_named_and_counted() {
    // A whole answer of stream 1 needs no more: `:status 302`, `:status abc`, and a body that is no JSON behind `:status 500`.
    let status_302 = greeted!("\x00\x00\x05\x01\x05\x00\x00\x00\x01\x08\x03302");
    let status_abc = greeted!("\x00\x00\x05\x01\x05\x00\x00\x00\x01\x08\x03abc");
    let no_json = concat!(
        "\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        "\x00\x00\x05\x01\x04\x00\x00\x00\x01\x08\x03500",
        "\x00\x00\x06\x00\x01\x00\x00\x00\x01<html>"
    )
    .as_bytes();
    let no_status = greeted!("\x00\x00\x05\x01\x05\x00\x00\x00\x01\x00\x01x\x01y");
    let table: &[(&str, Mood, &str)] = &[
        (
            "another protocol",
            once(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            "does not speak HTTP/2 as it is written",
        ),
        (
            "nothing at all",
            Mood::Closes,
            "before the upstream had said a word of HTTP/2",
        ),
        (
            "garbage behind the SETTINGS",
            once(greeted!("\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f")),
            "does not speak HTTP/2 as it is written",
        ),
        (
            "a header block without an end",
            // CONTINUATION frames come behind it by themselves: the same frame once more is garbage in a block.
            Mood::Babbles {
                said: greeted!("\x00\x00\x04\x01\x01\x00\x00\x00\x01\x00\x01x\x01"),
                times: 100,
            },
            "does not speak HTTP/2 as it is written",
        ),
        (
            "a status that is no number",
            once(status_abc),
            "does not speak HTTP/2 as it is written",
        ),
        (
            "no status",
            once(no_status),
            "answer=an answer that is no HTTP/2",
        ),
        ("a status nobody gives", once(status_302), "answer=302"),
        ("a body that is no JSON", once(no_json), "answer=500"),
    ];
    for (what, mood, named) in table {
        let mut rig = Rig::prepare(Knobs {
            phones: 2,
            upstream: Upstream::Http2Token,
            ..Knobs::default()
        })
        .await;
        let server = MadServer::start(*mood, rig.simulator.http2()).await;
        let http2 = rig.http2_upstream();
        http2.address = Some(server.address.into());
        http2.backoff_max = Duration::from_millis(500);
        rig.start_gateway().await;
        let frames: Vec<u8> = (1..=40)
            .flat_map(|n| frames::framed(n, &rig.phones[n as usize % 2].token, &payload(n)))
            .collect();
        let mut backend = rig.backend().await;
        backend.send(&frames).await.unwrap();
        rig.settled(|counts| counts.accepted == 40).await;

        let counters = rig.gateway().counters();
        eventually(what, async || {
            match counters.upstream_protocol_errors.read() {
                few @ 0..3 => Err(few),
                _ => Ok(()),
            }
        })
        .await;
        let before = counters.upstream_connections.read();
        let_pass(5, Duration::from_millis(100)).await;
        let more = counters.upstream_connections.read() - before;
        assert!(more <= 20, "{what}: {more} connections in half a second");
        let address = server.address.to_string();
        let lines = log::lines(&["WARN", &address, named]);
        assert!(!lines.is_empty(), "{what}: {:#?}", log::lines(&[&address]));
        let counts = rig.counts();
        assert_eq!((counts.queued, rig.ledger.held()), (40, None), "{what}");

        server.mood.send_replace(Mood::Sane);
        rig.settled(|counts| counts.delivered == 40 && counts.queued == 0)
            .await;
        let shown = rig
            .phones
            .iter()
            .flat_map(apns_rig::phone::RigPhone::numbers);
        each_once(shown.collect::<Vec<_>>(), 1..=40).unwrap();
        assert!(
            rig.phones.iter().all(|phone| phone.numbers().is_sorted()),
            "{what}: in the order accepted"
        );
    }
}
