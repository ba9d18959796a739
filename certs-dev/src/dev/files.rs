//! Writing the set: nothing of anybody else's is overwritten.

use std::path::Path;

use super::{DevError, DevSet};
use crate::ca::Ca;
use crate::files::{self, Access, Folder};

/// The first line of the README: by it a folder is known to be ours.
const MARK: &str = "Development certificates written by apns-certs";

/// Opens the folder, creating it if need be.
pub(super) fn open(path: &Path) -> Result<Folder, DevError> {
    Folder::open(path).map_err(|source| DevError::Folder {
        path: path.to_owned(),
        source,
    })
}

/// Refuses to overwrite files of our names in a folder that does not carry our README. A development CA that is there, as a
/// portal keeps it, is not in the way where it is to be `kept`.
pub(super) fn refuse_foreign(set: &DevSet, kept: Option<&Ca>) -> Result<(), DevError> {
    let ours = std::fs::read_to_string(&set.readme).is_ok_and(|text| text.starts_with(MARK));
    if ours {
        return Ok(());
    }
    let of_ca = [&set.ca, &set.ca_key];
    let keeps = kept.is_some_and(Ca::is_stand_in);
    let in_the_way =
        |path: &&Path| path.exists() && !(keeps && of_ca.iter().any(|of_ca| of_ca == path));
    match set.files().into_iter().find(in_the_way) {
        Some(path) => Err(DevError::Foreign {
            path: path.to_owned(),
        }),
        None => Ok(()),
    }
}

/// Writes one file of the set.
pub(super) fn write(path: &Path, text: &str, access: Access) -> Result<(), DevError> {
    write_bytes(path, text.as_bytes(), access)
}

/// Writes one file of the set.
pub(super) fn write_bytes(path: &Path, bytes: &[u8], access: Access) -> Result<(), DevError> {
    files::write(path, bytes, access).map_err(|source| DevError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Reads one file of the set.
pub(super) fn read(path: &Path) -> Result<String, DevError> {
    std::fs::read_to_string(path).map_err(|source| DevError::Read {
        path: path.to_owned(),
        source,
    })
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

/// What there is in the folder.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// The set as daemons use it.
    TheSet,
    /// The provider's files in every form beside it.
    EveryForm,
}

pub(super) fn readme(set: &DevSet, made: Made) -> String {
    let forms = match made {
        Made::TheSet => "",
        Made::EveryForm => FORMS,
    };
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
{forms}
They are replaced a week before they expire, the CA only when it must be. To start over, delete this folder.
",
        topic = set.topic
    )
}

const FORMS: &str = "
provider.pem and provider-key.pem once more, under the names and in the forms of Apple's portal and of old tutorials. The password
of the .p12 files is: secret

Push.certSigningRequest            the signing request for the key, as Keychain makes it
aps_developer_identity.cer         the certificate as the portal hands it out (DER)
PUSH.P12                           the private key alone, as Keychain exports it (secret)
aps_developer_identity.pem         the certificate in PEM
push_noenc.pem                     the private key in PEM, not encrypted (secret)
ck.pem                             both in one file, for PHP: 'local_cert' => 'ck.pem' (secret)
aps_developer_identity.p12         both, for Java, .NET and node (secret)
aps_developer_identity-compat.p12  the same for old Keychain, Java 6 and PHP: triple DES and SHA-1 (secret)

Try them, where a simulator or gateway that uses this folder listens:

  openssl s_client -connect 127.0.0.1:2195 -CAfile ca.pem -cert aps_developer_identity.pem -key push_noenc.pem
  openssl s_client -connect 127.0.0.1:2195 -CAfile ca.pem -cert ck.pem
  keytool -list -keystore aps_developer_identity.p12 -storepass secret
  apns-certs inspect *.cer *.p12 *.pem
";
