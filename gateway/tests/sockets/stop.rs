//! How a running gateway ends (order contract, rule 11).

use std::time::Duration;

use tokio::time::timeout;

use crate::support::*;

#[tokio::test]
async fn an_idle_backend_is_closed_in_good_order_and_what_is_on_its_way_is_waited_for() {
    let mut bench = Bench::start().await;
    let mut peer = bench.upstream.accept().await;
    let mut backend = bench.backend().await;
    backend.push([1]).await;
    assert_eq!(peer.names(1).await, [1]);
    let ((), bytes) = tokio::join!(bench.stop(), backend.read_to_end());
    assert_eq!(bytes, b"", "a close, and no packet");
    assert_eq!(peer.rest().await, b"", "nothing more was sent");
    bench.run().await;
    assert_eq!(bench.counts().delivered, 1, "its silence was waited for");
}

#[tokio::test]
async fn a_busy_backend_is_told_the_last_one_that_was_accepted() {
    let mut bench =
        Bench::with(|config| config.shutdown.drain_timeout = Duration::from_millis(500)).await;
    let _peer = bench.upstream.accept().await;
    let mut backend = bench.backend().await;
    backend.push([1, 2]).await;
    // In the middle of the third: it is not idle.
    backend.write(&enhanced(3, 3)[..20]).await;
    let ((), bytes) = tokio::join!(bench.stop(), backend.read_to_end());
    assert_eq!(bytes, [8, 10, 0, 0, 0, 2]);
    bench.run().await;
    assert_eq!(bench.counts().accepted, 2);
}

#[tokio::test]
async fn a_gateway_that_stops_takes_no_new_connections() {
    let mut bench =
        Bench::with(|config| config.shutdown.drain_timeout = Duration::from_secs(2)).await;
    let mut busy = bench.backend().await;
    busy.write(&enhanced(1, 1)[..20]).await;
    let address = bench.gateway().backend_address(ENVIRONMENT).unwrap();
    let refused = async {
        soon("the end of listening", async {
            while tokio::net::TcpStream::connect(address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    };
    tokio::join!(bench.stop(), refused, busy.read_to_end());
}

#[tokio::test]
async fn a_stop_does_not_wait_for_an_upstream_that_is_away() {
    let mut bench = Bench::start().await;
    drop(bench.upstream.accept().await);
    let mut backend = bench.backend().await;
    backend.push([1]).await;
    eventually("acceptance", || bench.counts().accepted == 1).await;
    backend.close().await;
    // Neither the push nor the feedback upstream finishes a handshake; each could take ten seconds over it.
    timeout(Duration::from_secs(5), bench.stop()).await.unwrap();
}

#[tokio::test]
async fn a_stop_keeps_the_feedback_that_has_come_and_does_not_wait_for_more() {
    let mut bench = Bench::start().await;
    let mut peer = bench.feedback.accept().await;
    let mut tuple = vec![0, 0, 0, 1, 0x00, 0x20];
    tuple.extend(token(1));
    peer.write(&tuple).await;
    eventually("the first read", || bench.counts().feedback == 1).await;
    timeout(Duration::from_secs(10), bench.stop())
        .await
        .unwrap();
    bench.run().await;
    assert_eq!(bench.counts().feedback, 1);
}

#[tokio::test]
async fn a_handle_that_is_dropped_lets_go_of_ports_and_store() {
    let mut bench = Bench::start().await;
    let address = bench.gateway().backend_address(ENVIRONMENT).unwrap();
    let mut backend = bench.backend().await;
    bench.kill();
    backend.read_to_end().await;
    soon("the end of listening", async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    soon("the store", async {
        while bench.try_run().await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_store_that_fails_ends_the_gateway_and_nothing_is_accepted_any_more() {
    let mut bench = Bench::start().await;
    let address = bench.gateway().backend_address(ENVIRONMENT).unwrap();
    let mut busy = bench.backend().await;
    let mut idle = bench.backend().await;
    let outside = rusqlite::Connection::open(&bench.config.store.path).unwrap();
    outside.execute_batch("DROP TABLE notification").unwrap();
    busy.push([1]).await;
    let failure = soon("the end", bench.gateway_mut().ended())
        .await
        .unwrap_err();
    assert_eq!(failure.exit_code(), 74, "{failure}");
    assert_eq!(busy.read_to_end().await, b"", "no packet: nothing is known");
    assert_eq!(idle.read_to_end().await, b"");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
