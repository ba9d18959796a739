//! Deliberately wrong little servers, each with one bug, and what the suite says about them: so that a green run means something.
#![expect(clippy::unwrap_used, reason = "in a test that is the message")]

mod bug;
mod courier;
mod feedback;
mod provider;
mod server;
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;

use apns_conformance::cli::Arguments;
use apns_conformance::suite::Verdict;
use clap::Parser;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::bug::{Bug, Chapter};
use self::server::Little;
use self::world::GONE;

/// The app that all is about.
const TOPIC: &str = "com.example.Mail";

/// The first clause of every case that fails against a server with `bug`; of the correct one everything is looked at.
async fn failing(bug: Option<Bug>) -> BTreeSet<String> {
    let little = Little::start(bug).await;
    let of = |chapter| bug.is_none_or(|bug| bug.chapter() == chapter);
    let fixed = "apns-conformance server --strict --seed 1 --timeout 1 --quiet 0.15 --feedback-delay 2 --burst 100 --jobs 16 --bad-token random";
    let mut arguments: Vec<String> = fixed.split(' ').map(String::from).collect();
    let mut give = |option: &str, value: String| arguments.extend([option.to_owned(), value]);
    let file = |name: &str| little.folder.path().join(name).display().to_string();
    give("--good-token", "aa".repeat(32));
    give("--topic", TOPIC.to_owned());
    give("--environment", "production".to_owned());
    give("--port", little.port.to_string());
    give("--cert", file("client.pem"));
    give("--key", file("client.key"));
    give("--ca", file("ca.pem"));
    if let Some(bug) = bug {
        give("--only", bug.chapter().clauses().to_owned());
    }
    if of(Chapter::Feedback) || of(Chapter::Courier) {
        give("--feedback-port", little.feedback.to_string());
    }
    if of(Chapter::Feedback) {
        // Another one each time: the shell's number behind what all of them begin with.
        let begin = data_encoding::HEXLOWER.encode(&GONE);
        give("--gone-command", format!("printf '{begin}%056d' $$"));
    }
    if of(Chapter::Courier) {
        give("--courier-port", little.courier.to_string());
        give("--device-cert", file("device.pem"));
        give("--device-key", file("device.key"));
        give("--other-team-device-cert", file("theirs.pem"));
        give("--other-team-device-key", file("theirs.key"));
    }
    let summary = apns_conformance::cli::summary(Arguments::parse_from(arguments));
    let failed = summary.await.unwrap().cases;
    let failed = failed
        .into_iter()
        .filter(|case| matches!(case.verdict, Verdict::Failed { .. }));
    failed.map(|case| case.clauses[0].to_string()).collect()
}

/// What is to be found.
enum Found {
    /// By these clauses and no others.
    Exactly(&'static [&'static str]),
    /// By these among others, and not by those.
    Among(&'static [&'static str], &'static [&'static str]),
}

/// A server with nothing but this wrong is found by these clauses. Those that leave the suite waiting longest stand first.
const CONTROLS: &[(Option<Bug>, Found)] = &[
    (Some(Bug::NeverCloses), Found::Among(&["P-56"], &["P-50"])),
    (
        Some(Bug::SettlesWhenSent),
        Found::Exactly(&["C-17", "C-08"]),
    ),
    (Some(Bug::ListsAgain), Found::Exactly(&["P-53"])),
    (
        Some(Bug::IgnoresCommand),
        Found::Among(&["P-10", "P-18"], &[]),
    ),
    (None, Found::Exactly(&[])),
    (
        Some(Bug::ConfirmsEverything),
        Found::Exactly(&["P-30", "P-07"]),
    ),
    (Some(Bug::WrongCommand), Found::Exactly(&["P-31"])),
    (Some(Bug::SplitPacket), Found::Exactly(&["P-31"])),
    (Some(Bug::DemandsAllItems), Found::Among(&["P-13"], &[])),
    (
        Some(Bug::ReadsOn),
        Found::Exactly(&["P-31", "P-40", "P-41"]),
    ),
    (
        Some(Bug::ClosesWithoutPacket),
        Found::Among(&["P-33", "P-37"], &["P-18", "P-13"]),
    ),
    (
        Some(Bug::NeverRefuses),
        Found::Among(&["P-33", "P-37"], &["P-10", "P-30"]),
    ),
    (
        Some(Bug::Status1),
        Found::Among(&["P-33", "P-37"], &["P-31"]),
    ),
    (Some(Bug::ClosesAtOnce), Found::Exactly(&["P-41"])),
    (Some(Bug::SendsTickets), Found::Exactly(&["P-03"])),
    (Some(Bug::KnowsNoName), Found::Exactly(&["P-04"])),
    (Some(Bug::MixesTeams), Found::Exactly(&["C-01"])),
    (Some(Bug::ClearsAtConnect), Found::Exactly(&["P-53"])),
    (Some(Bug::ClearsAll), Found::Exactly(&["P-53"])),
    (Some(Bug::SplitsTuples), Found::Exactly(&["P-55"])),
    (
        Some(Bug::LengthBackwards),
        Found::Among(&["P-51"], &["P-50"]),
    ),
    (Some(Bug::KeepsAll), Found::Exactly(&["C-12"])),
    (Some(Bug::TakesAnyBaseToken), Found::Exactly(&["C-18"])),
];

impl Found {
    fn is(&self, found: &BTreeSet<String>) -> bool {
        let all = |clauses: &[&str]| clauses.iter().all(|clause| found.contains(*clause));
        match self {
            Self::Exactly(clauses) => all(clauses) && found.len() == clauses.len(),
            Self::Among(these, those) => {
                all(these) && !those.iter().any(|clause| found.contains(*clause))
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_wrong_server_is_found_by_the_clause_it_breaks_and_the_correct_one_by_none() {
    // They wait more than they work.
    let room = Arc::new(Semaphore::new(8));
    let mut under_way = JoinSet::new();
    for (bug, expected) in CONTROLS {
        let room = Arc::clone(&room);
        under_way.spawn(async move {
            let _place = room.acquire().await;
            let found = failing(*bug).await;
            (!expected.is(&found)).then(|| format!("{bug:?}: {found:?}"))
        });
    }
    let findings: Vec<_> = under_way.join_all().await.into_iter().flatten().collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}
