//! Phones on real sockets: on and off the network, over a restart of the service, and with their apps' server.

use std::net::SocketAddr;
use std::time::Duration;

use apns_net::credentials::Environment;
use apns_net::tls::Roots;
use apns_proto::courier::Message;
use apns_simulator::app_server::{AppServer, AppServerConfig, ProviderApp};
use apns_simulator::event::{Route, What};
use apns_simulator::phone::{Phone, PhoneEvent, Types};
use apns_simulator::phone_link::{LinkConfig, PhoneLink, Side};
use apns_simulator::{Config, Simulator};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::support::{
    DEADLINE, Portal, SECOND, Scene, TOPIC, alert, framed, happens, has_received, http, received,
    soon,
};

async fn goes_offline(scene: &Scene) {
    scene
        .simulator
        .wait_for("the phone to go offline", DEADLINE, |world| {
            let events = world.events(0, usize::MAX).events;
            let offline = |what: &What| matches!(what, What::Offline { .. });
            events
                .iter()
                .any(|event| offline(&event.what))
                .then_some(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_phone_that_comes_back_gets_the_latest_of_what_it_missed_per_app() {
    let scene = Scene::set().await;
    let (phone, token) = scene.phone("iPhone").await;
    phone.with(|phone| phone.set_airplane(true));
    goes_offline(&scene).await;
    let mut provider = scene.provider().await;
    let bytes: Vec<u8> = (0..3)
        .flat_map(|number| framed(number, token.as_bytes(), &alert(number)))
        .collect();
    provider.write_all(&bytes).await.unwrap();
    scene
        .simulator
        .wait_for("three stored ones", DEADLINE, |world| {
            let events = world.events(0, usize::MAX).events;
            let stored = |what: &What| {
                matches!(
                    what,
                    What::Accepted {
                        route: Route::Stored(_),
                        ..
                    }
                )
            };
            (events.iter().filter(|event| stored(&event.what)).count() == 3).then_some(())
        })
        .await
        .unwrap();
    assert!(received(&phone).is_empty());
    phone.with(|phone| phone.set_airplane(false));
    has_received(&phone, &[alert(2)]).await;
    assert!(phone.with(|phone| phone.history().all(|received| received.stored)));
}

#[tokio::test]
async fn virtual_phones_remember_so_much_together_and_the_oldest_leaves_with_its_note() {
    let scene = Scene::set_with(|config| config.bounds.remembered_max = 3).await;
    let phones = ["A", "B"];
    let tokens = phones.map(|name| {
        let project = scene.simulator.default_project();
        project
            .add_phone(name, TOPIC, Environment::Sandbox)
            .unwrap()
    });
    let mut provider = scene.provider().await;
    let bytes: Vec<u8> = [0, 1, 0, 0, 0]
        .into_iter()
        .zip(0..)
        .flat_map(|(phone, number)| framed(number, tokens[phone].as_bytes(), &alert(number)))
        .collect();
    provider.write_all(&bytes).await.unwrap();
    let mut delivered = 0;
    happens(scene.simulator.default_project(), "all five", |what| {
        delivered += u32::from(matches!(what, What::Delivered { .. }));
        delivered == 5
    })
    .await;
    let remembered = phones.map(|name| {
        let look = |phone: &mut Phone| {
            let payloads = phone.history().map(|received| received.payload.clone());
            let notes = phone.lock_screen().notes().map(|note| note.number);
            let (payloads, notes) = (payloads.collect::<Vec<_>>(), notes.collect::<Vec<_>>());
            (payloads, notes, phone.received_count())
        };
        scene
            .simulator
            .default_project()
            .on_phone(name, look)
            .unwrap()
    });
    let left = vec![alert(2).into(), alert(3).into(), alert(4).into()];
    assert_eq!(remembered, [(left, vec![2, 3, 4], 4), (vec![], vec![], 1)]);
}

#[tokio::test]
async fn a_service_that_forgot_everything_gets_its_phones_back_with_new_tokens() {
    let portal = Portal::open();
    let start = async |courier: SocketAddr| {
        let roots = vec![portal.ca.certificate_der().clone()];
        let mut config = Config::new(portal.server(), roots);
        config.sandbox.courier = courier;
        Simulator::start(config).await.unwrap()
    };
    let first = start("127.0.0.1:0".parse().unwrap()).await;
    let courier = first.courier();
    let scene = Scene {
        portal: Portal {
            ca: apns_certs::Ca::from_pem(portal.ca.cert_pem(), &portal.ca.key_pem()).unwrap(),
        },
        simulator: first,
    };
    let (phone, token) = scene.phone("iPhone").await;
    let Scene { simulator, .. } = scene;
    soon(simulator.shutdown()).await;
    let second = start(courier).await;
    let again = phone
        .wait_for("another token", DEADLINE, |phone| {
            let now = phone.app(TOPIC)?.token()?;
            (*now != token).then(|| now.clone())
        })
        .await
        .unwrap();
    phone
        .wait_for("the connection", DEADLINE, |phone| {
            phone.is_online().then_some(())
        })
        .await
        .unwrap();
    let scene = Scene {
        portal,
        simulator: second,
    };
    let mut provider = scene.provider().await;
    let bytes = framed(1, again.as_bytes(), &alert("hello again"));
    provider.write_all(&bytes).await.unwrap();
    has_received(&phone, &[alert("hello again")]).await;
}

#[tokio::test]
async fn an_app_without_the_entitlement_fails_to_register_and_makes_no_connection() {
    let scene = Scene::set().await;
    let mut phone = Phone::new("iPhone");
    phone.install(TOPIC, "Mail", false).unwrap();
    phone.register(TOPIC, Types::ALL).unwrap();
    let (events, mut happening) = mpsc::channel(16);
    let config = LinkConfig {
        courier: scene.simulator.courier().into(),
        identity: scene.portal.device("iPhone"),
        roots: scene.portal.roots(),
        app_server: None,
        events: Some(events),
        transcript: None,
    };
    let phone = PhoneLink::start(phone, config).unwrap();
    let (_, event) = soon(happening.recv()).await.unwrap();
    let PhoneEvent::DidFail { error, .. } = event else {
        panic!("{event}");
    };
    assert_eq!((error.domain, error.code), ("NSCocoaErrorDomain", 3000));
    soon(phone.shutdown()).await;
    assert_eq!(scene.simulator.events(0, 10).events, []);
}

#[tokio::test]
async fn the_connection_of_a_phone_that_shuts_down_is_closed_and_its_acknowledgements_arrived() {
    let scene = Scene::set().await;
    let (phone, token) = scene.phone("iPhone").await;
    let mut provider = scene.provider().await;
    let payloads: Vec<_> = (0..200).map(alert).collect();
    let bytes: Vec<u8> = payloads
        .iter()
        .flat_map(|payload| framed(0, token.as_bytes(), payload))
        .collect();
    provider.write_all(&bytes).await.unwrap();
    has_received(&phone, &payloads).await;
    soon(phone.shutdown()).await;
    goes_offline(&scene).await;
    let events = scene.simulator.events(0, usize::MAX).events;
    let delivered = |what: &What| matches!(what, What::Delivered { .. });
    assert_eq!(
        events.iter().filter(|event| delivered(&event.what)).count(),
        200
    );
    assert_eq!(scene.simulator.world(|world, _| world.stored_len()), 0);
}

#[tokio::test]
async fn an_app_posts_its_token_is_pushed_to_and_leaves_through_the_feedback_list() {
    let scene = Scene::set().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let apps = [TOPIC, SECOND].map(|topic| ProviderApp {
        topic: topic.to_owned(),
        identity: scene.portal.push(apns_certs::Kind::Universal, topic),
        roots: scene.portal.roots(),
        gateway: scene.simulator.binary().into(),
        feedback: scene.simulator.feedback().into(),
    });
    let config = AppServerConfig {
        apps: apps.into(),
        quiet: Duration::from_millis(200),
    };
    let server = AppServer::start(listener, config).unwrap();
    let mut phone = Phone::new("iPhone");
    for topic in [TOPIC, SECOND] {
        phone.install(topic, "Mail", true).unwrap();
        phone.register(topic, Types::ALL).unwrap();
    }
    let config = LinkConfig {
        courier: scene.simulator.courier().into(),
        identity: scene.portal.device("iPhone"),
        roots: Roots::Certificates(vec![scene.portal.ca.certificate_der().clone()]),
        app_server: Some(server.address().into()),
        events: None,
        transcript: None,
    };
    let phone = PhoneLink::start(phone, config).unwrap();
    let token = phone.token(TOPIC, DEADLINE).await.unwrap();
    // The post takes a moment longer than the token.
    let app = format!("/apps/{TOPIC}");
    soon(async {
        loop {
            let (_, list) = http(server.address(), "GET", &format!("{app}/tokens"), "").await;
            if list["tokens"][0]["token"] == token.to_hex() {
                break;
            }
        }
    })
    .await;

    let push_path = format!("{app}/push");
    let push = || {
        http(
            server.address(),
            "POST",
            &push_path,
            r#"{"aps":{"alert":"hi"}}"#,
        )
    };
    let (_, answer) = push().await;
    assert_eq!(answer["sent"], 1, "{answer}");
    has_received(&phone, &[alert("hi")]).await;

    phone.with(|phone| phone.uninstall(TOPIC)).unwrap();
    let (_, answer) = push().await;
    assert_eq!(
        answer["sent"], 1,
        "the protocol has no other answer: {answer}"
    );
    scene
        .simulator
        .wait_for("\"app gone\"", DEADLINE, |world| {
            let events = world.events(0, usize::MAX).events;
            let gone = |what: &What| matches!(what, What::AppGone { .. });
            events.iter().any(|event| gone(&event.what)).then_some(())
        })
        .await
        .unwrap();
    let (status, answer) = http(server.address(), "POST", &format!("{app}/feedback"), "").await;
    assert_eq!(
        (status, &answer["tuples"][0]["result"]),
        (200, &json!("dropped")),
        "{answer}"
    );
    let (_, list) = http(server.address(), "GET", &format!("{app}/tokens"), "").await;
    assert_eq!(list["tokens"], json!([]));
}

#[tokio::test]
async fn a_keepalive_goes_over_the_phones_socket_and_is_answered() {
    let scene = Scene::set().await;
    let mut phone = Phone::new("iPhone");
    phone.install(TOPIC, "Mail", true).unwrap();
    phone.register(TOPIC, Types::ALL).unwrap();
    let (reader, mut lines) = mpsc::channel(100);
    let config = LinkConfig {
        courier: scene.simulator.courier().into(),
        identity: scene.portal.device("iPhone"),
        roots: scene.portal.roots(),
        app_server: None,
        events: None,
        transcript: Some(reader),
    };
    let link = PhoneLink::start(phone, config).unwrap();
    link.token(TOPIC, DEADLINE).await.unwrap();
    for _ in 0..2 {
        // Once the last one was answered.
        soon(async {
            while !link.with(Phone::keep_alive) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        for wanted in [
            (Side::Phone, Message::KeepAlive),
            (Side::Apns, Message::KeepAliveAck),
        ] {
            let said = async {
                loop {
                    let line = lines.recv().await.unwrap();
                    if (line.from, line.message) == wanted {
                        break;
                    }
                }
            };
            soon(said).await;
        }
    }
}
