//! An upstream that is asked what became of everything, by a farewell [P-44].

use std::time::Duration;

use apns_gateway::config::Config;

use crate::support::*;

/// Longer than any test: what is confirmed, an answer has confirmed.
const NEVER: Duration = Duration::from_secs(3_600);

fn asking(config: &mut Config, quiet_period: Duration) {
    let upstream = binary(config);
    upstream.flush_after = Some(Duration::from_millis(20));
    upstream.quiet_period = quiet_period;
}

#[tokio::test]
async fn the_answer_to_a_farewell_confirms_everything_at_once() {
    let bench = Bench::with(|config| asking(config, NEVER)).await;
    let mut backend = bench.backend().await;
    for round in 1..=2_u8 {
        let mut peer = bench.upstream.accept().await;
        backend.push(1..=3).await;
        assert_eq!(peer.names(3).await, [1, 2, 3]);
        let farewell = peer.farewell().await;
        assert_eq!(farewell, [0, 0, 0, 4], "the next identifier");
        assert_eq!(bench.counts().delivered, 3 * u64::from(round - 1));
        // Some servers do not know the identifier of what has no token.
        let named = [farewell, [0; 4]][usize::from(round - 1)];
        assert!(peer.answer(2, named).await.is_empty());
        bench.delivered(3 * u64::from(round)).await;
        let counters = bench.gateway().counters();
        assert_eq!(counters.flushes.read(), u64::from(round));
        assert_eq!(counters.unknown_outcomes.read(), 0);
    }
    assert_eq!(bench.dead_letters().await, []);
}

#[tokio::test]
async fn an_answer_to_one_before_the_farewell_means_what_it_always_does() {
    let bench = Bench::with(|config| asking(config, NEVER)).await;
    let mut backend = bench.backend().await;
    let mut peer = bench.upstream.accept().await;
    backend.push(1..=3).await;
    peer.next().await;
    let second = peer.next().await;
    peer.next().await;
    peer.farewell().await;
    peer.answer(8, identifier(&second)).await;
    let mut peer = bench.upstream.accept().await;
    assert_eq!(peer.names(1).await, [3]);
    let farewell = peer.farewell().await;
    peer.answer(2, farewell).await;
    bench.delivered(2).await;
    assert_eq!(bench.counts().rejected, 1);
}

#[tokio::test]
async fn a_full_window_is_asked_about_without_waiting() {
    let bench = Bench::with(|config| {
        asking(config, NEVER);
        let upstream = binary(config);
        upstream.flush_after = Some(NEVER - Duration::from_secs(1));
        upstream.window = 2;
    })
    .await;
    let mut backend = bench.backend().await;
    backend.push(1..=4).await;
    for names in [[1, 2], [3, 4]] {
        let mut peer = bench.upstream.accept().await;
        assert_eq!(peer.names(2).await, names);
        let farewell = peer.farewell().await;
        peer.answer(2, farewell).await;
    }
    bench.delivered(4).await;
}

#[tokio::test]
async fn where_no_answer_comes_a_quiet_period_confirms_and_after_two_nothing_is_asked_any_more() {
    let bench = Bench::with(|config| asking(config, QUIET)).await;
    let mut backend = bench.backend().await;
    for name in 1..=2 {
        let mut peer = bench.upstream.accept().await;
        backend.push([name]).await;
        peer.names(1).await;
        peer.farewell().await;
        bench.delivered(name.into()).await;
        assert!(peer.rest().await.is_empty(), "all was said on it");
    }
    let mut peer = bench.upstream.accept().await;
    for name in 3..=4 {
        backend.push([name]).await;
        assert_eq!(peer.names(1).await, [name]);
        bench.delivered(name.into()).await;
    }
    assert!(peer.is_left_alone(QUIET).await);
    assert_eq!(bench.gateway().counters().flushes.read(), 0);
}

#[tokio::test]
async fn an_upstream_that_hangs_up_at_a_farewell_is_sent_two_and_then_believed_by_its_silence() {
    let bench = Bench::with(|config| asking(config, QUIET)).await;
    let mut backend = bench.backend().await;
    backend.push([1]).await;
    for _ in 0..2 {
        let mut peer = bench.upstream.accept().await;
        assert_eq!(peer.names(1).await, [1]);
        peer.farewell().await;
        peer.close().await;
    }
    let mut peer = bench.upstream.accept().await;
    assert_eq!(
        peer.names(1).await,
        [1],
        "nobody knows, so it is sent again"
    );
    bench.delivered(1).await;
    assert_eq!(bench.gateway().counters().unknown_outcomes.read(), 2);
}

#[tokio::test]
async fn a_stop_asks_and_ends_as_soon_as_it_knows() {
    let mut bench = Bench::with(|config| {
        asking(config, NEVER);
        binary(config).flush_after = Some(NEVER - Duration::from_secs(1));
    })
    .await;
    let mut peer = bench.upstream.accept().await;
    let mut backend = bench.backend().await;
    backend.push(1..=2).await;
    peer.names(2).await;
    let upstream = async {
        let farewell = peer.farewell().await;
        peer.answer(2, farewell).await;
    };
    tokio::join!(bench.stop(), upstream);
    // What is still queued would be sent again.
    let later = Upstream::new(&bench.authority).await;
    binary(&mut bench.config).address = Some(later.address.into());
    bench.run().await;
    let mut peer = later.accept().await;
    assert!(peer.is_left_alone(QUIET).await);
    assert_eq!(bench.counts().delivered, 2);
}
