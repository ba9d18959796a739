//! `apns-certs dev`.

use std::fs;

use apns_net::credentials::Identity;
use tempfile::TempDir;

use crate::Desk;
use crate::{run, stderr, stdout};

#[test]
fn a_set_is_written_and_found_again() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("certs");
    let out = out.to_str().unwrap();

    let first = run(&[
        "dev",
        "--out",
        out,
        "--topic",
        "com.example.Shop",
        "--name",
        "10.0.0.7",
    ]);
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    let text = stdout(&first);
    assert!(text.contains("for com.example.Shop, minted:"), "{text}");
    assert!(text.contains("Next: "), "{text}");
    for name in [
        "ca.pem",
        "server.pem",
        "provider.pem",
        "provider-combined.pem",
    ] {
        assert!(text.contains(&format!("{out}/{name}")), "{name}: {text}");
    }
    assert!(!text.contains("BEGIN"), "paths, no keys: {text}");

    let second = run(&["dev", "--out", out, "--topic", "com.example.Shop", "--json"]);
    assert_eq!(second.status.code(), Some(0));
    assert_eq!(stderr(&second), "");
    let set: serde_json::Value = serde_json::from_slice(&second.stdout).unwrap();
    assert_eq!(set["minted"], false);
    assert_eq!(set["topic"], "com.example.Shop");
    let path = |key: &str| set[key].as_str().unwrap().to_owned();
    let provider = Identity::from_pem_files(path("provider"), path("provider_key")).unwrap();
    assert_eq!(
        provider.certificate().topic.as_deref(),
        Some("com.example.Shop")
    );
}

#[test]
fn wrong_usage_is_2_and_says_what_was_expected() {
    for (arguments, said) in [
        (&[][..], "Usage:"),
        (&["dev"], "--out"),
        (&["dev", "--out", "x", "--topic", "com.*"], "no wildcard"),
        (
            &["dev", "--out", "x", "--name", "a b"],
            "neither a DNS name nor an IP address",
        ),
        (&["mint"], "unrecognized subcommand"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_74_and_one_line() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let theirs = folder.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    fs::write(theirs.join("ca.pem"), "somebody's").unwrap();
    for (out, said) in [
        (&file, "cannot use the folder "),
        (&theirs, "choose another folder"),
    ] {
        let output = run(&["dev", "--out", out.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(74));
        let line = stderr(&output);
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(
            line.starts_with("apns-certs: ") && line.contains(said),
            "{line}"
        );
        assert!(line.contains(out.to_str().unwrap()), "{line}");
    }
}

#[test]
fn help_says_what_it_does_with_examples_and_exit_codes() {
    let output = run(&["dev", "--help"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    for part in [
        "Writes everything ready-made",
        "Examples:",
        "Exit status:",
        "com.example.Mail",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn the_push_certificate_is_there_in_every_form_and_openssl_reads_each() {
    let desk = Desk::new();
    desk.done(&["dev", "--out", "certs"]);
    let public_key = desk.openssl(&["pkey", "-in", "certs/provider-key.pem", "-pubout"]);
    let of_certificate =
        |arguments: &[&str]| desk.openssl(&[&["x509", "-noout", "-pubkey"], arguments].concat());
    let of_key =
        |file: &str| desk.openssl(&["pkey", "-in", file, "-passin", "pass:secret", "-pubout"]);

    let request = [
        "req",
        "-in",
        "certs/Push.certSigningRequest",
        "-noout",
        "-pubkey",
    ];
    assert_eq!(desk.openssl(&request), public_key);
    assert_eq!(
        of_certificate(&["-inform", "DER", "-in", "certs/aps_developer_identity.cer"]),
        public_key
    );
    for file in ["certs/aps_developer_identity.pem", "certs/ck.pem"] {
        assert_eq!(of_certificate(&["-in", file]), public_key);
    }
    for file in [
        "certs/push_noenc.pem",
        "certs/ck.pem",
        "certs/PUSH.P12",
        "certs/aps_developer_identity.p12",
        "certs/aps_developer_identity-compat.p12",
    ] {
        assert_eq!(of_key(file), public_key, "{file}");
    }
    let alone = desk.openssl(&[
        "pkcs12",
        "-in",
        "certs/PUSH.P12",
        "-nokeys",
        "-passin",
        "pass:secret",
    ]);
    assert!(!alone.contains("BEGIN CERTIFICATE"), "{alone}");
}

#[test]
fn the_readme_names_every_file_and_no_other_and_a_second_run_changes_none() {
    let desk = Desk::new();
    desk.done(&["dev", "--out", "certs"]);
    let list = || -> std::collections::BTreeMap<_, _> {
        fs::read_dir(desk.path("certs"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                (
                    entry.file_name().into_string().unwrap(),
                    fs::read(entry.path()).unwrap(),
                )
            })
            .collect()
    };
    let before = list();
    let readme = String::from_utf8(before["README.txt"].clone()).unwrap();
    let named: std::collections::BTreeSet<_> = readme
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(name, _)| name.trim())
        .filter(|name| !name.is_empty() && !name.contains(' '))
        .collect();
    let there: std::collections::BTreeSet<_> = before
        .keys()
        .map(String::as_str)
        .filter(|name| !matches!(*name, "README.txt" | ".lock"))
        .collect();
    assert_eq!(named, there);
    desk.done(&["dev", "--out", "certs"]);
    assert_eq!(list(), before);
}
