//! The binary face: what is said to whom, byte for byte.

use std::time::Duration;

use apns_certs::Kind;
use apns_simulator::Timeouts;
use apns_simulator::event::What;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{
    DEADLINE, SECOND, Scene, TOPIC, Tap, alert, dial, framed, has_received, received, soon,
    to_the_end,
};

/// No phone has it.
const UNKNOWN: [u8; 32] = [0xee; 32];

/// Command 0 [P-10].
fn simple(token: &[u8], payload: &str) -> Vec<u8> {
    let mut frame = vec![0, 0, u8::try_from(token.len()).unwrap()];
    frame.extend(token);
    frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    frame.extend(payload.as_bytes());
    frame
}

/// Command 1 [P-11].
fn enhanced(identifier: u32, token: &[u8], payload: &str) -> Vec<u8> {
    let mut frame = vec![1];
    frame.extend(identifier.to_be_bytes());
    frame.extend([0x7f, 0xff, 0xff, 0xff]);
    frame.extend(&simple(token, payload)[1..]);
    frame
}

/// The clause and status of every refusal so far.
fn refusals(scene: &Scene) -> Vec<(Option<u8>, &'static str)> {
    let page = scene.simulator.events(0, usize::MAX);
    page.events
        .into_iter()
        .filter_map(|event| match event.what {
            What::Rejected { status, clause, .. } => Some((status.map(|status| status.0), clause)),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn all_three_commands_mixed_on_one_connection_arrive_in_order() {
    let scene = Scene::set().await;
    let (phone, token) = scene.phone("iPhone").await;
    let mut provider = scene.provider().await;
    let bytes = [
        simple(token.as_bytes(), &alert(0)),
        enhanced(7, token.as_bytes(), &alert(1)),
        framed(7, token.as_bytes(), &alert(2)),
        simple(token.as_bytes(), &alert(3)),
    ]
    .concat();
    provider.write_all(&bytes).await.unwrap();
    has_received(&phone, &[alert(0), alert(1), alert(2), alert(3)]).await;
}

#[tokio::test]
async fn frames_cut_anywhere_arrive_all_the_same() {
    let scene = Scene::set().await;
    let (phone, token) = scene.phone("iPhone").await;
    let mut provider = scene.provider().await;
    let bytes = [
        framed(1, token.as_bytes(), &alert("one")),
        framed(2, token.as_bytes(), &alert("two")),
    ]
    .concat();
    for byte in bytes {
        // Each in a record of its own.
        provider.write_all(&[byte]).await.unwrap();
        provider.flush().await.unwrap();
    }
    has_received(&phone, &[alert("one"), alert("two")]).await;
}

#[tokio::test]
async fn a_bad_token_gets_exactly_six_bytes_with_its_identifier_and_then_the_close() {
    let scene = Scene::set().await;
    let mut provider = scene.provider().await;
    provider
        .write_all(&framed(0x8000_0007, &UNKNOWN, &alert("hi")))
        .await
        .unwrap();
    assert_eq!(to_the_end(&mut provider).await, [8, 8, 0x80, 0, 0, 7]);
    assert_eq!(refusals(&scene), [(Some(8), "P-37")]);
}

#[tokio::test]
async fn the_six_bytes_come_in_one_record() {
    let scene = Scene::set().await;
    let identity = scene.portal.provider();
    let mut provider = Tap::dial(scene.simulator.binary(), &identity, scene.portal.roots()).await;
    let bytes = framed(5, &UNKNOWN, &alert("hi"));
    provider.write_all(&bytes).await.unwrap();
    assert_eq!(to_the_end(&mut provider).await, [8, 8, 0, 0, 0, 5]);
    // Application data, six bytes; then the close_notify alert.
    assert_eq!(provider.get_ref().0.records(), [(23, 6), (21, 2)]);
}

#[tokio::test]
async fn what_came_before_the_bad_one_is_delivered_and_what_came_after_is_discarded() {
    let scene = Scene::set().await;
    let (phone, token) = scene.phone("iPhone").await;
    let mut provider = scene.provider().await;
    let mut bytes = Vec::new();
    for identifier in 0..100 {
        let token = if identifier == 50 {
            &UNKNOWN[..]
        } else {
            token.as_bytes()
        };
        bytes.extend(framed(identifier, token, &alert(identifier)));
    }
    provider.write_all(&bytes).await.unwrap();
    assert_eq!(to_the_end(&mut provider).await, [8, 8, 0, 0, 0, 50]);
    drop(provider);
    let before: Vec<_> = (0..50).map(alert).collect();
    has_received(&phone, &before).await;
    // The connection is over, and so is all that could still have been taken from it.
    scene
        .simulator
        .wait_for("the discarded bytes", DEADLINE, |world| {
            world
                .events(0, usize::MAX)
                .events
                .into_iter()
                .find_map(|event| match event.what {
                    What::Discarded { len, .. } => Some(len),
                    _ => None,
                })
        })
        .await
        .unwrap();
    assert_eq!(received(&phone), before);
}

#[tokio::test]
async fn a_client_that_writes_megabytes_before_it_reads_still_gets_its_six_bytes() {
    let scene = Scene::set().await;
    let (_phone, token) = scene.phone("iPhone").await;
    let mut provider = scene.provider().await;
    let mut bytes = framed(1, &UNKNOWN, &alert("bad"));
    let good = framed(2, token.as_bytes(), &alert("x".repeat(1500)));
    while bytes.len() < 4 * 1024 * 1024 {
        bytes.extend(&good);
    }
    soon(provider.write_all(&bytes)).await.unwrap();
    assert_eq!(to_the_end(&mut provider).await, [8, 8, 0, 0, 0, 1]);
}

#[tokio::test]
async fn bytes_written_right_before_the_close_count() {
    let scene = Scene::set().await;
    let (phone, token) = scene.phone("iPhone").await;
    let mut provider = scene.provider().await;
    let payloads: Vec<_> = (0..500).map(alert).collect();
    let bytes: Vec<u8> = payloads
        .iter()
        .flat_map(|payload| framed(0, token.as_bytes(), payload))
        .collect();
    provider.write_all(&bytes).await.unwrap();
    provider.shutdown().await.unwrap();
    drop(provider);
    has_received(&phone, &payloads).await;
}

#[tokio::test]
async fn a_frame_cut_off_by_the_close_is_lost_and_nothing_else() {
    let scene = Scene::set().await;
    let (phone, token) = scene.phone("iPhone").await;
    let mut provider = scene.provider().await;
    let cut = framed(2, token.as_bytes(), &alert("cut"));
    provider
        .write_all(&framed(1, token.as_bytes(), &alert("whole")))
        .await
        .unwrap();
    provider.write_all(&cut[..cut.len() - 1]).await.unwrap();
    provider.shutdown().await.unwrap();
    assert_eq!(to_the_end(&mut provider).await, [0_u8; 0]);
    has_received(&phone, &[alert("whole")]).await;
}

#[tokio::test]
async fn every_malformed_notification_gets_its_documented_end() {
    let scene = Scene::set().await;
    let (phone, token) = scene.phone("iPhone").await;
    let token = token.as_bytes();
    let mut odd_items = framed(9, token, "{}");
    odd_items.push(0); // A trailing byte, inside the frame by its length.
    odd_items[4] += 1;
    // What is sent, what comes back before the close, the clause.
    type Row = (&'static str, Vec<u8>, Vec<u8>, (Option<u8>, &'static str));
    let table: Vec<Row> = vec![
        ("unknown command", vec![7, 1, 2, 3], vec![], (None, "P-18")),
        (
            "an HTTP request",
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            vec![],
            (None, "P-18"),
        ),
        (
            "frame length 0xFFFFFFFF",
            vec![2, 0xff, 0xff, 0xff, 0xff],
            vec![8, 128, 0, 0, 0, 0],
            (Some(128), "P-17"),
        ),
        (
            "item past the frame",
            vec![2, 0, 0, 0, 5, 1, 0, 32, 0xa1, 0xa1],
            vec![8, 128, 0, 0, 0, 0],
            (Some(128), "P-16"),
        ),
        (
            "trailing byte",
            odd_items,
            vec![8, 128, 0, 0, 0, 9],
            (Some(128), "P-16"),
        ),
        (
            "oversize payload",
            framed(3, token, &"x".repeat(2049)),
            vec![8, 7, 0, 0, 0, 3],
            (Some(7), "P-36"),
        ),
        (
            "empty token",
            framed(4, &[], "{}"),
            vec![8, 2, 0, 0, 0, 4],
            (Some(2), "P-33"),
        ),
        (
            "short token",
            framed(5, &[0xa1; 31], "{}"),
            vec![8, 5, 0, 0, 0, 5],
            (Some(5), "P-34"),
        ),
        (
            "long token",
            framed(6, &[0xa1; 101], "{}"),
            vec![8, 5, 0, 0, 0, 6],
            (Some(5), "P-34"),
        ),
        (
            "empty payload",
            framed(7, token, ""),
            vec![8, 4, 0, 0, 0, 7],
            (Some(4), "P-35"),
        ),
        (
            "farewell",
            framed(8, &[], ""),
            vec![8, 2, 0, 0, 0, 8],
            (Some(2), "P-44"),
        ),
        (
            "command 0, unknown token",
            simple(&UNKNOWN, "{}"),
            vec![],
            (None, "P-37"),
        ),
        (
            "command 0, empty payload",
            simple(token, ""),
            vec![],
            (None, "P-35"),
        ),
        (
            "command 1, unknown token",
            enhanced(10, &UNKNOWN, "{}"),
            vec![8, 8, 0, 0, 0, 10],
            (Some(8), "P-37"),
        ),
        // [P-38]: no identifier, so 0.
        (
            "command 2 without identifier",
            vec![2, 0, 0, 0, 6, 1, 0, 0, 2, 0, 0],
            vec![8, 2, 0, 0, 0, 0],
            (Some(2), "P-44"),
        ),
    ];
    for (index, (what, bytes, answer, refusal)) in table.into_iter().enumerate() {
        let mut provider = scene.provider().await;
        let payload = alert(index);
        let all = [
            framed(1, token, &payload),
            bytes,
            framed(99, token, &alert("after")),
        ]
        .concat();
        provider.write_all(&all).await.unwrap();
        assert_eq!(to_the_end(&mut provider).await, answer, "{what}");
        phone
            .received(DEADLINE, |received| received.payload == payload.as_bytes())
            .await
            .unwrap();
        assert_eq!(refusals(&scene).last(), Some(&refusal), "{what}");
    }
    assert!(
        received(&phone)
            .iter()
            .all(|payload| !payload.contains("after"))
    );
}

#[tokio::test]
async fn a_frame_that_trickles_in_is_given_up_at_its_deadline_without_a_word() {
    let frame = Duration::from_millis(300);
    let scene = Scene::set_with(|config| {
        config.timeouts = Timeouts {
            frame,
            ..Timeouts::default()
        }
    })
    .await;
    let (phone, token) = scene.phone("iPhone").await;
    let mut provider = scene.provider().await;
    let slow = framed(2, token.as_bytes(), &alert("slow"));
    provider
        .write_all(&framed(1, token.as_bytes(), &alert("before")))
        .await
        .unwrap();
    let mut sent = 0;
    // A byte now and then, until the close.
    let ended = soon(async {
        loop {
            provider.write_all(&slow[sent..=sent]).await.unwrap();
            sent += 1;
            if let Ok(ended) = timeout(frame / 5, provider.read(&mut [0])).await {
                return ended;
            }
        }
    })
    .await;
    assert_eq!(ended.unwrap(), 0);
    assert!(sent < slow.len(), "it ended before the frame did");
    has_received(&phone, &[alert("before")]).await;
}

#[tokio::test]
async fn an_idle_connection_stays_open() {
    let timeouts = Timeouts {
        frame: Duration::from_millis(50),
        write: Duration::from_millis(50),
        ..Timeouts::default()
    };
    let scene = Scene::set_with(|config| config.timeouts = timeouts).await;
    let (phone, token) = scene.phone("iPhone").await;
    let mut provider = scene.provider().await;
    let silence = timeout(Duration::from_millis(300), provider.read(&mut [0])).await;
    assert!(silence.is_err(), "{silence:?}");
    provider
        .write_all(&framed(1, token.as_bytes(), &alert("late")))
        .await
        .unwrap();
    has_received(&phone, &[alert("late")]).await;
}

#[tokio::test]
async fn a_token_is_good_only_for_its_own_app() {
    let scene = Scene::set().await;
    let (phone, token) = scene.phone("iPhone").await;
    let second = phone.token(SECOND, DEADLINE).await.unwrap();
    assert_ne!(token, second);
    let mut provider = scene.provider().await;
    provider
        .write_all(&framed(1, second.as_bytes(), &alert("not mine")))
        .await
        .unwrap();
    assert_eq!(to_the_end(&mut provider).await, [8, 8, 0, 0, 0, 1]);
}

#[tokio::test]
async fn a_voip_certificate_may_send_longer_payloads() {
    let scene = Scene::set().await;
    let identity = scene.portal.push(Kind::Voip, TOPIC);
    let mut provider = dial(
        scene.simulator.binary(),
        Some(&identity),
        scene.portal.roots(),
    )
    .await
    .unwrap();
    // A token of nobody: what is refused is the token, not the length.
    provider
        .write_all(&framed(1, &UNKNOWN, &"x".repeat(4096)))
        .await
        .unwrap();
    assert_eq!(to_the_end(&mut provider).await, [8, 8, 0, 0, 0, 1]);
}

#[tokio::test]
async fn a_stopping_simulator_names_the_last_one_it_took() {
    let scene = Scene::set().await;
    let (phone, token) = scene.phone("iPhone").await;
    let mut provider = scene.provider().await;
    let mut idle = scene.provider().await;
    provider
        .write_all(&framed(41, token.as_bytes(), &alert("one")))
        .await
        .unwrap();
    provider
        .write_all(&framed(42, token.as_bytes(), &alert("two")))
        .await
        .unwrap();
    has_received(&phone, &[alert("one"), alert("two")]).await;
    let address = scene.simulator.binary();
    let (said, said_idle, ()) = tokio::join!(
        to_the_end(&mut provider),
        to_the_end(&mut idle),
        soon(scene.simulator.shutdown())
    );
    assert_eq!(said, [8, 10, 0, 0, 0, 42]);
    assert_eq!(said_idle, [0_u8; 0]);
    assert!(TcpStream::connect(address).await.is_err());
}
