//! An upstream that goes away, comes back, stalls and breaks.

use std::collections::BTreeSet;
use std::time::Duration;

use apns_rig::eventually::{eventually, let_pass};
use apns_rig::frames::framed;
use apns_rig::numbered::{each_once, payload, payload_of_len};
use apns_rig::{Knobs, Rig};

/// That every number up to `last` is on the phone, however often.
fn all_there(rig: &Rig, last: u32) -> Result<(), String> {
    let there: BTreeSet<_> = rig.phones[0].numbers().into_iter().collect();
    each_once(there, 1..=last)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_is_down_and_comes_back_gets_everything_once_and_in_order() {
    let rig = Rig::start().await;
    let phone = &rig.phones[0];
    let mut backend = rig.backend().await;
    let send = async |backend: &mut apns_rig::provider::Provider,
                      numbers: std::ops::RangeInclusive<u32>| {
        let frames: Vec<u8> = numbers
            .flat_map(|n| framed(n, &phone.token, &payload(n)))
            .collect();
        backend.send(&frames).await.unwrap();
    };
    send(&mut backend, 1..=100).await;
    rig.settled(|counts| counts.delivered == 100 && counts.queued == 0)
        .await;
    rig.upstream.take_down().await;
    send(&mut backend, 101..=400).await;
    rig.settled(|counts| counts.accepted == 400 && counts.queued == 300)
        .await;
    rig.upstream.resume();
    eventually("everything", async || each_once(phone.numbers(), 1..=400)).await;
    send(&mut backend, 401..=500).await;
    rig.settled(|counts| counts.delivered == 500 && counts.queued == 0)
        .await;
    eventually("the rest", async || each_once(phone.numbers(), 1..=500)).await;
    assert!(phone.numbers().is_sorted(), "in the order accepted");
}

/// Quiet periods pass while writes are pending. What counts them as confirmation loses what the reset then destroys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_stalls_under_load_for_three_quiet_periods_and_then_resets_loses_nothing()
{
    let quiet_period = Duration::from_millis(250);
    let rig = Rig::start_with(Knobs {
        quiet_period,
        upstream_receive_buffer: Some(4096),
        ..Knobs::default()
    })
    .await;
    let phone = &rig.phones[0];
    let last = 6000;
    let token = phone.token.clone();
    let mut backend = rig.backend().await;
    let writer = tokio::spawn(async move {
        for n in 1..=last {
            backend
                .send(&framed(n, &token, &payload_of_len(n, 1000)))
                .await
                .unwrap();
        }
        backend
    });
    eventually("the load to flow", async || match phone.numbers().len() {
        shown @ ..500 => Err(shown),
        _ => Ok(()),
    })
    .await;
    rig.upstream.stall();
    assert!(
        phone.numbers().len() < 4000,
        "the stall came too late to matter"
    );
    let_pass(3, quiet_period).await;
    // A stalled connection must have been full: else nothing was pending, and nothing was tested.
    rig.settled(|counts| counts.accepted - counts.delivered > 1500)
        .await;
    eventually("what counts as delivered to be on the phone", async || {
        let (delivered, shown) = (rig.counts().delivered, phone.numbers().len() as u64);
        if delivered <= shown {
            Ok(())
        } else {
            Err(format!("{delivered} delivered, {shown} shown"))
        }
    })
    .await;
    rig.upstream.reset();
    rig.upstream.resume();
    eventually("everything, after the reconnect", async || {
        all_there(&rig, last)
    })
    .await;
    rig.settled(|counts| counts.delivered == u64::from(last) && counts.queued == 0)
        .await;
    writer.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_breaks_again_and_again_under_load_loses_nothing() {
    let rig = Rig::start().await;
    let phone = &rig.phones[0];
    let last = 2000;
    let token = phone.token.clone();
    let mut backend = rig.backend().await;
    let writer = tokio::spawn(async move {
        for n in 1..=last {
            backend.send(&framed(n, &token, &payload(n))).await.unwrap();
        }
        backend
    });
    for shown in [100, 400, 800, 1200] {
        eventually("some to be shown", async || {
            if phone.numbers().len() >= shown {
                Ok(())
            } else {
                Err(phone.numbers().len())
            }
        })
        .await;
        rig.upstream.reset();
    }
    eventually("everything", async || all_there(&rig, last)).await;
    rig.settled(|counts| counts.delivered == u64::from(last) && counts.queued == 0)
        .await;
    writer.await.unwrap();
}
