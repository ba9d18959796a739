//! A green run of the client suite means something: a client that is right passes it, and each that is wrong fails in the cases about what
//! is wrong with it, and in no others.

use std::process::{Command, Stdio};
use std::sync::Mutex;

use serde_json::Value;

/// What a client that does not send again what it should fails in.
const RESENDING: &[&str] = &[
    "resends-what-follows",
    "answer-in-between",
    "late-error",
    "split-error-packet",
    "status-128",
    "status-255",
    "status-nobody-assigned",
    "refusal-after-unknown",
];

/// What a client fails in whose first connection cannot be answered.
const UNANSWERED: &[&str] = &[
    "status-10",
    "status-10-refuses-nobody",
    "identifier-0",
    "unknown-identifier",
    "unknown-identifier-resent",
    "accepted-stays-accepted",
];

/// Each bug, and the cases that find it.
fn controls() -> Vec<(Option<&'static str>, Vec<&'static str>)> {
    let and = |more: &[&'static str]| [RESENDING, more].concat();
    let but = |these: &[&str], more: &[&'static str]| {
        let mut cases = and(more);
        cases.retain(|case| !these.contains(case));
        cases
    };
    vec![
        (None, vec![]),
        (Some("no-resend"), and(&["status-10"])),
        (
            Some("resends-the-bad-one"),
            but(&["status-128", "status-255"], &["accepted-stays-accepted"]),
        ),
        (
            Some("another-order"),
            but(&["answer-in-between"], &["status-10"]),
        ),
        (
            Some("loops-at-unknown"),
            vec!["identifier-0", "unknown-identifier"],
        ),
        (
            Some("whole-cache-at-unknown"),
            vec!["accepted-stays-accepted"],
        ),
        (Some("forgets-after-unknown"), vec!["refusal-after-unknown"]),
        (Some("signed-status"), vec!["status-128", "status-255"]),
        (Some("ten-is-bad"), vec!["status-10-refuses-nobody"]),
        (Some("resends-the-named-at-ten"), vec!["status-10"]),
        (Some("one-read"), vec!["split-error-packet"]),
        (Some("close-is-success"), vec!["bare-close"]),
        (Some("fixed-tuples"), vec!["feedback-of-any-length"]),
        (
            Some("trusts-anybody"),
            vec![
                "server-of-an-unknown-issuer",
                "server-of-another-name",
                "server-that-has-expired",
            ],
        ),
        (
            Some("hot-reconnect"),
            vec!["backs-off", "identifier-0", "unknown-identifier"],
        ),
        (
            Some("connection-per-push"),
            [&and(UNANSWERED)[..], &["one-connection", "bare-close"]].concat(),
        ),
        (
            Some("long-priority"),
            [
                &and(UNANSWERED)[..],
                &["well-formed-frames", "one-connection", "bare-close"],
            ]
            .concat(),
        ),
    ]
}

/// The cases that a control fails in.
fn failed(bug: Option<&str>) -> Vec<String> {
    let client = env!("CARGO_BIN_EXE_control-client");
    let bug = bug.map(|bug| format!(" --bug {bug}")).unwrap_or_default();
    let output = Command::new(env!("CARGO_BIN_EXE_apns-conformance"))
        .args(["client", "--strict", "--timeout", "30", "--json", "-"])
        .arg("--command")
        .arg(format!("exec '{client}'{bug}"))
        .stderr(Stdio::null())
        .output()
        .expect("the suite was built");
    let report: Value = serde_json::from_slice(&output.stdout).expect("its report is JSON");
    let failed: Vec<_> = report["cases"]
        .as_array()
        .expect("it has cases")
        .iter()
        .filter(|case| case["verdict"] != "passed")
        .map(|case| case["name"].as_str().expect("they have names").to_owned())
        .collect();
    assert_eq!(output.status.success(), failed.is_empty());
    failed
}

#[test]
fn each_control_fails_where_it_is_wrong_and_the_right_one_nowhere() {
    let waiting = Mutex::new(controls());
    let findings = Mutex::new(Vec::new());
    // They wait more than they work.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().unwrap().pop();
                    let Some((bug, mut expected)) = next else {
                        return;
                    };
                    let mut found = failed(bug);
                    found.sort();
                    expected.sort_unstable();
                    if found != expected {
                        let line = format!("{bug:?}: found {found:#?}, expected {expected:#?}");
                        findings.lock().unwrap().push(line);
                    }
                }
            });
        }
    });
    let findings = findings.into_inner().unwrap();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}
