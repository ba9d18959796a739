//! The conformance suite's chapter on the HTTP/2 provider API against our simulator, demanding our choices too.

use apns_conformance::cli::{Arguments, run};
use apns_rig::certificates::certificates;
use apns_rig::{Knobs, Rig};
use apns_simulator::rest::{Rest, RestConfig};
use clap::Parser;
use data_encoding::HEXLOWER;
use tokio::net::TcpListener;

#[tokio::test(flavor = "multi_thread")]
async fn the_simulator_speaks_the_http2_api_to_the_letter() {
    let rig = Rig::prepare(Knobs::default()).await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let rest = Rest::start(listener, &rig.simulator, RestConfig::default()).unwrap();
    let all = certificates();
    let key = rig.provider_key();
    let mut arguments = vec!["apns-conformance".to_owned(), "server".to_owned()];
    let mut with = |option: &str, value: String| arguments.extend([option.to_owned(), value]);
    with("--only", "H-01..H-32".to_owned());
    with("--timeout", "20".to_owned());
    with("--feedback-delay", "20".to_owned());
    with("--port", rig.simulator.binary().port().to_string());
    with("--http2-port", rig.simulator.http2().port().to_string());
    with("--ca", rig.folder().join("ca.pem").display().to_string());
    with("--good-token", HEXLOWER.encode(&rig.phones[0].token));
    with("--bad-token", "random".to_owned());
    with("--environment", "production".to_owned());
    with("--observer", format!("http://{}", rest.address()));
    with("--p8", key.key.display().to_string());
    with("--key-id", key.key_id);
    with("--team-id", key.team_id);
    for (kind, minted) in [
        ("", &all.backend),
        ("expired-", &all.expired),
        ("other-environment-", &all.sandbox),
    ] {
        let (certificate, key) = rig.write(minted, &format!("conformance-{kind}"));
        with(&format!("--{kind}cert"), certificate.display().to_string());
        with(&format!("--{kind}key"), key.unwrap().display().to_string());
    }
    arguments.extend(["--strict".to_owned(), "--require-all".to_owned()]);
    let passed = run(Arguments::parse_from(arguments)).await.unwrap();
    assert!(passed, "see the report above");
}
