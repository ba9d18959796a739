//! What one app, or one backend, has to wait for must not be waited for by another.

use crate::support::{Bench, ENVIRONMENT, TOPIC, Upstream, binary, enhanced, eventually};

const OTHER_TOPIC: &str = "com.example.News";

#[tokio::test]
async fn an_app_whose_upstream_is_away_and_whose_backlog_is_full_holds_back_no_other() {
    let mut bench = Bench::prepare().await;
    bench.config.store.backlog_rows_max = 3;
    let other_upstream = Upstream::new(&bench.authority).await;
    let other_push = bench.add_app(OTHER_TOPIC, &other_upstream);
    bench.run().await;
    // Nobody is at home upstream of the first app. Its backend fills the backlog and more.
    let mut backend = bench.backend().await;
    backend.push(1..=6).await;
    eventually("a full backlog", || bench.counts().queued >= 3).await;

    let address = bench.gateway().backend_address(ENVIRONMENT).unwrap();
    let mut other = bench.connect(address, &other_push).await;
    let mut peer = other_upstream.accept().await;
    for name in 1..=9 {
        other.push([name]).await;
        assert_eq!(peer.names(1).await, [name]);
    }
    let settled = || {
        let counts = bench.gateway().counts(OTHER_TOPIC, ENVIRONMENT).unwrap();
        counts.balanced() && counts.delivered == 9
    };
    eventually("the other app's deliveries", settled).await;
    assert_eq!(bench.counts().delivered, 0);
}

/// So much of one backend's waits while another's ten come.
const MANY: u32 = 20_000;

/// The first backend's notifications; the other's are named 1 to 10.
fn many() -> Vec<u8> {
    let names = (11..=250).cycle().zip(0..MANY);
    names.flat_map(|(name, at)| enhanced(at, name)).collect()
}

#[tokio::test]
async fn another_backends_ten_go_at_every_other_turn_beside_twenty_thousand_of_one() {
    const WINDOW: u64 = 100;
    let mut bench = Bench::prepare().await;
    let way = binary(&mut bench.config);
    way.window = WINDOW as usize;
    bench.run().await;
    let mut peer = bench.upstream.accept().await;
    let mut backend = bench.backend().await;
    let address = bench.gateway().backend_address(ENVIRONMENT).unwrap();
    let certificate = bench.authority.push(TOPIC);
    let mut other = bench.connect(address, &certificate).await;
    backend.write(&many()).await;
    eventually("acceptance", || bench.counts().accepted == u64::from(MANY)).await;

    other.push(1..=10).await;
    let mut delivered = 0;
    eventually("the ten", || {
        let counts = bench.counts();
        delivered = counts.delivered;
        counts.accepted == u64::from(MANY) + 10
    })
    .await;
    let mut order = Vec::new();
    while order.last() != Some(&10) {
        order.extend(peer.names(1).await);
    }
    let ten: Vec<u8> = order.iter().copied().filter(|name| *name <= 10).collect();
    assert_eq!(ten, Vec::from_iter(1..=10));
    let first = order.iter().position(|name| *name == 1).unwrap();
    // What was on its way already, and a window more for the time in which the ten were read.
    assert!(first as u64 <= delivered + 2 * WINDOW, "{first} went first");
    let between = order.len() - first - 10;
    assert!(
        between < 10,
        "{between} of the first backend's between the ten"
    );
    assert!(bench.counts().queued > u64::from(MANY) / 2);
}

#[tokio::test]
async fn a_backend_that_pushes_to_tokens_another_has_queued_for_waits_for_those_alone() {
    let mut bench = Bench::prepare().await;
    let way = binary(&mut bench.config);
    way.window = 100;
    bench.run().await;
    let mut backend = bench.backend().await;
    let address = bench.gateway().backend_address(ENVIRONMENT).unwrap();
    let certificate = bench.authority.push(TOPIC);
    let mut other = bench.connect(address, &certificate).await;
    // Upstream is away. Only the very last is to the token that the other backend pushes to.
    backend.write(&[many(), enhanced(MANY, 7)].concat()).await;
    let all = u64::from(MANY) + 1;
    eventually("acceptance", || bench.counts().accepted == all).await;
    let frames = [enhanced(u32::MAX, 7), enhanced(u32::MAX, 8)];
    other.write(&frames.concat()).await;
    eventually("the others", || bench.counts().accepted == all + 2).await;

    let mut peer = bench.upstream.accept().await;
    let mut order = Vec::new();
    while order.last() != Some(&8) {
        order.extend(peer.names(1).await);
    }
    assert_eq!(order.iter().filter(|name| **name == 7).count(), 2);
    assert!(order.len() < 200, "{} went before", order.len());
}
