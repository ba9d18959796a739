//! Two legacy clients push 3,000 notifications, with bad tokens in the middle, through the gateway over today's HTTP/2, in every mode;
//! every good one is shown once.

use std::fs::File;
use std::process::Command;
use std::time::Duration;

use apns_gateway::config::OnReject;
use apns_rig::certificates::certificates;
use apns_rig::eventually::eventually;
use apns_rig::numbered::{each_once, tally};
use apns_rig::{Knobs, Rig, Upstream, unknown_token};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use crate::node_apn::{BATCH_PATIENCE, batch, no_trouble, node_apn, only, rejected};
use crate::ran::{Ran, root};

const LAST: u32 = 3_000;

async fn rig(on_reject: OnReject) -> Rig {
    let mut rig = Rig::prepare(Knobs {
        upstream: Upstream::Http2Token,
        ..Knobs::default()
    })
    .await;
    rig.config.apps[0].on_reject = on_reject;
    rig.start_gateway().await;
    rig
}

async fn shows(rig: &Rig, good: impl Iterator<Item = u32> + Clone) {
    eventually("each good one once", async || {
        each_once(rig.phones[0].numbers(), good.clone())
    })
    .await;
}

/// Of which numbers the client heard that they were refused, when it pushes `numbers` with those in `bad` to a bad token.
async fn pushed(rig: &Rig, numbers: std::ops::RangeInclusive<u32>, bad: &[u32]) -> Vec<Value> {
    let notifications = batch(rig, numbers, bad);
    let events = node_apn(rig, "push", rig.backend_address(), notifications).await;
    no_trouble(&events);
    only(&events, "rejected")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apn_hears_of_a_bad_token_the_next_time() {
    let rig = rig(OnReject::NextTime).await;
    assert_eq!(pushed(&rig, 1..=LAST, &[1500]).await, [] as [Value; 0]);
    let first = (1..=LAST).filter(|n| *n != 1500);
    shows(&rig, first.clone()).await;
    rig.settled(|counts| counts.queued == 0 && counts.rejected == 1)
        .await;
    let second = 10_001..=10_000 + LAST;
    assert_eq!(
        pushed(&rig, second.clone(), &[11_500]).await,
        [rejected(11_500)]
    );
    shows(&rig, first.chain(second.filter(|n| *n != 11_500))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apn_hears_of_no_bad_token_in_mode_continue() {
    let rig = rig(OnReject::Continue).await;
    for first in [1, 10_001] {
        let bad = [first + 1_000, first + 1_500];
        let last = first + LAST - 1;
        assert_eq!(pushed(&rig, first..=last, &bad).await, [] as [Value; 0]);
    }
    let good = (1..=LAST).chain(10_001..=10_000 + LAST);
    let bad = [1_001, 1_501, 11_001, 11_501];
    shows(&rig, good.filter(|n| !bad.contains(n))).await;
    rig.settled(|counts| counts.queued == 0 && counts.rejected == 4)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apn_hears_of_each_bad_token_at_first_sight_in_mode_exact() {
    let rig = rig(OnReject::Exact).await;
    // It closes 2.5 s after its last write, and one notification takes a round trip and a commit.
    let bad = [100, 200];
    assert_eq!(
        pushed(&rig, 1..=LAST, &bad).await,
        bad.map(rejected).to_vec()
    );
    shows(&rig, (1..=LAST).filter(|n| !bad.contains(n))).await;
}

/// The places of the tokens of which pushjack heard an error, and the error.
async fn pushjack(rig: &Rig, tokens: &[Vec<u8>], error_timeout: Duration) -> Value {
    let client = root("tests/rig/clients/pushjack");
    let python = client.join("venv/bin/python");
    assert!(
        python.exists(),
        "run: python3 -m venv {0}/venv && {0}/venv/bin/pip install -r {0}/requirements.txt",
        "tests/rig/clients/pushjack"
    );
    let backend = &certificates().backend;
    let certificate = rig.folder().join("pushjack.pem");
    let pem = format!("{}{}", backend.cert_pem, backend.key_pem.as_str());
    std::fs::write(&certificate, pem).expect("the folder can be written");
    let address = rig.backend_address();
    let job = json!({
        "address": address.ip().to_string(), "port": address.port(), "certificate": certificate,
        "tokens": tokens.iter().map(|token| HEXLOWER.encode(token)).collect::<Vec<_>>(),
        "alert": "number 7", "error_timeout": error_timeout.as_secs(),
    });
    let file = rig.folder().join("pushjack.job");
    std::fs::write(&file, job.to_string()).expect("the folder can be written");
    let stdin = File::open(&file).expect("the job was written");
    let mut command = Command::new(python);
    command
        .env("PYTHONWARNINGS", "ignore")
        .arg(client.join("client.py"));
    let ran = Ran::within(BATCH_PATIENCE, &mut command, stdin.into(), rig.folder()).await;
    let said: Value = serde_json::from_str(&ran.succeeded().stdout).expect("a line of JSON");
    said["errors"].clone()
}

/// 3,000 tokens of one phone, those at the places `bad` unknown.
fn tokens(rig: &Rig, bad: &[u32]) -> Vec<Vec<u8>> {
    (0..LAST)
        .map(|place| {
            if bad.contains(&place) {
                unknown_token(place)
            } else {
                rig.phones[0].token.clone()
            }
        })
        .collect()
}

async fn shows_seven(rig: &Rig, times: usize) {
    eventually("each good one once", async || {
        match tally(rig.phones[0].numbers()).get(&7) {
            Some(shown) if *shown == times => Ok(()),
            shown => Err(format!("{shown:?} of {times}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushjack_hears_of_bad_tokens_as_the_mode_has_it() {
    let bad = [1_000, 1_500];
    let good = LAST as usize - bad.len();
    let (none, both) = (json!([]), json!([[1_000, 8], [1_500, 8]]));
    for (on_reject, heard_each_time) in [
        (OnReject::NextTime, vec![&none, &both]),
        (OnReject::Continue, vec![&none, &none]),
        (OnReject::Exact, vec![&both]),
    ] {
        let rig = rig(on_reject).await;
        let tokens = tokens(&rig, &bad);
        // In mode `exact` the answer about the last bad one comes when all before it are settled.
        let error_timeout = match on_reject {
            OnReject::Exact => Duration::from_secs(10),
            OnReject::NextTime | OnReject::Continue => Duration::from_secs(2),
        };
        for (times, expected) in (1..).zip(heard_each_time) {
            let heard = pushjack(&rig, &tokens, error_timeout).await;
            assert_eq!(heard, *expected, "{on_reject:?}, time {times}");
            shows_seven(&rig, times * good).await;
            rig.settled(|counts| counts.queued == 0).await;
        }
    }
}
