//! The conformance suite against our simulator, demanding our choices too.
#![expect(clippy::unwrap_used, reason = "in a test that is the message")]

use std::net::SocketAddr;
use std::time::Duration;

use apns_certs::Minted;
use apns_conformance::cli::{Arguments, run};
use apns_rig::certificates::certificates;
use apns_rig::{Knobs, Rig};
use apns_simulator::rest::{Rest, RestConfig};
use clap::Parser;
use data_encoding::HEXLOWER;
use tokio::net::TcpListener;

/// A server of the rig, as the options of the suite describe it.
struct Subject<'a> {
    rig: &'a Rig,
    arguments: Vec<String>,
    /// The simulator's REST API, while the suite looks there.
    _rest: Rest,
}

impl<'a> Subject<'a> {
    async fn new(rig: &'a Rig, profile: &str, backend: SocketAddr, feedback: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let rest = Rest::start(listener, &rig.simulator, RestConfig::default()).unwrap();
        let observer = format!("http://{}", rest.address());
        let all = certificates();
        let arguments = ["apns-conformance", "server", "--strict", "--seed", "1"];
        Self {
            rig,
            arguments: arguments.map(String::from).to_vec(),
            _rest: rest,
        }
        .with("--profile", profile)
        .with("--port", backend.port())
        .with("--feedback-port", feedback.port())
        .with("--ca", rig.folder().join("ca.pem").display())
        .with("--environment", "production")
        .with("--timeout", 20)
        .with("--feedback-delay", 20)
        .with("--bad-token", "random")
        .certificate("", &all.backend)
        .certificate("expired-", &all.expired)
        .certificate("other-environment-", &all.sandbox)
        .with("--observer", observer)
    }

    fn with(mut self, option: &str, value: impl ToString) -> Self {
        self.arguments
            .extend([option.to_owned(), value.to_string()]);
        self
    }

    fn flag(mut self, option: &str) -> Self {
        self.arguments.push(option.to_owned());
        self
    }

    fn certificate(self, kind: &str, minted: &Minted) -> Self {
        let (certificate, key) = self.rig.write(minted, &format!("conformance-{kind}"));
        self.with(&format!("--{kind}cert"), certificate.display())
            .with(&format!("--{kind}key"), key.unwrap().display())
    }

    async fn passes(self) {
        let arguments = Arguments::parse_from(&self.arguments);
        assert!(run(arguments).await.unwrap(), "see the report above");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_simulator_is_apns_to_the_letter() {
    let rig = Rig::prepare(Knobs {
        phones: 0,
        frame_timeout: Duration::from_secs(2),
        ..Knobs::default()
    })
    .await;
    let (simulator, all) = (&rig.simulator, certificates());
    let revoked = all.second_backend.identity().unwrap().certificate().pin;
    simulator.world(|world, _| world.revoke(revoked));
    Subject::new(&rig, "apple", simulator.binary(), simulator.feedback())
        .await
        .certificate("other-topic-", &all.other_topic)
        .certificate("revoked-", &all.second_backend)
        .certificate("topicless-", &all.device)
        .with("--burst", 300)
        .with("--shutdown-token", format!("ffff000a{}", "00".repeat(28)))
        .with("--frame-timeout", 2)
        .passes()
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_simulator_speaks_the_http2_api_to_the_letter() {
    let rig = Rig::prepare(Knobs::default()).await;
    let simulator = &rig.simulator;
    let key = rig.provider_key();
    Subject::new(&rig, "apple", simulator.binary(), simulator.feedback())
        .await
        .with("--only", "H-01..H-32")
        .with("--http2-port", simulator.http2().port())
        .with("--good-token", HEXLOWER.encode(&rig.phones[0].token))
        .with("--p8", key.key.display())
        .with("--key-id", key.key_id)
        .with("--team-id", key.team_id)
        .flag("--require-all")
        .passes()
        .await;
}
