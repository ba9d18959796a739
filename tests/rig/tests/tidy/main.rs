//! The house rules, as checks that can fail: who may depend on whom, which crates and licences may be in the tree, and what the
//! source itself must look like.

mod clauses;
mod crates;
mod licences;
mod promise;
mod sources;

use std::path::{Path, PathBuf};

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("two folders down")
        .to_owned()
}

/// The text of a file of the repository.
fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Fails with every finding at once, so that one run shows all there is to do.
#[track_caller]
fn expect_none(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}
