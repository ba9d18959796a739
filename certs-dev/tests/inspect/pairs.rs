//! Keys and certificates that belong together, and those that do not.

use apns_certs::inspect::{Code, Severity, Source};
use apns_certs::{KeyKind, Kind, csr};

use super::support::{Bench, ca, codes, find, look, look_at, push};

#[test]
fn a_pair_in_two_files_is_found() {
    let push = push(Kind::Development);
    let sources = [
        Source::new("aps_developer_identity.cer", push.certificate_der.to_vec()),
        Source::new("Push.key", push.key_pem.as_bytes()),
    ];
    let report = look_at(&sources, None);
    assert_eq!(
        find(&report, Code::Pair).message,
        "the private key in Push.key belongs to the certificate in aps_developer_identity.cer"
    );
    assert_eq!(
        report.next.commands,
        [
            "apns-certs pem --cert aps_developer_identity.cer --key Push.key",
            "apns-certs p12 --cert aps_developer_identity.cer --key Push.key"
        ]
    );
}

#[test]
fn a_key_of_another_pair_is_found_in_one_file_and_in_two() {
    let (mine, theirs) = (push(Kind::Development), push(Kind::Development));
    let report = look("ck.pem", format!("{}{}", mine.cert_pem, theirs.key_pem));
    assert_eq!(find(&report, Code::KeyMismatch).severity, Severity::Error);
    assert!(!codes(&report).contains(&"pair"));

    let cert = Source::new("a.cer", mine.certificate_der.to_vec());
    let other = Source::new("b.key", theirs.key_pem.as_bytes());
    let report = look_at(&[cert, other], None);
    let message = &find(&report, Code::KeyMismatch).message;
    assert!(
        message.contains("the private key in b.key and the certificate in a.cer"),
        "{message}"
    );
}

#[test]
fn among_many_files_only_those_left_over_are_a_mismatch() {
    let (mine, theirs) = (push(Kind::Development), push(Kind::Production));
    let all = [
        Source::new("a.pem", mine.cert_pem.as_bytes()),
        Source::new("a.key", mine.key_pem.as_bytes()),
        Source::new("b.pem", theirs.combined_pem()),
        Source::new("ca.pem", ca().cert_pem()),
        Source::new("ca.key", ca().key_pem()),
    ];
    let report = look_at(&all, None);
    assert!(!codes(&report).contains(&"key-mismatch"), "{report}");
    assert_eq!(
        codes(&report)
            .iter()
            .filter(|code| **code == "pair")
            .count(),
        3
    );
}

#[test]
fn rsa_of_any_length_is_compared() {
    let bench = Bench::new();
    for (name, bits) in [("one", 1024), ("two", 2048)] {
        bench.openssl(&format!(
            "req -x509 -newkey rsa:{bits} -nodes -keyout {name}.key -out {name}.cer -subj /CN=x -days 90"
        ));
        let source = |name: String| Source::new(name.clone(), bench.read(&name));
        let sources = [source(format!("{name}.cer")), source(format!("{name}.key"))];
        find(&look_at(&sources, None), Code::Pair);
    }
}

#[test]
fn a_request_belongs_to_its_key_and_its_certificate() {
    let made = csr::create("a@example.com", "x", KeyKind::P256).unwrap();
    let sources = [
        Source::new("Push.certSigningRequest", made.request_pem.as_bytes()),
        Source::new("Push.key", made.key_pem.as_bytes()),
    ];
    let report = look_at(&sources, None);
    assert_eq!(
        find(&report, Code::Pair).message,
        "the private key in Push.key belongs to the signing request in Push.certSigningRequest"
    );
}

#[test]
fn the_order_in_a_file_matters_for_certificates_and_not_for_the_key() {
    let push = push(Kind::Universal);
    let report = look("ck.pem", format!("{}{}", push.key_pem, push.cert_pem));
    assert_eq!(find(&report, Code::KeyFirst).severity, Severity::Note);

    let text = format!("{}{}{}", ca().cert_pem(), push.cert_pem, push.key_pem);
    let report = look("ck.pem", text);
    assert_eq!(find(&report, Code::LeafNotFirst).severity, Severity::Error);
    let text = format!("{}{}{}", push.cert_pem, ca().cert_pem(), push.key_pem);
    assert!(!codes(&look("ck.pem", text)).contains(&"leaf-not-first"));
}

#[test]
fn two_keys_in_a_file_are_one_too_many() {
    let (mine, theirs) = (push(Kind::Universal), push(Kind::Universal));
    let report = look(
        "ck.pem",
        format!("{}{}", mine.combined_pem(), theirs.key_pem),
    );
    assert_eq!(find(&report, Code::SeveralKeys).severity, Severity::Warning);
}
