//! The knobs, each as its client sees it.

use apns_certs::Kind;
use apns_net::credentials::Environment;
use apns_simulator::event::{Sent, What};
use apns_simulator::knobs::{
    Close, Command0Error, DeadToken, Knobs, ParseError, PayloadCap, WrongEnvironment,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Scene, TOPIC, alert, framed, happens, soon, to_the_end};

async fn scene(knobs: Knobs) -> Scene {
    Scene::set_with(|config| config.knobs = knobs).await
}

/// What a provider gets that writes `bytes`, up to the close.
async fn answer(scene: &Scene, bytes: &[u8]) -> Vec<u8> {
    let mut provider = scene.provider().await;
    provider.write_all(bytes).await.unwrap();
    to_the_end(&mut provider).await
}

/// What the events say was answered: a status, or a bare close.
fn answers(scene: &Scene) -> Vec<Option<u8>> {
    let events = scene.simulator.events(0, usize::MAX).events;
    let answered = |what| match what {
        What::Rejected { status, .. } => Some(status.map(|status| status.0)),
        _ => None,
    };
    events
        .into_iter()
        .filter_map(|event| answered(event.what))
        .collect()
}

#[tokio::test]
async fn command_0_error_id_0_answers_the_simple_notification_with_identifier_0() {
    let scene = scene(Knobs {
        command_0_error: Command0Error::Id0,
        ..Knobs::default()
    })
    .await;
    let unknown_token = [&[0, 0, 32][..], &[7; 32], &[0, 2], b"{}"].concat();
    assert_eq!(answer(&scene, &unknown_token).await, [8, 8, 0, 0, 0, 0]);
    let no_token = [&[0, 0, 0, 0, 2][..], b"{}"].concat();
    assert_eq!(answer(&scene, &no_token).await, [8, 2, 0, 0, 0, 0]);
    assert_eq!(answers(&scene), [Some(8), Some(2)]);
}

#[tokio::test]
async fn parse_error_chooses_the_answer_to_a_body_that_does_not_add_up_and_to_nothing_else() {
    // An identifier, then an item that runs past the frame.
    let body = [2, 0, 0, 0, 10, 3, 0, 4, 0, 0, 0, 5, 1, 0, 99];
    for (parse_error, expected) in [
        (ParseError::ProtocolError, &[8, 128, 0, 0, 0, 5][..]),
        (ParseError::Unknown, &[8, 255, 0, 0, 0, 5]),
        (ParseError::Close, &[]),
    ] {
        let scene = scene(Knobs {
            parse_error,
            ..Knobs::default()
        })
        .await;
        assert_eq!(answer(&scene, &body).await, expected, "{parse_error:?}");
        let unknown_command = answer(&scene, &[9]).await;
        assert_eq!(unknown_command, [0; 0], "{parse_error:?}");
        let bad_token = answer(&scene, &framed(5, &[7; 32], "{}")).await;
        assert_eq!(bad_token, [8, 8, 0, 0, 0, 5], "{parse_error:?}");
        let body = expected.get(1).copied();
        assert_eq!(answers(&scene), [body, None, Some(8)]);
    }
}

#[tokio::test]
async fn close_abrupt_does_not_wait_for_a_client_that_is_still_sending() {
    let scene = scene(Knobs {
        close: Close::Abrupt,
        ..Knobs::default()
    })
    .await;
    let mut provider = scene.provider().await;
    provider
        .write_all(&framed(1, &[7; 32], "{}"))
        .await
        .unwrap();
    let mut said = [0; 6];
    soon(provider.read_exact(&mut said)).await.unwrap();
    assert_eq!(said, [8, 8, 0, 0, 0, 1]);
    // A server that lingers would read this for two seconds more at least.
    let refused = async {
        loop {
            if let Err(error) = provider.write_all(&framed(2, &[7; 32], "{}")).await {
                break error;
            }
        }
    };
    let error = soon(refused).await.kind();
    assert!(
        matches!(
            error,
            std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn wrong_environment_accept_close_lets_the_handshake_succeed_and_says_nothing() {
    let scene = scene(Knobs {
        wrong_environment: WrongEnvironment::AcceptClose,
        ..Knobs::default()
    })
    .await;
    let identity = scene.portal.push(Kind::Production, TOPIC);
    let sandbox = scene.simulator.addresses(Environment::Sandbox);
    for address in [sandbox.binary, sandbox.feedback] {
        let mut provider = scene.dial(address, &identity).await.unwrap();
        assert_eq!(to_the_end(&mut provider).await, [0; 0]);
    }
    let production = scene.simulator.addresses(Environment::Production).binary;
    let mut provider = scene.dial(production, &identity).await.unwrap();
    provider
        .write_all(&framed(1, &[7; 32], "{}"))
        .await
        .unwrap();
    assert_eq!(to_the_end(&mut provider).await, [8, 8, 0, 0, 0, 1]);
}

#[tokio::test]
async fn dead_token_status_8_refuses_what_the_phone_has_no_app_for_any_more() {
    let scene = Scene::set().await;
    let project = scene.simulator.default_project();
    let (phone, token) = scene.phone("iPhone").await;
    phone.with(|phone| phone.uninstall(TOPIC)).unwrap();
    let mut provider = scene.provider().await;
    let mut push = async |identifier| {
        let frame = framed(identifier, token.as_bytes(), &alert(identifier));
        provider.write_all(&frame).await.unwrap();
    };
    push(1).await;
    happens(project, "the app to be gone", |what| {
        matches!(what, What::AppGone { .. })
    })
    .await;
    push(2).await;
    happens(project, "silence", |what| {
        let second = Some(apns_proto::Identifier([0, 0, 0, 2]));
        matches!(
            what,
            What::Accepted { request, .. }
                if matches!(request.sent, Sent::Frame { identifier, .. } if identifier == second)
        )
    })
    .await;
    project.set_knobs(Knobs {
        dead_token: DeadToken::Status8,
        ..project.knobs()
    });
    push(3).await;
    assert_eq!(to_the_end(&mut provider).await, [8, 8, 0, 0, 0, 3]);
    // The feedback list has it all the same.
    let list = to_the_end(&mut scene.reader().await).await;
    assert_eq!(&list[6..], token.as_bytes());
    project.reset();
    assert_eq!(project.knobs(), Knobs::default());
}

#[tokio::test]
async fn payload_cap_256_is_inclusive() {
    let scene = scene(Knobs {
        payload_cap: PayloadCap::Until2014,
        ..Knobs::default()
    })
    .await;
    // 256 bytes go on to the token, which nobody has.
    for (len, status) in [(256, 8), (257, 7)] {
        let frame = framed(1, &[7; 32], &"x".repeat(len));
        assert_eq!(answer(&scene, &frame).await, [8, status, 0, 0, 0, 1]);
    }
}
