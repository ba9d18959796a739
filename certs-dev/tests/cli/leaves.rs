//! `apns-certs server`, `client` and `device`: certificates with their keys, under the portal's CA.

use crate::Desk;

#[test]
fn a_server_certificate_is_for_its_names_and_comes_with_ways_to_trust_its_ca() {
    let desk = Desk::new();
    let server = [
        "server",
        "--name",
        "gateway.push.apple.com",
        "--name",
        "10.0.0.7",
    ];
    let text = desk.done(&server);
    let ca = desk.path("ca.pem");
    let ca = ca.to_str().unwrap();
    for part in [
        "\nNext: ",
        &format!("'cafile' => '{ca}'"),
        &format!("keytool -importcert -noprompt -alias apns-development -file {ca}"),
        &format!("NODE_EXTRA_CA_CERTS={ca}"),
        &format!("SSL_CERT_FILE={ca}"),
        "update-ca-certificates",
        "update-ca-trust",
        "only on a machine that is for tests",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let host = [
        "-verify_hostname",
        "gateway.push.apple.com",
        "-verify_ip",
        "10.0.0.7",
    ];
    let verify = [
        &["verify", "-CAfile", "ca.pem", "-purpose", "sslserver"][..],
        &host,
        &["server.pem"],
    ]
    .concat();
    assert!(desk.openssl(&verify).contains("OK"));
    let certified = desk.openssl(&["x509", "-in", "server.pem", "-noout", "-pubkey"]);
    assert_eq!(
        desk.openssl(&["pkey", "-in", "server.key", "-pubout"]),
        certified
    );
    assert_eq!(desk.read("ca.pem"), desk.read("state/ca.pem"));

    let line = desk.refused(74, &server);
    assert!(line.contains("server.pem is there already"), "{line}");
    let report = desk.json(&[&server[..], &["--force", "--p256"]].concat());
    assert_eq!(report["certificate"], "server.pem");
    assert!(
        report["trust"]["java"]
            .as_str()
            .unwrap()
            .contains("keytool")
    );
}

#[test]
fn the_java_trust_store_is_made_as_the_text_says() {
    let desk = Desk::new();
    let report = desk.json(&["server", "--name", "localhost", "--p256"]);
    let java = report["trust"]["java"].as_str().unwrap();
    let (keytool, _) = java.split_once(" && ").unwrap();
    let made = std::process::Command::new("sh")
        .args(["-c", keytool])
        .current_dir(desk.path("."))
        .output()
        .unwrap();
    assert!(made.status.success(), "{keytool}: {}", crate::stderr(&made));
    let said = desk.openssl(&[
        "pkcs12",
        "-in",
        "truststore.p12",
        "-passin",
        "pass:changeit",
        "-nokeys",
    ]);
    assert!(said.contains("BEGIN CERTIFICATE"), "{said}");
}

#[test]
fn a_client_has_everything_in_one_go() {
    let desk = Desk::new();
    let report = desk.json(&["client", "--app-id", "com.example.Shop", "--p256"]);
    assert_eq!(report["kind"], "universal");
    assert!(
        desk.openssl(&["verify", "-CAfile", "ca.pem", "client.pem"])
            .contains("OK")
    );
    let both = desk.read("client-combined.pem");
    assert_eq!(
        both,
        [desk.read("client.pem"), desk.read("client.key")].concat()
    );
    let rows = desk.json(&["app-id", "list"]);
    assert_eq!(rows[0]["id"], "com.example.Shop");
    assert_eq!(rows[0]["development"], "enabled");
    assert_eq!(
        desk.json(&["certificate", "list"])[0]["serial"],
        report["serial"]
    );

    let line = desk.refused(
        1,
        &["client", "--app-id", "com.example.*", "--out", "other"],
    );
    assert!(line.contains("wildcard"), "{line}");
    desk.done(&["client", "--kind", "mdm", "--out", "mdm", "--p256"]);
}

#[test]
fn a_device_certificate_has_the_devices_name() {
    let desk = Desk::new();
    let text = desk.done(&["device", "--name", "0E6B7C4A"]);
    assert!(
        text.contains("Next: ") && text.contains("apns-simulator phone"),
        "{text}"
    );
    let subject = desk.openssl(&["x509", "-in", "device.pem", "-noout", "-subject"]);
    assert!(subject.contains("CN = 0E6B7C4A"), "{subject}");
    assert!(
        desk.openssl(&["verify", "-CAfile", "ca.pem", "device.pem"])
            .contains("OK")
    );
}
