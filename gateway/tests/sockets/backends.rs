//! What backends get for bad input, and how little it costs those that do nothing wrong.

use std::time::Duration;

use apns_gateway::config::BackendConfig;
use apns_net::credentials::{Pin, certificates_from_pem};

use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::*;

/// A command 1 with 2,049 bytes of payload: one too many.
fn oversize(identifier: u32) -> Vec<u8> {
    enhanced_with(identifier, 1, &[b' '; 2_049])
}

#[tokio::test]
async fn bad_input_is_answered_and_costs_nothing_that_came_before_it() {
    let no_answer: &[u8] = &[];
    let too_large = oversize(7);
    let rows: [(&str, Vec<u8>, &[u8]); 6] = [
        ("unknown command", vec![0x55; 40], no_answer),
        (
            "frame length of four gigabytes",
            vec![0x02, 0xff, 0xff, 0xff, 0xff],
            &[8, 128, 0, 0, 0, 0],
        ),
        ("payload too large", too_large, &[8, 7, 0, 0, 0, 7]),
        (
            "empty token",
            vec![0x01, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1, b'{'],
            &[8, 2, 0, 0, 0, 7],
        ),
        (
            "token of one byte",
            vec![0x01, 0, 0, 0, 7, 0, 0, 0, 0, 0, 1, 9, 0, 1, b'{'],
            &[8, 5, 0, 0, 0, 7],
        ),
        (
            "item past its frame",
            vec![0x02, 0, 0, 0, 5, 0x01, 0xff, 0xff, 1, 2],
            &[8, 128, 0, 0, 0, 0],
        ),
    ];
    let bench = Bench::start().await;
    let mut peer = bench.upstream.accept().await;
    let mut delivered = 0;
    for (what, bad, answer) in rows {
        let mut backend = bench.backend().await;
        let good = [enhanced(1, 1), enhanced(2, 2)].concat();
        backend.write(&[good, bad, enhanced(3, 3)].concat()).await;
        assert_eq!(backend.read_to_end().await, answer, "{what}");
        assert_eq!(peer.names(2).await, [1, 2], "{what}");
        delivered += 2;
        bench.delivered(delivered).await;
    }
    assert!(
        peer.is_left_alone(Duration::from_millis(50)).await,
        "nothing behind an answer is taken"
    );
}

#[tokio::test]
async fn a_page_that_writes_and_closes_loses_nothing_but_its_bad_notification() {
    let bench = Bench::start().await;
    let mut peer = bench.upstream.accept().await;
    let mut backend = bench.backend().await;
    let frames = [
        enhanced(1, 1),
        oversize(2),
        enhanced(3, 3),
        oversize(4),
        enhanced(5, 5),
    ]
    .concat();
    backend.write(&frames).await;
    backend.close().await;
    assert_eq!(peer.names(3).await, [1, 3, 5]);
    bench.delivered(3).await;
    assert_eq!((bench.counts().accepted, bench.counts().rejected), (5, 2));
    assert_eq!(bench.gateway().counters().untold.read(), 2);
    assert_eq!(bench.gateway().counters().answers.read(), 0);
}

#[tokio::test]
async fn a_bad_command_0_has_no_answer_and_does_not_stop_the_rest() {
    let bench = Bench::start().await;
    let mut peer = bench.upstream.accept().await;
    let mut backend = bench.backend().await;
    let mut bad = vec![0x00, 0x00, 0x01, 0x09, 0x00, 0x01, b'{'];
    bad.extend(enhanced(2, 2));
    backend.write(&bad).await;
    assert_eq!(peer.names(1).await, [2]);
    bench.delivered(1).await;
    assert!(backend.is_left_alone(Duration::from_millis(50)).await);
    assert_eq!(bench.counts().rejected, 1);
}

#[tokio::test]
async fn a_client_that_writes_megabytes_before_it_reads_still_gets_its_packet() {
    let bench = Bench::start().await;
    let _peer = bench.upstream.accept().await;
    let mut backend = bench.backend().await;
    let mut frames = oversize(9);
    while frames.len() < 4 << 20 {
        frames.extend(enhanced(1, 1));
    }
    backend.write(&frames).await;
    assert_eq!(backend.read_to_end().await, [8, 7, 0, 0, 0, 9]);
    assert_eq!(bench.counts().accepted, 1);
}

#[tokio::test]
async fn a_frame_that_is_not_completed_in_time_ends_the_connection() {
    let bench =
        Bench::with(|config| config.listen.frame_timeout = Duration::from_millis(100)).await;
    let mut idle = bench.backend().await;
    let mut slow = bench.backend().await;
    slow.write(&enhanced(1, 1)[..10]).await;
    assert_eq!(slow.read_to_end().await, b"");
    assert!(
        idle.is_left_alone(Duration::from_millis(200)).await,
        "between frames there is no hurry"
    );
}

#[tokio::test]
async fn a_certificate_for_an_app_that_is_not_configured_is_let_into_none() {
    let bench = Bench::start().await;
    let stranger = bench.authority.push("com.example.Other");
    let address = bench.gateway().backend_address(ENVIRONMENT).unwrap();
    let mut backend = bench.connect(address, &stranger).await;
    backend.push([1]).await;
    assert_eq!(backend.read_to_end().await, b"");
    assert_eq!(bench.gateway().counters().refused.read(), 1);
    assert_eq!(bench.counts().accepted, 0);
}

#[tokio::test]
async fn a_pinned_certificate_of_an_unknown_ca_is_let_in() {
    let mut bench = Bench::prepare().await;
    let pem = Authority::new().push("com.example.Old");
    let certificate = certificates_from_pem(&pem).unwrap().remove(0);
    bench.config.backends.push(BackendConfig {
        name: "old".to_owned(),
        topic: TOPIC.to_owned(),
        environment: None,
        pin: Pin::of(&certificate),
    });
    bench.run().await;
    let mut peer = bench.upstream.accept().await;
    let mut backend = bench
        .connect(bench.gateway().backend_address(ENVIRONMENT).unwrap(), &pem)
        .await;
    backend.push([1]).await;
    assert_eq!(peer.names(1).await, [1]);
    bench.delivered(1).await;
}

#[tokio::test]
async fn one_backend_cannot_take_all_connections() {
    let bench = Bench::with(|config| config.listen.backend_connections_max = 2).await;
    let first = bench.backend().await;
    let _second = bench.backend().await;
    let mut third = bench.backend().await;
    assert_eq!(third.read_to_end().await, b"");
    let other = bench.authority.push(TOPIC);
    let address = bench.gateway().backend_address(ENVIRONMENT).unwrap();
    let mut other = bench.connect(address, &other).await;
    assert!(
        other.is_left_alone(Duration::from_millis(50)).await,
        "another backend has its own"
    );
    first.close().await;
    eventually("a place", || bench.gateway().open_connections() == 2).await;
    let mut fourth = bench.backend().await;
    assert!(fourth.is_left_alone(Duration::from_millis(50)).await);
}

#[tokio::test]
async fn at_a_full_backlog_backends_are_not_read_until_there_is_room() {
    let bench = Bench::with(|config| config.store.backlog_rows_max = 3).await;
    let first = bench.upstream.accept().await;
    let mut backend = bench.backend().await;
    backend.push(1..=3).await;
    eventually("a full backlog", || bench.counts().queued == 3).await;
    drop(first);
    backend.push(4..=6).await;
    assert!(backend.is_left_alone(Duration::from_millis(100)).await);
    assert_eq!(
        bench.counts().accepted,
        3,
        "nothing more is accepted, and nothing is dropped"
    );
    let mut peer = bench.upstream.accept().await;
    assert_eq!(peer.names(6).await, [1, 2, 3, 4, 5, 6]);
    bench.delivered(6).await;
}

/// The smallest notifications there are take the most room for what they are on the wire: command 0, a token, an empty object.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_connections_write_to_a_store_that_is_nearly_full_none_of_them_breaks_it() {
    const CONNECTIONS: usize = 32;
    let bench = Bench::with(|config| {
        config.store.size_max = 32 << 20;
        config.listen.connections_max = CONNECTIONS;
    })
    .await;
    let mut frame = vec![0x00, 0x00, 0x20];
    frame.extend(token(1));
    frame.extend([0x00, 0x02, b'{', b'}']);
    let many = frame.repeat(10_000);
    let mut writing: JoinSet<()> = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let mut backend = bench.backend().await;
        let many = many.clone();
        writing.spawn(async move {
            // Until the gateway reads no more.
            loop {
                backend.write(&many).await;
            }
        });
    }
    eventually("a full store", || bench.gateway().space().is_full).await;
    // What was read by then is still accepted.
    let broken = timeout(Duration::from_millis(500), writing.join_next()).await;
    assert!(broken.is_err(), "{broken:?}");
    let space = bench.gateway().space();
    assert!(space.is_full && space.used < space.max, "{space:?}");
    writing.shutdown().await;
}

#[tokio::test]
async fn a_backend_that_never_reads_its_answers_is_noticed() {
    let bench = Bench::start().await;
    let mut backends = Vec::new();
    for answers in 1..=3 {
        let mut backend = bench.backend().await;
        backend.write(&oversize(1)).await;
        eventually("the answer", || {
            bench.gateway().counters().answers.read() == answers
        })
        .await;
        // It holds the connection and reads nothing, past the gateway's patience.
        backends.push(backend);
    }
    eventually("the warning", || {
        bench.gateway().counters().never_readers.read() == 1
    })
    .await;
}
