//! Faults on the wire: what a client sees of each, byte for byte.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use apns_simulator::event::What;
use apns_simulator::faults::{Plan, Rule};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::feedback::uninstall;
use crate::support::{
    DEADLINE, Scene, Tap, alert, dial, framed, has_received, received, soon, to_the_end,
};

/// A scene in which these rules are at work.
pub(crate) async fn scene(rules: &[&str]) -> Scene {
    let scene = Scene::set().await;
    add(&scene, rules);
    scene
}

pub(crate) fn add(scene: &Scene, rules: &[&str]) {
    for rule in rules {
        let rule: Rule = rule.parse().unwrap();
        scene.simulator.faults(|faults| faults.add(rule)).unwrap();
    }
}

/// What was injected so far: the fault, the action, the connection, and whether a notification had come.
pub(crate) fn injected(scene: &Scene) -> Vec<(String, &'static str, u64, bool)> {
    let page = scene.simulator.events(0, usize::MAX);
    let injected = page
        .events
        .into_iter()
        .filter_map(|event| match event.what {
            What::Injected {
                fault,
                action,
                connection,
                request,
                ..
            } => Some((
                fault.to_string(),
                action.name(),
                connection,
                request.is_some(),
            )),
            _ => None,
        });
    injected.collect()
}

async fn send(provider: &mut TlsStream<TcpStream>, identifier: u32, token: &[u8]) {
    let frame = framed(identifier, token, &alert(identifier));
    provider.write_all(&frame).await.unwrap();
    provider.flush().await.unwrap();
}

pub(crate) fn magic(prefix: [u8; 4]) -> Vec<u8> {
    let mut token = prefix.to_vec();
    token.resize(32, 0x77);
    token
}

#[tokio::test]
async fn a_refusal_that_was_asked_for_is_these_bytes_and_a_clean_close() {
    let table: [(&str, &[u8]); 11] = [
        ("action=status,status=7", &[8, 7, 0, 0, 0, 5]),
        ("action=status,status=99", &[8, 99, 0, 0, 0, 5]),
        ("action=wrong_identifier", &[8, 8, 255, 255, 255, 250]),
        (
            "action=wrong_identifier,status=2,identifier=77",
            &[8, 2, 0, 0, 0, 77],
        ),
        ("action=zero_identifier,status=1", &[8, 1, 0, 0, 0, 0]),
        ("action=no_packet", &[]),
        ("action=close", &[]),
        ("action=limit_data,bytes=4", &[8, 8, 0, 0]),
        ("action=limit_data,bytes=100,status=7", &[8, 7, 0, 0, 0, 5]),
        ("action=slicer,status=4", &[8, 4, 0, 0, 0, 5]),
        ("action=shutdown", &[8, 10, 0, 0, 0, 4]),
    ];
    for (rule, expected) in table {
        let scene = scene(&[&format!("{rule},name=asked for,nth=2")]).await;
        let (phone, token) = scene.phone("iPhone").await;
        let mut provider = scene.provider().await;
        for identifier in 4..=6 {
            send(&mut provider, identifier, token.as_bytes()).await;
        }
        assert_eq!(to_the_end(&mut provider).await, expected, "{rule}");
        // What came before is delivered; the one it was about, and what came behind, is not.
        has_received(&phone, &[alert(4)]).await;
        let action = rule.split([',', '=']).nth(1).unwrap();
        let [(fault, injected, 1, true)] = &injected(&scene)[..] else {
            panic!("{rule}: {:?}", injected(&scene));
        };
        assert_eq!((&**fault, *injected), ("asked for", action));
    }
}

#[tokio::test]
async fn a_shutdown_before_anything_was_taken_names_nothing() {
    let scene = scene(&["action=shutdown"]).await;
    let (_phone, token) = scene.phone("iPhone").await;
    let mut provider = scene.provider().await;
    send(&mut provider, 4, token.as_bytes()).await;
    assert_eq!(to_the_end(&mut provider).await, [0; 0]);
}

#[tokio::test]
async fn a_notification_may_be_taken_before_the_connection_breaks() {
    let table: [(&str, &[u8]); 3] = [
        ("action=close", &[]),
        ("action=half_close", &[]),
        ("action=shutdown", &[8, 10, 0, 0, 0, 5]),
    ];
    for (rule, expected) in table {
        let scene = scene(&[&format!("{rule},taken=true,nth=2")]).await;
        let (phone, token) = scene.phone("iPhone").await;
        let mut provider = scene.provider().await;
        for identifier in 4..=6 {
            send(&mut provider, identifier, token.as_bytes()).await;
        }
        assert_eq!(to_the_end(&mut provider).await, expected, "{rule}");
        has_received(&phone, &[alert(4), alert(5)]).await;
    }
}

#[tokio::test]
async fn a_sliced_error_packet_comes_in_several_records() {
    let scene = scene(&["action=slicer,bytes=4,ms=20"]).await;
    let identity = scene.portal.provider();
    let mut provider = Tap::dial(scene.simulator.binary(), &identity, scene.portal.roots()).await;
    let frame = framed(5, &[0xee; 32], &alert("hi"));
    provider.write_all(&frame).await.unwrap();
    assert_eq!(to_the_end(&mut provider).await, [8, 8, 0, 0, 0, 5]);
    let records = provider.get_ref().0.records();
    assert_eq!(records, [(23, 4), (23, 2), (21, 2)]);
}

#[tokio::test]
async fn a_reset_is_an_rst() {
    let scene = scene(&["action=reset_peer"]).await;
    let (_phone, token) = scene.phone("iPhone").await;
    let mut provider = scene.provider().await;
    send(&mut provider, 5, token.as_bytes()).await;
    let error = soon(provider.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_half_closed_connection_takes_bytes_for_nobody() {
    let scene = scene(&["action=half_close,nth=2"]).await;
    let (phone, token) = scene.phone("iPhone").await;
    let mut provider = scene.provider().await;
    send(&mut provider, 1, token.as_bytes()).await;
    send(&mut provider, 2, token.as_bytes()).await;
    assert_eq!(soon(provider.read(&mut [0; 8])).await.unwrap(), 0);
    // Far more than any buffer holds.
    let frames = framed(3, token.as_bytes(), &alert("x".repeat(1000))).repeat(10_000);
    soon(provider.write_all(&frames)).await.unwrap();
    soon(provider.flush()).await.unwrap();
    assert_eq!(received(&phone), [alert(1)]);
}

#[tokio::test]
async fn a_latency_holds_back_what_is_behind_too() {
    let scene = scene(&["action=latency,ms=200,nth=2"]).await;
    let (phone, token) = scene.phone("iPhone").await;
    let mut provider = scene.provider().await;
    let begun = Instant::now();
    for identifier in 1..=3 {
        send(&mut provider, identifier, token.as_bytes()).await;
    }
    has_received(&phone, &[alert(1), alert(2), alert(3)]).await;
    assert!(begun.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_silent_connection_is_closed_when_its_time_is_up() {
    let scene = scene(&["action=timeout,ms=200"]).await;
    let (phone, token) = scene.phone("iPhone").await;
    let mut provider = scene.provider().await;
    let begun = Instant::now();
    send(&mut provider, 1, token.as_bytes()).await;
    assert_eq!(to_the_end(&mut provider).await, [0; 0]);
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert!(received(&phone).is_empty());
}

#[tokio::test]
async fn a_slow_close_comes_after_the_packet() {
    let scene = scene(&["action=slow_close,ms=200,status=7"]).await;
    let mut provider = scene.provider().await;
    send(&mut provider, 5, &[0xee; 32]).await;
    let mut packet = [0; 6];
    soon(provider.read_exact(&mut packet)).await.unwrap();
    let said = Instant::now();
    assert_eq!(packet, [8, 7, 0, 0, 0, 5]);
    assert_eq!(to_the_end(&mut provider).await, [0; 0]);
    assert!(said.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn a_slow_reader_takes_its_time() {
    // A frame takes about half a second.
    let scene = scene(&["action=bandwidth,bytes_per_second=2000,face=binary"]).await;
    let (phone, token) = scene.phone("iPhone").await;
    let mut provider = scene.provider().await;
    let long = |number: u32| alert(format!("{number}{}", "x".repeat(1000)));
    let begun = Instant::now();
    for number in 1..=2 {
        let frame = framed(number, token.as_bytes(), &long(number));
        soon(provider.write_all(&frame)).await.unwrap();
        let so_far: Vec<_> = (1..=number).map(long).collect();
        has_received(&phone, &so_far).await;
    }
    assert!(begun.elapsed() >= Duration::from_millis(500));
}

#[tokio::test]
async fn what_is_swallowed_is_accepted_and_shown_nowhere() {
    let scene = scene(&["action=swallow,nth=2"]).await;
    let (phone, token) = scene.phone("iPhone").await;
    let mut provider = scene.provider().await;
    for identifier in 1..=3 {
        send(&mut provider, identifier, token.as_bytes()).await;
    }
    has_received(&phone, &[alert(1), alert(3)]).await;
}

#[tokio::test]
async fn rules_may_be_about_one_connection_and_about_its_beginning() {
    let scene = scene(&["action=close,at=connect,connection=2"]).await;
    let (phone, token) = scene.phone("iPhone").await;
    let mut first = scene.provider().await;
    send(&mut first, 1, token.as_bytes()).await;
    has_received(&phone, &[alert(1)]).await;
    let mut second = scene.provider().await;
    assert_eq!(to_the_end(&mut second).await, [0; 0]);
    let mut third = scene.provider().await;
    send(&mut third, 2, token.as_bytes()).await;
    has_received(&phone, &[alert(1), alert(2)]).await;
    let expected = ("rule 1 (close)".to_owned(), "close", 2, false);
    assert_eq!(injected(&scene), [expected]);
}

#[tokio::test]
async fn magic_tokens_need_no_rule() {
    let scene = Scene::set().await;
    let (phone, token) = scene.phone("iPhone").await;
    let table: [([u8; 4], &[u8]); 5] = [
        ([0xff, 0xff, 0x00, 0x07], &[8, 7, 0, 0, 0, 5]),
        ([0xff, 0xff, 0x00, 0x63], &[8, 0x63, 0, 0, 0, 5]),
        ([0xff, 0xff, 0x00, 0x0a], &[8, 10, 0, 0, 0, 4]),
        ([0xff, 0xff, 0x02, 0x00], &[]),
        ([0xff, 0xff, 0x03, 0x1b], &[8, 7, 0, 0, 0, 5]),
    ];
    for (prefix, expected) in table {
        let mut provider = scene.provider().await;
        send(&mut provider, 4, token.as_bytes()).await;
        send(&mut provider, 5, &magic(prefix)).await;
        assert_eq!(to_the_end(&mut provider).await, expected, "{prefix:02x?}");
    }
    let mut provider = scene.provider().await;
    let before = received(&phone).len();
    let begun = Instant::now();
    send(&mut provider, 5, &magic([0xff, 0xff, 0x01, 0x02])).await;
    send(&mut provider, 6, token.as_bytes()).await;
    let shown = phone.received(DEADLINE, |received| received.payload == alert(6).as_bytes());
    shown.await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert_eq!(received(&phone).len(), before + 1);
    assert!(
        injected(&scene)
            .iter()
            .all(|(fault, ..)| fault == "magic token")
    );

    scene
        .simulator
        .faults(|faults| faults.set_magic_tokens(false));
    send(&mut provider, 7, &magic([0xff, 0xff, 0x00, 0x07])).await;
    assert_eq!(to_the_end(&mut provider).await, [8, 8, 0, 0, 0, 7]);
}

#[tokio::test]
async fn a_stall_ends_when_the_simulator_stops() {
    let scene = scene(&["action=timeout,limit=1", "action=latency,ms=600000"]).await;
    let (_phone, token) = scene.phone("iPhone").await;
    let mut silent = scene.provider().await;
    send(&mut silent, 1, token.as_bytes()).await;
    let mut slow = scene.provider().await;
    send(&mut slow, 1, token.as_bytes()).await;
    let both = |world: &apns_simulator::world::World| {
        let rules = world.faults().rules();
        rules.iter().all(|rule| rule.injected == 1).then_some(())
    };
    scene
        .simulator
        .wait_for("both stalls", DEADLINE, both)
        .await
        .unwrap();
    soon(scene.simulator.shutdown()).await;
}

#[tokio::test]
async fn the_configuration_has_faults_from_the_start() {
    let plan: Plan = toml::from_str("[[rule]]\naction = \"close\"\n").unwrap();
    let scene = Scene::set_with(|config| config.faults = plan).await;
    assert_eq!(scene.simulator.faults(|faults| faults.rules().len()), 1);
}

#[tokio::test]
async fn a_list_is_cut_apart_cut_short_and_left_out_and_stays_until_it_was_read() {
    let scene = scene(&[
        "face=feedback,action=close,connection=1",
        "face=feedback,action=limit_data,bytes=10,connection=2",
        "face=feedback,action=slicer,bytes=20,connection=3",
    ])
    .await;
    let (phone, token) = scene.phone("iPhone").await;
    uninstall(&scene, &phone, token.as_bytes()).await;
    let (identity, roots) = (scene.portal.provider(), scene.portal.roots());
    let dial = async || Tap::dial(scene.simulator.feedback(), &identity, roots.clone()).await;
    assert_eq!(to_the_end(&mut dial().await).await, [0; 0]);
    assert_eq!(to_the_end(&mut dial().await).await.len(), 10);
    let mut reader = dial().await;
    let list = to_the_end(&mut reader).await;
    assert_eq!(list[6..], *token.as_bytes());
    assert_eq!(reader.get_ref().0.records(), [(23, 20), (23, 18), (21, 2)]);
}

#[tokio::test]
async fn a_certificate_is_refused_from_one_moment_to_the_next() {
    let scene = Scene::set().await;
    let mut open = scene.provider().await;
    // It is served.
    send(&mut open, 1, &magic([0xff, 0xff, 0x01, 0])).await;
    let served = scene.simulator.wait_for("the push", DEADLINE, |world| {
        (world.newest_event() > 0).then_some(())
    });
    served.await.unwrap();
    for (action, alert) in [
        ("certificate_expired", "CertificateExpired"),
        ("certificate_revoked", "CertificateRevoked"),
    ] {
        scene.simulator.faults(|faults| faults.clear());
        add(&scene, &[&format!("action={action}")]);
        if action == "certificate_expired" {
            assert_eq!(to_the_end(&mut open).await, [0; 0]);
        }
        let identity = scene.portal.provider();
        let refused = dial(
            scene.simulator.binary(),
            Some(&identity),
            scene.portal.roots(),
        )
        .await;
        let error = refused.unwrap_err().to_string();
        assert!(error.contains(alert), "{action}: {error}");
    }
    scene.simulator.faults(|faults| faults.clear());
    scene.provider().await;
}

#[tokio::test]
async fn the_very_first_certificate_of_a_team_may_be_refused() {
    let plan: Plan = toml::from_str("[[rule]]\naction = \"certificate_expired\"\n").unwrap();
    let scene = Scene::set_with(|config| config.faults = plan).await;
    let identity = scene.portal.provider_of("TEAM000002");
    let refused = scene.dial(scene.simulator.binary(), &identity).await;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("CertificateExpired"), "{error}");
    let project = scene.simulator.project("TEAM000002").unwrap();
    let injected = |what: &What| matches!(what, What::Injected { connection: 0, .. });
    let page = project.events(0, usize::MAX);
    assert!(page.events.iter().any(|event| injected(&event.what)));
}
