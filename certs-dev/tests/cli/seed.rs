//! The three OpenSSL commands that everybody's instructions had: on our files, beside our commands, and as they were printed.

use crate::Desk;

/// The walk's first half with our commands: a request, a certificate for it, the key exported alone as Keychain did.
fn desk() -> Desk {
    let desk = Desk::new();
    let app = "com.example.App";
    desk.done(&[
        "csr",
        "--email",
        "dev@example.com",
        "--name",
        "Example Push",
    ]);
    desk.done(&["app-id", "create", app]);
    desk.done(&["app-id", "enable-push", app]);
    let csr = "Push.certSigningRequest";
    desk.done(&[
        "issue",
        "--csr",
        csr,
        "--app-id",
        app,
        "--kind",
        "development",
    ]);
    desk.done(&["p12", "--key", "Push.key", "--password", "secret"]);
    desk
}

/// What a PEM file holds, without what its writer says around it.
fn certificate(desk: &Desk, file: &str) -> String {
    desk.openssl(&["x509", "-in", file, "-noout", "-fingerprint", "-sha256"])
}

fn public_key(desk: &Desk, file: &str) -> String {
    desk.openssl(&["pkey", "-in", file, "-passin", "pass:secret", "-pubout"])
}

const NOCERTS: [&str; 8] = [
    "pkcs12",
    "-nocerts",
    "-out",
    "push_noenc.pem",
    "-in",
    "PUSH.P12",
    "-passin",
    "pass:secret",
];

fn x509(desk: &Desk) {
    let [cer, pem] = ["aps_developer_identity.cer", "aps_developer_identity.pem"];
    desk.openssl(&[
        "x509", "-in", cer, "-inform", "der", "-out", pem, "-outform", "PEM",
    ]);
}

#[test]
fn the_commands_put_right_make_of_our_files_what_ours_make() {
    let desk = desk();
    x509(&desk);
    desk.openssl(&[&NOCERTS[..], &["-nodes"]].concat());
    desk.openssl(&[
        "pkcs12",
        "-export",
        "-in",
        "aps_developer_identity.pem",
        "-inkey",
        "push_noenc.pem",
        "-name",
        "aps_developer_identity",
        "-out",
        "aps_developer_identity.p12",
        "-passout",
        "pass:secret",
    ]);

    let cert = "aps_developer_identity.cer";
    desk.done(&[
        "pem",
        "--cert",
        cert,
        "--p12",
        "PUSH.P12",
        "--password",
        "secret",
        "--out",
        "ours",
    ]);
    assert_eq!(
        certificate(&desk, "ours/aps_developer_identity.pem"),
        certificate(&desk, "aps_developer_identity.pem")
    );
    assert_eq!(
        public_key(&desk, "ours/push_noenc.pem"),
        public_key(&desk, "push_noenc.pem")
    );

    desk.done(&[
        "p12",
        "--cert",
        "aps_developer_identity.pem",
        "--key",
        "push_noenc.pem",
        "--name",
        "aps_developer_identity",
        "--password",
        "secret",
        "--out",
        "ours",
    ]);
    for store in [
        "aps_developer_identity.p12",
        "ours/aps_developer_identity.p12",
    ] {
        let said = desk.openssl(&["pkcs12", "-in", store, "-passin", "pass:secret", "-nodes"]);
        assert!(
            said.contains("friendlyName: aps_developer_identity"),
            "{store}"
        );
        let out = format!("{store}.read");
        desk.done(&["pem", "--p12", store, "--password", "secret", "--out", &out]);
        let read = format!("{out}/ck.pem");
        assert_eq!(
            certificate(&desk, &read),
            certificate(&desk, "aps_developer_identity.pem")
        );
        assert_eq!(
            public_key(&desk, &read),
            public_key(&desk, "push_noenc.pem")
        );
    }
}

#[test]
fn nocerts_as_it_was_printed_encrypts_the_key_it_calls_noenc_and_ours_does_not() {
    let desk = desk();
    desk.openssl(&[&NOCERTS[..], &["-passout", "pass:secret"]].concat());
    let encrypted = String::from_utf8(desk.read("push_noenc.pem")).unwrap();
    assert!(encrypted.contains("BEGIN ENCRYPTED PRIVATE KEY"));

    let cert = "aps_developer_identity.cer";
    desk.done(&[
        "pem",
        "--cert",
        cert,
        "--key",
        "push_noenc.pem",
        "--password",
        "secret",
        "--out",
        "ours",
    ]);
    let ours = String::from_utf8(desk.read("ours/push_noenc.pem")).unwrap();
    assert!(ours.starts_with("-----BEGIN PRIVATE KEY-----"));
    assert_eq!(
        public_key(&desk, "ours/push_noenc.pem"),
        public_key(&desk, "push_noenc.pem")
    );
}

#[test]
fn export_as_it_was_printed_takes_no_signing_request_for_a_certificate_and_neither_do_we() {
    let desk = desk();
    x509(&desk);
    desk.openssl(&[&NOCERTS[..], &["-nodes"]].concat());
    let said = desk.openssl_refuses(&[
        "pkcs12",
        "-export",
        "-in",
        "aps_developer_identity.pem",
        "-inkey",
        "push_noenc.pem",
        "-certfile",
        "Push.certSigningRequest",
        "-name",
        "aps_developer_identity",
        "-out",
        "aps_developer_identity.p12",
        "-passout",
        "pass:secret",
    ]);
    assert!(said.contains("Push.certSigningRequest"), "{said}");
    assert!(!desk.exists("aps_developer_identity.p12"));

    let line = desk.refused(
        1,
        &[
            "p12",
            "--cert",
            "Push.certSigningRequest",
            "--key",
            "push_noenc.pem",
            "--password",
            "secret",
        ],
    );
    assert!(line.contains("Push.certSigningRequest"), "{line}");
}
