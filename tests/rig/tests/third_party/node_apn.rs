//! npm `apn@1.7.8`, driven through everything it can do.

use std::fs::File;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use apns_rig::certificates::{TOPIC, certificates};
use apns_rig::eventually::eventually;
use apns_rig::frames::framed;
use apns_rig::numbered::{each_once, payload};
use apns_rig::{Knobs, Rig, unknown_token};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use crate::ran::{Ran, node_modules, root};

/// Longer than thousands of notifications take one by one on a busy machine, and than everything pushjack has to wait for.
pub(crate) const BATCH_PATIENCE: Duration = Duration::from_secs(120);

/// Runs the client with one job and waits for its end; everything it said.
pub(crate) async fn node_apn(
    rig: &Rig,
    verb: &str,
    address: SocketAddr,
    notifications: Vec<Value>,
) -> Vec<Value> {
    let (certificate, key) = rig.write(&certificates().backend, "node-apn");
    let ca = rig.folder().join("node-apn.ca.pem");
    std::fs::write(&ca, rig.ca()).expect("the folder can be written");
    let job = json!({
        "address": address.ip().to_string(), "port": address.port(),
        "ca": ca, "cert": certificate, "key": key, "notifications": notifications,
    });
    let file = rig.folder().join("node-apn.job");
    std::fs::write(&file, job.to_string()).expect("the folder can be written");
    let stdin = File::open(&file).expect("the job was written");
    let mut node = Command::new("node");
    node.env("NODE_PATH", node_modules())
        .arg(root("tests/rig/clients/node-apn.js"))
        .arg(verb);
    let ran = Ran::within(BATCH_PATIENCE, &mut node, stdin.into(), rig.folder()).await;
    ran.succeeded()
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("the client speaks JSON lines"))
        .collect()
}

/// Numbered notifications to the first phone, those in `bad` to a token no phone has.
pub(crate) fn batch(rig: &Rig, numbers: impl IntoIterator<Item = u32>, bad: &[u32]) -> Vec<Value> {
    let token = |n| {
        if bad.contains(&n) {
            bad_token()
        } else {
            rig.phones[0].token.clone()
        }
    };
    numbers
        .into_iter()
        .map(|n| json!({ "token": HEXLOWER.encode(&token(n)), "alert": format!("number {n}") }))
        .collect()
}

pub(crate) fn bad_token() -> Vec<u8> {
    unknown_token(1)
}

/// What the client must say of a notification that was refused for its token.
pub(crate) fn rejected(n: u32) -> Value {
    json!({ "event": "rejected", "code": 8, "alert": format!("number {n}"), "token": HEXLOWER.encode(&bad_token()) })
}

pub(crate) fn only(events: &[Value], event: &str) -> Vec<Value> {
    events
        .iter()
        .filter(|said| said["event"] == event)
        .cloned()
        .collect()
}

/// That the client noticed nothing it should not have.
pub(crate) fn no_trouble(events: &[Value]) {
    for trouble in ["socketError", "cacheTooSmall", "failed"] {
        assert_eq!(only(events, trouble), [] as [Value; 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_sends_to_the_simulator() {
    let rig = Rig::prepare(Knobs::default()).await;
    let events = node_apn(
        &rig,
        "push",
        rig.simulator.binary(),
        batch(&rig, 1..=20, &[]),
    )
    .await;
    no_trouble(&events);
    assert_eq!(only(&events, "rejected"), [] as [Value; 0]);
    eventually("twenty to be shown", async || {
        each_once(rig.phones[0].numbers(), 1..=20)
    })
    .await;
    assert_eq!(
        rig.phones[0].received()[0].payload,
        br#"{"aps":{"alert":"number 1"}}"#[..]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_sends_through_the_gateway() {
    let rig = Rig::start().await;
    let events = node_apn(
        &rig,
        "push",
        rig.backend_address(),
        batch(&rig, 1..=20, &[]),
    )
    .await;
    no_trouble(&events);
    assert_eq!(only(&events, "rejected"), [] as [Value; 0]);
    eventually("twenty to be shown", async || {
        each_once(rig.phones[0].numbers(), 1..=20)
    })
    .await;
    rig.settled(|counts| counts.delivered == 20 && counts.queued == 0)
        .await;
    assert_eq!(
        rig.phones[0].received()[0].payload,
        br#"{"aps":{"alert":"number 1"}}"#[..]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_hears_of_a_bad_token_from_the_simulator_and_sends_the_rest_again() {
    for last in [20, 3010] {
        let rig = Rig::prepare(Knobs::default()).await;
        let events = node_apn(
            &rig,
            "push",
            rig.simulator.binary(),
            batch(&rig, 1..=last, &[10]),
        )
        .await;
        assert_eq!(only(&events, "rejected"), [rejected(10)]);
        assert_eq!(only(&events, "cacheTooSmall"), [] as [Value; 0]);
        let good = (1..=last).filter(|n| *n != 10);
        eventually("each good one once", async || {
            each_once(rig.phones[0].numbers(), good.clone())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_hears_of_a_bad_token_from_the_gateway_at_the_second_sight_and_sends_the_rest_again() {
    for last in [20, 3010] {
        let rig = Rig::start().await;
        let address = rig.backend_address();
        let events = node_apn(&rig, "push", address, batch(&rig, 1..=last, &[10])).await;
        no_trouble(&events);
        assert_eq!(
            only(&events, "rejected"),
            [] as [Value; 0],
            "at first sight"
        );
        let first = (1..=last).filter(|n| *n != 10);
        eventually("each good one once", async || {
            each_once(rig.phones[0].numbers(), first.clone())
        })
        .await;
        rig.settled(|counts| counts.queued == 0 && counts.rejected == 1)
            .await;

        let second = 10_001..=10_000 + last;
        let events = node_apn(
            &rig,
            "push",
            address,
            batch(&rig, second.clone(), &[10_010]),
        )
        .await;
        assert_eq!(
            only(&events, "rejected"),
            [rejected(10_010)],
            "at the second"
        );
        assert_eq!(only(&events, "cacheTooSmall"), [] as [Value; 0]);
        let good = first.chain(second.filter(|n| *n != 10_010));
        eventually("each good one of both once", async || {
            each_once(rig.phones[0].numbers(), good.clone())
        })
        .await;
        rig.settled(|counts| counts.queued == 0 && counts.rejected == 2)
            .await;
        assert_eq!(each_once(rig.phones[0].numbers(), good), Ok(()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_reads_the_feedback_of_both() {
    for through_the_gateway in [false, true] {
        let mut rig = Rig::prepare(Knobs::default()).await;
        let phone = &rig.phones[0];
        let token = phone.token.clone();
        phone.link.with(|phone| phone.uninstall(TOPIC)).unwrap();
        rig.direct()
            .await
            .send(&framed(1, &token, &payload(1)))
            .await
            .unwrap();
        eventually("the phone to say that its app is gone", async || {
            (rig.apps_gone() == 1).then_some(()).ok_or("not yet")
        })
        .await;
        let address = if through_the_gateway {
            rig.start_gateway().await; // reads the simulator's list at once
            eventually("the gateway to have it", async || {
                rig.ledger.has_feedback(1)
            })
            .await;
            rig.feedback_address()
        } else {
            rig.simulator.feedback()
        };
        let events = node_apn(&rig, "feedback", address, Vec::new()).await;
        no_trouble(&events);
        let tuples = &only(&events, "feedback")[0]["tuples"];
        assert_eq!(tuples.as_array().map(Vec::len), Some(1), "{tuples}");
        assert_eq!(tuples[0]["token"], HEXLOWER.encode(&token));
        assert!(tuples[0]["time"].as_u64() > Some(1_700_000_000), "{tuples}");
        let events = node_apn(&rig, "feedback", address, Vec::new()).await;
        assert_eq!(
            only(&events, "feedback")[0]["tuples"],
            json!([]),
            "what was read is not read again"
        );
    }
}
