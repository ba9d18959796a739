//! The verb as a script sees it: exit status, text, JSON, passwords.

use std::process::{Command, Output};

use apns_certs::{Kind, PushCertificate, Validity};

use super::support::{Bench, ca, certificate, push};

fn run(bench: &Bench, arguments: &[&str], variable: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_apns-certs"));
    command
        .arg("inspect")
        .args(arguments)
        .current_dir(bench.folder())
        .env_remove("RUST_LOG")
        .env_remove("APNS_CERTS_PASSWORD");
    if let Some(password) = variable {
        command.env("APNS_CERTS_PASSWORD", password);
    }
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_good_file_is_0_a_bad_one_1_and_wrong_usage_2() {
    let bench = Bench::new();
    let push = push(Kind::Universal);
    bench.write("ck.pem", push.combined_pem());
    let expired = PushCertificate {
        validity: Validity::ended(),
        ..certificate(Kind::Universal)
    };
    bench.write("old.cer", ca().push(&expired).unwrap().certificate_der);
    for (arguments, status, said) in [
        (&["ck.pem"][..], 0, "ck.pem: PEM with a push certificate"),
        (&["old.cer"], 1, "[expired]"),
        (&["ck.pem", "old.cer"], 1, "\nold.cer: a push certificate"),
        (&["nothing"], 1, "[unreadable]"),
        (&["."], 1, "[folder]"),
        (&["ck.pem", "--at", "2020-01-01"], 1, "[not-yet-valid]"),
        (&["ck.pem", "--at", "someday"], 2, ""),
        (&[], 2, ""),
        (&["ck.pem", "--password", "x", "--empty-password"], 2, ""),
    ] {
        let output = run(&bench, arguments, None);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
        let text = stdout(&output);
        assert!(text.contains(said), "{arguments:?}: {text}");
        assert_eq!(text.is_empty(), status == 2);
        assert_eq!(text.contains("\nNext: "), status != 2, "{text}");
    }
}

#[test]
fn the_password_comes_from_a_file_an_argument_or_the_environment() {
    let bench = Bench::new();
    bench.write("both", push(Kind::Universal).combined_pem());
    bench.openssl("pkcs12 -export -in both -passout pass:s3cret -out push.p12");
    bench.write("password", "s3cret\n");
    for (arguments, variable, status, code) in [
        (&["push.p12"][..], None, 0, "[locked]"),
        (
            &["push.p12", "--password-file", "password"],
            None,
            0,
            "[pair]",
        ),
        (&["push.p12", "--password", "s3cret"], None, 0, "[pair]"),
        (&["push.p12"], Some("s3cret"), 0, "[pair]"),
        (
            &["push.p12", "--empty-password"],
            Some("s3cret"),
            1,
            "[wrong-password]",
        ),
    ] {
        let output = run(&bench, arguments, variable);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
        let text = stdout(&output);
        assert!(text.contains(code), "{arguments:?}: {text}");
        assert!(!text.contains("s3cret"));
    }
}

#[test]
fn the_json_has_stable_codes_and_what_the_text_has() {
    let bench = Bench::new();
    bench.write(
        "aps_production.cer",
        push(Kind::Development).certificate_der,
    );
    let output = run(&bench, &["aps_production.cer", "--json"], None);
    assert_eq!(output.status.code(), Some(0));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let file = &report["files"][0];
    assert_eq!(file["name"], "aps_production.cer");
    let item = &file["items"][0];
    assert_eq!(item["item"], "certificate");
    assert_eq!(item["topic"], "com.example.Mail");
    assert_eq!(item["environments"]["sandbox"], true);
    assert_eq!(item["environments"]["production"], false);
    assert_eq!(item["validity"]["state"], "valid");
    assert_eq!(item["apns"]["answer"], "no");
    assert_eq!(item["gateway"]["answer"], "yes");
    assert_eq!(file["findings"][0]["code"], "other-environment");
    assert_eq!(file["findings"][0]["severity"], "warning");
    assert!(report["next"]["commands"].is_array());
}
