//! The simulator's REST API, held against its own description by a tool that is not ours: PyPI `schemathesis==4.32.5`.
//!
//! Needs a Python with `tests/rig/clients/schemathesis/requirements.txt` in `tests/rig/clients/schemathesis/venv`. What is missing is a failure,
//! not a skip.

#[path = "third_party/ran.rs"]
#[expect(dead_code, reason = "shared with the clients of the binary protocol")]
mod ran;

use std::process::{Command, Stdio};
use std::time::Duration;

use apns_rig::process::Daemon;

use crate::ran::{Ran, root};

/// It makes some two thousand requests.
const DEADLINE: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_does_what_the_description_says_and_refuses_what_it_does_not_say() {
    let client = root("tests/rig/clients/schemathesis");
    let program = client.join("venv/bin/schemathesis");
    assert!(
        program.exists(),
        "run: python3 -m venv {0}/venv && {0}/venv/bin/pip install -r {0}/requirements.txt",
        "tests/rig/clients/schemathesis"
    );
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let state = folder.path().join("state");
    let state = state
        .to_str()
        .expect("temporary folders are named in UTF-8");
    let simulator = Daemon::start(
        env!("CARGO_BIN_EXE_rig-simulator"),
        &["run", "--port-base", "0", "--state", state],
        folder.path(),
    )
    .await;
    let description = format!("http://{}/v1/openapi.json", simulator.address("rest"));
    // Whatever it keeps is kept in the folder.
    let mut schemathesis = Command::new(program);
    schemathesis
        .current_dir(folder.path())
        .env("PYTHONPATH", &client)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .arg("--config-file")
        .arg(client.join("schemathesis.toml"))
        .args(["run", "--no-color", &description]);
    let ran = Ran::within(DEADLINE, &mut schemathesis, Stdio::null(), folder.path()).await;
    let report = ran.stdout;
    assert!(ran.status.success(), "{report}\n{}", ran.stderr);
    // All routes but the stream of events.
    let number = |before: &str, after: &str| {
        let (_, rest) = report.split_once(before).expect(before);
        let (number, _) = rest.split_once(after).expect(after);
        number.trim().parse::<u32>().expect("a number")
    };
    let all = number("selected /", "total");
    assert_eq!(number("Operations:", "selected"), all - 1, "{report}");
    assert_eq!(number("Tested:", "\n"), all - 1, "{report}");
}
