//! Upstreams that are not there, do not want us, or break on a notification.

use std::time::{Duration, Instant};

use apns_gateway::config::UpstreamConfig;
use apns_gateway::store::Requeue;
use apns_net::tls::ClientPolicy;

use crate::support::*;

#[tokio::test]
async fn an_upstream_that_breaks_at_once_is_not_hammered() {
    let bench = Bench::with(|config| {
        let upstream = binary(config);
        upstream.backoff_base = Duration::from_millis(100);
        upstream.backoff_max = Duration::from_secs(60);
    })
    .await;
    let start = Instant::now();
    for _ in 0..6 {
        bench.upstream.turn_away().await;
    }
    // Spans of 100, 200, 400, 800, 1,600 ms: all five pauses together are shorter than 100 ms once in a million.
    assert!(
        start.elapsed() > Duration::from_millis(100),
        "{:?}",
        start.elapsed()
    );
    let hammered = Instant::now();
    while hammered.elapsed() < Duration::from_millis(500) {
        if bench
            .upstream
            .is_left_alone(Duration::from_millis(500))
            .await
        {
            break;
        }
    }
    let attempts = bench.gateway().counters().upstream_failures.read();
    assert!(
        attempts <= 16,
        "{attempts} attempts in {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_notification_that_breaks_the_upstream_is_given_up_and_all_others_arrive() {
    const POISON: u8 = 13;
    let bench = Bench::start().await;
    let mut backend = bench.backend().await;
    backend.push([1, 2, POISON, 3, 4]).await;
    eventually("acceptance", || bench.counts().accepted == 5).await;
    let mut taken = std::collections::BTreeSet::new();
    while bench.counts().given_up == 0 {
        let mut peer = bench.upstream.accept().await;
        // Like a server with a bug: it ends when it comes to this one, and what was before it may have been shown.
        loop {
            tokio::select! {
                Some(notification) = peer.try_next() => match name(&notification) {
                    POISON => break,
                    name => { taken.insert(name); }
                },
                () = eventually("the end", || bench.counts().given_up == 1) => break,
            }
        }
        peer.close().await;
    }
    let letters = bench.dead_letters().await;
    let expected = "tried 10 times: upstream closes the connection whenever it is sent";
    assert_eq!(letters, [(POISON, expected.to_owned())]);
    backend.push([5]).await;
    let mut peer = bench.upstream.accept().await;
    while name(&peer.next().await) != 5 {}
    bench.delivered(5).await;
    assert_eq!(taken.len(), 4);
}

/// Pauses as in real life: whoever waits for one is noticed.
async fn patient(kind: Kind) -> Bench {
    let mut bench = Bench::prepare_over(kind).await;
    match &mut bench.config.apps[0].upstream {
        UpstreamConfig::Binary(upstream) => {
            upstream.quiet_period = Duration::from_secs(1);
            upstream.backoff_base = Duration::from_secs(1_000);
            upstream.backoff_max = Duration::from_secs(1_000);
        }
        UpstreamConfig::Http2(upstream) => {
            upstream.backoff_base = Duration::from_secs(1_000);
            upstream.backoff_max = Duration::from_secs(1_000);
        }
    }
    bench.run().await;
    bench
}

#[tokio::test]
async fn an_upstream_that_closes_idle_connections_soon_is_connected_to_at_once_when_there_is_a_push()
 {
    for kind in [Kind::Binary, Kind::Http2] {
        let bench = patient(kind).await;
        let mut backend = bench.backend().await;
        for n in 1..=5 {
            // The first one, made at the start, or the one after the last push: nothing is sent on it.
            bench.upstream.hang_up().await;
            let again = bench
                .upstream
                .is_left_alone(Duration::from_millis(100))
                .await;
            assert!(again, "{kind:?}: there is nothing to connect for");
            backend.push([n, n + 100]).await;
            match kind {
                Kind::Binary => {
                    let mut peer = bench.upstream.accept().await;
                    assert_eq!(
                        peer.names(2).await,
                        [n, n + 100],
                        "no probation: they come together"
                    );
                    bench.delivered(2 * u64::from(n)).await;
                    peer.close().await;
                }
                Kind::Http2 => {
                    let mut peer = bench.upstream.accept_http2().await;
                    assert_eq!(peer.names(2).await, [n, n + 100]);
                    bench.delivered(2 * u64::from(n)).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn an_upstream_that_closes_before_it_has_taken_the_push_that_waits_is_not_hammered() {
    for kind in [Kind::Binary, Kind::Http2] {
        let bench = patient(kind).await;
        bench.upstream.hang_up().await;
        bench.backend().await.push([1]).await;
        bench.upstream.hang_up().await;
        // What follows is a random part of a thousand seconds.
        let alone = bench
            .upstream
            .is_left_alone(Duration::from_millis(300))
            .await;
        assert!(alone, "{kind:?}");
        assert_eq!(bench.counts().queued, 1);
    }
}

#[tokio::test]
async fn a_wrong_topic_holds_the_app_and_a_delivery_releases_it() {
    let bench = Bench::start().await;
    let mut backend = bench.backend().await;
    let mut peer = bench.upstream.accept().await;
    backend.push([1, 2, 3]).await;
    let first = peer.next().await;
    peer.answer(3, identifier(&first)).await;
    eventually("the hold", || bench.held().is_some()).await;
    assert!(bench.held().unwrap().contains("status 3"));
    assert_eq!(bench.counts().queued, 3, "it is no notification's fault");

    // One at a time is tried, and refused again.
    let mut peer = bench.upstream.accept().await;
    let probe = peer.next().await;
    assert!(peer.is_left_alone(QUIET / 3).await, "a probe goes alone");
    peer.answer(3, identifier(&probe)).await;
    assert_eq!(bench.counts().queued, 3);

    // The upstream was put right: all of them arrive.
    let mut peer = bench.upstream.accept().await;
    let mut names = peer.names(3).await;
    names.sort_unstable();
    assert_eq!(names, [1, 2, 3]);
    bench.delivered(3).await;
    assert_eq!(bench.held(), None);
}

#[tokio::test]
async fn an_environment_in_which_every_token_is_bad_is_held_at_the_tenth_and_can_be_put_right() {
    let bench = Bench::with(|config| config.apps[0].trust_after = 10).await;
    let mut backend = bench.backend().await;
    backend.push(1..=12).await;
    for _ in 0..10 {
        let mut peer = bench.upstream.accept().await;
        let bad = peer.next().await;
        peer.answer(8, identifier(&bad)).await;
    }
    eventually("the tenth", || bench.counts().rejected == 10).await;
    assert!(bench.held().is_some());
    assert_eq!(bench.counts().queued, 2);
    assert!(
        backend.is_left_alone(QUIET).await,
        "no 8 is sent: a backend would purge the token"
    );

    let mut peer = bench.upstream.accept().await;
    peer.names(2).await;
    bench.delivered(2).await;
    assert_eq!(
        bench
            .gateway()
            .requeue(TOPIC, ENVIRONMENT, Requeue::All)
            .await
            .unwrap(),
        10
    );
    assert_eq!(peer.names(10).await, (1..=10).collect::<Vec<_>>());
    bench.delivered(12).await;
    backend.push([1]).await;
    assert_eq!(peer.names(1).await, [1], "no token was cached");
}

#[tokio::test]
async fn an_upstream_that_refuses_our_certificate_holds_the_app_until_it_takes_it() {
    let mut bench = Bench::prepare().await;
    // Trusts nobody, so the alert is unknown_ca.
    let refusing = Upstream::with(&bench.authority, ClientPolicy::default()).await;
    binary(&mut bench.config).address = Some(refusing.address.into());
    bench.run().await;
    let mut backend = bench.backend().await;
    backend.push([1]).await;
    refusing.refuse().await;
    eventually("the hold", || bench.held().is_some()).await;
    assert!(
        bench
            .held()
            .unwrap()
            .contains("refuses the app's certificate (alert UnknownCA)")
    );
    eventually("acceptance", || bench.counts().queued == 1).await;

    let welcoming = refusing.now_trusting(&bench.authority);
    let mut peer = welcoming.accept().await;
    assert_eq!(peer.names(1).await, [1]);
    bench.delivered(1).await;
    assert_eq!(bench.held(), None);
}

#[tokio::test]
async fn an_upstream_that_takes_nothing_is_given_up_and_its_notifications_go_to_the_next_connection()
 {
    let bench =
        Bench::with(|config| binary(config).write_timeout = Duration::from_millis(300)).await;
    let stalled = bench.upstream.accept().await;
    let mut backend = bench.backend().await;
    // More than the kernel's buffers on the way hold.
    let payload = vec![b' '; 2_000];
    let frames: Vec<u8> = (0..4_000)
        .flat_map(|identifier| enhanced_with(identifier, 1, &payload))
        .collect();
    backend.write(&frames).await;
    eventually("acceptance", || bench.counts().accepted == 4_000).await;
    let mut peer = bench.upstream.accept().await;
    drop(stalled);
    let mut taken = 0;
    while bench.counts().queued > 0 {
        tokio::select! {
            Some(_) = peer.try_next() => taken += 1,
            () = eventually("the end", || bench.counts().queued == 0) => {}
        }
    }
    bench.delivered(4_000).await;
    assert!(
        taken > 3_500,
        "what silence could not confirm is sent again: {taken}"
    );
}
