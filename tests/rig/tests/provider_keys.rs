//! Keys for provider tokens that are changed while the gateway runs.

#![expect(clippy::unwrap_used, reason = "in a test that is the message")]

use std::fs;
use std::ops::RangeInclusive;
use std::time::Duration;

use apns_gateway::config::{TokenConfig, UpstreamConfig};
use apns_rig::eventually::eventually;
use apns_rig::numbered::{each_once, payload};
use apns_rig::{Knobs, Rig, Upstream, frames};
use apns_simulator::faults::Faults;
use apns_simulator::provider_api::ProviderKey;

async fn rig() -> Rig {
    let mut rig = Rig::prepare(Knobs {
        upstream: Upstream::Http2Token,
        phones: 6,
        ..Knobs::default()
    })
    .await;
    rig.config.apps[0].probe_interval = Duration::from_millis(50);
    rig
}

async fn send(rig: &Rig, numbers: RangeInclusive<u32>) {
    let phone = |n: u32| &rig.phones[n as usize % rig.phones.len()];
    let frames: Vec<u8> = numbers
        .flat_map(|n| frames::framed(n, &phone(n).token, &payload(n)))
        .collect();
    rig.backend().await.send(&frames).await.unwrap();
}

/// Waits until each number up to `last` is shown once.
async fn all_shown(rig: &Rig, last: u32) {
    rig.settled(|counts| counts.delivered == u64::from(last) && counts.queued == 0)
        .await;
    eventually("each once", async || {
        let shown = rig.phones.iter();
        let shown: Vec<_> = shown.flat_map(apns_rig::phone::RigPhone::numbers).collect();
        each_once(shown, 1..=last)
    })
    .await;
}

fn token(rig: &mut Rig) -> &mut TokenConfig {
    rig.http2_upstream().token.as_mut().unwrap()
}

/// The simulator takes tokens of the key `id` for those that are signed with the key of `by`, and no others.
fn sign_by(rig: &Rig, id: &str, by: &str) {
    rig.simulator.world(|world, _| {
        let signed = world.provider_key(by).unwrap().clone();
        world.add_provider_key(ProviderKey {
            id: id.into(),
            ..signed
        });
    });
}

fn connections(rig: &Rig) -> u64 {
    rig.gateway().counters().upstream_connections.read()
}

/// The provider token that lies beside the store.
fn kept(rig: &Rig, key_id: &str) -> String {
    let name = |entry: &fs::DirEntry| entry.file_name().into_string().unwrap();
    let mut entries = fs::read_dir(rig.folder()).unwrap().map(Result::unwrap);
    let file = entries
        .find(|entry| name(entry).ends_with(&format!("-{key_id}")))
        .unwrap();
    fs::read_to_string(file.path()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_key_signs_from_then_on_and_what_is_under_way_comes_to_its_end() {
    let mut rig = rig().await;
    rig.start_gateway().await;
    let before = token(&mut rig).clone();
    send(&rig, 1..=10).await;
    all_shown(&rig, 10).await;
    rig.fault("action=latency,ms=300");
    send(&rig, 11..=40).await;
    rig.settled(|counts| counts.accepted == 40).await;
    let after = rig.provider_key();
    *token(&mut rig) = after.clone();
    rig.gateway().reload(&rig.config).await.unwrap();
    rig.simulator.faults(Faults::clear);
    all_shown(&rig, 40).await;
    assert_eq!(connections(&rig), 2, "one for each key");

    // From now on nobody signs with the first.
    sign_by(&rig, &before.key_id, &after.key_id);
    send(&rig, 41..=60).await;
    all_shown(&rig, 60).await;
    assert_eq!((connections(&rig), rig.ledger.held()), (2, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_key_in_the_same_file_signs_at_once_and_the_same_one_goes_on_with_its_token() {
    let mut rig = rig().await;
    rig.start_gateway().await;
    let key = token(&mut rig).clone();
    send(&rig, 1..=10).await;
    all_shown(&rig, 10).await;
    let first = kept(&rig, &key.key_id);
    rig.gateway().reload(&rig.config).await.unwrap();
    send(&rig, 11..=20).await;
    all_shown(&rig, 20).await;
    assert_eq!(
        (kept(&rig, &key.key_id), connections(&rig)),
        (first.clone(), 1)
    );

    let other = rig.provider_key();
    fs::copy(&other.key, &key.key).unwrap();
    sign_by(&rig, &key.key_id, &other.key_id);
    rig.gateway().reload(&rig.config).await.unwrap();
    send(&rig, 21..=30).await;
    all_shown(&rig, 30).await;
    assert_ne!(kept(&rig, &key.key_id), first);
    assert_eq!((connections(&rig), rig.ledger.held()), (2, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_cannot_be_used_is_named_and_the_one_before_goes_on_signing() {
    let mut rig = rig().await;
    rig.start_gateway().await;
    send(&rig, 1..=10).await;
    all_shown(&rig, 10).await;
    let key = token(&mut rig).key.clone();
    let other_kind = apns_certs::Ca::new().unwrap().key_pem();
    let missing = rig.folder().join("AuthKey_NOWHERE.p8");
    for (written, named) in [
        ("no key at all", "app.upstream.token.key"),
        (&other_kind, "AuthKey_….p8"),
    ] {
        fs::write(&key, written).unwrap();
        let problem = rig.gateway().reload(&rig.config).await.unwrap_err();
        let problem = format!("{:#}", anyhow::Error::from(problem));
        let path = key.to_str().unwrap();
        assert!(
            problem.contains(named) && problem.contains(path),
            "{problem}"
        );
    }
    token(&mut rig).key.clone_from(&missing);
    let problem = rig.gateway().reload(&rig.config).await.unwrap_err();
    let problem = format!("{:#}", anyhow::Error::from(problem));
    assert!(problem.contains("NOWHERE"), "{problem}");
    send(&rig, 11..=20).await;
    all_shown(&rig, 20).await;
    assert_eq!(connections(&rig), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_is_on_hold_for_its_key_goes_on_when_the_right_one_is_read() {
    let mut rig = rig().await;
    let right = token(&mut rig).clone();
    token(&mut rig).key_id = "WRONG12345".to_owned();
    rig.start_gateway().await;
    send(&rig, 1..=10).await;
    let reason = eventually("the hold", async || rig.ledger.held().ok_or("not held")).await;
    assert!(reason.contains("InvalidProviderToken"), "{reason}");
    *token(&mut rig) = right;
    rig.gateway().reload(&rig.config).await.unwrap();
    all_shown(&rig, 10).await;
    assert_eq!(rig.ledger.held(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sighup_the_configuration_file_says_which_key_signs_and_nothing_else() {
    let rig = rig().await;
    let gateway = rig.gateway_process(env!("CARGO_BIN_EXE_rig-gateway")).await;
    let logged = async |words: &str| {
        eventually(words, async || {
            let log = gateway.stderr();
            log.contains(words).then_some(()).ok_or(log)
        })
        .await;
    };
    let push = async |n: u32| {
        let mut backend = rig.backend_at(gateway.address("backend")).await;
        let phone = &rig.phones[0];
        let frame = frames::framed(n, &phone.token, &payload(n));
        backend.send(&frame).await.unwrap();
        eventually("the push", async || each_once(phone.numbers(), 1..=n)).await;
    };
    push(1).await;
    let path = rig.folder().join("gateway.toml");
    let good = fs::read_to_string(&path).unwrap();
    fs::write(&path, "no = [configuration").unwrap();
    gateway.signal("HUP");
    logged("certificates and keys stay as they were").await;
    fs::write(&path, good).unwrap();
    push(2).await;

    let after = rig.provider_key();
    let mut config = rig.config.clone();
    let UpstreamConfig::Http2(http2) = &mut config.apps[0].upstream else {
        panic!("this rig's upstream is HTTP/2");
    };
    let first = http2.token.replace(after.clone()).unwrap();
    config.shutdown.idle = Duration::from_secs(7);
    fs::write(&path, toml::to_string(&config).unwrap()).unwrap();
    gateway.signal("HUP");
    logged("another key signs provider tokens from now on").await;
    logged("takes effect at a restart").await;
    sign_by(&rig, &first.key_id, &after.key_id);
    push(3).await;
}
