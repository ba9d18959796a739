//! The command under test, run in a process group of its own, which ends with whoever holds it.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

/// A run of the command.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    group: Option<Pid>,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    /// Starts it; what it prints goes to files in `folder`.
    pub(super) fn start<'a>(
        command: &str,
        environment: impl IntoIterator<Item = (&'static str, &'a OsStr)>,
        folder: &Path,
    ) -> io::Result<Self> {
        let (out, err) = (folder.join("stdout"), folder.join("stderr"));
        let child = Command::new("sh")
            .arg("-c")
            .arg(command)
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(File::create(&out)?)
            .stderr(File::create(&err)?)
            .process_group(0)
            .spawn()?;
        let group = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(Self {
            child,
            group,
            out,
            err,
        })
    }

    /// Waits for its end, which is also that of whatever it left behind.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.end_group();
        Ok(status)
    }

    fn end_group(&mut self) {
        if let Some(group) = self.group.take() {
            // Nobody is there any more when all have ended.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// What it has printed: stdout, stderr.
    pub(super) fn printed(&self) -> (String, String) {
        let text = |path: &Path| {
            let bytes = std::fs::read(path).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        (text(&self.out), text(&self.err))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end_group();
    }
}
