//! `apns-certs` as a script sees it: exit status, stdout, one line on stderr, files that the real OpenSSL reads.
#![expect(
    clippy::unwrap_used,
    reason = "in a test, a panic that names its place is the best report"
)]

mod csr;
mod dev;
mod leaves;
mod p12;
mod pem;
mod portal;
mod seed;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

fn run(arguments: &[&str]) -> Output {
    run_in(Path::new("."), arguments)
}

/// Runs the command in a folder, where its files go unless it is told otherwise.
fn run_in(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_apns-certs"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("RUST_LOG")
        .env_remove("APNS_CERTS_PASSWORD")
        .stdin(std::process::Stdio::null())
        .env("APNS_CERTS_STATE", folder.join("state"))
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A folder to work in: the command's current folder, with its portal in `state`.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// Runs the command, which must succeed, and gives what it printed.
    fn done(&self, arguments: &[&str]) -> String {
        let output = run_in(self.0.path(), arguments);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?}: {}",
            stderr(&output)
        );
        stdout(&output)
    }

    /// Runs the command, which must succeed, and gives the JSON it printed.
    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let printed = self.done(&[arguments, &["--json"]].concat());
        serde_json::from_str(&printed).unwrap()
    }

    /// Runs the command, which must end with this exit status, and gives its one line on stderr.
    fn refused(&self, code: i32, arguments: &[&str]) -> String {
        let output = run_in(self.0.path(), arguments);
        let line = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {line}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(line.starts_with("apns-certs: "), "{line}");
        line
    }

    /// Runs the real OpenSSL, which must succeed, and gives what it printed.
    fn openssl(&self, arguments: &[&str]) -> String {
        let (succeeded, printed) = self.try_openssl(arguments);
        assert!(succeeded, "{arguments:?}: {printed}");
        printed
    }

    /// Runs the real OpenSSL, which must fail, and gives what it printed.
    fn openssl_refuses(&self, arguments: &[&str]) -> String {
        let (succeeded, printed) = self.try_openssl(arguments);
        assert!(!succeeded, "{arguments:?}: {printed}");
        printed
    }

    fn try_openssl(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(self.0.path())
            .output()
            .unwrap();
        let printed = format!("{}{}", stdout(&output), stderr(&output));
        (output.status.success(), printed)
    }
}
