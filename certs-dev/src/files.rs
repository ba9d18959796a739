//! Files that appear whole or not at all, secrets readable by their owner alone from their first byte.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everyone, the umask permitting.
    Public,
    /// Its owner alone: private keys, and what holds one.
    Secret,
}

/// Writes a file under its name once it is complete on the disk, over what was there.
///
/// # Errors
/// The folder does not exist or cannot be written, or the disk is full.
pub fn write(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    set_mode(&mut builder, access);
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// No certificate, key or store of them comes near this.
pub const FILE_LEN_MAX: u64 = 1024 * 1024;

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

/// Reads a whole file, up to [`FILE_LEN_MAX`].
///
/// # Errors
/// It cannot be read, is no regular file, or is larger.
pub fn read(path: &Path) -> Result<Vec<u8>, Unreadable> {
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

/// A folder that one process at a time writes to.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Released when the process lets go of the file, however it ends.
    _lock: File,
}

impl Folder {
    /// Creates the folder, for its owner alone, if it does not exist; waits for whoever is writing in it, which takes a
    /// second.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        create(&path)?;
        let lock = File::create(path.join(".lock"))?;
        lock.lock()?;
        Ok(Self { path, _lock: lock })
    }

    /// The folder, absolute.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(unix)]
pub(crate) fn create(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;

    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
pub(crate) fn create(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).create(path)
}

/// The mode the file is created with: it is never readable by more, not even for an instant.
#[cfg(unix)]
fn set_mode(builder: &mut tempfile::Builder<'_, '_>, access: Access) {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    builder.permissions(Permissions::from_mode(match access {
        Access::Public => 0o644,
        Access::Secret => 0o600,
    }));
}

#[cfg(not(unix))]
fn set_mode(_builder: &mut tempfile::Builder<'_, '_>, _access: Access) {}
