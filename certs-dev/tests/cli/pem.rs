//! `apns-certs pem`, from whatever the credentials are in.

use crate::Desk;

const CERT: &str = "aps_developer_identity.cer";

fn desk() -> Desk {
    let desk = Desk::new();
    desk.openssl(&[
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "Push.key", "-days", "30",
        "-subj", "/CN=push", "-out", "cert.pem",
    ]);
    desk.openssl(&["x509", "-in", "cert.pem", "-outform", "DER", "-out", CERT]);
    desk
}

/// The three files, as OpenSSL sees them, are those of the pair on the desk.
fn check(desk: &Desk, certificate: &str) {
    let key = desk.openssl(&["pkey", "-in", "Push.key"]);
    assert_eq!(desk.read("push_noenc.pem"), key.as_bytes());
    assert_eq!(desk.read(certificate), desk.read("cert.pem"));
    let both = [desk.read("cert.pem"), desk.read("push_noenc.pem")].concat();
    assert_eq!(desk.read("ck.pem"), both);
}

#[test]
fn certificate_and_key_become_three_files() {
    let desk = desk();
    let text = desk.done(&["pem", "--cert", CERT, "--key", "Push.key"]);
    assert!(
        text.contains("\nNext: ") && !text.contains("BEGIN"),
        "{text}"
    );
    check(&desk, "aps_developer_identity.pem");
    // The same once more is no harm.
    desk.done(&["pem", "--cert", CERT, "--key", "Push.key"]);
}

#[test]
fn a_key_that_keychain_exported_alone_is_put_to_its_certificate() {
    let desk = desk();
    desk.openssl(&[
        "pkcs12",
        "-export",
        "-legacy",
        "-nocerts",
        "-inkey",
        "Push.key",
        "-out",
        "PUSH.P12",
        "-passout",
        "pass:secret",
    ]);
    let pem = ["pem", "--cert", CERT, "--p12", "PUSH.P12"];
    let line = desk.refused(2, &pem);
    assert!(
        line.contains("--password-file") && line.contains("PUSH.P12"),
        "{line}"
    );
    let line = desk.refused(1, &[&pem[..], &["--password", "wrong"]].concat());
    assert!(
        line.contains("PUSH.P12") && line.contains("the password is wrong"),
        "{line}"
    );
    assert!(!line.contains("\"wrong\""), "{line}");
    desk.done(&[&pem[..], &["--password", "secret"]].concat());
    check(&desk, "aps_developer_identity.pem");
}

#[test]
fn a_store_with_both_needs_no_certificate_and_an_empty_password_is_tried() {
    let desk = desk();
    desk.openssl(&[
        "pkcs12", "-export", "-inkey", "Push.key", "-in", "cert.pem", "-out", "push.p12",
        "-passout", "pass:",
    ]);
    desk.done(&["pem", "--p12", "push.p12"]);
    check(&desk, "push.pem");
}

#[test]
fn a_key_that_is_encrypted_under_the_name_noenc_is_decrypted() {
    let desk = desk();
    desk.openssl(&[
        "pkcs8",
        "-topk8",
        "-in",
        "Push.key",
        "-out",
        "encrypted.pem",
        "-passout",
        "pass:secret",
    ]);
    desk.done(&[
        "pem",
        "--cert",
        CERT,
        "--key",
        "encrypted.pem",
        "--password",
        "secret",
    ]);
    check(&desk, "aps_developer_identity.pem");
}

#[test]
fn a_key_of_another_pair_is_refused_wherever_it_is() {
    let desk = desk();
    desk.openssl(&["genrsa", "-out", "other.key", "2048"]);
    let line = desk.refused(1, &["pem", "--cert", CERT, "--key", "other.key"]);
    assert!(line.contains("does not belong to"), "{line}");
    desk.openssl(&[
        "pkcs12",
        "-export",
        "-nocerts",
        "-inkey",
        "other.key",
        "-out",
        "other.p12",
        "-passout",
        "pass:",
    ]);
    let line = desk.refused(1, &["pem", "--cert", CERT, "--p12", "other.p12"]);
    assert!(
        line.contains("does not belong to") && line.contains("other.p12"),
        "{line}"
    );
    assert!(!desk.exists("ck.pem"));
}

#[test]
fn a_store_without_a_certificate_says_which_option_is_missing() {
    let desk = desk();
    desk.openssl(&[
        "pkcs12", "-export", "-nocerts", "-inkey", "Push.key", "-out", "PUSH.P12", "-passout",
        "pass:",
    ]);
    let line = desk.refused(1, &["pem", "--p12", "PUSH.P12"]);
    assert!(
        line.contains("no certificate") && line.contains("--cert"),
        "{line}"
    );
}

#[test]
fn a_file_that_is_no_store_is_called_that() {
    let desk = desk();
    let line = desk.refused(1, &["pem", "--p12", "cert.pem"]);
    assert!(
        line.contains("cert.pem") && line.contains("not PKCS#12"),
        "{line}"
    );
}

#[cfg(unix)]
#[test]
fn what_holds_the_key_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let desk = desk();
    let report = desk.json(&["pem", "--cert", CERT, "--key", "Push.key"]);
    for (field, mode) in [("certificate", 0o644), ("key", 0o600), ("both", 0o600)] {
        let file = desk.path(report[field].as_str().unwrap());
        let permissions = file.metadata().unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, mode, "{field}");
    }
}
