//! Private keys: of which kind, in which form, encrypted or not; signing requests.

use apns_certs::inspect::{Answer, Code, Item, Key, Report, Severity};
use apns_certs::{Kind, csr};

use super::support::{Bench, codes, find, look, push};

fn only_key(report: &Report) -> &Key {
    match report.files[0].items.as_slice() {
        [Item::Key(key)] => key,
        other => panic!("{other:#?}"),
    }
}

#[test]
fn a_key_is_known_in_every_form() {
    let bench = Bench::new();
    bench.openssl("genrsa -out rsa 2048");
    bench.openssl("rsa -in rsa -traditional -out rsa.traditional");
    bench.openssl("rsa -in rsa -outform der -out rsa.der");
    bench.openssl("ecparam -name prime256v1 -genkey -out ec.traditional");
    bench.openssl("pkcs8 -topk8 -nocrypt -in ec.traditional -out ec");
    bench.openssl("ecparam -name secp384r1 -genkey -noout -out p384");
    bench.openssl("genpkey -algorithm ed25519 -out ed25519");
    for (name, kind, form) in [
        ("rsa", "RSA 2048", "PKCS#8"),
        ("rsa.der", "RSA 2048", "PKCS#8"),
        ("rsa.traditional", "RSA 2048", "PKCS#1"),
        ("ec", "P-256", "PKCS#8"),
        ("ec.traditional", "P-256", "SEC 1"),
        ("p384", "P-384", "SEC 1"),
        ("ed25519", "Ed25519", "PKCS#8"),
    ] {
        let report = bench.look(name);
        let key = only_key(&report);
        assert_eq!((key.kind.as_str(), key.form), (kind, form), "{name}");
        assert!(report.severity() < Severity::Warning, "{name}: {report}");
    }
    assert!(codes(&bench.look("ec.traditional")).contains(&"not-pkcs8"));
}

#[test]
fn a_token_key_is_known_by_its_file_and_must_be_p256() {
    let bench = Bench::new();
    bench.openssl(
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out AuthKey_ABC1234567.p8",
    );
    let report = bench.look("AuthKey_ABC1234567.p8");
    let key = only_key(&report);
    assert_eq!(key.key_id.as_deref(), Some("ABC1234567"));
    assert_eq!(key.apns.answer, Answer::If);
    assert!(key.apns.why.contains("ES256"), "{}", key.apns);
    assert_eq!(codes(&report), [""; 0]);

    bench.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out other.p8");
    assert_eq!(
        find(&bench.look("other.p8"), Code::NotTokenKey).severity,
        Severity::Error
    );
}

#[test]
fn keys_that_nobody_takes_are_found() {
    let bench = Bench::new();
    bench.openssl("genrsa -out weak 1024");
    bench.openssl("ecparam -name secp256k1 -genkey -noout -out odd");
    assert!(
        find(&bench.look("weak"), Code::WeakKey)
            .message
            .contains("RSA 1024")
    );
    assert!(
        find(&bench.look("odd"), Code::OtherKey)
            .message
            .contains("1.3.132.0.10")
    );
    assert_eq!(only_key(&bench.look("weak")).gateway.answer, Answer::No);
}

#[test]
fn an_encrypted_key_is_recognised_in_both_forms_and_opened_in_the_newer() {
    let bench = Bench::new();
    bench.openssl("genrsa -out rsa 2048");
    bench.openssl("pkcs8 -topk8 -v2 aes256 -in rsa -passout pass:secret -out push_noenc.pem");
    bench.openssl("rsa -in rsa -traditional -aes128 -passout pass:secret -out traditional.pem");

    let report = bench.look("push_noenc.pem");
    let finding = find(&report, Code::NotNoenc);
    assert_eq!(finding.severity, Severity::Error);
    assert!(
        finding.commands.iter().any(|c| c.contains("-nodes")),
        "{finding:?}"
    );
    let report = bench.look("traditional.pem");
    assert_eq!(
        find(&report, Code::EncryptedKey).severity,
        Severity::Warning
    );
    assert!(matches!(report.files[0].items[..], [Item::EncryptedKey(_)]));
    assert_eq!(report.next.what, "see to the warning above");
    assert_eq!(
        report.next.commands,
        ["openssl pkey -in traditional.pem -out unencrypted.pem"]
    );

    bench.write("key.pem", bench.read("push_noenc.pem"));
    let report = bench.look_with("key.pem", "secret");
    let key = only_key(&report);
    assert!(key.encrypted);
    assert_eq!(key.kind, "RSA 2048");
    assert_eq!(codes(&report), ["encrypted-key"]);
    find(&bench.look_with("key.pem", "wrong"), Code::WrongPassword);
}

#[test]
fn the_seeds_push_noenc_is_caught() {
    let bench = Bench::new();
    bench.write("key", push(Kind::Development).key_pem);
    bench.openssl("pkcs12 -export -nocerts -inkey key -passout pass:secret -out PUSH.P12");
    bench.openssl(
        "pkcs12 -nocerts -out push_noenc.pem -in PUSH.P12 -passin pass:secret -passout pass:1234",
    );
    find(&bench.look("push_noenc.pem"), Code::NotNoenc);
}

#[test]
fn no_text_of_the_report_repeats_a_key() {
    let minted = push(Kind::Universal);
    let damaged = minted.key_pem.replacen('\n', "\n*", 1);
    for text in [minted.combined_pem(), damaged] {
        let report = look("ck.pem", text);
        let (text, json) = (report.to_string(), serde_json::to_string(&report).unwrap());
        for line in minted.key_pem.lines().filter(|line| !line.starts_with('-')) {
            assert!(!text.contains(line) && !json.contains(line));
            assert!(!format!("{report:?}").contains(line));
        }
    }
}

#[test]
fn a_signing_request_is_for_the_portal() {
    let made = csr::create("a@example.com", "Example Push", apns_certs::KeyKind::P256).unwrap();
    let report = look("Push.certSigningRequest", made.request_pem.as_bytes());
    assert_eq!(codes(&report), ["request"]);
    assert_eq!(
        report.next.commands,
        [
            "apns-certs issue --csr Push.certSigningRequest --app-id com.example.App --kind development"
        ]
    );
    let report = look("aps_developer_identity.cer", made.request_pem.as_bytes());
    assert_eq!(
        find(&report, Code::RequestNotCertificate).severity,
        Severity::Error
    );

    let tampered = made.request_pem.replacen("Q", "R", 3);
    let report = look("Push.certSigningRequest", tampered);
    assert_eq!(report.severity(), Severity::Error, "{report}");

    let bench = Bench::new();
    bench.openssl("req -new -newkey rsa:1024 -nodes -keyout key -out weak.csr -subj /CN=x");
    find(&bench.look("weak.csr"), Code::RequestRefused);
    // As a Keychain of 2011 signed.
    bench.openssl("req -new -newkey rsa:2048 -sha1 -nodes -keyout key -out old.csr -subj /CN=x");
    find(&bench.look("old.csr"), Code::Request);
}

#[test]
fn the_public_half_of_a_key_is_no_use() {
    let bench = Bench::new();
    bench.openssl("genpkey -algorithm ed25519 -out key");
    bench.openssl("pkey -in key -pubout -out public.pem");
    bench.openssl("pkey -in key -pubout -outform der -out public.der");
    find(&bench.look("public.pem"), Code::PublicKey);
    find(&bench.look("public.der"), Code::PublicKey);
}
