//! Deliberately wrong little servers, each with one bug of a published mock, and what the suite says about them: so that a green run
//! means something.
#![expect(clippy::unwrap_used, reason = "in a test that is the message")]

mod server;

use std::collections::BTreeSet;

use apns_conformance::cli::Arguments;
use apns_conformance::suite::Verdict;
use clap::Parser;

use self::server::{Bug, Little};

/// The first clause of every case that fails against a server with `bug`.
async fn failing(bug: Option<Bug>) -> BTreeSet<String> {
    let little = Little::start(bug).await;
    let folder = little.folder.path();
    let file = |name: &str| folder.join(name).display().to_string();
    let arguments = [
        "apns-conformance",
        "server",
        "--strict",
        "--seed",
        "1",
        "--timeout",
        "1",
        "--quiet",
        "0.15",
        "--burst",
        "100",
        "--jobs",
        "16",
        "--good-token",
        &"aa".repeat(32),
        "--bad-token",
        "random",
    ]
    .map(String::from);
    let more = [
        "--port".to_owned(),
        little.address.port().to_string(),
        "--cert".to_owned(),
        file("client.pem"),
        "--key".to_owned(),
        file("client.key"),
        "--ca".to_owned(),
        file("ca.pem"),
    ];
    let arguments = Arguments::parse_from(arguments.into_iter().chain(more));
    let summary = apns_conformance::cli::summary(arguments).await.unwrap();
    let failed = summary
        .cases
        .iter()
        .filter(|case| matches!(case.verdict, Verdict::Failed { .. }));
    failed.map(|case| case.clauses[0].to_string()).collect()
}

async fn fails_on(bug: Bug, clauses: &[&str]) {
    let found = failing(Some(bug)).await;
    let expected: BTreeSet<_> = clauses.iter().map(|clause| (*clause).to_owned()).collect();
    assert_eq!(found, expected, "{bug:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correct_little_server_passes() {
    assert_eq!(failing(None).await, BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn status_0_to_every_good_notification_is_found() {
    fails_on(Bug::ConfirmsEverything, &["P-30", "P-07"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_packet_that_begins_with_01_is_found() {
    fails_on(Bug::WrongCommand, &["P-31"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_packet_in_two_records_is_found() {
    fails_on(Bug::SplitPacket, &["P-31"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn demanding_all_five_items_is_found() {
    let found = failing(Some(Bug::DemandsAllItems)).await;
    assert!(found.contains("P-13"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_on_behind_a_refused_notification_is_found() {
    fails_on(Bug::ReadsOn, &["P-31", "P-40", "P-41"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_without_the_packet_is_found() {
    let found = failing(Some(Bug::ClosesWithoutPacket)).await;
    assert!(
        found.contains("P-33") && found.contains("P-37"),
        "{found:?}"
    );
    assert!(
        !found.contains("P-18") && !found.contains("P-13"),
        "{found:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn never_sending_an_error_is_found() {
    let found = failing(Some(Bug::NeverRefuses)).await;
    assert!(
        found.contains("P-33") && found.contains("P-37"),
        "{found:?}"
    );
    assert!(
        !found.contains("P-10") && !found.contains("P-30"),
        "{found:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn status_1_for_everything_is_found() {
    let found = failing(Some(Bug::Status1)).await;
    assert!(
        found.contains("P-33") && found.contains("P-37"),
        "{found:?}"
    );
    assert!(!found.contains("P-31"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_that_a_reset_destroys_is_found() {
    fails_on(Bug::ClosesAtOnce, &["P-41"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ignoring_the_command_byte_is_found() {
    let found = failing(Some(Bug::IgnoresCommand)).await;
    assert!(
        found.contains("P-10") || found.contains("P-12") || found.contains("P-18"),
        "{found:?}"
    );
}
