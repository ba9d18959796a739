//! Programs of others, run to their end.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use apns_rig::eventually::{PATIENCE, eventually_within};
use serde_json::Value;

/// What a program did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Runs a program and waits for its end without holding up the runtime; what it prints passes through files in `folder`.
    pub(crate) async fn start(command: &mut Command, stdin: Stdio, folder: &Path) -> Self {
        Self::within(PATIENCE, command, stdin, folder).await
    }

    /// The same with a deadline of its own.
    pub(crate) async fn within(
        deadline: Duration,
        command: &mut Command,
        stdin: Stdio,
        folder: &Path,
    ) -> Self {
        let name = Path::new(command.get_program()).file_name();
        let name = name
            .expect("a program has a name")
            .to_string_lossy()
            .into_owned();
        let file = |kind: &str| folder.join(format!("{name}.{kind}"));
        let create = |kind| File::create(file(kind)).expect("the folder can be written");
        let spawned = command
            .stdin(stdin)
            .stdout(create("out"))
            .stderr(create("err"))
            .spawn();
        let mut child = Running(spawned.unwrap_or_else(|error| {
            panic!("{name}: {error}; `.ci/run` installs what these tests need")
        }));
        let ended = async || {
            child
                .0
                .try_wait()
                .expect("a child can be waited for")
                .ok_or("it runs")
        };
        let status = eventually_within(deadline, &format!("{name} to end"), ended).await;
        let text = |kind| std::fs::read_to_string(file(kind)).expect("programs print UTF-8");
        Self {
            status,
            stdout: text("out"),
            stderr: text("err"),
        }
    }

    /// That it ended well.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert!(self.status.success(), "{self:#?}");
        self
    }
}

/// Ends with the test that waits for it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// A path below the root of the repository.
pub(crate) fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// The folder into which npm has put `apn@1.7.8`.
pub(crate) fn node_modules() -> PathBuf {
    const REMEDY: &str =
        "install node, then run: npm ci --ignore-scripts --prefix examples/clients/node";
    let modules = root("examples/clients/node/node_modules");
    let manifest = modules.join("apn/package.json");
    let manifest = std::fs::read(&manifest)
        .unwrap_or_else(|error| panic!("{}: {error}; {REMEDY}", manifest.display()));
    let manifest: Value = serde_json::from_slice(&manifest).expect("a package manifest is JSON");
    assert_eq!(manifest["version"], "1.7.8", "{REMEDY}");
    modules
}
