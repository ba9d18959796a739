//! The conformance suite against our own servers.

use apns_conformance::cli::{Arguments, run};
use apns_rig::Rig;
use apns_rig::certificates::certificates;
use clap::Parser;

#[tokio::test(flavor = "multi_thread")]
async fn the_simulator_is_apns_to_the_letter() {
    let rig = Rig::start().await;
    let (cert, key) = rig.write(&certificates().backend, "provider");
    let ca = rig.folder().join("ca.pem");
    let token = data_encoding::HEXLOWER.encode(&rig.phones[0].token);
    let arguments = Arguments::parse_from([
        "apns-conformance",
        "server",
        "--strict",
        "--port",
        &rig.simulator.binary().port().to_string(),
        "--cert",
        cert.to_str().unwrap(),
        "--key",
        key.unwrap().to_str().unwrap(),
        "--ca",
        ca.to_str().unwrap(),
        "--good-token",
        &token,
        "--bad-token",
        "random",
    ]);
    assert!(run(arguments).await.unwrap());
}
