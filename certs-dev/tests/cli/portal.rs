//! The portal's verbs, from an App ID to a certificate revoked.

use std::fs;

use crate::Desk;

const APP: &str = "com.example.App";

/// A desk with a signing request on it, and an App ID that may use push.
fn ready() -> Desk {
    let desk = Desk::new();
    desk.done(&[
        "csr",
        "--email",
        "dev@example.com",
        "--name",
        "Example Push",
        "--p256",
    ]);
    desk.done(&["app-id", "create", APP]);
    desk.done(&["app-id", "enable-push", APP]);
    desk
}

fn issue<'a>(kind: &'a str, app_id: &'a str) -> [&'a str; 7] {
    [
        "issue",
        "--csr",
        "Push.certSigningRequest",
        "--app-id",
        app_id,
        "--kind",
        kind,
    ]
}

#[test]
fn a_certificate_is_what_openssl_expects_of_apples() {
    let desk = ready();
    let text = desk.done(&issue("development", APP));
    for part in [
        "aps_developer_identity.cer",
        "development push Enabled, production push Configurable",
        "\nNext: ",
        "apns-certs pem --cert aps_developer_identity.cer --key Push.key",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let said = desk.openssl(&[
        "x509",
        "-inform",
        "DER",
        "-in",
        "aps_developer_identity.cer",
        "-noout",
        "-text",
    ]);
    for part in [
        "UID = com.example.App, CN = Apple Development IOS Push Services: com.example.App, OU = DEVTEAM001, O = Example Ltd, C = US",
        "CN = Apple Worldwide Developer Relations Certification Authority (development stand-in)",
        "1.2.840.113635.100.6.3.1",
        "CA:FALSE",
        "TLS Web Client Authentication",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("1.2.840.113635.100.6.3.2"), "{said}");
    let verified = desk.openssl(&[
        "verify",
        "-CAfile",
        "state/ca.pem",
        "-purpose",
        "sslclient",
        "aps_developer_identity.cer",
    ]);
    assert!(verified.contains("OK"), "{verified}");
    let certified = desk.openssl(&[
        "x509",
        "-in",
        "aps_developer_identity.cer",
        "-noout",
        "-pubkey",
    ]);
    assert_eq!(
        desk.openssl(&["pkey", "-in", "Push.key", "-pubout"]),
        certified
    );
}

#[test]
fn every_kind_comes_under_its_own_name() {
    let desk = ready();
    desk.done(&["app-id", "create", "web.com.example"]);
    desk.done(&["app-id", "create", "pass.com.example"]);
    for (kind, app_id, file, topic) in [
        ("development", APP, "aps_developer_identity.cer", APP),
        ("production", APP, "aps_production.cer", APP),
        ("universal", APP, "aps.cer", APP),
        ("voip", APP, "voip_services.cer", "com.example.App.voip"),
        (
            "watchkit",
            APP,
            "watchkit_services.cer",
            "com.example.App.complication",
        ),
        (
            "web",
            "web.com.example",
            "website_aps_production.cer",
            "web.com.example",
        ),
        ("pass", "pass.com.example", "pass.cer", "pass.com.example"),
        (
            "mdm",
            "com.apple.mgmt.External.x",
            "mdm.cer",
            "com.apple.mgmt.External.x",
        ),
    ] {
        let report = desk.json(&issue(kind, app_id));
        assert_eq!(report["certificate"], file);
        assert_eq!(report["topic"], topic);
        assert_eq!(report["kind"], kind);
        let subject = desk.openssl(&["x509", "-in", file, "-noout", "-subject"]);
        assert!(subject.contains(&format!("UID = {topic}, ")), "{subject}");
    }
}

#[test]
fn each_step_that_was_left_out_is_named_with_its_command() {
    let desk = Desk::new();
    desk.done(&[
        "csr",
        "--email",
        "dev@example.com",
        "--name",
        "Example Push",
        "--p256",
    ]);
    let line = desk.refused(1, &issue("development", APP));
    assert!(
        line.contains("`apns-certs app-id create com.example.App`"),
        "{line}"
    );
    desk.done(&["app-id", "create", APP]);
    let line = desk.refused(1, &issue("development", APP));
    assert!(
        line.contains("`apns-certs app-id enable-push com.example.App`"),
        "{line}"
    );
    desk.done(&["app-id", "enable-push", APP]);
    desk.done(&issue("development", APP));
}

#[test]
fn a_wildcard_can_be_created_and_cannot_have_push() {
    let desk = Desk::new();
    let text = desk.done(&["app-id", "create", "com.example.*"]);
    assert!(text.contains("Unavailable"), "{text}");
    let line = desk.refused(1, &["app-id", "enable-push", "com.example.*"]);
    for part in [
        "APNs delivers to one app",
        "greyed out",
        "`apns-certs app-id create com.example.App`",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn the_list_shows_what_the_portal_showed() {
    let desk = ready();
    desk.done(&["app-id", "create", "*"]);
    desk.done(&["app-id", "create", "com.example.Off"]);
    desk.done(&issue("production", APP));
    let text = desk.done(&["app-id", "list"]);
    let rows: Vec<Vec<_>> = text
        .lines()
        .take(4)
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows[1], ["*", "wildcard", "Unavailable", "Unavailable"]);
    assert_eq!(rows[2], [APP, "app", "Configurable", "Enabled"]);
    assert_eq!(rows[3], ["com.example.Off", "app", "Off", "Off"]);
    assert!(
        text.ends_with("Next: apns-certs app-id enable-push com.example.Off\n"),
        "{text}"
    );

    let rows = desk.json(&["app-id", "list"]);
    assert_eq!(rows[1]["id"], APP);
    assert_eq!(rows[1]["development"], "configurable");
    assert_eq!(rows[1]["production"], "enabled");
}

#[test]
fn a_request_that_is_none_is_refused_by_what_it_is() {
    let desk = ready();
    desk.done(&issue("development", APP));
    fs::write(desk.path("page.html"), "<!DOCTYPE html>").unwrap();
    desk.openssl(&[
        "req", "-new", "-newkey", "rsa:1024", "-nodes", "-keyout", "weak.key", "-out", "weak.csr",
        "-subj", "/CN=x",
    ]);
    desk.openssl(&[
        "req", "-new", "-newkey", "rsa:2048", "-sha1", "-nodes", "-keyout", "old.key", "-out",
        "old.csr", "-subj", "/CN=x",
    ]);
    for (file, said) in [
        (
            "aps_developer_identity.cer",
            "this is a certificate, not a signing request",
        ),
        ("Push.key", "this is a private key"),
        ("page.html", "this is no signing request"),
        ("weak.csr", "RSA 1024"),
        ("missing.csr", "cannot read missing.csr"),
    ] {
        let line = desk.refused(
            1,
            &["issue", "--csr", file, "--app-id", APP, "--kind", "voip"],
        );
        assert!(line.contains(file) && line.contains(said), "{line}");
    }
    desk.done(&[
        "issue", "--csr", "old.csr", "--app-id", APP, "--kind", "voip",
    ]);
}

#[test]
fn nothing_is_issued_when_the_file_would_be_in_the_way() {
    let desk = ready();
    desk.done(&issue("development", APP));
    let line = desk.refused(74, &issue("development", APP));
    assert!(
        line.contains("aps_developer_identity.cer is there already"),
        "{line}"
    );
    assert_eq!(
        desk.json(&["certificate", "list"])
            .as_array()
            .unwrap()
            .len(),
        1
    );
    desk.done(&[&issue("development", APP)[..], &["--force"]].concat());
    assert_eq!(
        desk.json(&["certificates", "list"])
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_certificate_is_revoked_by_its_number_or_its_file() {
    let desk = ready();
    let by_number = desk.json(&issue("development", APP))["serial"]
        .as_str()
        .unwrap()
        .to_owned();
    desk.done(&issue("production", APP));
    let printed = desk.openssl(&[
        "x509",
        "-in",
        "aps_developer_identity.cer",
        "-noout",
        "-serial",
    ]);
    let printed = printed.trim().strip_prefix("serial=").unwrap();
    assert_eq!(printed.to_lowercase(), by_number);
    desk.done(&["revoke", printed]);
    desk.openssl(&[
        "x509",
        "-in",
        "aps_production.cer",
        "-out",
        "aps_production.pem",
    ]);
    let text = desk.done(&["revoke", "aps_production.pem"]);
    assert!(
        text.contains("revoked") && text.contains("\nNext: "),
        "{text}"
    );

    let rows = desk.json(&["certificate", "list"]);
    for row in rows.as_array().unwrap() {
        assert_eq!(row["status"], "revoked");
    }
    let rows = desk.json(&["app-id", "list"]);
    assert_eq!(rows[0]["production"], "configurable");
}

#[test]
fn what_cannot_be_revoked_is_answered_with_what_can() {
    let desk = ready();
    let serial = desk.json(&issue("development", APP))["serial"]
        .as_str()
        .unwrap()
        .to_owned();
    for (named, said) in [
        ("0123456789abcdef", serial.as_str()),
        ("state/ca.pem", serial.as_str()),
        ("Push.key", "no certificate in Push.key"),
        ("nothing", "apns-certs certificate list"),
    ] {
        let line = desk.refused(1, &["revoke", named]);
        assert!(line.contains(said), "{named}: {line}");
    }
}

#[test]
fn a_certificate_is_downloaded_again() {
    let desk = ready();
    let serial = desk.json(&issue("universal", APP))["serial"]
        .as_str()
        .unwrap()
        .to_owned();
    let report = desk.json(&["certificate", "download", &serial, "--out", "again"]);
    assert_eq!(report["certificate"], "again/aps.cer");
    assert_eq!(desk.read("again/aps.cer"), desk.read("aps.cer"));
}

#[test]
fn a_damaged_state_is_78_and_says_what_to_do() {
    let desk = ready();
    fs::write(desk.path("state/portal.json"), "{").unwrap();
    for arguments in [&["app-id", "list"][..], &issue("development", APP)] {
        let line = desk.refused(78, arguments);
        assert!(
            line.contains("portal.json") && line.contains("backup"),
            "{line}"
        );
    }
}

#[test]
fn a_state_folder_that_cannot_be_is_74() {
    let desk = Desk::new();
    fs::write(desk.path("file"), "").unwrap();
    let line = desk.refused(74, &["app-id", "create", APP, "--state", "file/state"]);
    assert!(line.contains("--state"), "{line}");
}

#[test]
fn a_key_for_provider_tokens_is_p256_and_its_owners_alone() {
    let desk = Desk::new();
    let report = desk.json(&["key", "create", "--name", "Pushes"]);
    let key_id = report["key_id"].as_str().unwrap();
    let file = format!("AuthKey_{key_id}.p8");
    assert_eq!(report["key"], file.as_str());
    assert!(desk.read(&file).starts_with(b"-----BEGIN PRIVATE KEY-----"));
    let said = desk.openssl(&["pkey", "-in", &file, "-noout", "-text"]);
    assert!(said.contains("prime256v1"), "{said}");
    let state = String::from_utf8(desk.read("state/portal.json")).unwrap();
    assert!(
        state.contains(key_id) && !state.contains("PRIVATE"),
        "{state}"
    );
    let rows = desk.json(&["key", "list"]);
    assert_eq!(rows[0]["name"], "Pushes");
}
