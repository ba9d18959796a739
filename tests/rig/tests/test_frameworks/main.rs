//! The example tests of `examples/tests`, which show that a test in any language can drive the simulator: pytest with four workers and node:test at the
//! same time, every worker and every test in its own project of one running simulator.
//!
//! Needs node 20, and a Python with `examples/tests/pytest/requirements.txt` in `examples/tests/pytest/venv`. What is missing is a failure, not a
//! skip; so is a test that is there and did not run.

#[path = "../third_party/ran.rs"]
#[expect(dead_code, reason = "shared with the clients of the binary protocol")]
mod ran;

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Duration;

use apns_rig::process::Daemon;
use tempfile::TempDir;

use self::ran::{Ran, root};

const SIMULATOR: &str = env!("CARGO_BIN_EXE_rig-simulator");
const WORKERS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pytest_with_four_workers_and_node_test_share_one_simulator() {
    let folder = TempDir::new().expect("a folder can be made");
    let state = folder.path().join("state");
    let state = state.to_str().expect("a path is text");
    let arguments = ["run", "--state", state, "--port-base", "0", "--phones", "0"];
    let simulator = Daemon::start(SIMULATOR, &arguments, folder.path()).await;
    let address = format!("http://{}", simulator.address("rest"));

    let (mut pytest, mut node) = (pytest(), node());
    pytest.env("APNS_SIMULATOR", &address);
    node.env("APNS_SIMULATOR", &address);
    let (pytest, node) = tokio::join!(
        Ran::within(PATIENCE, &mut pytest, Stdio::null(), folder.path()),
        Ran::within(PATIENCE, &mut node, Stdio::null(), folder.path()),
    );
    all_passed_in_pytest(&pytest.succeeded().stdout);
    all_passed_in_node(&node.succeeded().stdout);
}

fn pytest() -> Command {
    let folder = root("examples/tests/pytest");
    let python = folder.join("venv/bin/python");
    assert!(
        python.exists(),
        "run: python3 -m venv {0}/venv && {0}/venv/bin/pip install -r {0}/requirements.txt",
        "examples/tests/pytest"
    );
    let mut pytest = Command::new(python);
    pytest
        .args(["-m", "pytest", "-p", "no:cacheprovider", "--verbose", "-n"])
        .arg(WORKERS.to_string())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("PYTEST_ADDOPTS")
        .current_dir(folder);
    pytest
}

fn node() -> Command {
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=tap"])
        .current_dir(root("examples/tests/node"));
    node
}

/// Every test of the source is there, passed, and every worker ran some.
fn all_passed_in_pytest(report: &str) {
    // [gw0] [ 25%] PASSED test_pushes.py::test_name[parameter]
    let results = report.lines().filter(|line| line.starts_with("[gw"));
    let (mut workers, mut passed, mut count) = (BTreeSet::new(), BTreeSet::new(), 0);
    for line in results {
        let mut words = line.split_whitespace();
        workers.insert(words.next());
        let (_, name) = line.split_once("::").expect("a result names its test");
        assert!(words.any(|word| word == "PASSED"), "{report}");
        passed.insert(name.split('[').next().unwrap_or(name).trim().to_owned());
        count += 1;
    }
    assert_eq!(workers.len(), WORKERS, "{report}");
    let written = written("examples/tests/pytest", "_test.py", "def ");
    assert_eq!(passed, written, "{report}");
    assert!(
        report.contains(&format!("= {count} passed in ")),
        "{report}"
    );
}

/// Every test of the source is there and passed.
fn all_passed_in_node(report: &str) {
    let line = report.lines().map(str::trim);
    let passed: BTreeSet<_> = line
        .filter(|line| line.starts_with("ok ") && !line.contains(" # "))
        .filter_map(|line| line.split_once(" - "))
        .map(|(_, name)| name.replace("\\#", "#"))
        .collect();
    let written = written("examples/tests/node", ".test.js", "test(\"");
    assert!(written.is_subset(&passed), "{report}");
    let count = written.len();
    for summary in [format!("# tests {count}"), format!("# pass {count}")] {
        assert!(report.lines().any(|line| line == summary), "{report}");
    }
}

/// The names of the tests as the sources in a folder spell them: what stands behind `start`.
fn written(folder: &str, suffix: &str, start: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(root(folder)).expect("the examples are there") {
        let path = entry.expect("a folder can be listed").path();
        if path.to_string_lossy().ends_with(suffix) {
            let text = std::fs::read_to_string(&path).expect("a source is text");
            let starts = text
                .lines()
                .filter_map(|line| line.trim().strip_prefix(start));
            names.extend(starts.filter_map(|rest| Some(rest.split_once(['(', '"'])?.0.to_owned())));
        }
    }
    assert!(!names.is_empty(), "no test in {folder}");
    names
}
