//! A gateway that is killed again and again, at random instants: nothing that it had accepted is lost, whatever it was doing.
//!
//! `APNS_SOAK_KILLS` says how often (20), `APNS_SOAK_SEED` repeats a run; the seed is printed.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::time::Duration;

use apns_rig::eventually::{eventually_within, let_pass};
use apns_rig::frames::framed;
use apns_rig::numbered::{number, payload, tally};
use apns_rig::phone::RigPhone;
use apns_rig::provider::Provider;
use apns_rig::{Knobs, Rig, Upstream, unknown_token};
use apns_simulator::event::{Post, Sent, What};

const GATEWAY: &str = env!("CARGO_BIN_EXE_rig-gateway");

/// Written at a time.
const BURST: u32 = 10;
/// Every so manieth goes to a token that no phone has.
const EVERY_BAD: u32 = 70;
/// So many take turns.
const PHONES: usize = 32;
/// Notifications under way at most.
const WINDOW: usize = 40;
/// How long a gateway lives at most.
const LIFE_MAX: Duration = Duration::from_millis(300);
/// What the last gateway may take, for each one before it, for all that is left.
const PATIENCE: Duration = Duration::from_secs(5);

fn setting(name: &str) -> Option<u64> {
    let value = env::var(name).ok().filter(|value| !value.is_empty())?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name}={value} is no number")),
    )
}

/// Writes notifications numbered from `first` on, to one token after the other, until the connection breaks; it never reads.
async fn write_until_broken(mut backend: Provider, tokens: Vec<Vec<u8>>, first: u32) {
    let frame = |n: u32| {
        let token = match n.is_multiple_of(EVERY_BAD) {
            true => unknown_token(n),
            false => tokens[n as usize % tokens.len()].clone(),
        };
        framed(n, &token, &payload(n))
    };
    for burst in 0.. {
        let from = first + burst * BURST;
        let frames: Vec<u8> = (from..from + BURST).flat_map(frame).collect();
        if backend.send(&frames).await.is_err() {
            return;
        }
        let_pass(1, Duration::from_millis(10)).await;
    }
}

async fn soak(upstream: Upstream) {
    let kills = setting("APNS_SOAK_KILLS").unwrap_or(20);
    let seed = setting("APNS_SOAK_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("{upstream:?}: APNS_SOAK_SEED={seed} APNS_SOAK_KILLS={kills}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut rig = Rig::prepare(Knobs {
        upstream,
        phones: PHONES,
        // Longer than any answer takes on a busy machine: what is refused after it counts as delivered.
        quiet_period: Duration::from_secs(1),
        // Few enough to need several connections, where one may have so many on its way.
        window: WINDOW,
        ..Knobs::default()
    })
    .await;
    // A backend that never reads: what is behind a bad notification is accepted too, so that what is accepted is known.
    rig.config.apps[0].on_reject = apns_gateway::config::OnReject::Continue;
    let patience = PATIENCE * u32::try_from(kills).expect("a number of kills");
    let mut committed = BTreeSet::new();
    let mut first = 1;
    for _ in 0..kills {
        let mut gateway = rig.gateway_process(GATEWAY).await;
        let before = rig.counts().accepted;
        let backend = rig.backend_at(gateway.address("backend")).await;
        let tokens = rig.phones.iter().map(|phone| phone.token.clone());
        let writer = tokio::spawn(write_until_broken(backend, tokens.collect(), first));
        let millis = u64::try_from(LIFE_MAX.as_millis()).expect("less than a second");
        let_pass(1, Duration::from_millis(random.u64(0..millis))).await;
        gateway.kill();
        writer.await.expect("the writer has no reason to panic");
        // One connection, in its order: what was committed is a prefix. Its looking checks the identity, too.
        let accepted = u32::try_from(rig.counts().accepted - before).expect("a life is short");
        committed.extend(first..first + accepted);
        first += 1_000_000;
    }

    assert!(
        committed.len() >= 100,
        "{} accepted in all: that tests nothing",
        committed.len()
    );
    let last = rig.gateway_process(GATEWAY).await;
    let counts = eventually_within(patience, "the queue to run dry", async || {
        let counts = rig.counts();
        if counts.queued == 0 {
            Ok(counts)
        } else {
            Err(format!("{counts:?}"))
        }
    })
    .await;
    let (bad, good): (BTreeSet<u32>, BTreeSet<u32>) =
        committed.iter().partition(|n| n.is_multiple_of(EVERY_BAD));
    assert_eq!(counts.accepted, committed.len() as u64, "seed {seed}");
    assert_eq!((counts.expired, counts.given_up), (0, 0), "seed {seed}");
    assert_eq!(
        (counts.delivered, counts.rejected),
        (good.len() as u64, bad.len() as u64),
        "seed {seed}"
    );
    let shown = eventually_within(patience, "all good ones on the phone", async || {
        let shown = tally(rig.phones.iter().flat_map(RigPhone::numbers));
        let missing = good.iter().filter(|n| !shown.contains_key(n)).count();
        if missing == 0 {
            Ok(shown)
        } else {
            Err(format!("{missing} are missing, seed {seed}"))
        }
    })
    .await;
    let strangers: Vec<_> = shown.keys().filter(|n| !good.contains(n)).collect();
    assert!(
        strangers.is_empty(),
        "{strangers:?} were never accepted, seed {seed}"
    );
    let letters = rig.ledger.dead_letters();
    let buried: BTreeSet<_> = letters
        .iter()
        .map(|letter| number(&letter.payload))
        .collect();
    assert_eq!(buried, bad, "seed {seed}");
    match upstream {
        // After enough kills too much is left for one connection.
        Upstream::Binary if kills >= 20 => {
            assert!(
                last.stderr().contains("connected connection=1"),
                "several connections, seed {seed}"
            );
        }
        Upstream::Binary => {}
        Upstream::Http2Token | Upstream::Http2Certificate => one_id_each(&rig, seed),
    }
}

/// However often one was sent, it was under the same id.
fn one_id_each(rig: &Rig, seed: u64) {
    let mut ids = BTreeMap::new();
    for event in rig.simulator.events(0, usize::MAX).events {
        if let What::Accepted { request, .. } = event.what
            && let Sent::Post(post) = request.sent
        {
            let Post { id, body, .. } = *post;
            let before = ids.insert(number(&body), id);
            assert!(before.is_none_or(|before| before == id), "seed {seed}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_killed_at_random_instants_loses_nothing_over_http2() {
    soak(Upstream::Http2Token).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_killed_at_random_instants_loses_nothing_over_the_binary_protocol() {
    soak(Upstream::Binary).await;
}
