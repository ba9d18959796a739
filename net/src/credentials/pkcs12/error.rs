//! What can be wrong with a PKCS#12 file or an encrypted key, said so that its owner can put it right.

/// Why a PKCS#12 file or an encrypted private key cannot be read. Never holds a password or key material.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Pkcs12Error {
    /// Something else altogether.
    #[error(
        "this is not PKCS#12: expected a .p12 or .pfx file as Keychain, keytool or `openssl pkcs12 -export` writes it"
    )]
    NotPkcs12,
    /// Larger than any store of credentials.
    #[error(
        "{len} bytes are too many for certificates and keys (the limit is {len_max}): is it the right file?"
    )]
    TooLarge {
        /// Its size in bytes.
        len: usize,
        /// The limit.
        len_max: usize,
    },
    /// More parts, or more of something, than any store of credentials has.
    #[error(
        "it has too many {what} (the limit is {max}): export only the key and its certificates"
    )]
    TooMany {
        /// Of what, in the plural.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// The structure is broken.
    #[error("it is damaged at {place} ({reason}): export it again, and copy it as a binary file")]
    Damaged {
        /// The structure in which the fault is.
        place: &'static str,
        /// What is wrong there.
        reason: &'static str,
    },
    /// It is protected in a way that is not supported here.
    #[error(
        "it is protected with {what}, which is not supported: write it anew with another program, as `openssl pkcs12` does"
    )]
    Unsupported {
        /// The algorithm, by its name or its object identifier.
        what: String,
    },
    /// Deriving the keys would take too long. Refused before any of it is computed.
    #[error(
        "it asks for {iterations} rounds of key derivation (the limit is {iterations_max} for the whole file): export it again with fewer"
    )]
    TooCostly {
        /// What it asks for; the largest number stands for all beyond.
        iterations: u64,
        /// The limit.
        iterations_max: u64,
    },
    /// The empty password does not open it.
    #[error("it is protected by a password: give the one that was chosen when it was exported")]
    PasswordNeeded,
    /// The password does not open it.
    #[error("the password is wrong: give the one that was chosen when it was exported")]
    WrongPassword,
    /// The store is genuine under this password, but a part is encrypted under another.
    #[error(
        "the password is that of the store, but a part of it is encrypted with another one: export it again with one password for all"
    )]
    OtherPassword,
}

impl Pkcs12Error {
    /// What to say when `password` opens nothing.
    pub(in crate::credentials) const fn refused(password: &str) -> Self {
        if password.is_empty() {
            Self::PasswordNeeded
        } else {
            Self::WrongPassword
        }
    }
}
