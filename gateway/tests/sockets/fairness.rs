//! What one app has to wait for must not be waited for by another.

use crate::support::{Bench, ENVIRONMENT, Upstream, eventually};

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
