//! What is sent upstream, what is sent again, and in which order.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::*;

#[tokio::test]
async fn a_notification_goes_upstream_as_it_came_and_is_delivered_by_silence() {
    let bench = Bench::start().await;
    let mut peer = bench.upstream.accept().await;
    let mut backend = bench.backend().await;
    // Command 2: token, payload, identifier 7, expiry 0x7fffffff, priority 5.
    let mut frame = vec![0x02, 0x00, 0x00, 0x00, 0x4e, 0x01, 0x00, 0x20];
    frame.extend(token(0x1f));
    frame.extend([0x02, 0x00, 0x16]);
    frame.extend(br#"{"aps":{"alert":"hi"}}"#);
    frame.extend([0x03, 0x00, 0x04, 0x00, 0x00, 0x00, 0x07]);
    frame.extend([0x04, 0x00, 0x04, 0x7f, 0xff, 0xff, 0xff]);
    frame.extend([0x05, 0x00, 0x01, 0x05]);
    backend.write(&frame).await;

    let notification = peer.next().await;
    assert_eq!(notification.token.as_bytes(), token(0x1f));
    assert_eq!(&notification.payload[..], br#"{"aps":{"alert":"hi"}}"#);
    assert_eq!(notification.expiry.unwrap().0, i32::MAX);
    assert_eq!(notification.priority.unwrap().0, 5);
    bench.delivered(1).await;
    assert!(
        backend.is_left_alone(QUIET).await,
        "success is silence [P-30]"
    );
}

#[tokio::test]
async fn nothing_counts_as_delivered_before_the_quiet_period_is_over() {
    let bench = Bench::with(|config| {
        binary(config).quiet_period = Duration::from_secs(3_600);
    })
    .await;
    let mut peer = bench.upstream.accept().await;
    let mut backend = bench.backend().await;
    backend.push([1]).await;
    peer.names(1).await;
    assert!(peer.is_left_alone(QUIET).await);
    let counts = bench.counts();
    assert_eq!((counts.delivered, counts.queued), (0, 1));
}

#[tokio::test]
async fn one_connection_upstream_serves_one_push_after_the_other() {
    let bench = Bench::start().await;
    let mut peer = bench.upstream.accept().await;
    let mut backend = bench.backend().await;
    for name in 1..=3 {
        backend.push([name]).await;
        assert_eq!(peer.names(1).await, [name]);
        bench.delivered(name.into()).await;
    }
    assert!(bench.upstream.is_left_alone(QUIET).await);
    assert_eq!(bench.gateway().counters().upstream_connections.read(), 1);
}

#[tokio::test]
async fn after_an_error_packet_exactly_the_tail_is_sent_again_in_order() {
    let bench = Bench::start().await;
    let mut peer = bench.upstream.accept().await;
    let mut backend = bench.backend().await;
    backend.push(1..=6).await;
    peer.names(2).await;
    let third = peer.next().await;
    assert_eq!(peer.answer(8, identifier(&third)).await, [4, 5, 6]);

    let mut peer = bench.upstream.accept().await;
    assert_eq!(peer.names(3).await, [4, 5, 6]);
    bench.delivered(5).await;
    assert_eq!(bench.counts().rejected, 1);
    let unknown = bench.gateway().counters().unknown_outcomes.read();
    assert_eq!(unknown, 0, "the packet says what became of everything");
    let letters = bench.dead_letters().await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].0, 3);
    assert!(letters[0].1.contains("status 8"), "{}", letters[0].1);
    assert!(
        backend.is_left_alone(QUIET).await,
        "something was accepted behind it: no packet"
    );
}

#[tokio::test]
async fn after_a_bare_close_everything_unconfirmed_is_sent_again_in_order_and_counted() {
    let bench = Bench::start().await;
    let mut peer = bench.upstream.accept().await;
    let mut backend = bench.backend().await;
    backend.push(1..=2).await;
    peer.names(2).await;
    bench.delivered(2).await;
    backend.push(3..=5).await;
    assert_eq!(peer.names(3).await, [3, 4, 5]);
    peer.close().await;

    let mut peer = bench.upstream.accept().await;
    assert_eq!(
        peer.names(3).await,
        [3, 4, 5],
        "what was confirmed is not sent again"
    );
    bench.delivered(5).await;
    assert_eq!(bench.gateway().counters().unknown_outcomes.read(), 3);
}

#[tokio::test]
async fn status_10_confirms_the_one_it_names_and_the_rest_is_sent_again() {
    let bench = Bench::start().await;
    let mut peer = bench.upstream.accept().await;
    let mut backend = bench.backend().await;
    backend.push(1..=4).await;
    peer.next().await;
    let second = peer.next().await;
    assert_eq!(peer.answer(10, identifier(&second)).await, [3, 4]);
    let mut peer = bench.upstream.accept().await;
    assert_eq!(peer.names(2).await, [3, 4]);
    bench.delivered(4).await;
    assert_eq!(bench.gateway().counters().unknown_outcomes.read(), 0);
}

#[tokio::test]
async fn the_newest_one_refused_upstream_is_answered_at_once_under_the_backends_identifier() {
    let bench = Bench::start().await;
    let mut peer = bench.upstream.accept().await;
    let mut backend = bench.backend().await;
    backend.write(&enhanced(0xdead_beef, 1)).await;
    let only = peer.next().await;
    peer.answer(8, identifier(&only)).await;
    assert_eq!(backend.read_to_end().await, [8, 8, 0xde, 0xad, 0xbe, 0xef]);
    assert_eq!(bench.gateway().counters().late_answers.read(), 1);
    assert_eq!((bench.counts().rejected, bench.counts().queued), (1, 0));
}

#[tokio::test]
async fn a_bad_token_is_answered_the_next_time_and_what_is_behind_it_is_dropped() {
    let bench = Bench::start().await;
    let mut peer = bench.upstream.accept().await;
    let mut backend = bench.backend().await;
    backend.push([9, 1]).await;
    let bad = peer.next().await;
    peer.answer(8, identifier(&bad)).await;
    // The entry answers only once a later push was delivered.
    let mut peer = bench.upstream.accept().await;
    assert_eq!(peer.names(1).await, [1]);
    bench.delivered(1).await;

    backend.push([2, 9, 3]).await;
    assert_eq!(backend.read_to_end().await, [8, 8, 0, 0, 0, 9]);
    backend.close().await;
    assert_eq!(peer.names(1).await, [2]);
    bench.delivered(2).await;
    assert_eq!(
        bench.counts().accepted,
        4,
        "the one behind the bad one was never accepted"
    );

    let mut backend = bench.backend().await;
    backend.push([3]).await;
    assert_eq!(peer.names(1).await, [3]);
    bench.delivered(3).await;
}

#[tokio::test]
async fn what_the_upstream_cannot_process_now_holds_back_its_token_and_nobody_else() {
    let bench = Bench::with(|config| {
        let upstream = binary(config);
        upstream.backoff_base = Duration::from_millis(500);
        upstream.backoff_max = Duration::from_millis(500);
    })
    .await;
    let mut peer = bench.upstream.accept().await;
    let mut backend = bench.backend().await;
    // Two to one token, told apart by their payloads.
    let frames = [
        enhanced_with(1, 1, b"{\"n\":1}"),
        enhanced(2, 2),
        enhanced_with(3, 1, b"{\"n\":3}"),
        enhanced(4, 4),
    ];
    backend.write(&frames.concat()).await;
    let first = peer.next().await;
    peer.answer(1, identifier(&first)).await;

    let mut peer = bench.upstream.accept().await;
    let mut order = Vec::new();
    for _ in 0..4 {
        let notification = peer.next().await;
        order.push((name(&notification), notification.payload));
    }
    bench.delivered(4).await;
    let to_one: Vec<_> = order.iter().filter(|(name, _)| *name == 1).collect();
    assert_eq!(
        to_one[0].1, "{\"n\":1}",
        "the later one waits for the earlier"
    );
    assert_eq!(to_one[1].1, "{\"n\":3}");
    assert_eq!(order.iter().filter(|(name, _)| *name != 1).count(), 2);
}

#[tokio::test]
async fn what_an_upstream_never_can_process_is_given_up_in_the_end() {
    let bench = Bench::start().await;
    let mut backend = bench.backend().await;
    backend.push([1]).await;
    for _ in 0..60 {
        let mut peer = bench.upstream.accept().await;
        let one = peer.next().await;
        peer.answer(1, identifier(&one)).await;
    }
    eventually("giving up", || bench.counts().given_up == 1).await;
    let letters = bench.dead_letters().await;
    let expected = "tried 60 times: status 1 (processing error)";
    assert_eq!(letters, [(1, expected.to_owned())]);
}

#[tokio::test]
async fn a_restart_goes_on_where_the_last_run_ended() {
    let mut bench = Bench::start().await;
    let mut peer = bench.upstream.accept().await;
    let mut backend = bench.backend().await;
    backend.push(1..=3).await;
    peer.names(3).await;
    peer.close().await;
    backend.close().await;
    bench.stop().await;
    // Attempts of the last run may still lie in the upstream's queue.
    let later = Upstream::new(&bench.authority).await;
    binary(&mut bench.config).address = Some(later.address.into());
    bench.run().await;
    let mut peer = later.accept().await;
    assert_eq!(peer.names(3).await, [1, 2, 3]);
    bench.delivered(3).await;
    assert_eq!(bench.counts().accepted, 3);
}

#[tokio::test]
async fn what_expired_while_it_waited_is_not_sent() {
    let bench = Bench::start().await;
    let peer = bench.upstream.accept().await;
    let mut backend = bench.backend().await;
    // Upstream goes away with both, and comes back when the time of one is over.
    peer.close().await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let expiry = u32::try_from(now.as_secs()).unwrap() + 2;
    let mut frame = enhanced(1, 1);
    frame[5..9].copy_from_slice(&expiry.to_be_bytes());
    backend.write(&[frame, enhanced(2, 2)].concat()).await;
    eventually("acceptance", || bench.counts().accepted == 2).await;
    let over = UNIX_EPOCH + Duration::from_secs(expiry.into());
    eventually("its time", || SystemTime::now() > over).await;
    let mut peer = bench.upstream.accept().await;
    assert_eq!(peer.names(1).await, [2]);
    bench.delivered(1).await;
    assert_eq!(bench.counts().expired, 1);
}
