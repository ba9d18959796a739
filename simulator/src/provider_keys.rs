//! The keys of the portal in the state folder, and one whose private half lies there too, for whoever pushes with provider tokens.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use apns_certs::DEFAULT_TEAM;
use apns_certs::files::{self, Access};
use apns_certs::portal_dir::{PortalDir, PortalDirError};
use serde::Serialize;

use crate::provider_api::ProviderKey;

/// A key ready to sign provider tokens with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SigningKey {
    /// `kid` of the tokens.
    pub key_id: String,
    /// Their `iss`.
    pub team: String,
    /// The file `AuthKey_<key id>.p8`: the private key, PKCS#8 in PEM.
    pub path: PathBuf,
}

/// Every key the portal in `folder` knows, and one to sign with, made if its file is not there.
pub(crate) fn load_or_make(
    folder: &Path,
) -> Result<(Vec<ProviderKey>, SigningKey), PortalDirError> {
    let mut dir = PortalDir::open(folder)?;
    let folder = std::path::absolute(folder).map_err(|source| PortalDirError::Folder {
        path: folder.to_owned(),
        source,
    })?;
    let path = |key_id: &str| folder.join(format!("AuthKey_{key_id}.p8"));
    let there = dir
        .portal()
        .keys()
        .iter()
        .map(|key| key.key_id.clone())
        .find(|key_id| path(key_id).exists());
    let key_id = match there {
        Some(key_id) => key_id,
        None => {
            let made =
                dir.change(|portal| portal.create_key("apns-simulator", SystemTime::now()))?;
            let path = path(&made.key_id);
            files::write(&path, made.key_pem.as_bytes(), Access::Secret)
                .map_err(|source| PortalDirError::Write { path, source })?;
            made.key_id
        }
    };
    let keys = dir.portal().keys().iter();
    let keys = keys.filter_map(|key| ProviderKey::from_portal(key, DEFAULT_TEAM));
    let signing = SigningKey {
        team: DEFAULT_TEAM.to_owned(),
        path: path(&key_id),
        key_id,
    };
    Ok((keys.collect(), signing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_readable_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (keys, made) = load_or_make(folder.path()).unwrap();
        assert_eq!(keys.len(), 1);
        assert_eq!(*keys[0].id, *made.key_id);
        let pem = std::fs::read_to_string(&made.path).unwrap();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;

            let mode = made.path.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(load_or_make(folder.path()).unwrap(), (keys, made));
    }
}
