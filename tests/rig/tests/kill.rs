//! SIGKILL of a real gateway process under load: what it had committed is on the phone, rejected, or still queued.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use apns_rig::eventually::eventually;
use apns_rig::frames::framed;
use apns_rig::numbered::{each_once, number, payload};
use apns_rig::provider::Provider;
use apns_rig::{Knobs, Rig, unknown_token};

const GATEWAY: &str = env!("CARGO_BIN_EXE_rig-gateway");

const QUIET_PERIOD: Duration = Duration::from_millis(400);

/// Written and unconfirmed at most: what is queued beyond that has not been written.
const WINDOW: u32 = 400;

/// Written at a time, and numbers that go to a token no phone has.
const BURST: u32 = 50;
const EVERY_BAD: u32 = 700;

fn bad(n: u32) -> bool {
    n.is_multiple_of(EVERY_BAD)
}

/// Writes numbered notifications at a steady pace until the connection breaks; the last number that may have left.
async fn write_until_broken(mut backend: Provider, token: Vec<u8>) -> u32 {
    let frame = |n| {
        framed(
            n,
            &if bad(n) {
                unknown_token(n)
            } else {
                token.clone()
            },
            &payload(n),
        )
    };
    let mut last = 0;
    loop {
        let burst: Vec<u8> = (last + 1..=last + BURST).flat_map(frame).collect();
        last += BURST;
        if backend.send(&burst).await.is_err() {
            return last;
        }
        match backend.packet_within(Duration::from_millis(10)).await {
            Ok(None) => {}
            Ok(Some(packet)) => panic!("the gateway answered: {packet:?}"),
            Err(_) => return last,
        }
    }
}

fn numbers(payloads: impl IntoIterator<Item = Vec<u8>>) -> BTreeSet<u32> {
    payloads
        .into_iter()
        .map(|payload| number(&payload))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_gateway_had_committed_is_on_the_phone_rejected_or_queued() {
    let mut rig = Rig::prepare(Knobs {
        quiet_period: QUIET_PERIOD,
        window: WINDOW as usize,
        ..Knobs::default()
    })
    .await;
    let mut gateway = rig.gateway_process(GATEWAY).await;
    let backend = rig.backend_at(gateway.address("backend")).await;
    let writer = tokio::spawn(write_until_broken(backend, rig.phones[0].token.clone()));

    // Killed where it hurts: what silence had to confirm was confirmed a moment ago, and most of a quiet period is left before any
    // more can be.
    let (mut delivered, mut since) = (0, Instant::now());
    eventually(
        "100 delivered, 100 unconfirmed, 1,000 unwritten",
        async || {
            let shown = rig.phones[0].numbers().len() as u64;
            let counts = rig.counts();
            if counts.delivered != delivered {
                (delivered, since) = (counts.delivered, Instant::now());
            }
            let in_between = QUIET_PERIOD / 8..QUIET_PERIOD * 3 / 8;
            let unconfirmed = shown.saturating_sub(delivered);
            let there =
                delivered >= 100 && unconfirmed >= 120 && counts.queued >= u64::from(WINDOW) + 1000;
            if there && in_between.contains(&since.elapsed()) {
                return Ok(());
            }
            Err(format!("{shown} shown, {counts:?}"))
        },
    )
    .await;
    gateway.kill();
    let written = writer.await.unwrap();

    let counts = rig.counts();
    let on_the_phone: BTreeSet<_> = rig.phones[0].numbers().into_iter().collect();
    let queued = numbers(rig.ledger.queued());
    let rejected = numbers(
        rig.ledger
            .dead_letters()
            .into_iter()
            .map(|letter| letter.payload),
    );
    let unconfirmed = on_the_phone.intersection(&queued).count();
    assert!(counts.delivered >= 100, "{counts:?}");
    assert!(unconfirmed >= 100, "{unconfirmed} written and unconfirmed");
    assert!(
        queued.len() - unconfirmed >= 1000,
        "{} queued",
        queued.len()
    );

    // One connection, numbered from 1 in its order: what was committed is a prefix.
    let last = u32::try_from(counts.accepted).unwrap();
    assert!(
        last <= written,
        "{last} were committed and {written} written"
    );
    let committed: BTreeSet<_> = (1..=last).collect();
    let somewhere: BTreeSet<_> = on_the_phone
        .iter()
        .chain(&queued)
        .chain(&rejected)
        .copied()
        .collect();
    assert_eq!(
        each_once(somewhere, committed.iter().copied()),
        Ok(()),
        "right after the kill"
    );

    // And its successor brings all of it to its end.
    rig.binary_upstream().window = 5000;
    let _gateway = rig.gateway_process(GATEWAY).await;
    let (wrong, right): (BTreeSet<_>, BTreeSet<_>) = committed.into_iter().partition(|n| bad(*n));
    rig.settled(|counts| counts.queued == 0).await;
    eventually("all of it on the phone", async || {
        let on_the_phone: BTreeSet<_> = rig.phones[0].numbers().into_iter().collect();
        each_once(on_the_phone, right.iter().copied())
    })
    .await;
    let rejected = numbers(
        rig.ledger
            .dead_letters()
            .into_iter()
            .map(|letter| letter.payload),
    );
    assert_eq!(each_once(rejected, wrong), Ok(()), "in the end");
    let counts = rig.counts();
    assert_eq!(
        (counts.accepted, counts.expired, counts.given_up),
        (u64::from(last), 0, 0)
    );
}
