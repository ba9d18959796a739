//! PKCS#12 stores of every vintage, written by the real `openssl`.

use apns_certs::inspect::{Code, Item, Severity};
use apns_certs::{KeyKind, Kind, Minted};

use super::support::{Bench, ca, certificate, codes, find};

/// A pair to pack.
fn bench() -> (Bench, Minted) {
    let minted = ca().push(&certificate(Kind::Development)).unwrap();
    let bench = Bench::new();
    bench.write("cert", &minted.cert_pem);
    bench.write("key", &minted.key_pem);
    (bench, minted)
}

impl Bench {
    fn export(&self, arguments: &str) {
        self.openssl(&format!("pkcs12 -export {arguments} -out push.p12"));
    }
}

const BOTH: &str = "-in cert -inkey key -passout pass:secret";

#[test]
fn a_store_is_opened_and_its_contents_are_looked_at() {
    let (bench, _) = bench();
    bench.export(&format!("{BOTH} -name aps"));
    let report = bench.look_with("push.p12", "secret");
    assert_eq!(
        report.files[0].what,
        "a PKCS#12 store with a push certificate for development (iOS) and a private key"
    );
    assert_eq!(
        codes(&report),
        ["modern-encryption", "sandbox-only", "not-apple", "pair"]
    );
    assert_eq!(report.next.commands, ["apns-certs pem --p12 push.p12"]);
    assert!(
        report.to_string().contains("called        aps\n"),
        "{report}"
    );
}

#[test]
fn without_the_password_what_can_be_told_is_told() {
    let (bench, _) = bench();
    bench.export(BOTH);
    let report = bench.look("push.p12");
    let finding = find(&report, Code::Locked);
    assert_eq!(finding.severity, Severity::Warning);
    assert!(
        finding.message.contains("it holds a private key"),
        "{finding:?}"
    );
    assert_eq!(
        report.next.commands,
        ["apns-certs inspect push.p12 --password-file FILE"]
    );
    find(&bench.look_with("push.p12", "other"), Code::WrongPassword);
    find(&bench.look_with("push.p12", ""), Code::WrongPassword);
}

#[test]
fn a_key_alone_and_a_certificate_alone_are_told_apart() {
    let (bench, _) = bench();
    bench.export("-nocerts -inkey key -passout pass:secret");
    let report = bench.look_with("push.p12", "secret");
    assert_eq!(
        report.files[0].what,
        "a PKCS#12 store with a private key alone"
    );
    assert_eq!(find(&report, Code::KeyOnly).severity, Severity::Warning);
    // Every command that makes PEM of it has a certificate to put to the key.
    for command in report.findings().flat_map(|finding| &finding.commands) {
        assert!(
            !command.contains("pem --p12") || command.contains("--cert"),
            "{command}"
        );
    }
    assert!(
        find(&bench.look("push.p12"), Code::Locked)
            .message
            .ends_with("and no certificate")
    );

    bench.export("-nokeys -in cert -passout pass:secret");
    let report = bench.look_with("push.p12", "secret");
    assert_eq!(
        find(&report, Code::CertificateOnly).severity,
        Severity::Error
    );
}

#[test]
fn what_openssl_3_does_not_read_is_rewritten() {
    let (bench, _) = bench();
    bench.export(&format!("{BOTH} -legacy"));
    let report = bench.look_with("push.p12", "secret");
    let finding = find(&report, Code::LegacyEncryption);
    assert!(
        finding.message.contains("pbeWithSHA1And40BitRC2-CBC"),
        "{finding:?}"
    );
    assert_eq!(finding.commands[0], "apns-certs pem --p12 push.p12");
    assert!(codes(&report).contains(&"pair"));
    // It can be told without the password, too.
    find(&bench.look("push.p12"), Code::LegacyEncryption);
}

#[test]
fn three_des_is_read_by_everyone() {
    let (bench, _) = bench();
    bench.export(&format!(
        "{BOTH} -certpbe PBE-SHA1-3DES -keypbe PBE-SHA1-3DES -macalg sha1"
    ));
    let report = bench.look_with("push.p12", "secret");
    assert_eq!(codes(&report), ["sandbox-only", "not-apple", "pair"]);
}

#[test]
fn what_protects_little_is_noted() {
    let (bench, _) = bench();
    for (arguments, code) in [
        ("-in cert -inkey key -passout pass:", Code::EmptyPassword),
        (
            "-in cert -inkey key -passout pass:secret -nomac",
            Code::NoMac,
        ),
        (
            "-in cert -inkey key -passout pass:secret -keypbe NONE",
            Code::NotEncrypted,
        ),
        (
            "-in cert -inkey key -passout pass:secret -iter 10",
            Code::FewRounds,
        ),
    ] {
        bench.export(arguments);
        let password = if code == Code::EmptyPassword {
            ""
        } else {
            "secret"
        };
        let report = bench.look_with("push.p12", password);
        find(&report, code);
        assert!(codes(&report).contains(&"pair"), "{code}: {report}");
    }
    // The empty password needs no option.
    bench.export("-in cert -inkey key -passout pass:");
    find(&bench.look("push.p12"), Code::Pair);
}

#[test]
fn hostile_rounds_are_refused_at_once() {
    let (bench, _) = bench();
    bench.export(BOTH);
    let mut store = bench.read("push.p12");
    // The MAC is at the end, and its rounds are the last thing of it: 2048, in two bytes. Four are as many as it takes.
    let end = store.len();
    assert_eq!(store[end - 4..], [2, 2, 8, 0]);
    let mac = (0..end)
        .rev()
        .find(|at| store[*at] == 0x30 && *at + 2 + usize::from(store[at + 1]) == end)
        .unwrap();
    store[mac + 1] += 2;
    assert_eq!(store[..2], [0x30, 0x82]);
    let len = u16::from_be_bytes([store[2], store[3]]) + 2;
    store[2..4].copy_from_slice(&len.to_be_bytes());
    store.truncate(end - 4);
    store.extend([2, 4, 0x7f, 0xff, 0xff, 0xff]);
    bench.write("push.p12", store);
    find(&bench.look_with("push.p12", "secret"), Code::TooCostly);
    find(&bench.look("push.p12"), Code::TooCostly);
}

#[test]
fn a_store_with_a_chain_has_its_leaf_matched() {
    let (bench, _) = bench();
    bench.write("ca", ca().cert_pem());
    bench.export(&format!("{BOTH} -certfile ca"));
    let report = bench.look_with("push.p12", "secret");
    assert!(codes(&report).contains(&"pair"));
    assert_eq!(report.files[0].items.len(), 4);
    assert!(matches!(report.files[0].items[0], Item::Store(_)));
}

#[test]
fn the_seeds_request_in_place_of_a_certificate_is_explained() {
    let made = apns_certs::csr::create("a@example.com", "x", KeyKind::P256).unwrap();
    let bench = Bench::new();
    bench.write("Push.certSigningRequest", made.request_pem);
    let report = bench.look("Push.certSigningRequest");
    assert!(find(&report, Code::Request).message.contains("-certfile"));
}

#[test]
fn a_damaged_store_is_damaged_and_not_merely_locked() {
    let (bench, _) = bench();
    bench.export(BOTH);
    let store = bench.read("push.p12");
    bench.write("push.p12", &store[..store.len() / 2]);
    let report = bench.look("push.p12");
    find(&report, Code::Truncated);
}
