//! Something encrypted, with how.

use super::{Password, Scheme, Work};
use crate::credentials::ber::Reader;
use crate::credentials::pkcs12::Pkcs12Error;

/// What is encrypted, not yet decrypted.
pub(in crate::credentials) struct Sealed {
    scheme: Scheme,
    bytes: Vec<u8>,
}

impl Sealed {
    /// Reads an `EncryptedPrivateKeyInfo` (RFC 5958, section 3).
    pub(in crate::credentials) fn key(parent: &mut Reader<'_>) -> Result<Self, Pkcs12Error> {
        let mut info = parent.sequence()?.named("an encrypted key");
        let scheme = Scheme::read(&mut info)?;
        let bytes = info.octets()?.into_owned();
        info.end()?;
        Self::whole(scheme, bytes)
    }

    /// Reads an `EncryptedData` (RFC 5652, section 8).
    pub(in crate::credentials) fn content(parent: &mut Reader<'_>) -> Result<Self, Pkcs12Error> {
        let mut encrypted = parent.sequence()?.named("encrypted content");
        encrypted.count()?;
        let mut info = encrypted.sequence()?;
        info.oid()?;
        let scheme = Scheme::read(&mut info)?;
        let bytes = info.implicit_octets(0)?.into_owned();
        Self::whole(scheme, bytes)
    }

    /// Something encrypted in a way that nothing is known of but its name.
    pub(in crate::credentials) fn unsupported(how: &str) -> Self {
        Self {
            scheme: Scheme::Unsupported(how.to_owned()),
            bytes: Vec::new(),
        }
    }

    pub(in crate::credentials) const fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// Decrypts. A wrong password shows as wrong padding; once in 256 times it does not, and yields nonsense.
    pub(in crate::credentials) fn open(
        &self,
        password: &Password,
        work: &mut Work,
    ) -> Result<Vec<u8>, Pkcs12Error> {
        self.scheme.decrypt(password, &self.bytes, work)
    }

    fn whole(scheme: Scheme, bytes: Vec<u8>) -> Result<Self, Pkcs12Error> {
        let whole = scheme
            .block_len()
            .is_none_or(|len| !bytes.is_empty() && bytes.len().is_multiple_of(len));
        if whole {
            Ok(Self { scheme, bytes })
        } else {
            Err(Pkcs12Error::Damaged {
                place: "what is encrypted",
                reason: "it is not made of whole blocks",
            })
        }
    }
}
