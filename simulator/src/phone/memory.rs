//! What a phone remembers of the notifications it received.

use std::collections::VecDeque;

use apns_proto::courier::Message;

use super::event::Received;
use super::screen::LockScreen;

/// Notifications a phone remembers; the oldest leaves when one more arrives.
pub const HISTORY_MAX: usize = 10_000;
/// Message ids by which a phone knows a notification again that APNs sends once more because the acknowledgement was lost [C-17]. APNs has no more than
/// this unacknowledged.
const RECENT_MAX: usize = 16_384;

/// Of a phone that has received something; most are idle, and have none.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Acknowledgements that are to be written.
    pub(super) acks: Vec<Message>,
    pub(super) recent: Recent,
    pub(super) screen: LockScreen,
    pub(super) history: VecDeque<Received>,
    /// How many there ever were, those sent twice counted once.
    pub(super) received: u64,
}

impl Memory {
    pub(super) fn remember(&mut self, received: Received) {
        self.received += 1;
        if self.history.len() == HISTORY_MAX {
            self.history.pop_front();
        }
        // Most phones receive little: the first has room for itself alone.
        if self.history.is_empty() {
            self.history.reserve_exact(1);
        }
        self.history.push_back(received);
    }
}

/// The last message ids seen, in ascending order: APNs counts upwards, so the oldest are in front.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<[u8; 4]>);

impl Recent {
    /// `false` when it was seen before.
    pub(super) fn insert(&mut self, id: [u8; 4]) -> bool {
        match self.0.back() {
            Some(newest) if id <= *newest => match self.0.binary_search(&id) {
                Ok(_) => return false,
                Err(at) => self.0.insert(at, id),
            },
            _ => self.0.push_back(id),
        }
        if self.0.len() > RECENT_MAX {
            self.0.pop_front();
        }
        true
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
