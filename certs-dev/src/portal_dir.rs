//! A portal in a folder.
//!
//! ```text
//! ca.pem  ca-key.pem           the development CA, under the names a ready set ([`dev`](crate::dev)) has it
//! portal.json                  App IDs, certificates issued, keys
//! certificates/<serial>.cer    each certificate issued, to be downloaded again
//! ```
//!
//! Every file appears whole or not at all, the CA's key readable by its owner alone. Who changes something holds the
//! folder's lock for as long as that takes; who only looks needs none.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use apns_net::credentials::Pin;
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use crate::ca::Ca;
use crate::csr::SigningRequest;
use crate::files::{self, Access, Folder};
use crate::mint::MintError;
use crate::portal::{Issued, Order, Portal, PortalError, Serial};

const STATE: &str = "portal.json";
/// The layout of `portal.json`.
const VERSION: u32 = 1;
/// No portal grows to this: a larger file is not one of ours.
const STATE_LEN_MAX: u64 = 64 * 1024 * 1024;

/// What `portal.json` holds.
#[derive(Serialize, Deserialize)]
struct State {
    version: u32,
    portal: Portal,
}

/// As much of it as every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// A portal in a folder, taken for changes: nobody else changes it until this is dropped.
#[derive(Debug)]
pub struct PortalDir {
    folder: Folder,
    ca: Ca,
    portal: Portal,
}

/// Whether certificates were issued by the portal in a folder, if there is one; yes where that cannot be told.
pub(crate) fn has_issued(folder: &Path) -> bool {
    look(folder).map_or(true, |portal| !portal.certificates().is_empty())
}

/// Looks at the portal in a folder; where there is none, it is a new one. Nothing is written.
///
/// # Errors
/// The state cannot be read or is damaged.
pub fn look(folder: &Path) -> Result<Portal, PortalDirError> {
    read_state(&folder.join(STATE)).map(Option::unwrap_or_default)
}

/// Reads a certificate that the portal in this folder has issued, as DER.
///
/// # Errors
/// The portal issued none of that number, or its file is not what was issued.
pub fn certificate(
    folder: &Path,
    serial: &Serial,
) -> Result<(Issued, CertificateDer<'static>), PortalDirError> {
    let portal = look(folder)?;
    let issued = portal.certificate(serial)?;
    let path = certificate_path(folder, serial);
    match read(&path)?.map(CertificateDer::from) {
        Some(der) if Pin::of(&der) == issued.pin => Ok((issued.clone(), der)),
        Some(_) => Err(PortalDirError::damaged(&path, "it is not what was issued")),
        None => Err(PortalDirError::damaged(&path, "it is missing")),
    }
}

impl PortalDir {
    /// Takes the portal in the folder for changes, waiting for whoever has it, which takes a second. The folder is created, for its
    /// owner alone, and a CA minted if there is none.
    ///
    /// # Errors
    /// The folder cannot be used, or what is in it is damaged.
    pub fn open(folder: &Path) -> Result<Self, PortalDirError> {
        let folder = Folder::open(folder).map_err(|source| PortalDirError::Folder {
            path: folder.to_owned(),
            source,
        })?;
        let state = read_state(&folder.path().join(STATE))?;
        let ca = match read_ca(folder.path())? {
            Some(ca) => ca,
            None if state.is_some() => {
                return Err(PortalDirError::damaged(
                    &folder.path().join("ca.pem"),
                    "it is missing, and the certificates issued are signed with it",
                ));
            }
            None => mint_ca(folder.path())?,
        };
        Ok(Self {
            folder,
            ca,
            portal: state.unwrap_or_default(),
        })
    }

    /// The CA that signs what the portal issues.
    pub const fn ca(&self) -> &Ca {
        &self.ca
    }

    /// The CA's certificate, as a file.
    pub fn ca_path(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The portal as it stands.
    pub const fn portal(&self) -> &Portal {
        &self.portal
    }

    /// Changes the portal, on the disk too. After an error nothing has changed.
    ///
    /// # Errors
    /// The change is refused, or cannot be written.
    pub fn change<T, E: Into<PortalDirError>>(
        &mut self,
        change: impl FnOnce(&mut Portal) -> Result<T, E>,
    ) -> Result<T, PortalDirError> {
        let mut portal = self.portal.clone();
        let done = change(&mut portal).map_err(Into::into)?;
        self.keep(portal)?;
        Ok(done)
    }

    /// Issues a certificate, and keeps it for later downloads.
    ///
    /// # Errors
    /// The portal refuses, or the disk does.
    pub fn issue(
        &mut self,
        request: &SigningRequest,
        order: &Order,
        now: SystemTime,
    ) -> Result<(Issued, CertificateDer<'static>), PortalDirError> {
        let mut portal = self.portal.clone();
        let (issued, der) = portal.issue(&self.ca, request, order, now)?;
        let path = certificate_path(self.folder.path(), &issued.serial);
        fs::create_dir_all(self.folder.path().join("certificates"))
            .and_then(|()| files::write(&path, &der, Access::Public))
            .map_err(|source| PortalDirError::Write { path, source })?;
        // Last: a certificate the portal lists is there.
        self.keep(portal)?;
        Ok((issued, der))
    }

    fn keep(&mut self, portal: Portal) -> Result<(), PortalDirError> {
        let path = self.folder.path().join(STATE);
        if portal == self.portal && path.exists() {
            return Ok(());
        }
        let state = State {
            version: VERSION,
            portal,
        };
        serde_json::to_vec_pretty(&state)
            .map_err(io::Error::from)
            .and_then(|json| files::write(&path, &json, Access::Public))
            .map_err(|source| PortalDirError::Write { path, source })?;
        self.portal = state.portal;
        Ok(())
    }
}

fn certificate_path(folder: &Path, serial: &Serial) -> PathBuf {
    folder.join("certificates").join(format!("{serial}.cer"))
}

/// Reads a file if it is there.
fn read(path: &Path) -> Result<Option<Vec<u8>>, PortalDirError> {
    let too_large = path
        .metadata()
        .is_ok_and(|metadata| metadata.len() > STATE_LEN_MAX);
    if too_large {
        return Err(PortalDirError::damaged(path, "it is far too large"));
    }
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(PortalDirError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

fn read_state(path: &Path) -> Result<Option<Portal>, PortalDirError> {
    let Some(bytes) = read(path)? else {
        return Ok(None);
    };
    let damaged = |error: serde_json::Error| PortalDirError::damaged(path, error.to_string());
    let Versioned { version } = serde_json::from_slice(&bytes).map_err(damaged)?;
    if version != VERSION {
        return Err(PortalDirError::Version {
            path: path.to_owned(),
            version,
        });
    }
    let State { portal, .. } = serde_json::from_slice(&bytes).map_err(damaged)?;
    Ok(Some(portal))
}

/// Reads the CA, if there is one.
fn read_ca(folder: &Path) -> Result<Option<Ca>, PortalDirError> {
    let (certificate, key) = (folder.join("ca.pem"), folder.join("ca-key.pem"));
    match (read(&certificate)?, read(&key)?) {
        (Some(cert_pem), Some(key_pem)) => {
            let text = String::from_utf8_lossy;
            Ca::from_pem(&text(&cert_pem), &text(&key_pem))
                .map(Some)
                .map_err(|error| PortalDirError::damaged(&certificate, error.to_string()))
        }
        (Some(_), None) => Err(PortalDirError::damaged(
            &key,
            "it is missing, and ca.pem is useless without it",
        )),
        // The key is written first: a folder that has no more was left while its CA was minted.
        (None, _) => Ok(None),
    }
}

fn mint_ca(folder: &Path) -> Result<Ca, PortalDirError> {
    let ca = Ca::new().map_err(PortalError::Mint)?;
    for (name, text, access) in [
        ("ca-key.pem", ca.key_pem().as_str(), Access::Secret),
        ("ca.pem", ca.cert_pem(), Access::Public),
    ] {
        let path = folder.join(name);
        files::write(&path, text.as_bytes(), access)
            .map_err(|source| PortalDirError::Write { path, source })?;
    }
    Ok(ca)
}

/// Why a portal's folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PortalDirError {
    /// The portal refuses.
    #[error(transparent)]
    Refused(#[from] PortalError),
    /// The folder cannot be created or locked.
    #[error("cannot use the portal's folder {}: choose another with --state", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what was written.
    #[error(
        "the portal's state is damaged: {}: {reason}; restore the folder from a backup, or move it away to start a new \
         portal, whose certificates nobody trusts yet",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The state was written by another version of this program.
    #[error("{} is of version {version}, which this apns-certs does not know: use the one that wrote it, or a newer one", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says.
        version: u32,
    },
}

impl PortalDirError {
    fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}

impl From<MintError> for PortalDirError {
    fn from(error: MintError) -> Self {
        Self::Refused(error.into())
    }
}
