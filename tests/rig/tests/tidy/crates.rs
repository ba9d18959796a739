//! Who may depend on whom, and what may not be in the tree at all.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

use crate::{expect_none, read, root};

/// ARCHITECTURE.md's arrows: what each package may name among ours, in its tests too.
const ARROWS: &[(&str, &[&str])] = &[
    ("apns-proto", &[]),
    ("apns-net", &["apns-proto"]),
    ("apns-certs", &["apns-net"]),
    // Whatever is wrong in one of ours must not be wrong in the suite in the same way.
    ("apns-conformance", &[]),
    ("apns-gateway", &["apns-net", "apns-proto"]),
    ("apns-simulator", &["apns-certs", "apns-net", "apns-proto"]),
    (
        "apns-rig",
        &[
            "apns-certs",
            "apns-conformance",
            "apns-gateway",
            "apns-net",
            "apns-proto",
            "apns-simulator",
        ],
    ),
];

/// The bytes and rules need nothing that could reach a clock, a socket, a file, a task or a log.
const PROTO_NEEDS: &[&str] = &["byteorder", "bytes", "thiserror"];

/// Its tests also read the vectors.
const PROTO_TESTS_NEED: &[&str] = &["proptest", "serde", "serde_json"];

/// One TLS provider, one HTTP stack, one runtime.
const BANNED: &[(&str, &str)] = &[
    ("ring", "aws-lc-rs is the one cryptographic provider"),
    ("openssl", "aws-lc-rs is the one cryptographic provider"),
    ("openssl-sys", "aws-lc-rs is the one cryptographic provider"),
    ("native-tls", "rustls is the one TLS stack"),
    ("boring", "aws-lc-rs is the one cryptographic provider"),
    ("s2n-tls", "rustls is the one TLS stack"),
    ("mbedtls", "rustls is the one TLS stack"),
    (
        "rustls-rustcrypto",
        "aws-lc-rs is the one cryptographic provider",
    ),
    (
        "rustls-graviola",
        "aws-lc-rs is the one cryptographic provider",
    ),
    ("hyper-tls", "hyper over rustls is the one HTTP stack"),
    ("reqwest", "hyper is the one HTTP stack"),
    ("ureq", "hyper is the one HTTP stack"),
    ("isahc", "hyper is the one HTTP stack"),
    ("curl", "hyper is the one HTTP stack"),
    ("attohttpc", "hyper is the one HTTP stack"),
    ("minreq", "hyper is the one HTTP stack"),
    ("surf", "hyper is the one HTTP stack"),
    ("actix-web", "axum on hyper is the one HTTP stack"),
    ("rocket", "axum on hyper is the one HTTP stack"),
    ("warp", "axum on hyper is the one HTTP stack"),
    ("tiny_http", "axum on hyper is the one HTTP stack"),
    ("async-std", "tokio is the one runtime"),
    ("smol", "tokio is the one runtime"),
];

/// Two versions of one of these would mean two stacks that cannot talk to each other.
const ONE_VERSION: &[&str] = &[
    "aws-lc-rs",
    "axum",
    "bytes",
    "http",
    "hyper",
    "rusqlite",
    "rustls",
    "tokio",
    "tokio-rustls",
    "tracing",
];

fn metadata() -> Metadata {
    let manifest = root().join("Cargo.toml");
    let options = ["--locked", "--offline"].map(String::from).to_vec();
    MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .other_options(options)
        .exec()
        .expect("cargo metadata runs")
}

/// Every package that is built here, for whatever purpose: name, version, licence.
pub(crate) fn tree() -> BTreeSet<(String, String, String)> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| String::from("cargo"));
    let output = Command::new(cargo)
        .current_dir(root())
        .args([
            "tree",
            "--workspace",
            "--all-features",
            "--edges",
            "normal,build,dev",
            "--prefix",
            "none",
        ])
        .args(["--locked", "--offline", "--format", "{p}|{l}"])
        .output()
        .expect("cargo tree runs");
    assert!(
        output.status.success(),
        "cargo tree: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("cargo prints UTF-8");
    let packages: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.trim_end_matches(" (*)").split_once('|'))
        .map(|(package, licence)| {
            let mut words = package.split(' ');
            let mut word = || {
                words
                    .next()
                    .expect("a package prints as name and version")
                    .to_owned()
            };
            (word(), word(), licence.to_owned())
        })
        .collect();
    assert!(
        packages.len() > 100,
        "cargo tree printed {} packages only",
        packages.len()
    );
    packages
}

fn ours<'a>(
    package: &'a Package,
    names: &BTreeSet<&str>,
) -> impl Iterator<Item = (&'a str, DependencyKind)> {
    package
        .dependencies
        .iter()
        .filter(|dependency| names.contains(dependency.name.as_str()))
        .map(|dependency| (dependency.name.as_str(), dependency.kind))
}

#[test]
fn dependencies_point_one_way_in_tests_too() {
    let metadata = metadata();
    let arrows: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let names: BTreeSet<_> = metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    assert_eq!(
        names,
        arrows.keys().copied().collect(),
        "a new package wants its arrows written down here and in ARCHITECTURE.md"
    );
    let mut findings = Vec::new();
    for package in &metadata.packages {
        let allowed = arrows[package.name.as_str()];
        for (dependency, kind) in ours(package, &names) {
            if !allowed.contains(&dependency) {
                findings.push(format!("{} depends on {dependency} ({kind})", package.name));
            }
        }
    }
    expect_none("an arrow points the wrong way", &findings);
}

#[test]
fn proto_names_nothing_that_reaches_a_clock_a_socket_a_file_a_task_or_a_log() {
    let metadata = metadata();
    let proto = metadata
        .packages
        .iter()
        .find(|package| package.name == "apns-proto")
        .expect("apns-proto is a member");
    let findings: Vec<_> = proto
        .dependencies
        .iter()
        .filter(|dependency| {
            let needed = match dependency.kind {
                DependencyKind::Development => PROTO_TESTS_NEED,
                _ => PROTO_NEEDS,
            };
            !needed.contains(&dependency.name.as_str())
        })
        .map(|dependency| format!("apns-proto depends on {}", dependency.name))
        .collect();
    expect_none("proto is bytes and rules", &findings);
}

#[test]
fn one_tls_provider_one_http_stack_one_runtime() {
    let tree = tree();
    assert!(
        tree.iter().any(|(name, ..)| name == "aws-lc-rs"),
        "the provider itself is missing, so this test looks at the wrong tree"
    );
    let findings: Vec<_> = BANNED
        .iter()
        .filter(|(banned, _)| tree.iter().any(|(name, ..)| name == banned))
        .map(|(banned, why)| {
            format!("{banned}: {why}; `cargo tree -i {banned}` shows who brought it")
        })
        .collect();
    expect_none("a banned crate is in the tree", &findings);
}

#[test]
fn what_everybody_shares_is_there_in_one_version() {
    let tree = tree();
    let findings: Vec<_> = ONE_VERSION
        .iter()
        .map(|shared| {
            (
                shared,
                tree.iter()
                    .filter(|(name, ..)| name == shared)
                    .map(|(_, version, _)| version.as_str())
                    .collect::<Vec<_>>(),
            )
        })
        .filter(|(_, versions)| versions.len() != 1)
        .map(|(shared, versions)| format!("{shared}: {versions:?}"))
        .collect();
    expect_none("not exactly one version", &findings);
}

#[test]
fn every_package_takes_the_workspace_lints_and_is_not_published_by_accident() {
    let mut findings = Vec::new();
    for package in &metadata().packages {
        let manifest = read(package.manifest_path.as_std_path());
        let mut lines = manifest
            .lines()
            .map(str::trim)
            .skip_while(|line| *line != "[lints]")
            .skip(1);
        if lines.next() != Some("workspace = true") {
            findings.push(format!("{}: no `[lints] workspace = true`", package.name));
        }
        if package.publish.as_deref() != Some(&[]) {
            findings.push(format!("{}: `publish` is not false", package.name));
        }
        if package.license.as_deref() != Some("MIT OR Apache-2.0") {
            findings.push(format!(
                "{}: its licence is {:?}",
                package.name, package.license
            ));
        }
    }
    expect_none("a manifest breaks a house rule", &findings);
}
