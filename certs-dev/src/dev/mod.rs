//! A ready set of certificates in a folder, for daemons, demos and the reader's own legacy code.
//!
//! ```text
//! ca.pem  ca-key.pem                the development CA; ca.pem is what clients trust
//! server.pem  server-key.pem        what the listeners show
//! provider.pem  provider-key.pem    what a backend shows; provider-combined.pem is both in one file
//! README.txt                        the same, for whoever finds the folder
//! ```
//!
//! [`write_formats`] adds the provider's key and certificate in every form that legacy stacks want.
//!
//! Every file appears whole or not at all, keys readable by their owner alone from their first byte. A set that was
//! interrupted half way, or mixed from two, is noticed when it is loaded and minted again.

mod check;
mod files;
mod formats;

use std::io;
use std::path::{Path, PathBuf};

use apns_net::credentials::CredentialsError;
use serde::Serialize;

use crate::ca::Ca;
use crate::files::{Access, Folder};
use crate::mint::{KeyKind, MintError};
use crate::pkcs12::WriteError;
use crate::portal_dir;
use crate::push::{Kind, PushCertificate};
use check::Unfit;
use files::Made;

pub use formats::{Formats, STORE_PASSWORD, write_formats};

/// What the set is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevOptions {
    /// The app's bundle id.
    pub topic: String,
    /// The names of the server certificate.
    pub server_names: Vec<String>,
    /// The kind of every key.
    pub keys: KeyKind,
}

impl Default for DevOptions {
    /// RSA keys, `com.example.Mail`, and a server certificate for this machine and for the names that legacy code has
    /// hard-coded, which then need no more than an entry in `/etc/hosts`.
    fn default() -> Self {
        Self {
            topic: "com.example.Mail".to_owned(),
            server_names: SERVER_NAMES.map(str::to_owned).to_vec(),
            keys: KeyKind::Rsa2048,
        }
    }
}

/// This machine, and Apple's hosts [P-01] [H-01].
const SERVER_NAMES: [&str; 12] = [
    "localhost",
    "127.0.0.1",
    "::1",
    "gateway.push.apple.com",
    "gateway.sandbox.push.apple.com",
    "feedback.push.apple.com",
    "feedback.sandbox.push.apple.com",
    "courier.push.apple.com",
    "courier.sandbox.push.apple.com",
    "api.push.apple.com",
    "api.sandbox.push.apple.com",
    "api.development.push.apple.com",
];

/// Where the files of a set are; absolute paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DevSet {
    /// The CA's certificate: what clients and servers of this set trust.
    pub ca: PathBuf,
    /// The CA's private key.
    pub ca_key: PathBuf,
    /// The server's certificate.
    pub server: PathBuf,
    /// The server's private key.
    pub server_key: PathBuf,
    /// The provider's push certificate, universal: sandbox and production.
    pub provider: PathBuf,
    /// The provider's private key.
    pub provider_key: PathBuf,
    /// The provider's certificate and private key in one file.
    pub provider_combined: PathBuf,
    /// What each file is.
    pub readme: PathBuf,
    /// The topic of the provider's certificate.
    pub topic: String,
    /// Whether the set was minted now; false where one that was there is used.
    pub minted: bool,
}

impl DevSet {
    fn new(folder: &Path, options: &DevOptions) -> Self {
        Self {
            ca: folder.join("ca.pem"),
            ca_key: folder.join("ca-key.pem"),
            server: folder.join("server.pem"),
            server_key: folder.join("server-key.pem"),
            provider: folder.join("provider.pem"),
            provider_key: folder.join("provider-key.pem"),
            provider_combined: folder.join("provider-combined.pem"),
            readme: folder.join("README.txt"),
            topic: options.topic.clone(),
            minted: false,
        }
    }

    /// The set's CA, to mint more certificates with: for phones, for other apps.
    ///
    /// # Errors
    /// The files are gone or damaged since the set was written.
    pub fn load_ca(&self) -> Result<Ca, DevError> {
        Ok(Ca::from_pem(
            &files::read(&self.ca)?,
            &files::read(&self.ca_key)?,
        )?)
    }
}

/// Mints a whole new set, CA included, over the one in the folder if there is one. The folder is created, for its
/// owner alone, if it does not exist.
///
/// # Errors
/// The options cannot be met, the folder cannot be written, or it holds files of these names that are not ours.
pub fn write(folder: &Path, options: &DevOptions) -> Result<DevSet, DevError> {
    let folder = files::open(folder)?;
    files::refuse_foreign(&DevSet::new(folder.path(), options), None)?;
    mint(&folder, &Ca::with_key(options.keys)?, options)
}

/// Uses the set in the folder if it is complete, fits the options and is valid for another week; otherwise mints one
/// and logs why. The CA is kept as long as it is good, so that clients that trust it need no change, and so that what the
/// portal of this folder has issued is believed; once that has issued something it is never made anew.
///
/// # Errors
/// As [`write()`]; or the CA of a portal in this folder cannot be used.
pub fn load_or_write(folder: &Path, options: &DevOptions) -> Result<DevSet, DevError> {
    let folder = files::open(folder)?;
    let set = DevSet::new(folder.path(), options);
    let ca = check::ca(&set);
    files::refuse_foreign(&set, ca.as_ref().ok())?;
    let ca = match ca {
        Ok(ca) => ca,
        Err(unfit) if portal_dir::has_issued(folder.path()) => {
            return Err(DevError::PortalCa {
                why: unfit.to_string(),
            });
        }
        Err(unfit) => {
            log_minting(&folder, "a development CA and its certificates", &unfit);
            return mint(&folder, &Ca::with_key(options.keys)?, options);
        }
    };
    match check::leaves(&set, &ca, options) {
        Ok(()) => Ok(set),
        Err(unfit) => {
            log_minting(&folder, "development certificates", &unfit);
            mint(&folder, &ca, options)
        }
    }
}

fn log_minting(folder: &Folder, what: &str, why: &Unfit) {
    tracing::info!(folder = %folder.path().display(), %why, "minting {what}");
}

fn mint(folder: &Folder, ca: &Ca, options: &DevOptions) -> Result<DevSet, DevError> {
    let names: Vec<_> = options.server_names.iter().map(String::as_str).collect();
    let server = ca.server_with_key(&names, options.keys)?;
    let provider = ca.push(&PushCertificate {
        key: options.keys,
        ..PushCertificate::new(Kind::Universal, &options.topic)
    })?;

    let set = DevSet {
        minted: true,
        ..DevSet::new(folder.path(), options)
    };
    // First, so that a set interrupted half way is known to be ours.
    files::write(
        &set.readme,
        &files::readme(&set, Made::TheSet),
        Access::Public,
    )?;
    files::write(&set.ca_key, &ca.key_pem(), Access::Secret)?;
    files::write(&set.ca, ca.cert_pem(), Access::Public)?;
    files::write(&set.server_key, &server.key_pem, Access::Secret)?;
    files::write(&set.server, &server.cert_pem, Access::Public)?;
    files::write(&set.provider_key, &provider.key_pem, Access::Secret)?;
    files::write(&set.provider, &provider.cert_pem, Access::Public)?;
    files::write(
        &set.provider_combined,
        &provider.combined_pem(),
        Access::Secret,
    )?;
    Ok(set)
}

/// Why there is no set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevError {
    /// A certificate could not be minted.
    #[error("cannot mint the development certificates")]
    Mint(#[from] MintError),
    /// The set's files were changed since they were written.
    #[error(
        "the provider's certificate or key cannot be used: delete the set, and let it be made anew"
    )]
    Credentials(#[from] CredentialsError),
    /// A `.p12` could not be written.
    #[error("cannot make a .p12 of the provider's key")]
    Store(#[from] WriteError),
    /// The folder cannot be created or locked.
    #[error("cannot use the folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the set cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the set cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Certificates of a portal in the same folder would be believed no longer.
    #[error(
        "the portal in this folder has signed certificates with its CA, and {why}: restore the CA from a backup, or choose another folder"
    )]
    PortalCa {
        /// What is wrong with the CA.
        why: String,
    },
    /// The folder holds somebody's own certificates.
    #[error("{} is there already and not ours to overwrite: choose another folder", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
}
