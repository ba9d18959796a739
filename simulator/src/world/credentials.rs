//! What the team's portal has told APNs: which keys sign its provider tokens, and which of its certificates are taken back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use apns_net::credentials::Pin;

use super::World;
use crate::provider_api::ProviderKey;

/// A team's keys and revocations. They are of the portal: a reset leaves them as they are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Credentials {
    /// By key id.
    provider_keys: HashMap<Arc<str>, ProviderKey>,
    revoked: HashSet<Pin>,
}

impl Credentials {
    pub(super) fn is_empty(&self) -> bool {
        self.provider_keys.is_empty() && self.revoked.is_empty()
    }
}

impl World {
    /// Takes a `.p8` key's public half; another of the same id gives way.
    pub fn add_provider_key(&mut self, key: ProviderKey) {
        let keys = &mut self.credentials.provider_keys;
        keys.insert(key.id.clone(), key);
    }

    /// The key a provider token names.
    #[must_use]
    pub fn provider_key(&self, id: &str) -> Option<&ProviderKey> {
        self.credentials.provider_keys.get(id)
    }

    /// Refuses this certificate in every handshake from now on; connections that are open stay.
    pub fn revoke(&mut self, certificate: Pin) {
        self.credentials.revoked.insert(certificate);
    }

    /// Whether it was revoked.
    #[must_use]
    pub fn is_revoked(&self, certificate: &Pin) -> bool {
        self.credentials.revoked.contains(certificate)
    }

    pub(crate) const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    pub(crate) fn set_credentials(&mut self, credentials: Credentials) {
        self.credentials = credentials;
    }
}
