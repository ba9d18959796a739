//! Certificates that are renewed while the gateway runs.

use std::fs;

use apns_net::credentials::certificates_from_pem;

use crate::support::*;

fn der(pem: &str) -> Vec<u8> {
    certificates_from_pem(pem).unwrap()[0].to_vec()
}

#[tokio::test]
async fn renewed_certificates_are_used_from_then_on_and_nothing_that_is_open_is_dropped() {
    let bench = Bench::start().await;
    let mut peer = bench.upstream.accept().await;
    let mut backend = bench.backend().await;
    backend.push([1]).await;
    assert_eq!(peer.names(1).await, [1]);
    bench.delivered(1).await;
    let vouched = || bench.gateway().trust(TOPIC, ENVIRONMENT).unwrap().vouched;
    assert_eq!(vouched(), 1);

    let (server, push) = (bench.authority.server(), bench.authority.push(TOPIC));
    fs::write(&bench.config.listen.certificate, &server).unwrap();
    fs::write(bench.folder.path().join("push.pem"), &push).unwrap();
    bench.gateway().reload(&bench.config).await.unwrap();
    assert_eq!(
        vouched(),
        0,
        "upstream's word was given to another certificate"
    );

    backend.push([2]).await;
    assert_eq!(peer.names(1).await, [2], "on the connections of before");
    bench.delivered(2).await;
    assert_eq!(bench.backend().await.server_certificate(), der(&server));
    peer.close().await;
    let mut peer = bench.upstream.accept().await;
    assert_eq!(peer.certificate(), der(&push));
    backend.push([3]).await;
    assert_eq!(peer.names(1).await, [3]);
    bench.delivered(3).await;
}

#[tokio::test]
async fn the_same_certificates_read_again_cost_no_trust() {
    let bench = Bench::start().await;
    let mut peer = bench.upstream.accept().await;
    bench.backend().await.push([1]).await;
    assert_eq!(peer.names(1).await, [1]);
    bench.delivered(1).await;
    bench.gateway().reload(&bench.config).await.unwrap();
    assert_eq!(
        bench.gateway().trust(TOPIC, ENVIRONMENT).unwrap().vouched,
        1
    );
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_named_and_everything_stays_as_it_was() {
    let bench = Bench::start().await;
    let before = bench.backend().await.server_certificate();
    // The one that could be used is not used either.
    fs::write(&bench.config.listen.certificate, bench.authority.server()).unwrap();
    fs::write(bench.folder.path().join("push.pem"), "not a certificate").unwrap();
    let problem = bench.gateway().reload(&bench.config).await.unwrap_err();
    let problem = format!("{:#}", anyhow::Error::from(problem));
    assert!(
        problem.contains("app.upstream") && problem.contains("push.pem"),
        "{problem}"
    );
    assert_eq!(bench.backend().await.server_certificate(), before);
}
