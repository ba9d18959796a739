//! Who is who on the HTTP/2 port, and how long it waits for whom.

use std::sync::Arc;
use std::time::{Duration, Instant};

use apns_certs::{Ca, KeyKind};
use apns_net::credentials::Environment::{Production, Sandbox};
use apns_net::tls::{Roots, client_config};
use apns_simulator::Timeouts;
use apns_simulator::event::{Offline, What};
use bytes::Bytes;
use http::Request;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::courier::{RawPhone, goes_offline};
use crate::http2::{Client, Signer, said, seconds_now};
use crate::support::{Scene, TOPIC, alert, dial_narrow, has_received, received, soon};

const BAD_TOKEN: (u16, &str) = (400, r#"{"reason":"BadDeviceToken"}"#);

#[tokio::test]
async fn a_provider_token_chooses_its_teams_project_and_two_teams_never_see_each_other() {
    let scene = Scene::set().await;
    let mut teams = Vec::new();
    for team in ["TEAM000001", "TEAM000002"] {
        let project = scene.simulator.project(team).unwrap();
        let courier = scene.simulator.courier();
        let device = scene.portal.device_of("iPhone", team);
        let (phone, token) = scene.phone_at("iPhone", courier, device).await;
        let bearer = Signer::of_team(&project, team).bearer(seconds_now());
        teams.push((project, phone, token.to_hex(), bearer));
    }
    // On the same port, with no certificate, in turns.
    let clients = [
        Client::connect(&scene, None).await,
        Client::connect(&scene, None).await,
    ];
    for (own, other) in [(0, 1), (1, 0)] {
        let (.., bearer) = &teams[own];
        let headers = [("apns-topic", TOPIC), ("authorization", bearer)];
        let text = alert(own);
        let answer = clients[own].post(&teams[own].2, &headers, &text).await;
        assert_eq!(said(&answer), (200, ""));
        let answer = clients[own].post(&teams[other].2, &headers, &text).await;
        assert_eq!(said(&answer), BAD_TOKEN, "the other team's phone");
    }
    for (number, (project, phone, ..)) in teams.iter().enumerate() {
        has_received(phone, &[alert(number)]).await;
        let events = project.events(0, usize::MAX).events;
        let count =
            |wanted: fn(&What) -> bool| events.iter().filter(|event| wanted(&event.what)).count();
        assert_eq!(count(|what| matches!(what, What::Accepted { .. })), 1);
        assert_eq!(count(|what| matches!(what, What::Refused { .. })), 1);
    }
    assert_eq!(scene.simulator.events(0, usize::MAX).events, []);
    // A connection keeps to the team that came first [H-22].
    let headers = [("apns-topic", TOPIC), ("authorization", &*teams[1].3)];
    let answer = clients[0].post(&teams[1].2, &headers, "{}").await;
    let unrelated = (403, r#"{"reason":"UnrelatedKeyIdInToken"}"#);
    assert_eq!(said(&answer), unrelated);
}

#[tokio::test]
async fn the_scheme_of_a_provider_token_is_written_as_one_likes() {
    let scene = Scene::set().await;
    let (phone, token) = scene.phone("iPhone").await;
    let bearer = Signer::known(scene.simulator.default_project()).bearer(seconds_now());
    let text = bearer.strip_prefix("Bearer ").unwrap();
    for (scheme, status) in [("bearer", 200), ("Bearer", 200), ("Basic", 403)] {
        let client = Client::connect(&scene, None).await;
        let authorization = format!("{scheme} {text}");
        let headers = [("apns-topic", TOPIC), ("authorization", &*authorization)];
        let answer = client.post(&token.to_hex(), &headers, &alert(scheme)).await;
        assert_eq!(answer.status, status, "{scheme}: {answer:?}");
    }
    has_received(&phone, &[alert("bearer"), alert("Bearer")]).await;
}

#[tokio::test]
async fn a_client_that_names_a_host_of_apples_means_that_hosts_environment() {
    let hosts = [
        ("api.push.apple.com", Production),
        ("api.sandbox.push.apple.com", Sandbox),
        ("api.development.push.apple.com", Sandbox),
    ];
    let ca = Ca::with_key(KeyKind::P256).unwrap();
    let names = hosts.map(|(host, _)| host);
    let server = ca.server_with_key(&names, KeyKind::P256).unwrap();
    let scene = Scene::set_with(|config| config.identity = server.identity().unwrap()).await;
    let roots = Roots::Certificates(vec![ca.certificate_der().clone()]);
    let tls = client_config(Some(&scene.portal.provider()), roots).unwrap();
    for (host, meant) in hosts {
        for port in [Sandbox, Production] {
            let address = scene.simulator.addresses(port).http2;
            let stream = soon(async {
                let tcp = TcpStream::connect(address).await.unwrap();
                let connector = TlsConnector::from(Arc::clone(&tls));
                connector.connect(host.try_into().unwrap(), tcp).await
            });
            let client = Client::over(stream.await.unwrap()).await;
            let headers = [("apns-topic", TOPIC)];
            let answer = client.post(&"ee".repeat(32), &headers, "{}").await;
            assert_eq!(said(&answer), BAD_TOKEN);
            let events = scene.simulator.events(0, usize::MAX).events;
            let Some(What::Refused { request, .. }) = events.last().map(|event| &event.what) else {
                panic!("{host}: {events:?}");
            };
            assert_eq!(request.environment, meant, "{host} at the port of {port}");
        }
    }
}

#[tokio::test]
async fn a_push_waits_for_room_on_its_phone_and_holds_up_no_other() {
    let scene = Scene::set_with(|config| {
        config.bounds.outbox_max = 3;
        config.timeouts.room = Duration::from_millis(300);
    })
    .await;
    let (phone, token) = scene.phone("iPhone").await;
    let mut mute = RawPhone::connect(&scene, &scene.portal.device("mute")).await;
    let (_, mute_token) = mute.register(&[]).await;
    let mute_token = apns_proto::Token::new(mute_token).to_hex();
    let client = Client::connect(&scene, Some(&scene.portal.provider())).await;
    let headers = [("apns-topic", TOPIC)];
    for number in 1..=3 {
        let answer = client.post(&mute_token, &headers, &alert(number)).await;
        assert_eq!(said(&answer), (200, ""));
    }
    let begun = Instant::now();
    let fourth = async {
        let body = alert(4);
        let answer = client.post(&mute_token, &headers, &body).await;
        (said(&answer) == (200, ""), begun.elapsed())
    };
    let other = async {
        let body = alert("meanwhile");
        let answer = client.post(&token.to_hex(), &headers, &body).await;
        assert_eq!(said(&answer), (200, ""));
        begun.elapsed()
    };
    let ((accepted, waited), meanwhile) = tokio::join!(fourth, other);
    assert!(
        accepted && waited >= Duration::from_millis(300),
        "{waited:?}"
    );
    assert!(
        meanwhile < waited,
        "{meanwhile:?} is no less than {waited:?}"
    );
    assert_eq!(goes_offline(&scene).await, Offline::Stalled);
    has_received(&phone, &[alert("meanwhile")]).await;
}

#[tokio::test]
async fn many_pushes_to_a_phone_with_little_room_all_arrive_in_order() {
    let scene = Scene::set_with(|config| config.bounds.outbox_max = 3).await;
    let (phone, token) = scene.phone("iPhone").await;
    let client = Client::connect(&scene, Some(&scene.portal.provider())).await;
    let mut answers = Vec::new();
    for number in 0..300 {
        let uri = format!("https://localhost/3/device/{}", token.to_hex());
        let request = Request::post(uri).header("apns-topic", TOPIC).body(());
        let mut send = soon(client.send.clone().ready()).await.unwrap();
        let (answer, mut body) = send.send_request(request.unwrap(), false).unwrap();
        body.send_data(alert(number).into(), true).unwrap();
        answers.push(answer);
    }
    for answer in answers {
        assert_eq!(soon(answer).await.unwrap().status(), 200);
    }
    let all: Vec<_> = (0..300).map(alert).collect();
    has_received(&phone, &all).await;
}

#[tokio::test]
async fn a_request_that_is_not_completed_is_cancelled_and_the_connection_goes_on() {
    let timeouts = Timeouts {
        frame: Duration::from_millis(200),
        ..Timeouts::default()
    };
    let scene = Scene::set_with(|config| config.timeouts = timeouts).await;
    let (phone, token) = scene.phone("iPhone").await;
    let client = Client::connect(&scene, Some(&scene.portal.provider())).await;
    let uri = format!("https://localhost/3/device/{}", token.to_hex());
    let request = Request::post(uri).header("apns-topic", TOPIC).body(());
    let mut send = soon(client.send.clone().ready()).await.unwrap();
    let (answer, mut body) = send.send_request(request.unwrap(), false).unwrap();
    body.send_data(Bytes::from_static(b"{"), false).unwrap();
    let error = soon(answer).await.unwrap_err();
    assert_eq!(error.reason(), Some(h2::Reason::CANCEL), "{error}");
    let headers = [("apns-topic", TOPIC)];
    let answer = client
        .post(&token.to_hex(), &headers, &alert("whole"))
        .await;
    assert_eq!(said(&answer), (200, ""));
    has_received(&phone, &[alert("whole")]).await;
    assert_eq!(received(&phone), [alert("whole")]);
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_hung_up_on() {
    let timeouts = Timeouts {
        write: Duration::from_millis(300),
        ..Timeouts::default()
    };
    let scene = Scene::set_with(|config| config.timeouts = timeouts).await;
    let (address, identity) = (scene.simulator.http2(), scene.portal.provider());
    let mut stream = dial_narrow(address, &identity, scene.portal.roots()).await;
    let hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    soon(stream.write_all(hello)).await.unwrap();
    // Each is to be answered by as many bytes, which nobody reads.
    let pings = b"\0\0\x08\x06\0\0\0\0\0pingpong".repeat(1_000);
    let error = soon(async {
        loop {
            if let Err(error) = stream.write_all(&pings).await {
                break error;
            }
        }
    });
    let error = error.await;
    let kinds = [
        std::io::ErrorKind::ConnectionReset,
        std::io::ErrorKind::BrokenPipe,
    ];
    assert!(kinds.contains(&error.kind()), "{error}");
}
