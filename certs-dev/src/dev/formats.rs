//! The provider's key and certificate of a set, in every form that legacy stacks want.

use std::path::{Path, PathBuf};

use apns_net::credentials::{CredentialsError, Identity, Origin};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Serialize;

use super::files::{self, Made};
use super::{DevError, DevSet};
use crate::csr;
use crate::files::Access;
use crate::pkcs12::{self, Contents, Profile};

/// The password of the stores of a ready set. It protects nothing, and is long enough for keytool.
pub const STORE_PASSWORD: &str = "secret";

const NAME: &str = "aps_developer_identity";

/// Where the provider's key and certificate are, form by form; absolute paths. What the walk in `docs/certificates.md` makes step
/// by step, under the same names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Formats {
    /// The signing request for the provider's key.
    pub request: PathBuf,
    /// The certificate as the portal hands it out: DER.
    pub cer: PathBuf,
    /// The certificate in PEM.
    pub certificate: PathBuf,
    /// The private key in PEM, not encrypted.
    pub key: PathBuf,
    /// Certificate and private key in one PEM file, for PHP.
    pub combined: PathBuf,
    /// The private key alone, as Keychain exports it: PKCS#12.
    pub key_store: PathBuf,
    /// Private key and certificate, for Java, .NET and node: PKCS#12 with AES-256.
    pub store: PathBuf,
    /// The same for old Keychain, Java 6 and PHP: PKCS#12 with triple DES.
    pub compat_store: PathBuf,
    /// The password of the three stores.
    pub password: &'static str,
}

impl Formats {
    fn new(folder: &Path) -> Self {
        Self {
            request: folder.join("Push.certSigningRequest"),
            cer: folder.join(format!("{NAME}.cer")),
            certificate: folder.join(format!("{NAME}.pem")),
            key: folder.join("push_noenc.pem"),
            combined: folder.join("ck.pem"),
            key_store: folder.join("PUSH.P12"),
            store: folder.join(format!("{NAME}.p12")),
            compat_store: folder.join(format!("{NAME}-compat.p12")),
            password: STORE_PASSWORD,
        }
    }

    /// Every file, with who may read it, in the order they are written. The certificate's PEM is the last: it says that the others
    /// are of the same pair.
    fn files(&self) -> [(&Path, Access); 8] {
        [
            (&self.request, Access::Public),
            (&self.cer, Access::Public),
            (&self.key, Access::Secret),
            (&self.combined, Access::Secret),
            (&self.key_store, Access::Secret),
            (&self.store, Access::Secret),
            (&self.compat_store, Access::Secret),
            (&self.certificate, Access::Public),
        ]
    }
}

/// Writes the set's provider key and certificate in every form beside it, over those of an older set; those that are there
/// already and fit are left alone.
///
/// # Errors
/// The set was changed since it was written, or the folder cannot be written.
pub fn write_formats(set: &DevSet) -> Result<Formats, DevError> {
    let folder = set.readme.parent().unwrap_or_else(|| Path::new("."));
    let folder = files::open(folder)?;
    let formats = Formats::new(folder.path());
    let cert_pem = files::read(&set.provider)?;
    let complete = formats.files().iter().all(|(path, _)| path.exists());
    if complete && std::fs::read_to_string(&formats.certificate).is_ok_and(|text| text == cert_pem)
    {
        return Ok(formats);
    }
    let key_pem = files::read(&set.provider_key)?;
    let identity = Identity::from_pem(&cert_pem, &key_pem)?;
    let key =
        PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|_| CredentialsError::NoKey {
            origin: Origin::File(set.provider_key.clone()),
        })?;
    let store = |with_certificate: bool, profile| {
        let contents = Contents {
            key: &key,
            certificates: if with_certificate {
                &identity.chain()[..1]
            } else {
                &[]
            },
            friendly_name: Some(NAME),
        };
        pkcs12::write(&contents, STORE_PASSWORD, profile)
    };
    let request = csr::create_for("dev@example.com", "Example Push", &key_pem)?.request_pem;
    let made: [Vec<u8>; 8] = [
        request.into_bytes(),
        identity.chain()[0].to_vec(),
        key_pem.clone().into_bytes(),
        format!("{cert_pem}{key_pem}").into_bytes(),
        store(false, Profile::Compat)?,
        store(true, Profile::Modern)?,
        store(true, Profile::Compat)?,
        cert_pem.into_bytes(),
    ];
    for ((path, access), bytes) in formats.files().into_iter().zip(&made) {
        files::write_bytes(path, bytes, access)?;
    }
    let readme = files::readme(set, Made::EveryForm);
    files::write(&set.readme, &readme, Access::Public)?;
    Ok(formats)
}
