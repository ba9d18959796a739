//! The bridge: binary in, HTTP/2 out, to the simulator's provider API and on to the phones.

use std::collections::BTreeSet;

use apns_rig::eventually::eventually;
use apns_rig::numbered::{each_once, payload};
use apns_rig::{Knobs, Rig, Upstream, frames, unknown_token};

async fn rig(upstream: Upstream) -> Rig {
    Rig::start_with(Knobs {
        upstream,
        ..Knobs::default()
    })
    .await
}

/// Frames for `numbers`, those in `bad` to tokens that no phone has.
fn batch(rig: &Rig, numbers: impl IntoIterator<Item = u32>, bad: &BTreeSet<u32>) -> Vec<u8> {
    let token = &rig.phones[0].token;
    numbers
        .into_iter()
        .flat_map(|n| match bad.contains(&n) {
            true => frames::framed(n, &unknown_token(n), &payload(n)),
            false => frames::framed(n, token, &payload(n)),
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_thousand_with_bad_tokens_in_the_middle_show_each_good_one_once_whatever_the_login() {
    for upstream in [Upstream::Http2Token, Upstream::Http2Certificate] {
        let rig = rig(upstream).await;
        let bad = BTreeSet::from([700, 701, 1_500, 2_999]);
        let mut backend = rig.backend().await;
        backend.send(&batch(&rig, 1..=3_000, &bad)).await.unwrap();
        rig.settled(|counts| counts.accepted == 3_000 && counts.queued == 0)
            .await;
        let good = (1..=3_000).filter(|n| !bad.contains(n));
        eventually("each good one once", async || {
            each_once(rig.phones[0].numbers(), good.clone())
        })
        .await;
        assert_eq!(rig.phones[0].numbers().len(), 2_996, "{upstream:?}");
        assert!(rig.phones[0].numbers().is_sorted(), "in the order accepted");
        let counts = rig.counts();
        assert_eq!((counts.delivered, counts.rejected), (2_996, 4));
    }
}
