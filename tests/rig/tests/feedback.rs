//! The way back: an app is removed, a push finds it gone, and every backend learns of it once.

#![expect(clippy::unwrap_used, reason = "in a test that is the message")]

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use apns_certs::Minted;
use apns_rig::certificates::{TOPIC, certificates, login};
use apns_rig::eventually::eventually;
use apns_rig::frames::framed;
use apns_rig::numbered::{each_once, payload};
use apns_rig::provider::Provider;
use apns_rig::{Knobs, Rig, Tuple};

fn knobs() -> Knobs {
    Knobs {
        phones: 2,
        feedback_poll_interval: Duration::from_millis(100),
        ..Knobs::default()
    }
}

/// A read of a feedback list that is not empty.
async fn some(rig: &Rig, address: SocketAddr, minted: &Minted) -> Result<Vec<Tuple>, &'static str> {
    let tuples = rig.feedback_at(address, minted).await;
    if tuples.is_empty() {
        Err("the list is empty")
    } else {
        Ok(tuples)
    }
}

/// A read of a feedback list that is empty.
async fn none(rig: &Rig, address: SocketAddr, minted: &Minted) -> Result<(), String> {
    let tuples = rig.feedback_at(address, minted).await;
    if tuples.is_empty() {
        Ok(())
    } else {
        Err(format!("{tuples:?}"))
    }
}

fn now() -> u32 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
        .try_into()
        .unwrap()
}

/// Removes the app from a phone and pushes to it once more, so that the phone can report it gone.
async fn uninstall_and_push(rig: &Rig, index: usize, n: u32) {
    let phone = &rig.phones[index];
    phone.link.with(|phone| phone.uninstall(TOPIC)).unwrap();
    rig.backend()
        .await
        .send(&framed(n, &phone.token, &payload(n)))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_app_reaches_every_backend_of_the_gateway_once_and_again_after_a_restart_only_what_is_new()
 {
    let mut rig = Rig::start_with(knobs()).await;
    let (one, two) = (&certificates().backend, &certificates().second_backend);
    let tokens = [rig.phones[0].token.clone(), rig.phones[1].token.clone()];
    let before = now();
    uninstall_and_push(&rig, 0, 1).await;
    let tuples = eventually("the tuple at the first backend", async || {
        some(&rig, rig.feedback_address(), one).await
    })
    .await;
    assert_eq!(tuples.len(), 1, "{tuples:?}");
    assert_eq!(tuples[0].token, tokens[0]);
    assert!(
        (before..=now()).contains(&tuples[0].timestamp),
        "{tuples:?}"
    );
    assert_eq!(none(&rig, rig.feedback_address(), one).await, Ok(()));
    rig.settled(|counts| counts.delivered == 1 && counts.rejected == 0)
        .await;

    rig.restart_gateway().await;
    assert_eq!(
        eventually("the tuple at the second backend", async || some(
            &rig,
            rig.feedback_address(),
            two
        )
        .await)
        .await,
        tuples
    );
    assert_eq!(none(&rig, rig.feedback_address(), two).await, Ok(()));
    assert_eq!(
        none(&rig, rig.feedback_address(), one).await,
        Ok(()),
        "the first cursor survives the restart"
    );

    uninstall_and_push(&rig, 1, 2).await;
    for backend in [one, two] {
        let tuples = eventually("the new tuple", async || {
            some(&rig, rig.feedback_address(), backend).await
        })
        .await;
        assert_eq!(
            tuples
                .iter()
                .map(|tuple| tuple.token.clone())
                .collect::<Vec<_>>(),
            [tokens[1].clone()]
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_was_not_read_to_the_end_is_served_again() {
    let rig = Rig::start_with(knobs()).await;
    let backend = &certificates().backend;
    uninstall_and_push(&rig, 0, 1).await;
    eventually("the gateway to have it", async || {
        rig.ledger.has_feedback(1)
    })
    .await;
    for _ in 0..2 {
        let connection = Provider::connect(rig.feedback_address(), rig.ca(), login(backend))
            .await
            .unwrap();
        connection.reset().unwrap();
    }
    let tuples = rig.feedback_at(rig.feedback_address(), backend).await;
    assert_eq!(tuples.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_simulator_serves_its_list_until_it_was_read_once() {
    let rig = Rig::prepare(knobs()).await;
    let phone = &rig.phones[0];
    let backend = &certificates().backend;
    let mut direct = rig.direct().await;
    phone.link.with(|phone| phone.uninstall(TOPIC)).unwrap();
    direct
        .send(&framed(1, &phone.token, &payload(1)))
        .await
        .unwrap();
    let address = rig.simulator.feedback();
    let tuples = eventually("the tuple", async || some(&rig, address, backend).await).await;
    assert_eq!(tuples.len(), 1, "{tuples:?}");
    assert_eq!(tuples[0].token, phone.token);
    assert_eq!(none(&rig, address, backend).await, Ok(()));
    // The other app of the phone is untouched.
    let login = login(&certificates().other_topic);
    let mut other = Provider::connect(rig.simulator.binary(), rig.ca(), login)
        .await
        .unwrap();
    other
        .send(&framed(2, &phone.second_token, &payload(2)))
        .await
        .unwrap();
    eventually("a push for the other app", async || {
        each_once(phone.numbers(), [2])
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_upstream_serves_badly_reaches_every_backend_once_all_the_same() {
    for fault in [
        "latency,ms=200",
        "bandwidth,bytes_per_second=200",
        "timeout,ms=50",
        "reset_peer",
        "half_close",
        "close",
        "slicer,ms=1",
        "slicer,bytes=37",
        "limit_data,bytes=0",
        "limit_data,bytes=50", // in the middle of the second tuple
        "slow_close,ms=200",
    ] {
        let mut rig = Rig::prepare(knobs()).await;
        let mut direct = rig.direct().await;
        for phone in &rig.phones {
            phone.link.with(|phone| phone.uninstall(TOPIC)).unwrap();
            let push = framed(1, &phone.token, &payload(1));
            direct.send(&push).await.unwrap();
        }
        eventually("both apps to be known as gone", async || {
            match rig.apps_gone() {
                2 => Ok(()),
                gone => Err(gone),
            }
        })
        .await;
        rig.fault(&format!("face=feedback,limit=1,action={fault}"));
        rig.start_gateway().await;
        let polls = || rig.gateway().counters().feedback_polls.read();
        eventually("a second read", async || match polls() {
            polls @ ..2 => Err(polls),
            _ => rig.ledger.has_feedback(2).map_err(|_| 2),
        })
        .await;
        assert!(polls() < 20, "{fault}: {} polls", polls());
        let acted = rig.simulator.faults(|faults| faults.rules()[0].injected);
        assert_eq!(acted, 1, "{fault}");

        let mut tokens: Vec<_> = rig.phones.iter().map(|phone| phone.token.clone()).collect();
        tokens.sort_unstable();
        for backend in [&certificates().backend, &certificates().second_backend] {
            let tuples = rig.feedback_at(rig.feedback_address(), backend).await;
            let mut told: Vec<_> = tuples.into_iter().map(|tuple| tuple.token).collect();
            told.sort_unstable();
            assert_eq!(told, tokens, "{fault}");
        }
    }
}
