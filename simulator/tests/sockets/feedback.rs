//! The feedback face, and how a token gets on its list.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use apns_net::credentials::Environment;
use apns_proto::{Limits, decode};
use apns_simulator::Timeouts;
use apns_simulator::event::What;
use apns_simulator::phone::{Phone, Types};
use apns_simulator::phone_link::PhoneLink;
use apns_simulator::virtual_phone::VirtualPhone;
use apns_simulator::world::Provider;
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::support::{DEADLINE, SECOND, Scene, TOPIC, Tap, alert, framed, soon, to_the_end};

/// Uninstalls the first app of a phone and pushes to it, so that its token is listed.
pub(crate) async fn uninstall(scene: &Scene, phone: &PhoneLink, token: &[u8]) {
    let listed = events(scene, |what| matches!(what, What::AppGone { .. }));
    phone.with(|phone| phone.uninstall(TOPIC)).unwrap();
    let mut provider = scene.provider().await;
    provider
        .write_all(&framed(1, token, &alert("too late")))
        .await
        .unwrap();
    scene
        .simulator
        .wait_for("\"app gone\"", DEADLINE, |world| {
            let now = world
                .events(0, usize::MAX)
                .events
                .iter()
                .filter(|event| matches!(event.what, What::AppGone { .. }))
                .count();
            (now > listed).then_some(())
        })
        .await
        .unwrap();
}

fn events(scene: &Scene, wanted: impl Fn(&What) -> bool) -> usize {
    scene
        .simulator
        .events(0, usize::MAX)
        .events
        .iter()
        .filter(|event| wanted(&event.what))
        .count()
}

#[tokio::test]
async fn an_uninstalled_apps_token_is_listed_once_and_cleared_by_a_complete_read() {
    let scene = Scene::set().await;
    let (phone, token) = scene.phone("iPhone").await;
    let before = unix_now();
    uninstall(&scene, &phone, token.as_bytes()).await;
    let mut reader = scene.reader().await;
    let list = to_the_end(&mut reader).await;
    let (timestamp, rest) = list.split_first_chunk::<4>().unwrap();
    assert!((before..=unix_now()).contains(&u32::from_be_bytes(*timestamp)));
    assert_eq!(rest, [&[0, 32], token.as_bytes()].concat());
    reader.shutdown().await.unwrap();
    drop(reader);
    assert_eq!(to_the_end(&mut scene.reader().await).await, [0_u8; 0]);
}

#[tokio::test]
async fn a_second_reader_waits_for_the_first_and_gets_nothing_twice() {
    let scene = Scene::set().await;
    let (phone, token) = scene.phone("iPhone").await;
    uninstall(&scene, &phone, token.as_bytes()).await;
    let mut first = scene.reader().await;
    assert_eq!(to_the_end(&mut first).await.len(), 38);
    let mut second = scene.reader().await;
    let early = timeout(Duration::from_millis(100), second.read_u8()).await;
    assert!(
        early.is_err(),
        "the first may yet break off, and the list be the second's"
    );
    first.shutdown().await.unwrap();
    drop(first);
    assert_eq!(to_the_end(&mut second).await, [0_u8; 0]);
}

#[tokio::test]
async fn a_read_that_breaks_off_leaves_the_list() {
    let scene = Scene::set().await;
    let (phone, token) = scene.phone("iPhone").await;
    uninstall(&scene, &phone, token.as_bytes()).await;
    let reader = scene.reader().await;
    // A reset, not an end.
    reader.get_ref().0.set_zero_linger().unwrap();
    drop(reader);
    let list = to_the_end(&mut scene.reader().await).await;
    assert_eq!(list.len(), 38);
    assert_eq!(
        events(&scene, |what| matches!(what, What::FeedbackRead { .. })),
        0
    );
}

#[tokio::test]
async fn a_reader_that_does_not_close_leaves_the_list() {
    let timeouts = Timeouts {
        reader_close: Duration::from_millis(200),
        ..Timeouts::default()
    };
    let scene = Scene::set_with(|config| config.timeouts = timeouts).await;
    let (phone, token) = scene.phone("iPhone").await;
    uninstall(&scene, &phone, token.as_bytes()).await;
    let mut reader = scene.reader().await;
    assert_eq!(to_the_end(&mut reader).await.len(), 38);
    // It stays; the service goes in the end, and what is written to it then is answered by a reset.
    soon(async {
        while reader
            .write_all(b"x")
            .await
            .and(reader.flush().await)
            .is_ok()
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(to_the_end(&mut scene.reader().await).await.len(), 38);
}

#[tokio::test]
async fn an_app_that_comes_back_gets_pushes_again() {
    let scene = Scene::set().await;
    let (phone, token) = scene.phone("iPhone").await;
    uninstall(&scene, &phone, token.as_bytes()).await;
    phone
        .with(|phone| {
            phone
                .install(TOPIC, "Mail", true)
                .and_then(|()| phone.register(TOPIC, Types::ALL))
        })
        .unwrap();
    let again = phone.token(TOPIC, DEADLINE).await.unwrap();
    let mut provider = scene.provider().await;
    provider
        .write_all(&framed(1, again.as_bytes(), &alert("back")))
        .await
        .unwrap();
    phone
        .received(DEADLINE, |received| {
            received.payload == alert("back").as_bytes()
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn the_last_push_app_takes_the_connection_with_it_and_leaves_no_feedback() {
    let scene = Scene::set().await;
    let (phone, token) = scene.phone("iPhone").await;
    phone
        .with(|phone| {
            phone
                .uninstall(SECOND)
                .and_then(|()| phone.uninstall(TOPIC))
        })
        .unwrap();
    scene
        .simulator
        .wait_for("the phone to go offline", DEADLINE, |world| {
            world
                .events(0, usize::MAX)
                .events
                .iter()
                .any(|event| matches!(event.what, What::Offline { .. }))
                .then_some(())
        })
        .await
        .unwrap();
    let mut provider = scene.provider().await;
    provider
        .write_all(&framed(1, token.as_bytes(), &alert("nobody")))
        .await
        .unwrap();
    provider.shutdown().await.unwrap();
    assert_eq!(to_the_end(&mut provider).await, [0_u8; 0]);
    assert_eq!(to_the_end(&mut scene.reader().await).await, [0_u8; 0]);
}

#[tokio::test]
async fn no_tuple_is_split_over_two_records() {
    const APPS: usize = 1_000;
    let scene = Scene::set().await;
    // Their phones need no sockets.
    scene.simulator.world(|world, now| {
        let provider = Provider::new(TOPIC, Environment::Sandbox);
        for _ in 0..APPS {
            let mut phone = VirtualPhone::new(Phone::new("iPhone"), Environment::Sandbox);
            for topic in [TOPIC, SECOND] {
                phone.phone.install(topic, "Mail", true).unwrap();
                phone.phone.register(topic, Types::ALL).unwrap();
            }
            phone.pump(now, world).unwrap();
            let token = phone.phone.app(TOPIC).unwrap().token().unwrap().clone();
            phone.phone.uninstall(TOPIC).unwrap();
            let mut frame = BytesMut::from(&framed(1, token.as_bytes(), &alert("too late"))[..]);
            let notification = decode(&mut frame, &Limits::BINARY).unwrap().unwrap();
            world.push(now, &provider, &notification);
            phone.pump(now, world).unwrap();
        }
    });
    let identity = scene.portal.provider();
    let mut reader = Tap::dial(scene.simulator.feedback(), &identity, scene.portal.roots()).await;
    assert_eq!(to_the_end(&mut reader).await.len(), APPS * 38);
    // 431 tuples of 38 bytes fit into a record [P-55]; the last record is the close_notify alert.
    let full = (23, 431 * 38);
    let expected = [full, full, (23, (APPS - 2 * 431) * 38), (21, 2)];
    assert_eq!(reader.get_ref().0.records(), expected);
}

fn unix_now() -> u32 {
    u32::try_from(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs(),
    )
    .unwrap()
}
