//! Daemons as real operating system processes: started, waited for through their ready file, killed by their process id.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;

use crate::eventually::eventually;

/// A running daemon; dropping it kills it.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    ready: Value,
    stderr: PathBuf,
}

impl Daemon {
    /// Starts `program` with `arguments` and a `--ready-file` in `folder`, and waits until it has written that.
    ///
    /// # Panics
    ///
    /// When it cannot be started, exits early, or is not ready in time; with what it wrote to standard error.
    pub async fn start(program: impl AsRef<Path>, arguments: &[&str], folder: &Path) -> Self {
        let program = program.as_ref();
        let name = program
            .file_name()
            .expect("a program has a name")
            .to_string_lossy()
            .into_owned();
        let ready_file = folder.join(format!("{name}.ready"));
        let stderr = folder.join(format!("{name}.stderr"));
        let _ = std::fs::remove_file(&ready_file);
        let mut child = Command::new(program)
            .args(arguments)
            .arg("--ready-file")
            .arg(&ready_file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&stderr).expect("the folder can be written"))
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let ready = eventually(&format!("{name} to be ready"), async || {
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                panic!("{name} ended early ({status}): {}", text(&stderr));
            }
            std::fs::read(&ready_file).map_err(|error| format!("{error}; {}", text(&stderr)))
        })
        .await;
        let ready =
            serde_json::from_slice(&ready).expect("the ready file is written whole, and is JSON");
        Self {
            child,
            ready,
            stderr,
        }
    }

    /// What the ready file says.
    #[must_use]
    pub fn ready(&self) -> &Value {
        &self.ready
    }

    /// An address of the ready file.
    ///
    /// # Panics
    ///
    /// When there is none under this key.
    #[must_use]
    pub fn address(&self, key: &str) -> std::net::SocketAddr {
        let address = self.ready[key]
            .as_str()
            .unwrap_or_else(|| panic!("no {key} in {}", self.ready));
        address.parse().expect("an address")
    }

    /// SIGKILL: the process gets no chance to do anything more.
    ///
    /// # Panics
    ///
    /// When it had ended before.
    pub fn kill(&mut self) {
        assert_eq!(
            self.child.try_wait().expect("a child can be waited for"),
            None,
            "it had ended before: {}",
            self.stderr()
        );
        self.child.kill().expect("a running child can be killed");
        self.child.wait().expect("a killed child can be waited for");
    }

    /// SIGTERM: the process is asked to stop.
    ///
    /// # Panics
    ///
    /// When the signal cannot be sent.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal by its name, such as `HUP`.
    ///
    /// # Panics
    ///
    /// When there is no shell to do it.
    pub fn signal(&self, name: &str) {
        let status = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", self.child.id())])
            .status()
            .expect("a shell runs");
        assert!(status.success(), "kill: {status}");
    }

    /// Waits for the process to end by itself.
    pub async fn exit(&mut self) -> ExitStatus {
        let child = &mut self.child;
        eventually("the process to end", async || {
            child
                .try_wait()
                .expect("a child can be waited for")
                .ok_or("it runs")
        })
        .await
    }

    /// What it wrote to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        text(&self.stderr)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
