//! The token registry of one app: who can be pushed to, and since when.

use std::collections::BTreeMap;
use std::time::SystemTime;

use apns_proto::Token;

/// What became of a posted token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Registered {
    /// Not seen before.
    New,
    /// Known; its registration time is now the later one.
    Again,
    /// The registry holds as many tokens as it may.
    Full,
}

/// What became of a token that was reported dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Forgotten {
    /// Removed.
    Dropped,
    /// Kept: the app registered again after the report.
    RegisteredSince,
    /// Not in the registry.
    Unknown,
}

/// Tokens in the order of their bytes, each with its last registration.
#[derive(Debug)]
pub(super) struct Tokens {
    registered: BTreeMap<Token, SystemTime>,
    len_max: usize,
}

impl Tokens {
    pub(super) const fn new(len_max: usize) -> Self {
        Self {
            registered: BTreeMap::new(),
            len_max,
        }
    }

    /// Takes a token an app posted. Apps post theirs at every launch.
    pub(super) fn register(&mut self, token: Token, now: SystemTime) -> Registered {
        if let Some(at) = self.registered.get_mut(&token) {
            *at = now;
            return Registered::Again;
        }
        if self.registered.len() >= self.len_max {
            return Registered::Full;
        }
        self.registered.insert(token, now);
        Registered::New
    }

    /// Removes a token APNs reported dead as of `reported_at`, unless its app registered after that: APNs learns of an
    /// uninstall late, and by then the app may be back under the same token.
    pub(super) fn forget(&mut self, token: &Token, reported_at: SystemTime) -> Forgotten {
        match self.registered.get(token) {
            None => Forgotten::Unknown,
            Some(registered_at) if *registered_at > reported_at => Forgotten::RegisteredSince,
            Some(_) => {
                self.registered.remove(token);
                Forgotten::Dropped
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.registered.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Token, SystemTime)> {
        self.registered.iter().map(|(token, at)| (token, *at))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn at(secs: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(secs)
    }

    fn token(byte: u8) -> Token {
        Token::new(vec![byte; 32])
    }

    #[test]
    fn a_token_reported_dead_before_its_last_registration_is_kept() {
        let mut tokens = Tokens::new(10);
        assert_eq!(tokens.register(token(1), at(100)), Registered::New);
        assert_eq!(tokens.register(token(1), at(200)), Registered::Again);
        assert_eq!(
            tokens.forget(&token(1), at(150)),
            Forgotten::RegisteredSince
        );
        assert_eq!(tokens.len(), 1);
        assert_eq!(tokens.forget(&token(1), at(200)), Forgotten::Dropped);
        assert_eq!(tokens.forget(&token(1), at(200)), Forgotten::Unknown);
        assert_eq!(tokens.len(), 0);
    }

    #[test]
    fn a_full_registry_takes_no_new_token_but_renews_known_ones() {
        let mut tokens = Tokens::new(1);
        assert_eq!(tokens.register(token(1), at(1)), Registered::New);
        assert_eq!(tokens.register(token(2), at(1)), Registered::Full);
        assert_eq!(tokens.register(token(1), at(2)), Registered::Again);
        assert_eq!(
            tokens
                .iter()
                .map(|(token, at)| (token.clone(), at))
                .collect::<Vec<_>>(),
            [(token(1), at(2))]
        );
    }
}
