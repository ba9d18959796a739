//! Telling the script that started a daemon where its listeners are.

use std::fs::Permissions;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;

/// Writes `value` as one line of JSON, atomically: whoever sees the file sees all of it.
///
/// # Errors
/// The folder is missing, read-only or full.
pub fn write(path: impl AsRef<Path>, value: &impl Serialize) -> Result<(), ReadyError> {
    let path = path.as_ref();
    write_atomically(path, value).map_err(|source| ReadyError {
        path: path.to_owned(),
        source,
    })
}

fn write_atomically(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // In the same folder, because only within one file system is a rename atomic.
    let mut builder = tempfile::Builder::new();
    readable_by_all(&mut builder);
    let mut file = builder.tempfile_in(folder)?;
    serde_json::to_writer(&mut file, value)?;
    file.write_all(b"\n")?;
    file.flush()?;
    file.persist(path)?;
    Ok(())
}

/// Addresses and paths are no secret, and the script may run as another user; the umask still applies.
#[cfg(unix)]
fn readable_by_all(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt;

    builder.permissions(Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn readable_by_all(_builder: &mut tempfile::Builder<'_, '_>) {}

/// The ready file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the ready file {}: its folder must exist and be writable", path.display())]
pub struct ReadyError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// The first of consecutive ports on 127.0.0.1 that a daemon's listeners are bound to; 0 gives each a free port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortBase(pub u16);

impl PortBase {
    /// Every listener takes a free port.
    pub const FREE: Self = Self(0);

    /// Where the listener with this place in the ready file binds: the base plus its place, or port 0 where ports are
    /// free. A place behind the last port there is stays on the last: binding it twice is refused by the system.
    pub const fn address(self, place: u16) -> SocketAddr {
        let port = match self.0 {
            0 => 0,
            base => base.saturating_add(place),
        };
        SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
    }
}

impl FromStr for PortBase {
    type Err = PortBaseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(base) if base <= PORT_BASE_MAX => Ok(Self(base)),
            _ => Err(PortBaseError),
        }
    }
}

/// Leaves room for every listener a daemon may have.
const PORT_BASE_MAX: u16 = 65_500;

/// Text that is not a usable first port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected the first of several consecutive ports, at most {PORT_BASE_MAX}, or 0 for free ports"
)]
pub struct PortBaseError;
