//! How a store is built: what can be said of it without naming a secret.

use serde::Serialize;

/// How a store is built. Before it is opened, what is encrypted is a part without bags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outline {
    /// The MAC over all of it; `None` where there is none (`openssl pkcs12 -nomac`).
    pub mac: Option<Protection>,
    /// Its parts, in the order of the file.
    pub parts: Vec<Part>,
}

/// A part of a store: usually the certificates are one and the private key another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// How it is encrypted as a whole; `None` where it is readable.
    pub protection: Option<Protection>,
    /// What it holds; `None` while it is encrypted.
    pub bags: Option<Vec<Bag>>,
}

/// One thing in a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bag {
    /// What it is.
    pub kind: BagKind,
    /// How it is encrypted by itself, as private keys are; `None` where it is not.
    pub protection: Option<Protection>,
    /// What it is called, for people.
    pub friendly_name: Option<String>,
    /// What keys and certificates that belong together share.
    pub local_key_id: Option<Vec<u8>>,
}

/// What a bag holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BagKind {
    /// A private key.
    Key,
    /// An X.509 certificate.
    Certificate,
    /// Something that a push provider has no use for, as a revocation list.
    Other,
}

/// How something is protected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Protection {
    /// The algorithm as openssl calls it: `sha256` for a MAC, `pbeWithSHA1And40BitRC2-CBC` or
    /// `PBES2, PBKDF2 hmacWithSHA256, AES-256-CBC` for encryption.
    pub name: String,
    /// How often the password is hashed. `None` where the algorithm is not supported.
    pub iterations: Option<u64>,
}

impl Protection {
    /// Whether the algorithm is one that can be opened here.
    pub const fn is_supported(&self) -> bool {
        self.iterations.is_some()
    }
}

impl Outline {
    /// Everything that is in the readable parts.
    pub fn bags(&self) -> impl Iterator<Item = &Bag> {
        self.parts
            .iter()
            .filter_map(|part| part.bags.as_ref())
            .flatten()
    }

    /// Every protection in use: the MAC, the parts, the keys.
    pub fn protections(&self) -> impl Iterator<Item = &Protection> {
        let parts = self
            .parts
            .iter()
            .filter_map(|part| part.protection.as_ref());
        let bags = self.bags().filter_map(|bag| bag.protection.as_ref());
        self.mac.iter().chain(parts).chain(bags)
    }
}
