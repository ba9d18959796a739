//! What a phone remembers of the notifications it received.

use std::collections::VecDeque;

use apns_proto::Token;
use apns_proto::courier::{Message, Status};
use bytes::Bytes;
use smallvec::SmallVec;

use super::event::Received;

/// Notifications a phone remembers; the oldest leaves when one more arrives, with its note.
pub const HISTORY_MAX: usize = 10_000;
/// Notes on the lock screen; the oldest leaves when one more comes. A real lock screen forgets too.
const NOTES_MAX: usize = 50;
/// Runs of message ids by which a phone knows a notification again that APNs sends once more because the acknowledgement was lost [C-17]. APNs has no
/// more than this unacknowledged.
const RUNS_MAX: usize = 16_384;

/// Of a phone that remembers something; most are idle, and have none. Many remember one notification, so that takes little.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// What is to be acknowledged.
    acks: SmallVec<[Ack; 1]>,
    history: VecDeque<Kept>,
    /// The number of the newest of them.
    newest: u64,
    /// The numbers of those whose notes are on the lock screen, in ascending order.
    noted: SmallVec<[u64; 2]>,
}

/// The answer to a notification.
#[derive(Debug)]
pub(super) struct Ack {
    pub(super) token: Token,
    pub(super) id: [u8; 4],
    pub(super) status: Status,
}

/// A notification, and what nobody but the lock screen asks for.
#[derive(Debug)]
struct Kept {
    received: Received,
    collapse_id: Option<Box<[u8]>>,
}

impl From<Ack> for Message {
    fn from(Ack { token, id, status }: Ack) -> Self {
        Self::Ack {
            token: Some(token),
            id,
            status,
        }
    }
}

impl Memory {
    /// Will acknowledge a notification.
    pub(super) fn acknowledge(&mut self, ack: Ack) {
        self.acks.push(ack);
    }

    /// The oldest acknowledgement that is to be written.
    pub(super) fn next_ack(&mut self) -> Option<Ack> {
        (!self.acks.is_empty()).then(|| self.acks.remove(0))
    }

    /// All that are to be written, oldest first.
    pub(super) fn take_acks(&mut self) -> SmallVec<[Ack; 1]> {
        std::mem::take(&mut self.acks)
    }

    /// What it received, oldest first.
    pub(super) fn history(
        &self,
    ) -> impl DoubleEndedIterator<Item = &Received> + ExactSizeIterator + use<'_> {
        self.history.iter().map(|kept| &kept.received)
    }

    /// Remembers the notification of this number, which follows on the one before.
    pub(super) fn remember(&mut self, number: u64, received: Received) {
        let collapse_id = None;
        self.keep(number, received, collapse_id);
    }

    /// Remembers one that has a note on the lock screen, in place of its app's earlier one of the same collapse id [H-15].
    pub(super) fn remember_noted(
        &mut self,
        number: u64,
        received: Received,
        collapse_id: Option<Bytes>,
    ) {
        let collapse_id = collapse_id.map(|id| id[..].into());
        if collapse_id.is_some() {
            self.retain_notes(|kept| {
                kept.received.topic != received.topic || kept.collapse_id != collapse_id
            });
        }
        self.keep(number, received, collapse_id);
        if self.noted.len() == NOTES_MAX {
            self.noted.remove(0);
        }
        self.noted.push(number);
    }

    /// Forgets the notifications up to this number.
    pub(super) fn forget(&mut self, number: u64) {
        while self.oldest() <= number && self.history.pop_front().is_some() {}
        let gone = self.noted.partition_point(|noted| *noted <= number);
        self.noted.drain(..gone);
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.acks.is_empty() && self.history.is_empty()
    }

    /// Those with a note on the lock screen, and their numbers, in ascending order.
    pub(super) fn noted(
        &self,
    ) -> impl DoubleEndedIterator<Item = (u64, &Received)> + ExactSizeIterator + use<'_> {
        let noted = self.noted.iter();
        noted.map(|number| (*number, &self.history[self.place(*number)].received))
    }

    /// Takes a note off the lock screen.
    pub(super) fn take_note(&mut self, number: u64) -> Option<&Received> {
        let at = self.noted.binary_search(&number).ok()?;
        self.noted.remove(at);
        Some(&self.history[self.place(number)].received)
    }

    /// Takes all of an app's notes off the lock screen.
    pub(super) fn forget_notes(&mut self, topic: &str) {
        self.retain_notes(|kept| kept.received.topic.as_deref() != Some(topic));
    }

    fn retain_notes(&mut self, keeps: impl Fn(&Kept) -> bool) {
        let mut noted = std::mem::take(&mut self.noted);
        noted.retain(|number| keeps(&self.history[self.place(*number)]));
        self.noted = noted;
    }

    fn keep(&mut self, number: u64, received: Received, collapse_id: Option<Box<[u8]>>) {
        if self.history.len() == HISTORY_MAX {
            self.forget(self.oldest());
        }
        // Most phones receive little: the first has room for itself alone.
        if self.history.capacity() == 0 {
            self.history.reserve_exact(1);
        }
        self.history.push_back(Kept {
            received,
            collapse_id,
        });
        self.newest = number;
    }

    /// The number of the oldest notification there is.
    fn oldest(&self) -> u64 {
        self.newest + 1 - self.history.len() as u64
    }

    /// Where in the history one with a note is.
    fn place(&self, number: u64) -> usize {
        usize::try_from(number - self.oldest()).unwrap_or(usize::MAX)
    }
}

/// The message ids seen, as runs from first to last, in ascending order and with gaps between them. APNs counts upwards: mostly there is one run,
/// which an id makes longer.
#[derive(Debug, Default)]
pub(super) struct Recent(SmallVec<[(u32, u32); 1]>);

impl Recent {
    /// `false` when it was seen before.
    pub(super) fn insert(&mut self, id: [u8; 4]) -> bool {
        let (runs, id) = (&mut self.0, u32::from_be_bytes(id));
        let at = runs.partition_point(|(_, last)| *last < id);
        let follows = |run: &(u32, u32)| run.1.checked_add(1) == Some(id);
        let lengthens = at.checked_sub(1).filter(|at| follows(&runs[*at]));
        match runs.get(at).copied() {
            Some((first, _)) if first <= id => return false,
            // It closes the gap, or is in front of the next run.
            Some((first, last)) if first - 1 == id => match lengthens {
                Some(before) => {
                    runs[before].1 = last;
                    runs.remove(at);
                }
                None => runs[at].0 = id,
            },
            _ => match lengthens {
                Some(before) => runs[before].1 = id,
                None => runs.insert(at, (id, id)),
            },
        }
        // APNs counts upwards, so the oldest are in front.
        if runs.len() > RUNS_MAX {
            runs.drain(..RUNS_MAX / 2);
        }
        true
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_is_new_once_in_whatever_order_they_come(
            ids in proptest::collection::vec(prop_oneof![0_u32..20, u32::MAX - 20..=u32::MAX], 0..100),
        ) {
            let (mut recent, mut seen) = (Recent::default(), HashSet::new());
            for id in ids {
                prop_assert_eq!(recent.insert(id.to_be_bytes()), seen.insert(id), "{}", id);
                let apart = recent.0.is_sorted_by(|(_, last), (first, _)| last + 1 < *first);
                prop_assert!(apart, "{:?}", recent);
            }
        }
    }

    #[test]
    fn ids_that_count_upwards_are_one_run() {
        let mut recent = Recent::default();
        assert!((1..=100_000_u32).all(|id| recent.insert(id.to_be_bytes())));
        assert_eq!(recent.0[..], [(1, 100_000)]);
    }

    #[test]
    fn ids_that_leave_gaps_are_bounded_and_the_newest_are_known() {
        let mut recent = Recent::default();
        let last = 4 * RUNS_MAX as u32;
        assert!(
            (0..=last)
                .step_by(2)
                .all(|id| recent.insert(id.to_be_bytes()))
        );
        assert!(recent.0.len() <= RUNS_MAX);
        assert!(!recent.insert(last.to_be_bytes()));
    }
}
