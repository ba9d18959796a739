//! Reading what is to be inspected: bounded, and never from what might not end.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// No certificate, key or store of them comes near this.
pub const FILE_LEN_MAX: u64 = 1024 * 1024;

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
            bytes: read(path),
        }
    }
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// The system would not.
    #[error("cannot be read")]
    Io(#[from] io::Error),
    /// A folder.
    #[error("is a folder")]
    Folder,
    /// A pipe, a device or a socket, which may never end.
    #[error("is not a regular file")]
    NotRegular,
    /// Larger than [`FILE_LEN_MAX`].
    #[error("has {len} bytes")]
    TooLarge {
        /// Its size in bytes.
        len: u64,
    },
}

fn read(path: &Path) -> Result<Vec<u8>, Unreadable> {
    // Before it is opened: opening a pipe waits for its other end.
    let metadata = path.metadata()?;
    if metadata.is_dir() {
        return Err(Unreadable::Folder);
    }
    if !metadata.is_file() {
        return Err(Unreadable::NotRegular);
    }
    let too_large = |len| Unreadable::TooLarge { len };
    if metadata.len() > FILE_LEN_MAX {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::new();
    // It may have grown since.
    File::open(path)?
        .take(FILE_LEN_MAX + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_LEN_MAX {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}
