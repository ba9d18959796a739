//! Who is let in, and the alert and the log line the others get [P-02] [P-05] [P-06].

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use apns_net::credentials::{Environment, Identity};
use apns_net::listen::Accepted;
use apns_net::tls::{Amend, ClientPolicy, Terms};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{AlertDescription, ClientConfig};
use tokio::sync::mpsc;

use crate::support::{Authority, Leaf, Log, Server, alert, pin};

/// One certificate shown to one listener.
struct Attempt {
    outcome: Result<Accepted, AlertDescription>,
    /// Every line the log has about it.
    log: Vec<String>,
}

async fn attempt(policy: ClientPolicy, identity: &Identity) -> Attempt {
    attempt_with(policy, |server| server.client_config(Some(identity))).await
}

async fn attempt_with(
    policy: ClientPolicy,
    config: impl FnOnce(&Server) -> Arc<ClientConfig>,
) -> Attempt {
    let (send, mut accepted) = mpsc::channel(1);
    let server = Server::start(policy, move |accepted| {
        let send = send.clone();
        async move { send.send(accepted).await.unwrap() }
    })
    .await;
    let (peer, connected) = server.try_connect(config(&server)).await;
    let outcome = match connected {
        Ok(_) => Ok(accepted.recv().await.unwrap()),
        Err(error) => Err(alert(&error).unwrap_or_else(|| panic!("no alert but {error}"))),
    };
    let line = server.line_of(peer);
    server.stop().await;
    Attempt {
        outcome,
        log: Log::capture().lines(&[&line]),
    }
}

impl Attempt {
    fn assert_accepted(&self) -> &Accepted {
        assert_eq!(self.log, [""; 0], "a handshake that succeeds logs nothing");
        self.outcome.as_ref().unwrap()
    }

    fn assert_refused(&self, expected: AlertDescription, reason: &str) {
        assert_eq!(self.outcome.as_ref().unwrap_err(), &expected);
        let [line] = &self.log[..] else {
            panic!("expected one line, got {:#?}", self.log);
        };
        assert!(line.contains(" WARN "), "{line}");
        assert!(line.contains("refused a handshake"), "{line}");
        assert!(line.contains(reason), "{line}");
    }
}

fn pinned(identity: &Identity, environment: Environment) -> ClientPolicy {
    ClientPolicy {
        pins: HashSet::from([pin(identity)]),
        environment: Some(environment),
        require_topic: true,
        ..ClientPolicy::default()
    }
}

use AlertDescription::{
    CertificateExpired, CertificateRequired, CertificateRevoked, CertificateUnknown, DecryptError,
    UnknownCA, UnsupportedCertificate,
};
use Environment::{Production, Sandbox};

#[tokio::test]
async fn a_push_certificate_of_the_configured_ca_is_let_in_with_its_topic() {
    let ca = Authority::new();
    let identity = ca.issue(&Leaf::push());
    let attempt = attempt(
        ClientPolicy::providers(vec![ca.root()], Production),
        &identity,
    )
    .await;
    let accepted = attempt.assert_accepted();
    let certificate = accepted.certificate.as_ref().unwrap();
    assert_eq!(certificate, identity.certificate());
    assert_eq!(certificate.topic.as_deref(), Some("com.example.Mail"));
}

#[tokio::test]
async fn a_peer_without_a_certificate_is_refused() {
    let ca = Authority::new();
    let policy = ClientPolicy::providers(vec![ca.root()], Production);
    let attempt = attempt_with(policy, |server| server.client_config(None)).await;
    attempt.assert_refused(
        CertificateRequired,
        "reason=the peer sent no client certificate",
    );
}

#[tokio::test]
async fn a_certificate_of_another_ca_is_unknown_ca() {
    let identity = Authority::new().issue(&Leaf::push());
    let policy = ClientPolicy::providers(vec![Authority::new().root()], Production);
    let attempt = attempt(policy, &identity).await;
    attempt.assert_refused(UnknownCA, "no configured CA issued the client certificate");
    let line = &attempt.log[0];
    assert!(
        line.contains("certificate=\"Test Push Services\""),
        "{line}"
    );
    assert!(
        line.contains(&format!("pin={}", pin(&identity))),
        "the line tells what to pin: {line}"
    );
}

#[tokio::test]
async fn a_certificate_of_another_ca_of_the_same_name_is_unknown_ca() {
    let identity = Authority::named("Development CA").issue(&Leaf::push());
    let minted_anew = Authority::named("Development CA");
    let policy = ClientPolicy::providers(vec![minted_anew.root()], Production);
    attempt(policy, &identity)
        .await
        .assert_refused(UnknownCA, "no configured CA issued the client certificate");
}

#[tokio::test]
async fn a_self_signed_certificate_is_unknown_ca_even_where_it_calls_itself_a_ca() {
    let policy = ClientPolicy::providers(vec![Authority::new().root()], Production);
    for is_ca in [false, true] {
        let identity = Leaf::push().self_signed(is_ca);
        attempt(policy.clone(), &identity)
            .await
            .assert_refused(UnknownCA, "no configured CA issued the client certificate");
    }
}

#[tokio::test]
async fn an_expired_certificate_is_certificate_expired() {
    let ca = Authority::new();
    let identity = ca.issue(&Leaf::push().expired());
    attempt(
        ClientPolicy::providers(vec![ca.root()], Production),
        &identity,
    )
    .await
    .assert_refused(CertificateExpired, "the client certificate expired ");
}

#[tokio::test]
async fn a_certificate_for_the_other_environment_is_certificate_revoked() {
    let ca = Authority::new();
    for (leaf, environment, reason) in [
        (
            Leaf::push().sandbox_only(),
            Production,
            "the client certificate is for sandbox, this listener for production",
        ),
        (
            Leaf::push().production_only(),
            Sandbox,
            "the client certificate is for production, this listener for sandbox",
        ),
        (
            Leaf::push().without_marks(),
            Production,
            "the client certificate is for no environment, this listener for production",
        ),
    ] {
        let policy = ClientPolicy::providers(vec![ca.root()], environment);
        attempt(policy, &ca.issue(&leaf))
            .await
            .assert_refused(CertificateRevoked, reason);
    }
}

#[tokio::test]
async fn a_listener_may_judge_a_certificate_by_another_clock_and_for_another_environment() {
    let ca = Authority::new();
    let policy = |amend| ClientPolicy {
        amend: Some(amend),
        ..ClientPolicy::providers(vec![ca.root()], Production)
    };
    let in_5000 = Amend::new(|certificate, terms| {
        assert_eq!(certificate.topic.as_deref(), Some("com.example.Mail"));
        assert_eq!(terms.environment, Some(Production));
        Terms {
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(95_617_584_000),
            ..terms
        }
    });
    attempt(policy(in_5000), &ca.issue(&Leaf::push()))
        .await
        .assert_refused(CertificateExpired, "the client certificate expired 3");
    let anywhere = Amend::new(|_, terms| Terms {
        environment: None,
        ..terms
    });
    attempt(policy(anywhere), &ca.issue(&Leaf::push().without_marks()))
        .await
        .assert_accepted();
}

#[tokio::test]
async fn a_certificate_of_the_ca_without_a_topic_is_refused_where_one_is_required() {
    let ca = Authority::new();
    let identity = ca.issue(&Leaf::push().without_topic());
    attempt(
        ClientPolicy::providers(vec![ca.root()], Production),
        &identity,
    )
    .await
    .assert_refused(CertificateUnknown, "names no topic");
}

#[tokio::test]
async fn a_server_certificate_is_no_login() {
    let ca = Authority::new();
    let identity = ca.issue(&Leaf::push().for_servers());
    attempt(
        ClientPolicy::providers(vec![ca.root()], Production),
        &identity,
    )
    .await
    .assert_refused(UnsupportedCertificate, "extended key usage");
}

#[tokio::test]
async fn a_pinned_certificate_is_let_in_though_expired_and_issued_by_nobody_known() {
    let expired = Authority::new().issue(&Leaf::push().expired());
    let self_signed = Leaf::push().expired().self_signed(false);
    for identity in [expired, self_signed] {
        let attempt = attempt(pinned(&identity, Production), &identity).await;
        assert_eq!(
            attempt.assert_accepted().certificate.as_ref().unwrap().pin,
            pin(&identity)
        );
    }
}

#[tokio::test]
async fn a_pinned_certificate_that_is_not_apples_is_let_in_anywhere_and_without_a_topic() {
    let identity = Leaf::device().self_signed(false);
    for environment in [Sandbox, Production] {
        let attempt = attempt(pinned(&identity, environment), &identity).await;
        attempt.assert_accepted();
    }
}

#[tokio::test]
async fn a_pinned_certificate_of_apples_is_held_to_its_environment() {
    let identity = Leaf::push().sandbox_only().self_signed(false);
    attempt(pinned(&identity, Production), &identity)
        .await
        .assert_refused(CertificateRevoked, "is for sandbox, this listener for");
    attempt(pinned(&identity, Sandbox), &identity)
        .await
        .assert_accepted();
}

#[tokio::test]
async fn a_pin_is_no_password_the_private_key_must_be_there() {
    let identity = Leaf::push().self_signed(false);
    let thief = Leaf::push().self_signed(false);
    let attempt = attempt_with(pinned(&identity, Production), |server| {
        stolen(server, &identity, &thief)
    })
    .await;
    attempt.assert_refused(DecryptError, "BadSignature");
}

/// Shows one's certificate and signs with another's key.
fn stolen(server: &Server, shown: &Identity, thief: &Identity) -> Arc<ClientConfig> {
    let mut config = (*server.client_config(Some(thief))).clone();
    let key = config
        .client_auth_cert_resolver
        .resolve(&[], &[])
        .unwrap()
        .key
        .clone();
    let certified = CertifiedKey::new(shown.chain().to_vec(), key);
    config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(certified));
    Arc::new(config)
}

#[tokio::test]
async fn without_roots_only_pinned_certificates_are_let_in() {
    let pinned_one = Leaf::push().self_signed(false);
    let other = Leaf::push().self_signed(false);
    attempt(pinned(&pinned_one, Production), &other)
        .await
        .assert_refused(UnknownCA, "and it is not pinned");
}

#[tokio::test]
async fn phones_are_let_in_by_a_listener_for_devices_and_providers_are_not() {
    let ca = Authority::new();
    let policy = ClientPolicy::devices(vec![ca.root()]);
    attempt(policy.clone(), &ca.issue(&Leaf::device()))
        .await
        .assert_accepted();
    attempt(policy, &ca.issue(&Leaf::push()))
        .await
        .assert_refused(
            CertificateUnknown,
            "the client certificate is a provider's, not a device's",
        );
}

#[tokio::test]
async fn a_phone_is_no_provider() {
    let ca = Authority::new();
    let policy = ClientPolicy::providers(vec![ca.root()], Production);
    attempt(policy, &ca.issue(&Leaf::device()))
        .await
        .assert_refused(CertificateUnknown, "names no topic");
}
