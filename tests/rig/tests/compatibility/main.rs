//! docs/compatibility.md: what the conformance suites found in our servers, our client and others'. The findings are kept beside it, in
//! docs/compatibility.json; `just compatibility` runs everything and writes both.
//!
//! The clients, which need node and Python, are run with the feature `third-party`, those of others as `.ci/run` installs them.

#[cfg(feature = "third-party")]
mod clients;
mod page;
mod results;

use std::path::{Path, PathBuf};

/// A path below the root of the repository.
fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// Whether the page and what it is made of are to be written, not compared.
fn update() -> bool {
    std::env::var_os("UPDATE").is_some()
}
