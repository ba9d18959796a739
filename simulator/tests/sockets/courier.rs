//! The courier face: what a phone may say, what it hears, and when it is hung up on.

use std::time::Duration;

use apns_net::credentials::Identity;
use apns_simulator::Timeouts;
use apns_simulator::event::{Offline, Route, What};
use apns_simulator::world::{Bounds, topic_hash};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::support::{
    DEADLINE, Portal, Scene, TOPIC, alert, dial, dial_narrow, framed, has_received, soon,
    to_the_end,
};

/// A frame after [C-02].
fn frame(command: u8, fields: &[(u8, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (id, value) in fields {
        body.push(*id);
        body.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        body.extend(*value);
    }
    let mut frame = vec![command];
    frame.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    frame.extend(body);
    frame
}

/// A phone of bytes.
pub(crate) struct RawPhone {
    pub(crate) stream: TlsStream<TcpStream>,
}

impl RawPhone {
    pub(crate) async fn connect(scene: &Scene, identity: &Identity) -> Self {
        let courier = scene.simulator.courier();
        let stream = dial(courier, Some(identity), scene.portal.roots()).await;
        Self {
            stream: stream.unwrap(),
        }
    }

    pub(crate) async fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next frame: command and fields.
    async fn hear(&mut self) -> (u8, Vec<(u8, Vec<u8>)>) {
        soon(async {
            let command = self.stream.read_u8().await.unwrap();
            let len = self.stream.read_u32().await.unwrap();
            let mut body = vec![0; usize::try_from(len).unwrap()];
            self.stream.read_exact(&mut body).await.unwrap();
            let mut fields = Vec::new();
            let mut rest = &body[..];
            while let [id, high, low, value @ ..] = rest {
                let (value, later) = value.split_at(usize::from(u16::from_be_bytes([*high, *low])));
                fields.push((*id, value.to_vec()));
                rest = later;
            }
            (command, fields)
        })
        .await
    }

    /// Connect with a base token or none; the base token it has then.
    pub(crate) async fn hello(&mut self, base: &[u8]) -> Vec<u8> {
        self.say(&frame(0x07, &[(1, base)])).await;
        let (command, fields) = self.hear().await;
        assert_eq!((command, &fields[0]), (0x08, &(1, vec![0])));
        let issued = fields.into_iter().find(|(id, _)| *id == 3);
        issued.map_or_else(|| base.to_vec(), |(_, token)| token)
    }

    /// Connect and register: base token and device token.
    pub(crate) async fn register(&mut self, base: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let base = self.hello(base).await;
        let hash = topic_hash(TOPIC).0;
        let app = TOPIC.as_bytes();
        self.say(&frame(0x11, &[(1, &base), (2, &hash), (3, app)]))
            .await;
        let (command, fields) = self.hear().await;
        assert_eq!((command, &fields[0]), (0x12, &(1, vec![0])));
        assert_eq!(fields[2], (3, hash.to_vec()));
        (base, fields[1].1.clone())
    }

    /// The next notification: its payload and its id.
    pub(crate) async fn notification(&mut self) -> (String, Vec<u8>) {
        let (command, fields) = self.hear().await;
        assert_eq!(command, 0x0a);
        let field = |wanted| {
            let found = fields.iter().find(|(id, _)| *id == wanted);
            found.unwrap().1.clone()
        };
        (String::from_utf8(field(3)).unwrap(), field(4))
    }
}

/// Waits for an event in which `wanted` sees something.
async fn happened<T>(scene: &Scene, what: &str, wanted: impl Fn(&What) -> Option<T>) -> T {
    scene
        .simulator
        .wait_for(what, DEADLINE, |world| {
            let events = world.events(0, usize::MAX).events;
            events.iter().find_map(|event| wanted(&event.what))
        })
        .await
        .unwrap()
}

pub(crate) async fn goes_offline(scene: &Scene) -> Offline {
    happened(scene, "the phone to go offline", |what| match what {
        What::Offline { why, .. } => Some(*why),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_phone_of_bytes_registers_receives_and_acknowledges() {
    let scene = Scene::set().await;
    let mut phone = RawPhone::connect(&scene, &scene.portal.device("raw")).await;
    let (base, token) = phone.register(&[]).await;
    assert_eq!((base.len(), token.len()), (32, 32));
    phone.say(&frame(0x0c, &[])).await;
    assert_eq!(phone.hear().await, (0x0d, vec![]));
    let mut provider = scene.provider().await;
    let bytes = framed(1, &token, &alert("hi"));
    provider.write_all(&bytes).await.unwrap();
    let (payload, id) = phone.notification().await;
    assert_eq!(payload, alert("hi"));
    phone.say(&frame(0x0b, &[(4, &id), (8, &[0])])).await;
    happened(&scene, "the delivery", |what| {
        matches!(what, What::Delivered { .. }).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_out_of_place_or_means_nothing_ends_the_connection_and_the_world_goes_on() {
    let scene = Scene::set().await;
    let hello = frame(0x07, &[]);
    let acknowledgement = frame(0x0b, &[(4, &[0; 4]), (8, &[0])]);
    for (what, bytes) in [
        ("an acknowledgement before Connect", acknowledgement.clone()),
        ("Connect twice", [hello.clone(), hello.clone()].concat()),
        (
            "an acknowledgement of nothing",
            [hello.clone(), acknowledgement].concat(),
        ),
        ("a server's message", [hello, frame(0x0d, &[])].concat()),
        ("a frame of 4 GiB", vec![0x07, 0xff, 0xff, 0xff, 0xff]),
        ("a field past its frame", vec![0x07, 0, 0, 0, 3, 1, 0, 32]),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
    ] {
        let mut phone = RawPhone::connect(&scene, &scene.portal.device(what)).await;
        phone.say(&bytes).await;
        let mut said = Vec::new();
        // A reset is an end too: not all it sent was read.
        let _ = soon(phone.stream.read_to_end(&mut said)).await;
        assert!(said.is_empty() || said[0] == 0x08, "{what}: {said:02x?}");
    }
    scene.phone("iPhone").await;
}

#[tokio::test]
async fn a_frame_that_trickles_in_is_given_up_at_its_deadline() {
    let timeouts = Timeouts {
        frame: Duration::from_millis(200),
        ..Timeouts::default()
    };
    let scene = Scene::set_with(|config| config.timeouts = timeouts).await;
    let mut phone = RawPhone::connect(&scene, &scene.portal.device("slow")).await;
    phone.register(&[]).await;
    phone.say(&[0x0c, 0]).await;
    assert_eq!(to_the_end(&mut phone.stream).await, [0_u8; 0]);
    assert_eq!(goes_offline(&scene).await, Offline::Fault);
}

#[tokio::test]
async fn an_unknown_base_token_is_answered_2_and_the_close() {
    let scene = Scene::set().await;
    let mut phone = RawPhone::connect(&scene, &scene.portal.device("stranger")).await;
    phone.say(&frame(0x07, &[(1, &[0xbb; 32])])).await;
    let said = to_the_end(&mut phone.stream).await;
    assert_eq!(said, [0x08, 0, 0, 0, 4, 1, 0, 1, 2]);
}

#[tokio::test]
async fn a_phone_that_connects_again_takes_over_from_its_older_connection() {
    let scene = Scene::set().await;
    let identity = scene.portal.device("iPhone");
    let mut older = RawPhone::connect(&scene, &identity).await;
    let (base, token) = older.register(&[]).await;
    let mut newer = RawPhone::connect(&scene, &identity).await;
    assert_eq!(newer.register(&base).await, (base, token.clone()));
    assert_eq!(to_the_end(&mut older.stream).await, [0_u8; 0]);
    let mut provider = scene.provider().await;
    let bytes = framed(1, &token, &alert("hi"));
    provider.write_all(&bytes).await.unwrap();
    assert_eq!(newer.notification().await.0, alert("hi"));
}

#[tokio::test]
async fn what_was_sent_but_not_acknowledged_comes_again() {
    let scene = Scene::set().await;
    let identity = scene.portal.device("iPhone");
    let mut phone = RawPhone::connect(&scene, &identity).await;
    let (base, token) = phone.register(&[]).await;
    let mut provider = scene.provider().await;
    let bytes = framed(1, &token, &alert("hi"));
    provider.write_all(&bytes).await.unwrap();
    phone.notification().await;
    drop(phone);
    assert_eq!(goes_offline(&scene).await, Offline::Closed);
    let mut phone = RawPhone::connect(&scene, &identity).await;
    phone.hello(&base).await;
    assert_eq!(phone.notification().await.0, alert("hi"));
}

#[tokio::test]
async fn a_phone_that_takes_nothing_is_hung_up_on() {
    let timeouts = Timeouts {
        write: Duration::from_millis(300),
        ..Timeouts::default()
    };
    let scene = Scene::set_with(|config| config.timeouts = timeouts).await;
    let identity = scene.portal.device("stuck");
    let courier = scene.simulator.courier();
    let stream = dial_narrow(courier, &identity, scene.portal.roots()).await;
    let mut phone = RawPhone { stream };
    let (_, token) = phone.register(&[]).await;
    let mut provider = scene.provider().await;
    // More than the kernel's buffers hold.
    let large = framed(1, &token, &alert("x".repeat(2000)));
    for _ in 0..5_000 {
        soon(provider.write_all(&large)).await.unwrap();
    }
    assert_eq!(goes_offline(&scene).await, Offline::Stalled);
}

#[tokio::test]
async fn a_phone_that_acknowledges_slowly_slows_the_provider_and_loses_nothing() {
    let bounds = Bounds {
        outbox_max: 3,
        ..Bounds::default()
    };
    let scene = Scene::set_with(|config| config.bounds = bounds).await;
    let (phone, token) = scene.phone("iPhone").await;
    let mut provider = scene.provider().await;
    let payloads: Vec<_> = (0..500).map(alert).collect();
    let bytes: Vec<u8> = payloads
        .iter()
        .flat_map(|payload| framed(0, token.as_bytes(), payload))
        .collect();
    provider.write_all(&bytes).await.unwrap();
    has_received(&phone, &payloads).await;
}

#[tokio::test]
async fn a_phone_that_acknowledges_nothing_counts_as_offline_after_a_while() {
    let scene = Scene::set_with(|config| {
        config.bounds.outbox_max = 3;
        config.timeouts.room = Duration::from_millis(200);
    })
    .await;
    let identity = scene.portal.device("mute");
    let mut phone = RawPhone::connect(&scene, &identity).await;
    let (base, token) = phone.register(&[]).await;
    let mut provider = scene.provider().await;
    let bytes: Vec<u8> = (0..10)
        .flat_map(|number| framed(number, &token, &alert(number)))
        .collect();
    provider.write_all(&bytes).await.unwrap();
    provider.shutdown().await.unwrap();
    assert_eq!(to_the_end(&mut provider).await, [0_u8; 0], "all accepted");
    assert_eq!(goes_offline(&scene).await, Offline::Stalled);
    // Three were on their way, one waited; then the phone was offline, and each gave way to the next [C-12].
    let events = scene.simulator.events(0, usize::MAX).events;
    let queued: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.what {
            What::Accepted { route, .. } => Some(matches!(route, Route::Queued(_))),
            _ => None,
        })
        .collect();
    assert_eq!(queued, [[true; 3].as_slice(), &[false; 7]].concat());
    let mut phone = RawPhone::connect(&scene, &identity).await;
    phone.hello(&base).await;
    assert_eq!(phone.notification().await.0, alert(9));
}

#[tokio::test]
async fn each_port_takes_only_the_certificates_that_are_meant_for_it() {
    let scene = Scene::set().await;
    let (provider, device) = (scene.portal.provider(), scene.portal.device("iPhone"));
    let stranger = Portal::open().device("iPhone");
    let simulator = &scene.simulator;
    let (binary, feedback, courier) = (
        simulator.binary(),
        simulator.feedback(),
        simulator.courier(),
    );
    for (what, address, identity) in [
        ("a provider on the courier", courier, Some(&provider)),
        ("a phone on the binary port", binary, Some(&device)),
        ("a phone on the feedback port", feedback, Some(&device)),
        ("a phone of another CA", courier, Some(&stranger)),
        ("nobody on the courier", courier, None),
        ("nobody on the binary port", binary, None),
        ("nobody on the feedback port", feedback, None),
    ] {
        let refused = dial(address, identity, scene.portal.roots()).await;
        let error = refused.expect_err(what).to_string();
        assert!(error.contains("alert"), "{what}: {error}");
    }
}
