//! Certificates, openssl, and looking for what was found.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

use apns_certs::inspect::{Certificate, Code, Finding, Item, Report, Source, inspect};
use apns_certs::{Ca, KeyKind, Kind, Minted, PushCertificate};
use tempfile::TempDir;

/// One CA for all.
pub(crate) fn ca() -> &'static Ca {
    static CA: OnceLock<Ca> = OnceLock::new();
    CA.get_or_init(|| Ca::with_key(KeyKind::P256).unwrap())
}

pub(crate) fn push(kind: Kind) -> Minted {
    ca().push(&certificate(kind)).unwrap()
}

pub(crate) fn certificate(kind: Kind) -> PushCertificate {
    PushCertificate {
        key: KeyKind::P256,
        ..PushCertificate::new(kind, "com.example.Mail")
    }
}

/// Looks at one file, without a password.
pub(crate) fn look(name: &str, bytes: impl Into<Vec<u8>>) -> Report {
    look_at(&[Source::new(name, bytes)], None)
}

pub(crate) fn look_at(sources: &[Source], password: Option<&str>) -> Report {
    inspect(sources, password, SystemTime::now())
}

/// The findings' codes in their order.
pub(crate) fn codes(report: &Report) -> Vec<&'static str> {
    report
        .findings()
        .map(|finding| finding.code.as_str())
        .collect()
}

pub(crate) fn find(report: &Report, code: Code) -> &Finding {
    report
        .findings()
        .find(|finding| finding.code == code)
        .unwrap_or_else(|| panic!("no {code} in {report:#?}"))
}

pub(crate) fn certificates(report: &Report) -> impl Iterator<Item = &Certificate> {
    let items = report.files.iter().flat_map(|file| &file.items);
    items.filter_map(|item| match item {
        Item::Certificate(certificate) => Some(&**certificate),
        _ => None,
    })
}

pub(crate) fn only_certificate(report: &Report) -> &Certificate {
    let mut certificates = certificates(report);
    let only = certificates.next().unwrap();
    assert!(certificates.next().is_none(), "{report:#?}");
    only
}

/// A folder in which the real `openssl` works.
pub(crate) struct Bench(TempDir);

impl Bench {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Runs `openssl` with arguments that have no spaces in them.
    pub(crate) fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.0.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments}: {said}");
    }

    /// Looks at a file that openssl wrote.
    pub(crate) fn look(&self, name: &str) -> Report {
        look(name, self.read(name))
    }

    pub(crate) fn look_with(&self, name: &str, password: &str) -> Report {
        look_at(&[Source::new(name, self.read(name))], Some(password))
    }
}
