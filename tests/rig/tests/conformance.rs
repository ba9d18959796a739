//! The conformance suite against our simulator and our gateway, demanding our choices too.
#![expect(clippy::unwrap_used, reason = "in a test that is the message")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use apns_certs::portal::Portal;
use apns_certs::{KeyKind, Kind, Minted, PushCertificate, Validity};
use apns_conformance::cli::{Arguments, summary};
use apns_conformance::suite::{Finding, Verdict};
use apns_gateway::config::{OnReject, Tls, UpstreamConfig};
use apns_net::credentials::Environment;
use apns_rig::certificates::{SECOND_TOPIC, TOPIC, certificates};
use apns_rig::{Knobs, Rig, Upstream};
use apns_simulator::Project;
use apns_simulator::provider_api::ProviderKey;
use apns_simulator::rest::{Rest, RestConfig};
use clap::Parser;
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
        .with("--timeout", 60)
        .with("--case-timeout", 300)
        .with("--feedback-delay", 60)
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

    fn certificate(self, kind: &str, minted: &Minted) -> Self {
        let (certificate, key) = self.rig.write(minted, &format!("conformance-{kind}"));
        self.with(&format!("--{kind}cert"), certificate.display())
            .with(&format!("--{kind}key"), key.unwrap().display())
    }

    fn arguments(&self) -> Arguments {
        let mut arguments = self.arguments.clone();
        // `just compatibility` wants the report, by the name of the test, which is that of its thread.
        if let Some(folder) = std::env::var_os("APNS_REPORTS") {
            let test = std::thread::current().name().unwrap().to_owned();
            let report = Path::new(&folder).join(test).with_extension("json");
            arguments.extend(["--json".to_owned(), report.display().to_string()]);
        }
        Arguments::parse_from(arguments)
    }

    /// Passes, where nothing but what needs `options` is left out.
    async fn passes_but_for(self, options: &[&str]) {
        let cases = summary(self.arguments()).await.unwrap().cases;
        let failed = |case: &Finding| matches!(case.verdict, Verdict::Failed { .. });
        assert!(!cases.iter().any(failed), "see the report above");
        let skipped: BTreeSet<_> = cases
            .iter()
            .filter_map(|case| match case.verdict {
                Verdict::Skipped { option } => Some(option),
                _ => None,
            })
            .collect();
        assert_eq!(skipped, options.iter().copied().collect());
    }
}

/// A key that a team's portal has made: file, key id and team id with commas between.
fn key(rig: &Rig, project: &Project, limit: impl FnOnce(&mut ProviderKey)) -> String {
    let (mut portal, team) = (Portal::default(), project.name());
    let made = portal.create_key("conformance", SystemTime::now()).unwrap();
    let mut known = ProviderKey::from_portal(&portal.keys()[0], team).unwrap();
    limit(&mut known);
    project.world(|world, _| world.add_provider_key(known));
    let file = rig.folder().join(format!("AuthKey_{}.p8", made.key_id));
    std::fs::write(&file, &made.key_pem).unwrap();
    format!("{},{},{team}", file.display(), made.key_id)
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
    let other_team = simulator.project("OTHERTEAM1").unwrap();
    let theirs_on_a_phone = all.ca.device_of_team("rig", other_team.name()).unwrap();
    let own = rig.provider_key();
    let theirs = key(&rig, &other_team, |_| {});
    let sandbox = key(&rig, simulator.default_project(), |key| {
        key.environment = Some(Environment::Sandbox);
    });
    let limited = key(&rig, simulator.default_project(), |key| {
        key.topics = vec![TOPIC.into()];
    });
    Subject::new(&rig, "apple", simulator.binary(), simulator.feedback())
        .await
        .certificate("other-topic-", &all.other_topic)
        .certificate("revoked-", &all.second_backend)
        .certificate("topicless-", &all.device)
        .certificate("device-", &all.device)
        .certificate("other-team-device-", &theirs_on_a_phone)
        .with("--courier-port", simulator.courier().port())
        .with("--http2-port", simulator.http2().port())
        .with("--p8", own.key.display())
        .with("--key-id", own.key_id)
        .with("--team-id", own.team_id)
        .with("--other-team-p8", theirs)
        .with("--other-environment-p8", sandbox)
        .with("--limited-p8", limited)
        .with("--burst", 300)
        .with("--shutdown-token", format!("ffff000a{}", "00".repeat(28)))
        .with("--frame-timeout", 2)
        .passes_but_for(&[])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_is_a_bridge_to_a_binary_upstream() {
    a_bridge(Upstream::Binary).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_is_a_bridge_to_http2() {
    a_bridge(Upstream::Http2Token).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_mode_exact_the_gateway_is_apns_before_a_binary_upstream() {
    apns_itself(Upstream::Binary).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_mode_exact_the_gateway_is_apns_before_http2() {
    apns_itself(Upstream::Http2Token).await;
}

/// Not asked of a gateway: what was revoked is refused upstream.
const REVOKED: &str = "--revoked-cert FILE";

/// Nor this: only its operator shuts it down.
const SHUTDOWN: &str = "--shutdown-token HEX";

async fn a_bridge(upstream: Upstream) {
    let mut rig = before_the_simulator(upstream).await;
    let ended = PushCertificate {
        key: KeyKind::P256,
        validity: Validity::ended(),
        ..PushCertificate::new(Kind::Universal, TOPIC)
    };
    let pinned = certificates().ca.push(&ended).unwrap();
    rig.pin(&pinned, "pinned");
    rig.start_gateway().await;
    the_gateway(&rig, "bridge")
        .await
        .certificate("pinned-", &pinned)
        .passes_but_for(&[REVOKED, SHUTDOWN])
        .await;
}

async fn apns_itself(upstream: Upstream) {
    let mut rig = before_the_simulator(upstream).await;
    let app = &mut rig.config.apps[0];
    app.on_reject = OnReject::Exact;
    // APNs needs no deliveries before it knows that a token is bad.
    app.trust_after = 0;
    if let UpstreamConfig::Binary(binary) = &mut app.upstream {
        // Else each notification costs a quiet period.
        binary.flush_after = Some(Duration::ZERO);
    }
    rig.start_gateway().await;
    the_gateway(&rig, "apple")
        .await
        .passes_but_for(&[
            REVOKED,
            SHUTDOWN,
            "--http2-port PORT",
            "--courier-port PORT",
        ])
        .await;
}

/// A gateway that is not started yet, as its defaults are but for two pauses that a test need not wait for, with a second app.
async fn before_the_simulator(upstream: Upstream) -> Rig {
    let mut rig = Rig::prepare(Knobs {
        phones: 0,
        upstream,
        quiet_period: Duration::from_secs(1),
        trust_after: 10,
        frame_timeout: Duration::from_secs(2),
        feedback_poll_interval: Duration::from_millis(500),
        ..Knobs::default()
    })
    .await;
    let mut second = rig.config.apps[0].clone();
    second.topic = SECOND_TOPIC.to_owned();
    // Nothing is ever delivered to it.
    second.trust_after = 0;
    if let UpstreamConfig::Binary(binary) = &mut second.upstream {
        (binary.certificate, binary.key) = rig.write(&certificates().other_topic, "second");
    }
    rig.config.apps.push(second);
    rig
}

async fn the_gateway<'a>(rig: &'a Rig, profile: &str) -> Subject<'a> {
    let all = certificates();
    Subject::new(rig, profile, rig.backend_address(), rig.feedback_address())
        .await
        .certificate("other-topic-", &all.other_topic)
        .certificate("topicless-", &all.device)
        .with("--only", "P-01..P-65")
        .with("--burst", 50)
        .with("--frame-timeout", 2)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_sends_no_tickets_where_it_speaks_tls_1_3() {
    let mut rig = before_the_simulator(Upstream::Binary).await;
    rig.config.listen.tls = Tls::Tls12And13;
    rig.start_gateway().await;
    Subject::new(
        &rig,
        "bridge",
        rig.backend_address(),
        rig.feedback_address(),
    )
    .await
    .with("--only", "P-03,P-04")
    .passes_but_for(&[])
    .await;
}
