//! Projects: worlds beside each other in one simulator, and their clocks.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use apns_proto::Token;
use apns_simulator::event::{Dropped, Route, What};
use apns_simulator::phone_link::PhoneLink;
use apns_simulator::{Config, Project};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::client::TlsStream;

use crate::support::{
    DEADLINE, SECOND, Scene, TOPIC, alert, framed, happens, has_received, received, soon,
    to_the_end,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a test worker has to itself.
struct Worker {
    project: Arc<Project>,
    phone: PhoneLink,
    token: Token,
    provider: TlsStream<TcpStream>,
}

impl Worker {
    async fn start(scene: &Scene, team: &str) -> Self {
        let courier = scene.simulator.courier();
        let device = scene.portal.device_of("iPhone", team);
        let (phone, token) = scene.phone_at("iPhone", courier, device).await;
        Self {
            project: scene.simulator.project(team).unwrap(),
            phone,
            token,
            provider: Self::provider(scene, team).await.unwrap(),
        }
    }

    async fn provider(scene: &Scene, team: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let identity = scene.portal.provider_of(team);
        scene.dial(scene.simulator.binary(), &identity).await
    }

    async fn push(&mut self, identifier: u32, text: &str) {
        let frame = framed(identifier, self.token.as_bytes(), &alert(text));
        self.provider.write_all(&frame).await.unwrap();
    }
}

/// Command 1: with an expiry.
fn expiring(token: &Token, expiry: SystemTime, payload: &str) -> Vec<u8> {
    let expiry = expiry.duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut frame = vec![1, 0, 0, 0, 1];
    frame.extend(u32::try_from(expiry).unwrap().to_be_bytes());
    frame.extend([0, 32]);
    frame.extend(token.as_bytes());
    frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    frame.extend(payload.as_bytes());
    frame
}

fn refuses(what: &What) -> bool {
    matches!(what, What::Rejected { .. })
}

#[tokio::test]
async fn workers_in_projects_of_their_own_never_see_each_other() {
    let scene = Arc::new(Scene::set().await);
    let mut workers = JoinSet::new();
    for number in 0..8 {
        let scene = scene.clone();
        workers.spawn(async move {
            let team = format!("TEAM{number:06}");
            let mut worker = Worker::start(&scene, &team).await;
            let texts: Vec<_> = (0..20).map(|push| format!("{team} {push}")).collect();
            for (identifier, text) in (0..).zip(&texts) {
                worker.push(identifier, text).await;
            }
            let payloads: Vec<_> = texts.iter().map(alert).collect();
            has_received(&worker.phone, &payloads).await;
            worker
        });
    }
    let workers = soon(workers.join_all()).await;
    for worker in &workers {
        let events = worker.project.events(0, usize::MAX);
        let accepted = events
            .events
            .iter()
            .filter(|event| matches!(event.what, What::Accepted { .. }));
        assert_eq!(accepted.count(), 20, "{}", worker.project.name());
    }
    let tokens: std::collections::HashSet<_> =
        workers.iter().map(|worker| worker.token.clone()).collect();
    assert_eq!(tokens.len(), workers.len(), "no token is there twice");
    assert!(scene.simulator.events(0, usize::MAX).events.is_empty());
}

#[tokio::test]
async fn a_token_means_nothing_in_another_project_and_who_names_no_team_is_in_the_default_one() {
    let scene = Scene::set().await;
    let (phone, token) = scene.phone("iPhone").await;
    let mut stranger = Worker::provider(&scene, "TEAM000001").await.unwrap();
    stranger
        .write_all(&framed(1, token.as_bytes(), &alert("lost")))
        .await
        .unwrap();
    assert_eq!(to_the_end(&mut stranger).await, [8, 8, 0, 0, 0, 1]);
    let project = scene.simulator.project("TEAM000001").unwrap();
    happens(&project, "a rejection that says why", |what| {
        matches!(what, What::Rejected { why, .. } if why.contains("no phones in this project"))
    })
    .await;
    let mut own = Worker::provider(&scene, "").await.unwrap();
    own.write_all(&framed(1, token.as_bytes(), &alert("hi")))
        .await
        .unwrap();
    has_received(&phone, &[alert("hi")]).await;
    assert!(
        !scene
            .simulator
            .events(0, usize::MAX)
            .events
            .iter()
            .any(|event| refuses(&event.what))
    );
}

#[tokio::test]
async fn there_are_no_more_projects_than_may_be_and_an_idle_one_makes_room() {
    let scene = Scene::set_with(|config: &mut Config| config.projects_max = 3).await;
    let first = Worker::start(&scene, "TEAM000001").await;
    let second = Worker::start(&scene, "TEAM000002").await;
    let refused = scene.simulator.project("TEAM000003").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "no room for project TEAM000003: 3 are in use; reset one that is not needed any more"
    );
    let mut turned_away = Worker::provider(&scene, "TEAM000003").await.unwrap();
    assert_eq!(to_the_end(&mut turned_away).await, [0; 0]);
    let Worker { project, phone, .. } = first;
    soon(phone.shutdown()).await;
    project.reset();
    drop(project);
    // Its connections are ending; then it can go.
    let third = async {
        loop {
            match scene.simulator.project("TEAM000003") {
                Ok(project) => break project,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    assert_eq!(soon(third).await.name(), "TEAM000003");
    assert!(!second.project.events(0, 1).events.is_empty());
}

#[tokio::test]
async fn after_a_reset_a_project_is_as_at_the_start_and_its_connections_are_closed() {
    let scene = Scene::set().await;
    let mut worker = Worker::start(&scene, "TEAM000001").await;
    let mut other = Worker::start(&scene, "TEAM000002").await;
    worker.push(7, "before").await;
    has_received(&worker.phone, &[alert("before")]).await;
    worker.project.freeze();
    let newest = worker.project.world(|world, _| world.newest_event());
    // Whoever comes back is another phone to the world, so this one stays away.
    worker.phone.with(|phone| phone.set_airplane(true));
    worker.project.reset();

    let page = worker.project.events(0, usize::MAX);
    assert_eq!((page.events.len(), page.missed), (0, 0));
    assert!(!worker.project.clock().is_frozen());
    assert_eq!(
        to_the_end(&mut worker.provider).await,
        [8, 10, 0, 0, 0, 7],
        "closed as at a shutdown [P-42]"
    );
    let mut again = Worker::provider(&scene, "TEAM000001").await.unwrap();
    again
        .write_all(&framed(1, worker.token.as_bytes(), &alert("lost")))
        .await
        .unwrap();
    assert_eq!(to_the_end(&mut again).await, [8, 8, 0, 0, 0, 1]);
    let first = &worker.project.events(newest, usize::MAX).events[0];
    assert!(refuses(&first.what), "{first:?}");
    assert_eq!(first.seq, newest + 1, "a watcher goes on where it was");

    worker.phone.with(|phone| phone.set_airplane(false));
    worker
        .phone
        .wait_for("a token of the new world", DEADLINE, |phone| {
            phone.app(SECOND)?.token()?;
            phone.app(TOPIC)?.token().cloned()
        })
        .await
        .unwrap();
    other.push(1, "untouched").await;
    has_received(&other.phone, &[alert("untouched")]).await;
}

#[tokio::test]
async fn what_expires_by_the_projects_clock_is_gone_when_the_clock_has_been_moved() {
    let scene = Scene::set().await;
    let mut worker = Worker::start(&scene, "TEAM000001").await;
    worker.project.freeze();
    worker.phone.with(|phone| phone.set_airplane(true));
    happens(&worker.project, "the phone to go offline", |what| {
        matches!(what, What::Offline { .. })
    })
    .await;
    let expiry = worker.project.now() + 30 * DAY;
    let frame = expiring(&worker.token, expiry, &alert("stale"));
    worker.provider.write_all(&frame).await.unwrap();
    happens(&worker.project, "one to be stored", |what| {
        matches!(
            what,
            What::Accepted {
                route: Route::Stored(_),
                ..
            }
        )
    })
    .await;
    let expired = |project: &Project| {
        let events = project.events(0, usize::MAX).events;
        let expired = |what: &What| {
            matches!(
                what,
                What::Dropped {
                    why: Dropped::Expired,
                    ..
                }
            )
        };
        events.into_iter().find(|event| expired(&event.what))
    };
    worker.project.advance(29 * DAY).unwrap();
    assert_eq!(expired(&worker.project), None);
    worker.project.advance(DAY).unwrap();
    // At once, not at the next tick.
    let event = expired(&worker.project).expect("it is gone");
    assert_eq!(event.at, worker.project.now());
    worker.phone.with(|phone| phone.set_airplane(false));
    happens(&worker.project, "the phone to come back", |what| {
        matches!(what, What::Online { stored: 0, .. })
    })
    .await;
    assert!(received(&worker.phone).is_empty());
}

#[tokio::test]
async fn feedback_times_are_the_projects() {
    let scene = Scene::set().await;
    let mut worker = Worker::start(&scene, "TEAM000001").await;
    worker.project.freeze();
    worker.project.advance(100 * DAY).unwrap();
    let seconds = worker.project.now().duration_since(UNIX_EPOCH).unwrap();
    let seconds = u32::try_from(seconds.as_secs()).unwrap();
    worker.phone.with(|phone| phone.uninstall(TOPIC)).unwrap();
    worker.push(1, "to nobody").await;
    happens(
        &worker.project,
        "the app to be gone",
        |what| matches!(what, What::AppGone { timestamp, .. } if *timestamp == seconds),
    )
    .await;
    let identity = scene.portal.provider_of("TEAM000001");
    let address = scene.simulator.feedback();
    let mut reader = scene.dial(address, &identity).await.unwrap();
    let list = to_the_end(&mut reader).await;
    assert_eq!(list[..4], seconds.to_be_bytes());
}

#[tokio::test]
async fn a_certificate_that_has_ended_by_the_projects_clock_is_refused_as_an_expired_one() {
    let scene = Scene::set().await;
    let project = scene.simulator.project("TEAM000001").unwrap();
    project.advance(366 * DAY).unwrap();
    let refused = Worker::provider(&scene, "TEAM000001").await.unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("CertificateExpired"), "{text}");
    Worker::provider(&scene, "TEAM000002").await.unwrap();
    project.follow_real_time();
    Worker::provider(&scene, "TEAM000001").await.unwrap();
    // A phone gets a new certificate when it needs one: it is not refused.
    project.advance(366 * DAY).unwrap();
    let device = scene.portal.device_of("iPhone", "TEAM000001");
    scene
        .phone_at("iPhone", scene.simulator.courier(), device)
        .await;
}
