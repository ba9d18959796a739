//! What is to be inspected.

use std::path::Path;

use crate::files::{self, Unreadable};

/// A file to inspect, by the name it goes by in the report and its commands.
#[derive(Debug)]
pub struct Source {
    pub(super) name: String,
    pub(super) bytes: Result<Vec<u8>, Unreadable>,
}

impl Source {
    /// Bytes that are there already.
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            bytes: Ok(bytes.into()),
        }
    }

    /// Reads a file. One that cannot be read is a source too: the report says why.
    pub fn read(path: &Path) -> Self {
        Self {
            name: path.display().to_string(),
            bytes: files::read(path),
        }
    }
}
