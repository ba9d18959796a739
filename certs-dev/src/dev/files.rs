//! Writing the set: atomically, keys for their owner alone, nothing of anybody else's overwritten.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{DevError, DevSet};

/// The first line of the README: by it a folder is known to be ours.
const MARK: &str = "Development certificates written by apns-certs";

/// A folder that one process at a time writes to.
pub(super) struct Folder {
    path: PathBuf,
    /// Released when the process lets go of the file, however it ends.
    _lock: File,
}

impl Folder {
    /// Creates the folder if need be, and waits for whoever is minting in it, which takes a second.
    pub(super) fn open(path: &Path) -> Result<Self, DevError> {
        let unusable = |source| DevError::Folder {
            path: path.to_owned(),
            source,
        };
        let path = std::path::absolute(path).map_err(unusable)?;
        let lock = create(&path)
            .and_then(|()| File::create(path.join(".lock")))
            .map_err(unusable)?;
        lock.lock().map_err(unusable)?;
        Ok(Self { path, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses to overwrite files of our names in a folder that does not carry our README.
    pub(super) fn refuse_foreign(&self, set: &DevSet) -> Result<(), DevError> {
        let ours = std::fs::read_to_string(&set.readme).is_ok_and(|text| text.starts_with(MARK));
        if ours {
            return Ok(());
        }
        match set.files().into_iter().find(|path| path.exists()) {
            Some(path) => Err(DevError::Foreign {
                path: path.to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// Writes a file that everyone may read, the umask permitting.
    pub(super) fn public(&self, path: &Path, text: &str) -> Result<(), DevError> {
        self.write(path, text, 0o644)
    }

    /// Writes a file that only its owner may read.
    pub(super) fn secret(&self, path: &Path, text: &str) -> Result<(), DevError> {
        self.write(path, text, 0o600)
    }

    fn write(&self, path: &Path, text: &str, mode: u32) -> Result<(), DevError> {
        let write = || {
            let mut builder = tempfile::Builder::new();
            set_mode(&mut builder, mode);
            let mut file = builder.tempfile_in(&self.path)?;
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            io::Result::Ok(())
        };
        write().map_err(|source| DevError::Write {
            path: path.to_owned(),
            source,
        })
    }
}

impl DevSet {
    fn files(&self) -> [&Path; 8] {
        [
            &self.ca,
            &self.ca_key,
            &self.server,
            &self.server_key,
            &self.provider,
            &self.provider_key,
            &self.provider_combined,
            &self.readme,
        ]
    }
}

#[cfg(unix)]
fn create(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;

    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn create(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).create(path)
}

/// The mode the file is created with: it is never readable by more, not even for an instant.
#[cfg(unix)]
fn set_mode(builder: &mut tempfile::Builder<'_, '_>, mode: u32) {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    builder.permissions(Permissions::from_mode(mode));
}

#[cfg(not(unix))]
fn set_mode(_builder: &mut tempfile::Builder<'_, '_>, _mode: u32) {}

pub(super) fn readme(set: &DevSet) -> String {
    format!(
        "{MARK}

They are for development on this machine. Only programs told to trust ca.pem believe them. Do not install
ca.pem in a browser or system trust store: whoever holds ca-key.pem could then impersonate any server.

ca.pem                 the CA's certificate: give it to your client as the CA to trust
ca-key.pem             the CA's private key (secret)
server.pem             the certificate the listeners show
server-key.pem         its private key (secret)
provider.pem           your backend's push certificate for {topic}, sandbox and production
provider-key.pem       its private key (secret)
provider-combined.pem  provider.pem and provider-key.pem in one file, as PHP, Ruby and Python clients want (secret)

They are replaced a week before they expire, the CA only when it must be. To start over, delete this folder.
",
        topic = set.topic
    )
}
