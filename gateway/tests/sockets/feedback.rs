//! The feedback list: read upstream, kept, served to backends.

use std::time::Duration;

use tokio::time::timeout;

use crate::support::*;

/// From the specification: seconds, token length, token.
fn tuple(timestamp: u32, name: u8) -> Vec<u8> {
    let mut bytes = timestamp.to_be_bytes().to_vec();
    bytes.extend([0x00, 0x20]);
    bytes.extend(token(name));
    bytes
}

async fn serve(bench: &Bench, tuples: &[Vec<u8>]) {
    let mut peer = bench.feedback.accept().await;
    for tuple in tuples {
        peer.write(tuple).await;
    }
    peer.close().await;
}

async fn polled(bench: &Bench, lists: u64) {
    eventually("a poll", || {
        bench.gateway().counters().feedback_polls.read() == lists
    })
    .await;
}

/// What a backend that reads to the end and closes gets.
async fn read(bench: &Bench) -> Vec<u8> {
    let served = bench.gateway().counters().feedback_served.read();
    let mut reader = bench.feedback_reader().await;
    let bytes = reader.read_to_end().await;
    reader.close().await;
    eventually("the end of serving", || {
        bench.gateway().counters().feedback_served.read() > served
    })
    .await;
    bytes
}

#[tokio::test]
async fn what_the_upstream_lists_is_served_to_a_backend_once() {
    let bench = Bench::start().await;
    serve(&bench, &[tuple(1_700_000_000, 1), tuple(1_700_000_001, 2)]).await;
    polled(&bench, 1).await;
    assert_eq!(
        read(&bench).await,
        [tuple(1_700_000_000, 1), tuple(1_700_000_001, 2)].concat()
    );
    assert_eq!(read(&bench).await, b"");
}

#[tokio::test]
async fn the_list_is_read_again_at_every_interval_and_only_what_is_new_is_served_again() {
    let bench = Bench::with(|config| {
        binary(config).feedback_poll_interval = Duration::from_millis(50);
    })
    .await;
    serve(&bench, &[tuple(1, 1), tuple(1, 2)]).await;
    polled(&bench, 1).await;
    assert_eq!(read(&bench).await, [tuple(1, 1), tuple(1, 2)].concat());
    serve(&bench, &[]).await;
    serve(&bench, &[tuple(5, 2)]).await;
    polled(&bench, 3).await;
    assert_eq!(
        read(&bench).await,
        tuple(5, 2),
        "the same token with a newer time is news"
    );
}

#[tokio::test]
async fn every_read_is_kept_even_if_the_list_breaks_off_in_the_middle_of_a_tuple() {
    let bench = Bench::start().await;
    let mut peer = bench.feedback.accept().await;
    let half = tuple(2, 2);
    peer.write(&[&tuple(1, 1)[..], &half[..20]].concat()).await;
    eventually("the commit of the first read", || {
        bench.counts().feedback == 1
    })
    .await;
    drop(peer);
    assert_eq!(read(&bench).await, tuple(1, 1));
}

#[tokio::test]
async fn what_cannot_be_a_token_is_left_out() {
    let bench = Bench::start().await;
    let empty = vec![0, 0, 0, 1, 0, 0];
    let mut long = vec![0, 0, 0, 1, 0x01, 0x00];
    long.extend([7; 256]);
    serve(&bench, &[empty, long, tuple(9, 9)]).await;
    polled(&bench, 1).await;
    assert_eq!(read(&bench).await, tuple(9, 9));
}

#[tokio::test]
async fn a_list_longer_than_a_record_is_served_whole_and_in_order() {
    let bench = Bench::start().await;
    let tuples: Vec<_> = (0..1_500_u32)
        .map(|n| {
            let mut bytes = tuple(n, 0);
            bytes[6..10].copy_from_slice(&n.to_be_bytes());
            bytes
        })
        .collect();
    serve(&bench, &tuples).await;
    polled(&bench, 1).await;
    assert_eq!(read(&bench).await, tuples.concat());
}

#[tokio::test]
async fn a_backend_that_breaks_off_is_served_the_same_list_again_also_after_a_restart() {
    let mut bench = Bench::start().await;
    serve(&bench, &[tuple(1, 1)]).await;
    polled(&bench, 1).await;
    bench.feedback_reader().await.reset();
    bench.stop().await;
    bench.run().await;
    assert_eq!(read(&bench).await, tuple(1, 1));
    bench.stop().await;
    bench.run().await;
    assert_eq!(read(&bench).await, b"");
}

#[tokio::test]
async fn each_backend_has_its_own_place_in_the_list() {
    let bench = Bench::start().await;
    serve(&bench, &[tuple(1, 1)]).await;
    polled(&bench, 1).await;
    assert_eq!(read(&bench).await, tuple(1, 1));
    let other = bench.authority.push(TOPIC);
    let address = bench.gateway().feedback_address(ENVIRONMENT).unwrap();
    let mut reader = bench.connect(address, &other).await;
    assert_eq!(reader.read_to_end().await, tuple(1, 1));
}

#[tokio::test]
async fn a_backend_that_reads_again_while_it_still_reads_gets_nothing_twice() {
    let bench = Bench::start().await;
    serve(&bench, &[tuple(1, 1)]).await;
    polled(&bench, 1).await;
    let mut first = bench.feedback_reader().await;
    assert_eq!(first.read_to_end().await, tuple(1, 1));
    let mut second = bench.feedback_reader().await;
    assert!(
        second.is_left_alone(Duration::from_millis(100)).await,
        "the first may yet break off, and the list be the second's"
    );
    first.close().await;
    assert_eq!(second.read_to_end().await, b"");
}

#[tokio::test]
async fn a_feedback_service_that_is_away_is_asked_again_soon() {
    let bench = Bench::with(|config| {
        binary(config).feedback_poll_interval = Duration::from_millis(200);
    })
    .await;
    bench.feedback.turn_away().await;
    let served = timeout(Duration::from_secs(20), serve(&bench, &[tuple(1, 1)])).await;
    assert!(served.is_ok());
    polled(&bench, 1).await;
}
