//! The end of a gateway that is asked to stop (order contract, rule 11).

use std::io::ErrorKind;
use std::time::Duration;

use apns_rig::Knobs;
use apns_rig::Rig;
use apns_rig::eventually::eventually;
use apns_rig::frames::{error_packet, framed, simple};
use apns_rig::numbered::{each_once, payload};
use apns_rig::provider::{Ending, Farewell, Provider};

const BARE_CLOSE: Farewell = Farewell {
    bytes: Vec::new(),
    ending: Ending::CloseNotify,
};

async fn rig() -> Rig {
    let mut rig = Rig::prepare(Knobs::default()).await;
    rig.config.shutdown.idle = Duration::from_millis(300);
    rig.config.shutdown.drain_timeout = Duration::from_millis(1500);
    rig.start_gateway().await;
    rig
}

/// Writes good notifications, numbered from `first`, until the gateway says something; how many were written, and what it said.
async fn keep_busy(mut backend: Provider, token: Vec<u8>, first: u32) -> (u32, Option<[u8; 6]>) {
    for n in first.. {
        if backend.send(&framed(n, &token, &payload(n))).await.is_err() {
            return (n - 1, None);
        }
        match backend.packet_within(Duration::from_millis(20)).await {
            Ok(None) => {}
            Ok(Some(packet)) => return (n, Some(packet)),
            Err(_) => return (n, None),
        }
    }
    unreachable!("there are more numbers than time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_backend_is_closed_and_a_busy_one_is_told_the_last_notification_that_was_taken() {
    let mut rig = rig().await;
    let phone_token = rig.phones[0].token.clone();
    let mut idle = rig.backend().await;
    let mut finished = rig.backend().await;
    finished
        .send(&framed(1, &phone_token, &payload(1)))
        .await
        .unwrap();
    rig.settled(|counts| counts.accepted == 1).await;
    let busy = tokio::spawn(keep_busy(rig.backend().await, phone_token.clone(), 1001));
    rig.settled(|counts| counts.accepted > 3).await;
    let address = rig.backend_address();
    rig.stop_gateway().await;

    assert_eq!(idle.farewell().await.unwrap(), BARE_CLOSE);
    assert_eq!(finished.farewell().await.unwrap(), BARE_CLOSE);
    let (written, packet) = busy.await.unwrap();
    let last = 1000 + u32::try_from(rig.counts().accepted).unwrap() - 1;
    assert_eq!(
        packet,
        Some(error_packet(10, last)),
        "{written} were written"
    );
    assert!(
        tokio::net::TcpStream::connect(address).await.is_err(),
        "nobody listens any more"
    );

    // Everything up to the named one is the gateway's to deliver, whenever it runs again.
    rig.start_gateway().await;
    let expected = || [1].into_iter().chain(1001..=last);
    eventually("everything taken", async || {
        each_once(rig.phones[0].numbers(), expected())
    })
    .await;
    rig.settled(|counts| counts.queued == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_backend_whose_last_notification_has_no_identifier_is_closed_without_a_packet() {
    let mut rig = rig().await;
    let token = rig.phones[0].token.clone();
    let mut backend = rig.backend().await;
    backend.send(&simple(&token, &payload(1))).await.unwrap();
    rig.settled(|counts| counts.accepted == 1).await;
    let busy = tokio::spawn(async move {
        // Bytes, but never a whole frame more: busy all the same.
        for byte in framed(2, &token, &[b' '; 2000]) {
            backend.send(&[byte]).await.unwrap();
            match backend.packet_within(Duration::from_millis(50)).await {
                Ok(None) => {}
                Ok(Some(packet)) => panic!("{packet:?} names nothing the backend knows"),
                Err(closed) => return closed.kind(),
            }
        }
        unreachable!("there are more bytes than time")
    });
    rig.stop_gateway().await;
    assert_eq!(busy.await.unwrap(), ErrorKind::UnexpectedEof);
    assert_eq!(rig.counts().accepted, 1);
}
