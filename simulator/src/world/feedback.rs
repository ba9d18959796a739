//! Feedback lists: which tokens of an app have no app any more, one list per topic and environment [P-52].

use std::collections::{BTreeMap, HashMap};

use apns_proto::Token;
use apns_proto::feedback::Tuple;

use super::Provider;

/// A list as it was at one moment. Clearing it leaves what came later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The tuples, oldest first.
    pub tuples: Vec<Tuple>,
    /// The place of the newest of them.
    upto: u64,
}

/// All lists.
#[derive(Debug, Default)]
pub(super) struct Lists {
    lists: HashMap<Provider, List>,
    /// Places are given out over all lists, and never twice.
    last_place: u64,
}

#[derive(Debug, Default)]
struct List {
    tuples: BTreeMap<u64, Tuple>,
    /// A token is listed once, with its newest time.
    places: HashMap<Token, u64>,
}

impl Lists {
    /// Lists a token; gives back the tuple that made room for it, if one had to.
    pub(super) fn add(
        &mut self,
        provider: Provider,
        tuple: Tuple,
        len_max: usize,
    ) -> Option<Tuple> {
        self.last_place += 1;
        let list = self.lists.entry(provider).or_default();
        if let Some(older) = list.places.insert(tuple.token.clone(), self.last_place) {
            list.tuples.remove(&older);
        }
        list.tuples.insert(self.last_place, tuple);
        if list.tuples.len() <= len_max {
            return None;
        }
        let (_, oldest) = list.tuples.pop_first()?;
        list.places.remove(&oldest.token);
        Some(oldest)
    }

    /// Those that are not empty, each oldest first.
    pub(super) fn iter(
        &self,
    ) -> impl Iterator<Item = (&Provider, impl ExactSizeIterator<Item = &Tuple>)> {
        let full = self
            .lists
            .iter()
            .filter(|(_, list)| !list.tuples.is_empty());
        full.map(|(provider, list)| (provider, list.tuples.values()))
    }

    pub(super) fn snapshot(&self, provider: &Provider) -> Snapshot {
        let list = self.lists.get(provider);
        Snapshot {
            tuples: list.map_or_else(Vec::new, |list| list.tuples.values().cloned().collect()),
            upto: self.last_place,
        }
    }

    /// Clears what is in the snapshot and has not been listed again since; says how many that were.
    pub(super) fn clear(&mut self, provider: &Provider, snapshot: &Snapshot) -> usize {
        let Some(list) = self.lists.get_mut(provider) else {
            return 0;
        };
        let newer = list.tuples.split_off(&(snapshot.upto + 1));
        let read = std::mem::replace(&mut list.tuples, newer);
        for tuple in read.values() {
            list.places.remove(&tuple.token);
        }
        read.len()
    }
}
