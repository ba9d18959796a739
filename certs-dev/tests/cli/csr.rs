//! `apns-certs csr`, its files read by OpenSSL.

use crate::{Desk, run, stderr};

const CSR: [&str; 5] = [
    "csr",
    "--email",
    "dev@example.com",
    "--name",
    "Example Push",
];

#[test]
fn a_request_and_its_key_are_what_keychain_makes() {
    let desk = Desk::new();
    let text = desk.done(&CSR);
    assert!(text.contains("\nNext: "), "{text}");
    assert!(!text.contains("BEGIN"), "paths, no keys: {text}");

    let request = "Push.certSigningRequest";
    let said = desk.openssl(&["req", "-in", request, "-verify", "-noout", "-text"]);
    for part in [
        "verify OK",
        "emailAddress = dev@example.com, CN = Example Push, C = US",
        "(2048 bit)",
        "sha256WithRSAEncryption",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let public_key = desk.openssl(&["req", "-in", request, "-noout", "-pubkey"]);
    assert_eq!(
        desk.openssl(&["pkey", "-in", "Push.key", "-pubout"]),
        public_key
    );
    assert!(
        desk.read("Push.key")
            .starts_with(b"-----BEGIN PRIVATE KEY-----")
    );
}

#[test]
fn a_p256_request_is_made_when_asked_for() {
    let desk = Desk::new();
    desk.done(&[&CSR[..], &["--p256"]].concat());
    let said = desk.openssl(&[
        "req",
        "-in",
        "Push.certSigningRequest",
        "-verify",
        "-noout",
        "-text",
    ]);
    assert!(
        said.contains("verify OK") && said.contains("prime256v1"),
        "{said}"
    );
}

#[test]
fn a_request_for_a_key_that_is_there_leaves_the_key_alone() {
    let desk = Desk::new();
    desk.openssl(&["genrsa", "-out", "mine.key", "2048"]);
    let before = desk.read("mine.key");
    let report = desk.json(&[&CSR[..], &["--key", "mine.key", "--out", "new"]].concat());
    assert_eq!(report["request"], "new/Push.certSigningRequest");
    assert_eq!(report["key"], "mine.key");
    assert_eq!(desk.read("mine.key"), before);
    assert!(!desk.exists("new/Push.key"));
    let public_key = desk.openssl(&[
        "req",
        "-in",
        "new/Push.certSigningRequest",
        "-noout",
        "-pubkey",
    ]);
    assert_eq!(
        desk.openssl(&["pkey", "-in", "mine.key", "-pubout"]),
        public_key
    );
}

#[test]
fn a_key_that_is_there_is_not_overwritten_unless_told_to() {
    let desk = Desk::new();
    let p256 = [&CSR[..], &["--p256"]].concat();
    desk.done(&p256);
    let (key, request) = (desk.read("Push.key"), desk.read("Push.certSigningRequest"));
    let line = desk.refused(74, &p256);
    for part in ["Push.key is there already", "--out", "--force"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert_eq!(desk.read("Push.key"), key);
    assert_eq!(desk.read("Push.certSigningRequest"), request);
    desk.done(&[&p256[..], &["--force"]].concat());
    assert_ne!(desk.read("Push.key"), key);
}

#[cfg(unix)]
#[test]
fn the_key_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;

    let desk = Desk::new();
    std::fs::write(desk.path("Push.key"), "").unwrap();
    desk.done(&[&CSR[..], &["--p256", "--force"]].concat());
    let mode = desk
        .path("Push.key")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "also where an open file was replaced");
}

#[test]
fn keys_that_cannot_be_used_are_refused() {
    let desk = Desk::new();
    desk.openssl(&["genrsa", "-out", "weak.key", "1024"]);
    desk.openssl(&[
        "genrsa",
        "-aes128",
        "-passout",
        "pass:x",
        "-out",
        "encrypted.key",
        "2048",
    ]);
    std::fs::write(desk.path("empty.key"), "").unwrap();
    std::fs::write(desk.path("binary.key"), [0x30, 0x82, 0xff]).unwrap();
    for (key, said) in [
        ("weak.key", "RSA 2048 bits or more"),
        ("encrypted.key", "not encrypted"),
        ("empty.key", "expected PEM"),
        ("binary.key", "binary.key is no text: expected PEM"),
        ("missing.key", "cannot read missing.key"),
        (".", "a folder"),
    ] {
        let line = desk.refused(1, &[&CSR[..], &["--key", key]].concat());
        assert!(line.contains(said), "{key}: {line}");
    }
    assert!(!desk.exists("Push.certSigningRequest"));
}

#[test]
fn an_address_is_ascii_and_both_names_are_needed() {
    let desk = Desk::new();
    let line = desk.refused(1, &["csr", "--email", "dév@example.com", "--name", "x"]);
    assert!(line.contains("ASCII"), "{line}");
    for missing in [&CSR[..3], &["csr", "--name", "x"]] {
        let output = run(missing);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    }
}
