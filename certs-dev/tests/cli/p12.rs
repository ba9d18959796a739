//! `apns-certs p12`, its files read by OpenSSL.

use crate::{Desk, run, stderr};

fn desk() -> Desk {
    let desk = Desk::new();
    let subject = [
        "-subj",
        "/CN=Apple Development IOS Push Services: com.example.App",
    ];
    let new = [
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "Push.key", "-days", "30",
    ];
    let out = ["-outform", "DER", "-out", "aps_developer_identity.cer"];
    desk.openssl(&[&new[..], &subject, &out].concat());
    desk
}

#[test]
fn key_and_certificate_become_a_store_named_after_the_certificate() {
    let desk = desk();
    let cert = "aps_developer_identity.cer";
    let text = desk.done(&[
        "p12",
        "--key",
        "Push.key",
        "--cert",
        cert,
        "--password",
        "hunter2",
    ]);
    assert!(
        text.contains("aps_developer_identity.p12") && text.contains("\nNext: "),
        "{text}"
    );
    assert!(
        !text.contains("hunter2"),
        "a password is never printed: {text}"
    );
    let said = desk.openssl(&[
        "pkcs12",
        "-in",
        "aps_developer_identity.p12",
        "-nodes",
        "-passin",
        "pass:hunter2",
    ]);
    assert!(
        said.contains("friendlyName: Apple Development IOS Push Services: com.example.App"),
        "{said}"
    );
    assert!(
        said.contains("BEGIN PRIVATE KEY") && said.contains("BEGIN CERTIFICATE"),
        "{said}"
    );
}

#[test]
fn a_key_alone_becomes_push_p12() {
    let desk = desk();
    let report = desk.json(&["p12", "--key", "Push.key", "--empty-password", "--compat"]);
    assert_eq!(report["store"], "PUSH.P12");
    assert_eq!(
        (&report["certificates"], &report["profile"]),
        (&0.into(), &"compat".into())
    );
    let said = desk.openssl(&[
        "pkcs12", "-in", "PUSH.P12", "-nocerts", "-nodes", "-passin", "pass:",
    ]);
    assert!(said.contains("BEGIN PRIVATE KEY"), "{said}");
}

#[test]
fn name_and_file_are_as_given() {
    let desk = desk();
    std::fs::write(desk.path("password.txt"), "from a file\r\nsecond line\n").unwrap();
    desk.done(&[
        "p12",
        "--key",
        "Push.key",
        "--cert",
        "aps_developer_identity.cer",
        "--name",
        "push",
        "--file",
        "my.p12",
        "--password-file",
        "password.txt",
    ]);
    let said = desk.openssl(&[
        "pkcs12",
        "-in",
        "my.p12",
        "-nodes",
        "-passin",
        "pass:from a file",
    ]);
    assert!(said.contains("friendlyName: push\n"), "{said}");
}

#[test]
fn without_a_password_and_a_terminal_the_ways_to_give_one_are_told() {
    let desk = desk();
    let line = desk.refused(2, &["p12", "--key", "Push.key"]);
    for way in ["--password-file", "--empty-password", "APNS_CERTS_PASSWORD"] {
        assert!(line.contains(way), "{line}");
    }
    assert!(!desk.exists("PUSH.P12"));
}

#[test]
fn a_key_of_another_pair_is_refused() {
    let desk = desk();
    desk.openssl(&["genrsa", "-out", "other.key", "2048"]);
    let cert = "aps_developer_identity.cer";
    let line = desk.refused(
        1,
        &[
            "p12",
            "--key",
            "other.key",
            "--cert",
            cert,
            "--empty-password",
        ],
    );
    assert!(
        line.contains("does not belong to the certificate in"),
        "{line}"
    );
    assert!(line.contains("other.key") && line.contains(cert), "{line}");
}

#[test]
fn a_store_that_is_there_is_replaced_only_by_force() {
    let desk = desk();
    let p12 = ["p12", "--key", "Push.key", "--empty-password"];
    desk.done(&p12);
    let before = desk.read("PUSH.P12");
    let line = desk.refused(74, &p12);
    assert!(
        line.contains("PUSH.P12") && line.contains("--force"),
        "{line}"
    );
    assert_eq!(desk.read("PUSH.P12"), before);
    desk.done(&[&p12[..], &["--force"]].concat());
    assert_ne!(desk.read("PUSH.P12"), before);
}

#[cfg(unix)]
#[test]
fn a_store_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let desk = desk();
    desk.done(&["p12", "--key", "Push.key", "--empty-password"]);
    let mode = desk
        .path("PUSH.P12")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn help_says_who_wants_which_file() {
    let output = run(&["p12", "--help"]);
    let help = crate::stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    for part in ["Java", "PUSH.P12", "--compat", "openssl pkcs12 -export"] {
        assert!(help.contains(part), "{part}: {help}");
    }
}
