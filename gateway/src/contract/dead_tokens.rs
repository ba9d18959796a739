//! The dead-token table: tokens upstream called bad, believed, and not delivered to since (rule 6).

use std::collections::BTreeMap;

use apns_proto::{Status, Token};
use foldhash::{HashMap, HashMapExt};

use crate::store::DeadToken;

/// Tokens and the answer each would get, least recently used out. The store keeps a copy; changes are reported by whoever
/// makes them here.
#[derive(Debug)]
pub(super) struct DeadTokens {
    entries_max: usize,
    entries: HashMap<Token, Entry>,
    /// Token by its place in the order of use.
    order: BTreeMap<u64, Token>,
    /// The newest place.
    used: u64,
}

#[derive(Debug)]
struct Entry {
    status: Status,
    expires_at: u64,
    mark: u64,
    used: u64,
}

/// An entry that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) status: Status,
    /// The entry's new place in the order of use.
    pub(super) used: u64,
}

impl DeadTokens {
    /// The table as it was stored, least recently used first.
    pub(super) fn new(stored: &[DeadToken], entries_max: usize) -> Self {
        let mut table = Self {
            entries_max: entries_max.max(1),
            entries: HashMap::with_capacity(stored.len()),
            order: BTreeMap::new(),
            used: 0,
        };
        for stored in stored {
            table.used = table.used.max(stored.used);
            table.order.insert(stored.used, stored.token.clone());
            let entry = Entry {
                status: stored.status,
                expires_at: stored.expires_at,
                mark: stored.mark,
                used: stored.used,
            };
            table.entries.insert(stored.token.clone(), entry);
        }
        table
    }

    /// What to answer about `token`, if its entry may: it is neither expired nor waiting for a delivery. That uses it.
    pub(super) fn answer(&mut self, token: &Token, now: u64, vouched: u64) -> Option<Known> {
        let entry = self.entries.get_mut(token)?;
        if now >= entry.expires_at || vouched <= entry.mark {
            return None;
        }
        let token = self
            .order
            .remove(&entry.used)
            .expect("every entry has its place in the order");
        self.used += 1;
        entry.used = self.used;
        self.order.insert(self.used, token);
        Some(Known {
            status: entry.status,
            used: self.used,
        })
    }

    /// Enters a token. A token that is in already keeps the older mark: what vouched for the old entry vouches for this one.
    pub(super) fn put(
        &mut self,
        token: &Token,
        status: Status,
        now: u64,
        expires_at: u64,
        vouched: u64,
    ) -> DeadToken {
        let known = self
            .entries
            .get(token)
            .filter(|entry| now < entry.expires_at);
        let mark = known.map_or(vouched, |entry| entry.mark);
        self.remove(token);
        self.used += 1;
        let token = token.clone();
        self.order.insert(self.used, token.clone());
        let entry = Entry {
            status,
            expires_at,
            mark,
            used: self.used,
        };
        self.entries.insert(token.clone(), entry);
        DeadToken {
            token,
            status,
            inserted_at: now,
            expires_at,
            mark,
            used: self.used,
        }
    }

    /// Takes out the least recently used entry, while there are too many.
    pub(super) fn evict(&mut self) -> Option<Token> {
        if self.entries.len() <= self.entries_max {
            return None;
        }
        let (_, token) = self.order.pop_first()?;
        self.entries.remove(&token);
        Some(token)
    }

    /// Takes one out; says whether it was in.
    pub(super) fn remove(&mut self, token: &Token) -> bool {
        let Some(entry) = self.entries.remove(token) else {
            return false;
        };
        self.order.remove(&entry.used);
        true
    }

    /// Takes out what still waits for a delivery; says whether anything did.
    pub(super) fn remove_waiting(&mut self, vouched: u64) -> bool {
        let order = &mut self.order;
        let before = self.entries.len();
        self.entries.retain(|_, entry| {
            let waits = entry.mark >= vouched;
            if waits {
                order.remove(&entry.used);
            }
            !waits
        });
        self.entries.len() < before
    }

    /// Entries, whether they answer or not.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
