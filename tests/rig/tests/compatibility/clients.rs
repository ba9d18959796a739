//! Clients before the client suite: ours, and those of others that a registry has, unmodified, in the wrappers of tests/rig/clients/suite.

#[path = "../third_party/ran.rs"]
#[expect(dead_code, reason = "shared with the tests that push")]
mod ran;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use apns_conformance::cli::{Arguments, summary};
use clap::Parser;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::results::{Results, Run};
use crate::{root, update};

/// Runs at the same time: they wait more than they work.
const AT_ONCE: usize = 3;

/// A client, and how the suite starts it.
struct Client {
    name: &'static str,
    command: String,
    /// Every run of CI holds it against the page.
    always: bool,
}

fn all() -> Vec<Client> {
    let path = |path: &str| root(path).display().to_string();
    let wrapper = |name: &str| path(&format!("tests/rig/clients/suite/{name}"));
    let node = |modules: PathBuf, script: &str| {
        let modules = modules.display();
        format!("NODE_PATH='{modules}' exec node {}", wrapper(script))
    };
    let python = |venv: &str, script: &str| {
        let interpreter = path(&format!("tests/rig/clients/{venv}/venv/bin/python"));
        format!("exec '{interpreter}' '{}'", wrapper(script))
    };
    let modules = || root("tests/rig/clients/suite/node_modules");
    let client = |name, command| Client {
        name,
        command,
        always: false,
    };
    vec![
        Client {
            always: true,
            ..client(
                "ours",
                format!("exec '{}'", env!("CARGO_BIN_EXE_rig-client")),
            )
        },
        Client {
            always: true,
            ..client(
                "npm apn 1.7.8",
                node(ran::node_modules(), "push-with-apn.js"),
            )
        },
        client("npm apn 1.3.8", node(modules(), "push-with-apn.js apn-1.3")),
        client(
            "npm apnagent 1.1.3",
            node(modules(), "push-with-apnagent.js"),
        ),
        Client {
            always: true,
            ..client(
                "PyPI pushjack 1.6.0",
                python("pushjack", "push_with_pushjack.py"),
            )
        },
        client("PyPI tapns3 3.0.0", python("suite", "push_with_pyapns.py")),
        client(
            "PyPI apns-clerk 0.2.0",
            python("suite", "push_with_apns_clerk.py"),
        ),
    ]
}

/// The report of the client suite on this one.
async fn report(client: &Client) -> Value {
    let arguments = [
        "apns-conformance",
        "client",
        "--silent",
        "--seed",
        "1",
        "--timeout",
        "20",
        "--quiet",
        "2",
        "--jobs",
        "4",
        "--command",
        &client.command,
    ];
    let summary = summary(Arguments::parse_from(arguments))
        .await
        .expect("the suite can be run");
    serde_json::to_value(summary).expect("a summary is JSON")
}

/// Each of them before the suite, in their order.
async fn reports(clients: Vec<Client>) -> Vec<(&'static str, Value)> {
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut under_way = JoinSet::new();
    for (place, client) in clients.into_iter().enumerate() {
        let slots = Arc::clone(&slots);
        under_way.spawn(async move {
            let _slot = slots.acquire().await;
            (place, client.name, report(&client).await)
        });
    }
    let mut reports = under_way.join_all().await;
    reports.sort_by_key(|(place, ..)| *place);
    reports
        .into_iter()
        .map(|(_, name, report)| (name, report))
        .collect()
}

/// What tests/rig/tests/conformance.rs left in the folder that the recipe names: a report per test, by the name of the test.
fn servers() -> Vec<Run> {
    let folder = std::env::var_os("APNS_REPORTS")
        .expect("APNS_REPORTS is the folder with the servers' reports");
    let files = std::fs::read_dir(folder).expect("the folder is there");
    let mut paths: Vec<_> = files
        .map(|file| file.expect("a folder can be listed").path())
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let name = path
            .file_stem()
            .expect("a report has a name")
            .to_string_lossy();
        let text = std::fs::read_to_string(&path).expect("a report can be read");
        run(
            &name,
            &serde_json::from_str(&text).expect("a report is JSON"),
        )
    };
    paths.into_iter().map(read).collect()
}

/// What a report says about `subject`.
fn run(subject: &str, report: &Value) -> Run {
    let cases = report["cases"].as_array().expect("a report has cases");
    let text = |value: &Value| value.as_str().expect("a report has words there").to_owned();
    let of = |verdict: &str| {
        let verdict = verdict.to_owned();
        cases.iter().filter(move |case| case["verdict"] == *verdict)
    };
    let with = |verdict, what| {
        of(verdict)
            .map(|case| (text(&case["name"]), text(&case[what])))
            .collect()
    };
    Run {
        subject: subject.to_owned(),
        profile: text(&report["profile"]),
        failed: with("failed", "why"),
        noted: with("noted", "why"),
        skipped: with("skipped", "option"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_client_fails_in_the_cases_that_the_page_says() {
    if update() {
        let servers = servers();
        let reports = reports(all()).await;
        let cases = reports[0].1["cases"].clone();
        let results = Results {
            cases: serde_json::from_value(cases).expect("a report names its cases"),
            servers,
            clients: reports
                .iter()
                .map(|(name, report)| run(name, report))
                .collect(),
        };
        let text = serde_json::to_string_pretty(&results).expect("results are JSON");
        std::fs::write(Results::path(), text + "\n").expect("the results can be written");
        return;
    }
    let kept = Results::read();
    let clients = all().into_iter().filter(|client| client.always).collect();
    let mut differ = Vec::new();
    for (name, report) in reports(clients).await {
        let found = run(name, &report);
        let kept = kept.clients.iter().find(|run| run.subject == name);
        let kept = kept.expect("the results have every client");
        let cases = |run: &Run| {
            run.otherwise()
                .map(|(case, _)| case.to_owned())
                .collect::<BTreeSet<_>>()
        };
        for case in cases(&found).symmetric_difference(&cases(kept)) {
            let mut all = report["cases"].as_array().into_iter().flatten();
            let found = all.find(|found| found["name"] == **case);
            let found =
                found.map_or_else(|| "no case any more".to_owned(), |case| format!("{case:#}"));
            differ.push(format!("{name}: {case}: {found}"));
        }
    }
    assert!(
        differ.is_empty(),
        "otherwise than docs/compatibility.md says; if that is meant, run `just compatibility`\n{}",
        differ.join("\n")
    );
}
