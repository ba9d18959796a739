//! What the minted certificates say, byte for byte where Apple's did.
#![expect(
    clippy::unwrap_used,
    reason = "in a test, a panic that names its place is the best report"
)]

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use apns_certs::{Ca, KeyKind, Kind, MintError, Minted, PushCertificate, Validity};
use apns_net::credentials::{CertificateInfo, Environment};
use apns_net::tls::{self, ClientPolicy, Roots, TlsVersions};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection};
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::FromDer;
use x509_parser::extensions::GeneralName;
use x509_parser::public_key::PublicKey;

/// One CA for all: RSA keys take their time.
fn ca() -> &'static Ca {
    static CA: OnceLock<Ca> = OnceLock::new();
    CA.get_or_init(|| Ca::new().unwrap())
}

fn push(kind: Kind) -> PushCertificate {
    PushCertificate {
        key: KeyKind::P256,
        ..PushCertificate::new(kind, "com.x")
    }
}

fn x509(minted: &Minted) -> X509Certificate<'_> {
    let (rest, certificate) = X509Certificate::from_der(&minted.certificate_der).unwrap();
    assert!(rest.is_empty());
    certificate
}

fn info(minted: &Minted) -> CertificateInfo {
    CertificateInfo::parse(&minted.certificate_der).unwrap()
}

fn contains(minted: &Minted, bytes: &[u8]) -> bool {
    minted
        .certificate_der
        .windows(bytes.len())
        .any(|window| window == bytes)
}

/// SEQUENCE { OID 1.2.840.113635.100.6.3.1, OCTET STRING { NULL } }: no BOOLEAN between, so not critical.
const SANDBOX: &[u8] = b"\x30\x10\x06\x0a\x2a\x86\x48\x86\xf7\x63\x64\x06\x03\x01\x04\x02\x05\x00";
/// The same for .2.
const PRODUCTION: &[u8] =
    b"\x30\x10\x06\x0a\x2a\x86\x48\x86\xf7\x63\x64\x06\x03\x02\x04\x02\x05\x00";
/// SEQUENCE { OID .6, OCTET STRING { SEQUENCE { topic, { kind }, topic, { kind }, topic, { kind } } } }.
const TOPICS: &[u8] = b"\x30\x56\x06\x0a\x2a\x86\x48\x86\xf7\x63\x64\x06\x03\x06\x04\x48\x30\x46\
    \x0c\x05com.x\x30\x05\x0c\x03app\
    \x0c\x0acom.x.voip\x30\x06\x0c\x04voip\
    \x0c\x12com.x.complication\x30\x0e\x0c\x0ccomplication";
/// The OID of the topic list.
const TOPICS_OID: &[u8] = b"\x06\x0a\x2a\x86\x48\x86\xf7\x63\x64\x06\x03\x06";
/// SET { SEQUENCE { OID 0.9.2342.19200300.100.1.1, UTF8String com.x } }.
const USER_ID: &[u8] =
    b"\x31\x15\x30\x13\x06\x0a\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01\x0c\x05com.x";

#[test]
fn every_kind_has_apples_common_name_topic_and_environments() {
    for (kind, common_name, topic, sandbox, production, topics) in [
        (
            Kind::Development,
            "Apple Development IOS Push Services: com.x",
            "com.x",
            true,
            false,
            &[][..],
        ),
        (
            Kind::Production,
            "Apple Production IOS Push Services: com.x",
            "com.x",
            false,
            true,
            &[],
        ),
        (
            Kind::DevelopmentMac,
            "Apple Development Mac Push Services: com.x",
            "com.x",
            true,
            false,
            &[],
        ),
        (
            Kind::ProductionMac,
            "Apple Production Mac Push Services: com.x",
            "com.x",
            false,
            true,
            &[],
        ),
        (
            Kind::Universal,
            "Apple Push Services: com.x",
            "com.x",
            true,
            true,
            &["com.x", "com.x.voip", "com.x.complication"],
        ),
        (
            Kind::Voip,
            "VoIP Services: com.x",
            "com.x.voip",
            true,
            true,
            &["com.x.voip"],
        ),
        (
            Kind::WatchKit,
            "WatchKit Services: com.x",
            "com.x.complication",
            true,
            true,
            &["com.x.complication", "com.x.voip"],
        ),
        (
            Kind::Website,
            "Website Push ID: com.x",
            "com.x",
            false,
            true,
            &[],
        ),
        (Kind::Pass, "Pass Type ID: com.x", "com.x", false, true, &[]),
    ] {
        let certificate = push(kind);
        assert_eq!(certificate.user_id(), topic);
        let minted = ca().push(&certificate).unwrap();
        let info = info(&minted);
        assert_eq!(info.common_name, common_name);
        assert_eq!(info.topic.as_deref(), Some(topic), "{kind:?}");
        assert_eq!(info.permits(Environment::Sandbox), sandbox, "{kind:?}");
        assert_eq!(
            info.permits(Environment::Production),
            production,
            "{kind:?}"
        );
        assert_eq!(info.topics, topics, "{kind:?}");
        assert_eq!(contains(&minted, SANDBOX), sandbox, "{kind:?}");
        assert_eq!(contains(&minted, PRODUCTION), production, "{kind:?}");
        assert_eq!(info.is_voip(), kind == Kind::Voip, "{kind:?}");
    }
}

#[test]
fn a_device_management_certificate_is_named_after_the_uuid_of_its_topic() {
    let uuid = "0e6b7c4a-3d5f-4c7d-9b1e-2a4f6c8e0d12";
    let certificate = PushCertificate {
        topic: format!("com.apple.mgmt.External.{uuid}"),
        ..push(Kind::Mdm)
    };
    let info = info(&ca().push(&certificate).unwrap());
    assert_eq!(info.common_name, format!("APSP:{uuid}"));
    assert_eq!(info.topic, Some(certificate.topic));
    assert!(info.permits(Environment::Production) && !info.permits(Environment::Sandbox));
}

#[test]
fn a_kind_is_read_by_the_word_it_prints_and_says_its_environments() {
    for kind in Kind::ALL {
        assert_eq!(kind.to_string().parse(), Ok(kind));
        let info = info(&ca().push(&push(kind)).unwrap());
        assert_eq!(info.environments, kind.environments(), "{kind}");
    }
    let error = "sandbox".parse::<Kind>().unwrap_err().to_string();
    assert!(
        error.contains("there are development, production,"),
        "{error}"
    );
}

#[test]
fn a_universal_certificate_lists_its_topics_in_apples_bytes_and_a_single_one_has_no_list() {
    let universal = ca().push(&push(Kind::Universal)).unwrap();
    assert!(contains(&universal, TOPICS));
    assert!(contains(&universal, USER_ID));
    let development = ca().push(&push(Kind::Development)).unwrap();
    assert!(!contains(&development, TOPICS_OID));
}

#[test]
fn a_push_certificate_is_for_client_authentication_and_no_ca() {
    let minted = ca().push(&push(Kind::Universal)).unwrap();
    let certificate = x509(&minted);
    let constraints = certificate.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && !constraints.value.ca);
    let usage = certificate.key_usage().unwrap().unwrap();
    // Bit 0, digitalSignature, alone.
    assert!(usage.critical && usage.value.flags == 1);
    let purpose = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(purpose.client_auth && !purpose.server_auth && !purpose.any);
}

#[test]
fn the_subject_is_in_apples_order() {
    let minted = ca()
        .push(&PushCertificate {
            team: "TEAM123456".to_owned(),
            organization: "Company".to_owned(),
            ..push(Kind::Universal)
        })
        .unwrap();
    assert_eq!(
        x509(&minted).subject().to_string(),
        "uid=com.x, CN=Apple Push Services: com.x, OU=TEAM123456, O=Company, C=US"
    );
    assert_eq!(info(&minted).team.as_deref(), Some("TEAM123456"));
}

#[test]
fn the_issuer_says_apple_and_that_it_is_not() {
    let minted = ca().push(&push(Kind::Universal)).unwrap();
    let certificate = x509(&minted);
    let issuer = certificate.issuer().to_string();
    assert!(
        issuer.contains("CN=Apple Worldwide Developer Relations Certification Authority"),
        "{issuer}"
    );
    assert!(issuer.contains("development stand-in"), "{issuer}");
    let (_, authority) = X509Certificate::from_der(ca().certificate_der()).unwrap();
    assert_eq!(certificate.issuer(), authority.subject());
    certificate
        .verify_signature(Some(authority.public_key()))
        .unwrap();
    assert!(authority.is_ca());
}

#[test]
fn keys_are_rsa_2048_unless_asked_otherwise() {
    let default = ca()
        .push(&PushCertificate::new(Kind::Universal, "com.x"))
        .unwrap();
    let (_, authority) = X509Certificate::from_der(ca().certificate_der()).unwrap();
    for certificate in [&x509(&default), &authority] {
        let PublicKey::RSA(key) = certificate.public_key().parsed().unwrap() else {
            panic!("not an RSA key");
        };
        assert_eq!(key.key_size(), 2048);
    }
    let p256 = ca().push(&push(Kind::Universal)).unwrap();
    let p256 = x509(&p256);
    let PublicKey::EC(point) = p256.public_key().parsed().unwrap() else {
        panic!("not an EC key");
    };
    assert_eq!(point.key_size(), 256);
}

#[test]
fn a_push_certificate_lives_a_year_from_yesterday_or_as_long_as_it_is_told() {
    const DAY: Duration = Duration::from_secs(86_400);
    let now = SystemTime::now();
    let minute = Duration::from_secs(60);
    let year = info(&ca().push(&push(Kind::Universal)).unwrap());
    for (stamp, expected) in [
        (year.not_before, now - DAY),
        (year.not_after, now + 365 * DAY),
    ] {
        assert!(stamp > expected - minute && stamp < expected + minute);
    }

    let ended = ca()
        .push(&PushCertificate {
            validity: Validity::ended(),
            ..push(Kind::Universal)
        })
        .unwrap();
    assert!(!info(&ended).valid_at(now));

    let birth_of_apns = Validity {
        not_before: SystemTime::UNIX_EPOCH + 14_412 * DAY,
        not_after: SystemTime::UNIX_EPOCH + 14_777 * DAY,
    };
    let old = info(
        &ca()
            .push(&PushCertificate {
                validity: birth_of_apns,
                ..push(Kind::Universal)
            })
            .unwrap(),
    );
    assert_eq!(old.not_before, birth_of_apns.not_before);
    assert_eq!(old.not_after, birth_of_apns.not_after);
}

#[test]
fn a_server_certificate_is_for_its_names_and_addresses() {
    let names = ["localhost", "127.0.0.1", "::1", "*.push.example.test"];
    let minted = ca().server_with_key(&names, KeyKind::P256).unwrap();
    let certificate = x509(&minted);
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    assert_eq!(
        names.value.general_names,
        [
            GeneralName::DNSName("localhost"),
            GeneralName::IPAddress(&Ipv4Addr::LOCALHOST.octets()),
            GeneralName::IPAddress(&Ipv6Addr::LOCALHOST.octets()),
            GeneralName::DNSName("*.push.example.test"),
        ]
    );
    let purpose = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(purpose.server_auth && !purpose.client_auth);
    assert!(!info(&minted).is_push());
}

#[test]
fn what_is_no_name_is_not_certified() {
    let p256 = |names: &[&str]| ca().server_with_key(names, KeyKind::P256);
    assert!(matches!(p256(&[]), Err(MintError::NoName)));
    for name in [
        "",
        "two words",
        "host:2195",
        "https://example.test",
        "-x",
        "ü.test",
    ] {
        let error = p256(&["localhost", name]).unwrap_err();
        assert!(matches!(error, MintError::Name(_)), "{name:?}: {error}");
    }
}

#[test]
fn only_explicit_app_ids_get_push_certificates() {
    for topic in ["com.example.Mail", "com.example-x.App2", "pass.com.x", "x"] {
        apns_certs::check_topic(topic).unwrap();
    }
    let long = "x".repeat(156);
    for topic in [
        "",
        "*",
        "com.example.*",
        "com..x",
        ".com",
        "com.",
        "a b",
        "com/x",
        "ü",
        &long,
    ] {
        let certificate = PushCertificate {
            topic: topic.to_owned(),
            ..push(Kind::Universal)
        };
        let error = ca().push(&certificate).unwrap_err();
        assert!(matches!(error, MintError::Topic(_)), "{topic:?}: {error}");
        assert!(error.to_string().contains("no wildcard"), "{error}");
    }
}

#[test]
fn a_device_certificate_has_the_devices_name_and_neither_topic_nor_environment() {
    let of_a_team = ca().device_of_team("phone", "TEAM000002").unwrap();
    assert_eq!(info(&of_a_team).organization.as_deref(), Some("TEAM000002"));
    let minted = ca().device("0E6B7C4A-3D5F-4C7D-9B1E-2A4F6C8E0D12").unwrap();
    assert_eq!(info(&minted).organization, None);
    let info = info(&minted);
    assert_eq!(info.common_name, "0E6B7C4A-3D5F-4C7D-9B1E-2A4F6C8E0D12");
    assert!(!info.is_push());
    let purpose = x509(&minted)
        .extended_key_usage()
        .unwrap()
        .unwrap()
        .value
        .client_auth;
    assert!(purpose);
}

#[test]
fn a_ca_taken_up_again_goes_on_signing_for_those_who_trust_it() {
    let again = Ca::from_pem(ca().cert_pem(), &ca().key_pem()).unwrap();
    assert_eq!(again.certificate_der(), ca().certificate_der());
    assert_eq!(again.cert_pem(), ca().cert_pem());
    let server = again
        .server_with_key(&["localhost"], KeyKind::P256)
        .unwrap();
    let provider = again.push(&push(Kind::Universal)).unwrap();
    handshake(
        &server,
        &provider,
        ClientPolicy::providers(vec![ca().certificate_der().clone()], Environment::Sandbox),
    );
}

#[test]
fn a_ca_is_not_taken_up_with_anothers_key_nor_from_a_leaf() {
    let other = Ca::with_key(KeyKind::P256).unwrap();
    let mixed = Ca::from_pem(ca().cert_pem(), &other.key_pem()).unwrap_err();
    assert!(matches!(mixed, MintError::CaKeyMismatch), "{mixed}");
    let leaf = other.device("phone").unwrap();
    let error = Ca::from_pem(&leaf.cert_pem, &leaf.key_pem).unwrap_err();
    assert!(matches!(error, MintError::NotACa), "{error}");
    Ca::from_pem("", "").unwrap_err();
    Ca::from_pem(ca().cert_pem(), "no key").unwrap_err();
}

#[test]
fn listeners_let_the_minted_providers_and_phones_in() {
    let roots = || vec![ca().certificate_der().clone()];
    let server = ca().server_with_key(&["localhost"], KeyKind::P256).unwrap();
    for environment in [Environment::Sandbox, Environment::Production] {
        let provider = ca().push(&push(Kind::Universal)).unwrap();
        let policy = ClientPolicy::providers(roots(), environment);
        handshake(&server, &provider, policy);
    }
    let phone = ca().device("phone").unwrap();
    handshake(&server, &phone, ClientPolicy::devices(roots()));
}

/// Joins both ends in memory.
fn handshake(server: &Minted, client: &Minted, policy: ClientPolicy) {
    let config =
        tls::server_config(&server.identity().unwrap(), policy, TlsVersions::Tls12).unwrap();
    let mut server = ServerConnection::new(config).unwrap();
    let roots = Roots::Certificates(vec![ca().certificate_der().clone()]);
    let config = tls::client_config(Some(&client.identity().unwrap()), roots).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::clone(&config), name).unwrap();
    while server.is_handshaking() || client.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets().unwrap();
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets().unwrap();
    }
}

#[test]
fn keys_are_never_printed() {
    let minted = ca().push(&push(Kind::Universal)).unwrap();
    let printed = format!("{minted:?} {:?}", ca());
    assert!(printed.contains("BEGIN CERTIFICATE"));
    assert!(!printed.contains("PRIVATE"), "{printed}");
}

#[test]
fn a_combined_file_holds_certificate_and_key() {
    let minted = ca().push(&push(Kind::Universal)).unwrap();
    let combined = minted.combined_pem();
    let identity = apns_net::credentials::Identity::from_pem(&combined, &combined).unwrap();
    assert_eq!(identity.chain(), [minted.certificate_der]);
}
