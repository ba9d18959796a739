//! Several connections to a binary upstream, on which everything goes wrong now and then.

use std::collections::BTreeSet;
use std::time::Duration;

use apns_rig::eventually::eventually;
use apns_rig::frames::framed;
use apns_rig::numbered::{each_once, payload, tally};
use apns_rig::phone::RigPhone;
use apns_rig::{Knobs, Rig, log, unknown_token};

const CONNECTIONS: usize = 4;
const PHONES: usize = 24;
const LAST: u32 = 2_400;
/// Every so manieth goes to a token that no phone has.
const EVERY_BAD: u32 = 90;

/// What happens once, to the notification of this number.
const FAULTS: [(&str, u32); 8] = [
    ("reset_peer", 300),
    ("shutdown", 500),
    ("close,taken=true", 700),
    ("status,status=1", 900),
    ("wrong_identifier", 1_100),
    ("half_close,taken=true", 1_300),
    ("status,status=128", 1_500),
    ("no_packet", 1_700),
];

fn bad(n: u32) -> bool {
    n.is_multiple_of(EVERY_BAD)
}

fn all_shown(rig: &Rig) -> Vec<u32> {
    rig.phones.iter().flat_map(RigPhone::numbers).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_on_one_of_several_connections_nothing_is_lost_and_each_phone_sees_its_order()
 {
    let mut rig = Rig::prepare(Knobs {
        phones: PHONES,
        quiet_period: Duration::from_millis(500),
        // Small, so that one connection is not enough.
        window: 50,
        ..Knobs::default()
    })
    .await;
    rig.binary_upstream().connections_max = CONNECTIONS;
    rig.config.apps[0].on_reject = apns_gateway::config::OnReject::Continue;
    rig.start_gateway().await;
    for (action, n) in FAULTS {
        rig.fault(&format!(
            "action={action},face=binary,limit=1,alert=number {n}"
        ));
    }
    let frame = |n: u32| {
        let token = match bad(n) {
            true => unknown_token(n),
            false => rig.phones[n as usize % PHONES].token.clone(),
        };
        framed(n, &token, &payload(n))
    };
    let frames: Vec<u8> = (1..=LAST).flat_map(frame).collect();
    rig.backend().await.send(&frames).await.unwrap();

    rig.settled(|counts| counts.accepted == u64::from(LAST) && counts.queued == 0)
        .await;
    let (wrong, good): (BTreeSet<u32>, BTreeSet<u32>) = (1..=LAST).partition(|n| bad(*n));
    let counts = rig.counts();
    assert_eq!(
        (counts.rejected, counts.delivered),
        (wrong.len() as u64, good.len() as u64)
    );
    eventually("all good ones on the phones", async || {
        let there: BTreeSet<u32> = all_shown(&rig).into_iter().collect();
        each_once(there, good.iter().copied())
    })
    .await;
    for phone in &rig.phones {
        let mut seen = BTreeSet::new();
        let mut firsts = phone.numbers();
        firsts.retain(|n| seen.insert(*n));
        assert!(firsts.is_sorted(), "in the order accepted: {firsts:?}");
    }
    let counters = rig.gateway().counters();
    let twice: usize = tally(all_shown(&rig)).values().map(|seen| seen - 1).sum();
    let unknown = counters.unknown_outcomes.read();
    assert!(
        twice as u64 <= unknown,
        "{twice} shown once too often, of {unknown} in doubt"
    );
    // Four of the faults end a connection without a word that can be used, and on each were fifty at most.
    assert!(unknown <= 5 * 50, "the others are not in doubt: {unknown}");
    // They are numbered from 0, and no other test of this process has so many.
    let last = format!("connected connection={}", CONNECTIONS - 1);
    assert!(!log::lines(&[&last]).is_empty(), "all of them were needed");
    let letters = rig.ledger.dead_letters();
    assert!(letters.iter().all(|letter| letter.status == Some(8)));
    rig.simulator.faults(|faults| {
        assert!(
            faults.rules().iter().all(|rule| rule.injected == 1),
            "a fault that did not act"
        );
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_simulators_answer_to_a_farewell_confirms_at_once_what_silence_would_only_in_an_hour() {
    let mut rig = Rig::prepare(Knobs {
        quiet_period: Duration::from_secs(3_600),
        ..Knobs::default()
    })
    .await;
    rig.binary_upstream().flush_after = Some(Duration::from_millis(20));
    rig.start_gateway().await;
    let phone = &rig.phones[0];
    let mut backend = rig.backend().await;
    for round in 1..=3_u32 {
        let frames: Vec<u8> = (round * 100 - 99..=round * 100)
            .flat_map(|n| match n % 50 {
                7 => framed(n, &unknown_token(n), &payload(n)),
                _ => framed(n, &phone.token, &payload(n)),
            })
            .collect();
        backend.send(&frames).await.unwrap();
        rig.settled(|counts| counts.delivered == u64::from(round) * 98 && counts.queued == 0)
            .await;
    }
    let good = (1..=300).filter(|n| n % 50 != 7);
    eventually("all of them", async || {
        each_once(phone.numbers(), good.clone())
    })
    .await;
    assert!(phone.numbers().is_sorted(), "in the order accepted");
    let counters = rig.gateway().counters();
    assert!(counters.flushes.read() >= 3);
    assert_eq!(counters.unknown_outcomes.read(), 0);
    assert_eq!(counters.surprises.read(), 0);
    assert_eq!(rig.counts().rejected, 6);

    // A stop asks, too, and need not wait for the hour to pass.
    let frames: Vec<u8> = (301..=320)
        .flat_map(|n| framed(n, &phone.token, &payload(n)))
        .collect();
    backend.send(&frames).await.unwrap();
    eventually("the last ones", async || match phone.numbers().len() {
        314 => Ok(()),
        other => Err(other),
    })
    .await;
    rig.stop_gateway().await;
    let counts = rig.counts();
    assert_eq!((counts.delivered, counts.queued), (314, 0));
}
