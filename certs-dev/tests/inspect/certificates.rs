//! What a certificate is, and whether it is any good.

use std::time::{Duration, SystemTime};

use apns_certs::inspect::{Answer, Code, Role, Severity, Source, State, Who, inspect};
use apns_certs::{Ca, KeyKind, Kind, PushCertificate, Validity};
use apns_net::credentials::Pin;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

use super::support::{Bench, ca, certificate, codes, find, look, only_certificate, push};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn a_certificate_is_described_down_to_its_pin() {
    let push = push(Kind::Universal);
    let report = look("aps.cer", push.certificate_der.to_vec());
    let certificate = only_certificate(&report);
    assert_eq!(certificate.role, Role::Push);
    assert_eq!(certificate.what, "push certificate for both environments");
    assert_eq!(
        certificate.subject,
        "UID=com.example.Mail, CN=Apple Push Services: com.example.Mail, OU=DEVTEAM001, O=Example Ltd, C=US"
    );
    assert_eq!(certificate.topic.as_deref(), Some("com.example.Mail"));
    assert_eq!(certificate.topics.len(), 3);
    assert_eq!(
        certificate.environments.to_string(),
        "sandbox and production"
    );
    assert_eq!(certificate.team.as_deref(), Some("DEVTEAM001"));
    assert_eq!(certificate.validity.words, "valid for 364 days");
    assert_eq!(certificate.key, "P-256");
    assert_eq!(certificate.signature, "ecdsa-with-SHA256");
    assert_eq!(certificate.issuer.who, Who::StandIn);
    assert_eq!(certificate.pin, Pin::of(&push.certificate_der));
    assert_eq!(certificate.apns.to_string(), "no: Apple did not issue it");
    assert_eq!(certificate.gateway.answer, Answer::Yes);
    assert_eq!(codes(&report), ["not-apple"]);
}

#[test]
fn every_kind_of_push_certificate_is_called_by_its_name() {
    for (kind, what, code) in [
        (
            Kind::Development,
            "push certificate for development (iOS)",
            "sandbox-only",
        ),
        (
            Kind::Production,
            "push certificate for production (iOS)",
            "production-only",
        ),
        (
            Kind::DevelopmentMac,
            "push certificate for development (macOS)",
            "sandbox-only",
        ),
        (
            Kind::ProductionMac,
            "push certificate for production (macOS)",
            "production-only",
        ),
        (Kind::Voip, "VoIP push certificate", "voip"),
        (
            Kind::WatchKit,
            "watchOS complication certificate",
            "not-apple",
        ),
        (Kind::Website, "website push certificate", "production-only"),
        (Kind::Pass, "pass certificate (Wallet)", "production-only"),
    ] {
        let report = look("file", push(kind).certificate_der.to_vec());
        assert_eq!(only_certificate(&report).what, what);
        assert!(codes(&report).contains(&code), "{report}");
    }
}

#[test]
fn validity_is_said_in_words_and_the_portal_issues_anew() {
    let year = Validity::year();
    let minted = ca().push(&certificate(Kind::Development)).unwrap();
    for (now, state, words, code) in [
        (
            year.not_before - DAY * 3 - DAY / 2,
            State::NotYetValid,
            "begins in 3 days",
            Some(Code::NotYetValid),
        ),
        (
            year.not_after - DAY * 11 - DAY / 2,
            State::EndsSoon,
            "ends in 11 days",
            Some(Code::EndsSoon),
        ),
        (
            year.not_after - DAY * 100 - DAY / 2,
            State::Valid,
            "valid for 100 days",
            None,
        ),
        (
            year.not_after + DAY * 1100,
            State::Expired,
            "expired 3 years ago",
            Some(Code::Expired),
        ),
    ] {
        let source = Source::new("aps.cer", minted.certificate_der.to_vec());
        let report = inspect(&[source], None, now);
        let validity = &only_certificate(&report).validity;
        assert_eq!((validity.state, validity.words.as_str()), (state, words));
        if let Some(code) = code {
            assert!(find(&report, code).message.starts_with(words), "{report}");
        }
        if matches!(code, Some(Code::Expired | Code::EndsSoon)) {
            assert_eq!(
                find(&report, code.unwrap()).commands,
                [
                    "apns-certs issue --csr Push.certSigningRequest --app-id com.example.Mail --kind development"
                ]
            );
        }
    }
}

#[test]
fn an_expired_certificate_is_good_for_a_gateway_that_pins_it() {
    let expired = PushCertificate {
        validity: Validity::ended(),
        ..certificate(Kind::Universal)
    };
    let report = look(
        "aps.cer",
        ca().push(&expired).unwrap().certificate_der.to_vec(),
    );
    let gateway = &only_certificate(&report).gateway;
    assert_eq!(gateway.answer, Answer::If);
    assert!(gateway.why.starts_with("pinned"), "{gateway}");
}

#[test]
fn a_certificate_under_the_other_environments_name_is_noticed() {
    let development = push(Kind::Development).certificate_der;
    let production = push(Kind::Production).certificate_der;
    for (name, der, code) in [
        ("aps_production.cer", &development, Code::OtherEnvironment),
        ("prod.pem", &development, Code::OtherEnvironment),
        (
            "aps_developer_identity.cer",
            &production,
            Code::OtherEnvironment,
        ),
        ("sandbox.pem", &production, Code::OtherEnvironment),
        (
            "aps_developer_identity.cer",
            &development,
            Code::SandboxOnly,
        ),
        ("aps_production.cer", &production, Code::ProductionOnly),
        // A folder's name says nothing.
        ("prod/dev.cer", &development, Code::SandboxOnly),
    ] {
        find(&look(name, der.to_vec()), code);
    }
}

/// A CA that calls itself Apple's, and a leaf below it.
fn by_apple(params: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut issuer = CertificateParams::default();
    issuer.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    issuer.distinguished_name = DistinguishedName::new();
    issuer.distinguished_name.push(
        DnType::CommonName,
        "Apple Worldwide Developer Relations Certification Authority",
    );
    issuer
        .distinguished_name
        .push(DnType::OrganizationName, "Apple Inc.");
    let issuer = Issuer::new(issuer, KeyPair::generate().unwrap());
    let mut leaf = CertificateParams::default();
    leaf.distinguished_name = DistinguishedName::new();
    leaf.distinguished_name.push(
        DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]),
        "com.example.Mail",
    );
    leaf.distinguished_name
        .push(DnType::CommonName, "Apple Push Services: com.example.Mail");
    for mark in [1, 2] {
        let oid = [1, 2, 840, 113_635, 100, 6, 3, mark];
        leaf.custom_extensions
            .push(CustomExtension::from_oid_content(&oid, vec![5, 0]));
    }
    let year = Validity::year();
    leaf.not_before = year.not_before.into();
    leaf.not_after = year.not_after.into();
    params(&mut leaf);
    let key = KeyPair::generate().unwrap();
    leaf.signed_by(&key, &issuer).unwrap().der().to_vec()
}

#[test]
fn apns_takes_what_apple_issued_and_nothing_else() {
    let report = look("aps.cer", by_apple(|_| {}));
    let certificate = only_certificate(&report);
    assert_eq!(certificate.issuer.who, Who::Apple);
    assert_eq!(certificate.apns.answer, Answer::If, "{}", certificate.apns);
    assert!(certificate.apns.why.contains("api.sandbox.push.apple.com"));
    assert_eq!(codes(&report), [""; 0]);

    let ended = look(
        "aps.cer",
        by_apple(|leaf| leaf.not_after = (SystemTime::now() - DAY).into()),
    );
    assert_eq!(only_certificate(&ended).apns.answer, Answer::No);
    let unmarked = look("aps.cer", by_apple(|leaf| leaf.custom_extensions.clear()));
    assert_eq!(
        only_certificate(&unmarked).apns.to_string(),
        "no: it names neither environment"
    );
}

#[test]
fn a_certificate_that_no_client_may_show_is_found() {
    let report = look(
        "aps.cer",
        by_apple(|leaf| leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
    );
    assert_eq!(find(&report, Code::NoClientAuth).severity, Severity::Error);
    assert_eq!(only_certificate(&report).gateway.answer, Answer::If);
}

#[test]
fn a_certificate_for_signing_apps_is_not_for_pushing() {
    for name in [
        "Apple Development: Jo (ABCDE12345)",
        "iPhone Distribution: Example Ltd",
    ] {
        let report = look(
            "ios_distribution.cer",
            by_apple(|leaf| {
                leaf.distinguished_name = DistinguishedName::new();
                leaf.distinguished_name.push(DnType::CommonName, name);
                leaf.custom_extensions.clear();
            }),
        );
        assert_eq!(only_certificate(&report).role, Role::Signing);
        assert_eq!(
            find(&report, Code::SigningCertificate).severity,
            Severity::Error
        );
    }
}

#[test]
fn what_is_not_for_push_is_told_by_its_use() {
    let ca_der = ca().certificate_der().to_vec();
    let server = ca().server_with_key(&["localhost"], KeyKind::P256).unwrap();
    let device = ca().device("phone").unwrap();
    for (der, role, answer) in [
        (ca_der, Role::Ca, Answer::Yes),
        (server.certificate_der.to_vec(), Role::Server, Answer::Yes),
        (device.certificate_der.to_vec(), Role::Client, Answer::If),
    ] {
        let report = look("file", der);
        let certificate = only_certificate(&report);
        assert_eq!(certificate.role, role);
        assert_eq!(
            certificate.gateway.answer, answer,
            "{}",
            certificate.gateway
        );
        assert_eq!(certificate.apns.answer, Answer::No);
    }
}

#[test]
fn old_signatures_and_weak_keys_are_found() {
    let bench = Bench::new();
    let root = Ca::new().unwrap();
    bench.write("ca.pem", root.cert_pem());
    bench.write("ca.key", root.key_pem());
    bench.openssl("req -new -newkey rsa:2048 -nodes -keyout key -out csr -subj /UID=com.x/CN=x");
    bench.openssl("req -new -newkey rsa:1024 -nodes -keyout weak.key -out weak.csr -subj /CN=x");
    for (arguments, code, severity) in [
        ("-in csr -sha1", Code::Sha1Signature, Severity::Warning),
        ("-in csr -md5", Code::Md5Signature, Severity::Error),
        ("-in weak.csr -sha256", Code::WeakKey, Severity::Error),
    ] {
        bench.openssl(&format!(
            "x509 -req {arguments} -CA ca.pem -CAkey ca.key -CAcreateserial -days 90 -out cert"
        ));
        let report = bench.look("cert");
        assert_eq!(find(&report, code).severity, severity);
        assert_ne!(only_certificate(&report).gateway.answer, Answer::Yes);
    }
    // Its own signature is nothing to go by.
    bench.openssl("req -x509 -key key -sha1 -days 90 -subj /UID=com.x/CN=x -out own");
    assert_eq!(codes(&bench.look("own")), ["self-signed"]);
}

#[test]
fn names_cannot_move_the_cursor() {
    let report = look(
        "a\u{1b}[2J.cer",
        by_apple(|leaf| {
            leaf.distinguished_name
                .push(DnType::OrganizationName, "\u{1b}[2J\u{202e}");
        }),
    );
    let text = report.to_string();
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
    assert!(text.contains(r"a\u{1b}[2J.cer:"), "{text}");
}
