//! What was read from the store and not yet sent, each backend's for itself: pure.
//!
//! Whoever's turn it is, the oldest to the same token goes first, in whosever lane it is (order contract, rule 12). The store gives
//! out no row before the older ones to its token, so the oldest here is the oldest that was not sent.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use apns_proto::Token;
use foldhash::HashMap;

use super::turns;
use crate::store::{Portion, Row, RowId};

/// Rows there is room for, about, divided among the backends.
pub(super) const ROWS_MAX: usize = 1_000;

/// The backends' next rows.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: BTreeMap<Arc<str>, Lane>,
    /// Those to each token, in order.
    lines: HashMap<Token, VecDeque<Row>>,
}

#[derive(Debug, Default)]
struct Lane {
    /// In order. Those that went in another's turn are still among them.
    keys: VecDeque<(Token, RowId)>,
    /// Whether the store has unread ones.
    more: bool,
}

impl Lanes {
    /// Nobody is known to have unread rows in the store: whoever has is about to be [`put`](Self::put).
    pub(super) fn forget_more(&mut self) {
        self.lanes.retain(|_, lane| {
            lane.more = false;
            !lane.keys.is_empty()
        });
    }

    /// Takes in what was read.
    pub(super) fn put(&mut self, portion: Portion) {
        let Portion {
            backend,
            rows,
            more,
        } = portion;
        let lane = self.lanes.entry(Arc::clone(&backend)).or_default();
        lane.more = more;
        for row in rows {
            lane.keys.push_back((row.token.clone(), row.id));
            // Most have one row.
            let line = self.lines.entry(row.token.clone());
            let line = line.or_insert_with(|| VecDeque::with_capacity(1));
            debug_assert!(line.back().is_none_or(|last| last.id < row.id));
            line.push_back(row);
        }
        self.drop_if_empty(&backend);
    }

    /// The next backend in turn after `last` that has a row here.
    pub(super) fn next(&self, last: &str) -> Option<&Arc<str>> {
        turns::next(&self.lanes, last, |lane| !lane.keys.is_empty())
    }

    /// The row to go in a backend's turn; none if all it had went in others'.
    pub(super) fn take(&mut self, backend: &Arc<str>) -> Option<Row> {
        let row = self.first(backend);
        self.drop_if_empty(backend);
        row
    }

    fn first(&mut self, backend: &Arc<str>) -> Option<Row> {
        let keys = &mut self.lanes.get_mut(backend)?.keys;
        while let Some((token, own)) = keys.pop_front() {
            let Entry::Occupied(mut line) = self.lines.entry(token) else {
                continue;
            };
            if line.get().front().is_some_and(|oldest| oldest.id <= own) {
                let oldest = line.get_mut().pop_front()?;
                if oldest.id < own {
                    keys.push_front((oldest.token.clone(), own));
                }
                if line.get().is_empty() {
                    line.remove();
                }
                return Some(oldest);
            }
        }
        None
    }

    fn drop_if_empty(&mut self, backend: &Arc<str>) {
        if let Some(lane) = self.lanes.get(backend)
            && lane.keys.is_empty()
            && !lane.more
        {
            self.lanes.remove(backend);
        }
    }

    /// How many backends are known to have something.
    pub(super) fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Rows of each backend there is room for: its share, when it has less than half of it.
    pub(super) fn room(&self) -> BTreeMap<Arc<str>, usize> {
        let share = self.share();
        let room = |lane: &Lane| {
            if lane.keys.len() * 2 > share {
                0
            } else {
                share
            }
        };
        let lanes = self.lanes.iter();
        lanes
            .map(|(backend, lane)| (Arc::clone(backend), room(lane)))
            .collect()
    }

    /// A backend's part of the room.
    pub(super) fn share(&self) -> usize {
        (ROWS_MAX / self.lanes.len().max(1)).max(1)
    }

    /// Whether the store has unread rows of this backend.
    pub(super) fn has_more(&self, backend: &str) -> bool {
        self.lanes.get(backend).is_some_and(|lane| lane.more)
    }

    /// Whether nothing is here and nothing is known to be in the store.
    pub(super) fn is_dry(&self) -> bool {
        self.lines.is_empty() && self.lanes.values().all(|lane| !lane.more)
    }

    pub(super) fn clear(&mut self) {
        self.lanes.clear();
        self.lines.clear();
    }
}
