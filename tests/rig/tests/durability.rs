//! Nothing leaves before what it answers for is durable; what is durable costs few commits; what has no room waits outside.

use std::time::Duration;

use apns_rig::eventually::{eventually, let_pass};
use apns_rig::frames::{error_packet, framed};
use apns_rig::numbered::{each_once, payload, payload_of_len};
use apns_rig::provider::{Ending, Farewell};
use apns_rig::{Knobs, Rig, Upstream, unknown_token};

/// Long enough for anything that does not wait for the commit.
const LOOK: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_commit_is_held_shut_no_packet_leaves_and_nothing_goes_upstream() {
    let rig = Rig::start().await;
    let phone = &rig.phones[0];
    // The gateway learns of a bad token.
    let mut backend = rig.backend().await;
    let taught = [
        framed(1, &unknown_token(1), &payload(1)),
        framed(2, &phone.token, &payload(2)),
    ];
    backend.send(&taught.concat()).await.unwrap();
    rig.settled(|counts| counts.rejected == 1 && counts.delivered == 1 && counts.queued == 0)
        .await;

    let lock = rig.ledger.lock();
    let mut backend = rig.backend().await;
    let stream = [
        framed(3, &phone.token, &payload(3)),
        framed(4, &unknown_token(1), &payload(4)),
    ];
    backend.send(&stream.concat()).await.unwrap();
    assert_eq!(
        backend.packet_within(LOOK).await.unwrap(),
        None,
        "a packet left before what it answers for was durable"
    );
    assert_eq!(
        phone.numbers(),
        [2],
        "a push went upstream before it was durable"
    );
    drop(lock);
    assert_eq!(backend.packet().await.unwrap(), error_packet(8, 4));
    eventually("the one before it", async || {
        each_once(phone.numbers(), [2, 3])
    })
    .await;
    rig.settled(|counts| counts.accepted == 4 && counts.queued == 0)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_commit_is_held_shut_no_orderly_close_leaves_either() {
    let rig = Rig::start().await;
    let phone = &rig.phones[0];
    let lock = rig.ledger.lock();
    let mut backend = rig.backend().await;
    backend
        .send(&[framed(1, &phone.token, &payload(1)), vec![9]].concat())
        .await
        .unwrap();
    assert!(
        backend.hears_nothing_for(LOOK).await,
        "a close left before what it answers for was durable"
    );
    drop(lock);
    assert_eq!(
        backend.farewell().await.unwrap(),
        Farewell {
            bytes: Vec::new(),
            ending: Ending::CloseNotify
        }
    );
    eventually("the one before it", async || {
        each_once(phone.numbers(), [1])
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_notifications_over_ten_connections_take_few_commits() {
    let rig = Rig::start().await;
    let phone = &rig.phones[0];
    let before = rig.gateway().commits();
    let mut writers = Vec::new();
    for number in 0..10 {
        let mut backend = rig.backend().await;
        let stream: Vec<u8> = (0..1000)
            .map(|n| 1000 * number + n)
            .flat_map(|n| framed(n, &phone.token, &payload(n)))
            .collect();
        writers.push(tokio::spawn(async move {
            for chunk in stream.chunks(16 * 1024) {
                backend.send(chunk).await.unwrap();
            }
            backend
        }));
    }
    rig.settled(|counts| {
        counts.accepted == 10_000 && counts.delivered == 10_000 && counts.queued == 0
    })
    .await;
    let commits = rig.gateway().commits() - before;
    assert!(commits < 500, "{commits} commits");
    assert!(commits > 0, "nothing was counted");
    eventually("all of them on the phone", async || {
        each_once(phone.numbers(), 0..10_000)
    })
    .await;
    for writer in writers {
        writer.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_that_is_full_slows_the_backend_down_and_drops_nothing() {
    let mut rig = Rig::prepare(Knobs::default()).await;
    rig.config.store.backlog_rows_max = 500;
    rig.start_gateway().await;
    rig.upstream.take_down().await;
    let token = rig.phones[0].token.clone();
    let last = 5000;
    let mut backend = rig.backend().await;
    let writer = tokio::spawn(async move {
        for n in 1..=last {
            backend
                .send(&framed(n, &token, &payload_of_len(n, 2000)))
                .await
                .unwrap();
        }
        backend
    });
    rig.settled(|counts| counts.queued >= 500).await;
    let_pass(1, LOOK).await;
    let queued = rig.counts().queued;
    assert!(
        queued < 1000,
        "{queued} were taken where there was room for 500"
    );
    rig.upstream.resume();
    eventually("everything", async || {
        each_once(rig.phones[0].numbers(), 1..=last)
    })
    .await;
    rig.settled(|counts| counts.delivered == u64::from(last) && counts.queued == 0)
        .await;
    writer.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_full_stops_reading_goes_on_delivering_and_reads_again_by_itself() {
    for upstream in [Upstream::Binary, Upstream::Http2Token] {
        let mut rig = Rig::prepare(Knobs {
            upstream,
            phones: 4,
            ..Knobs::default()
        })
        .await;
        rig.config.store.size_max = 16 << 20;
        rig.config.listen.connections_max = 10;
        rig.start_gateway().await;
        rig.upstream.take_down().await;
        let tokens: Vec<_> = rig.phones.iter().map(|phone| phone.token.clone()).collect();
        let last = 8_000;
        let mut backend = rig.backend().await;
        let writer = tokio::spawn(async move {
            for n in 1..=last {
                let token = &tokens[n as usize % tokens.len()];
                let frame = framed(n, token, &payload_of_len(n, 2_000));
                if backend.send(&frame).await.is_err() {
                    return;
                }
            }
        });
        eventually("a full store", async || match rig.gateway().space() {
            space if space.is_full => Ok(()),
            space => Err(format!("{space:?}")),
        })
        .await;
        let_pass(1, LOOK).await;
        let accepted = rig.counts().accepted;
        let_pass(1, LOOK).await;
        assert_eq!(rig.counts().accepted, accepted, "{upstream:?}");
        assert!(accepted < u64::from(last));
        let space = rig.gateway().space();
        assert!(space.used < space.max, "the reserve is there: {space:?}");
        // Not even a restart begins to read before there is room.
        rig.break_off_gateway().await;
        assert!(rig.gateway().space().is_full);
        rig.upstream.resume();
        rig.settled(|counts| counts.delivered >= accepted && counts.queued == 0)
            .await;
        assert!(!rig.gateway().space().is_full);
        writer.await.unwrap();
        let mut backend = rig.backend().await;
        backend
            .send(&framed(9_999, &rig.phones[0].token, &payload(9_999)))
            .await
            .unwrap();
        let numbers = || rig.phones.iter().flat_map(|phone| phone.numbers());
        eventually("what was accepted, and more", async || {
            let first = u32::try_from(accepted).unwrap();
            each_once(numbers(), (1..=first).chain([9_999]))
        })
        .await;
    }
}
