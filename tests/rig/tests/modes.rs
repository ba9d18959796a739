//! Modes `continue` and `exact` over sockets: what `gateway/tests/contract/modes.rs` decides, real connections keep.

use std::time::Duration;

use apns_gateway::config::OnReject;
use apns_rig::eventually::eventually;
use apns_rig::frames::{error_packet, framed};
use apns_rig::numbered::{each_once, payload};
use apns_rig::provider::{Ending, Farewell};
use apns_rig::{Knobs, Rig, unknown_token};

async fn rig(on_reject: OnReject, answer_wait: Duration) -> Rig {
    let mut rig = Rig::prepare(Knobs::default()).await;
    rig.config.apps[0].on_reject = on_reject;
    rig.config.apps[0].answer_wait = answer_wait;
    rig.start_gateway().await;
    rig
}

/// The frames numbered `numbers`, the ones in `bad` to unknown tokens, identifiers as numbered.
fn batch(rig: &Rig, numbers: impl IntoIterator<Item = u32>, bad: impl Fn(u32) -> bool) -> Vec<u8> {
    let frame = |n| {
        let token = if bad(n) {
            unknown_token(n)
        } else {
            rig.phones[0].token.clone()
        };
        framed(n, &token, &payload(n))
    };
    numbers.into_iter().flat_map(frame).collect()
}

async fn shows(rig: &Rig, numbers: impl Iterator<Item = u32> + Clone) {
    eventually("each good one on the phone, once", async || {
        each_once(rig.phones[0].numbers(), numbers.clone())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exact_answers_at_first_sight_and_accepts_nothing_behind() {
    let rig = rig(OnReject::Exact, Duration::from_secs(20)).await;
    let mut backend = rig.backend().await;
    backend
        .send(&batch(&rig, 1..=10, |n| n == 5))
        .await
        .unwrap();
    let farewell = backend.farewell().await.unwrap();
    let told = Farewell {
        bytes: error_packet(8, 5).to_vec(),
        ending: Ending::CloseNotify,
    };
    assert_eq!(farewell, told);
    assert_eq!(rig.counts().accepted, 5);
    let mut backend = rig.backend().await;
    backend.send(&batch(&rig, 6..=10, |_| false)).await.unwrap();
    shows(&rig, (1..=10).filter(|n| *n != 5)).await;
    rig.settled(|counts| counts.delivered == 9 && counts.rejected == 1 && counts.queued == 0)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exact_takes_all_of_a_backend_that_closes_at_once() {
    let rig = rig(OnReject::Exact, Duration::from_secs(20)).await;
    let mut backend = rig.backend().await;
    backend.send(&batch(&rig, 1..=6, |_| false)).await.unwrap();
    backend.close().await.unwrap();
    shows(&rig, 1..=6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exact_waits_no_longer_than_answer_wait_while_upstream_is_away() {
    let rig = rig(OnReject::Exact, Duration::from_millis(50)).await;
    rig.upstream.take_down().await;
    let mut backend = rig.backend().await;
    backend.send(&batch(&rig, 1..=5, |_| false)).await.unwrap();
    rig.settled(|counts| counts.accepted == 5 && counts.queued == 5)
        .await;
    rig.upstream.resume();
    shows(&rig, 1..=5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn continue_loses_nothing_of_a_backend_that_never_reads() {
    let rig = rig(OnReject::Continue, Duration::from_secs(2)).await;
    let bad = |n: u32| n.is_multiple_of(3);
    let mut backend = rig.backend().await;
    // The second time the tokens are known to be bad.
    for numbers in [1..=300, 301..=600] {
        let known = |n: u32| unknown_token(if n > 300 { n - 300 } else { n });
        let frames = numbers.flat_map(|n| {
            let token = if bad(n) {
                known(n)
            } else {
                rig.phones[0].token.clone()
            };
            framed(n, &token, &payload(n))
        });
        backend.send(&frames.collect::<Vec<_>>()).await.unwrap();
        rig.settled(|counts| counts.queued == 0 && counts.accepted > 0)
            .await;
    }
    shows(&rig, (1..=600).filter(|n| !bad(*n))).await;
    assert!(backend.hears_nothing_for(Duration::from_millis(50)).await);
    rig.settled(|counts| counts.delivered == 400 && counts.rejected == 200 && counts.queued == 0)
        .await;
}
