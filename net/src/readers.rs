//! Whose turn it is to read a list that is cleared by reading: one connection per list at a time.
//!
//! A reader that closes and reads again at once may be quicker than we are with clearing: then its second read waits until the first is
//! through, and does not get the same twice.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

/// The lists that are being read, each by one connection.
#[derive(Debug)]
pub struct Readers<L> {
    reading: Mutex<HashSet<L>>,
    left: Notify,
}

/// A turn at a list, over when dropped.
#[derive(Debug)]
pub struct Turn<'a, L: Eq + Hash> {
    readers: &'a Readers<L>,
    list: L,
}

impl<L> Default for Readers<L> {
    fn default() -> Self {
        Self {
            reading: Mutex::default(),
            left: Notify::new(),
        }
    }
}

impl<L: Clone + Eq + Hash> Readers<L> {
    /// Waits until no other connection reads `list`, for `patience` at most; none: one still does.
    pub async fn turn(&self, list: L, patience: Duration) -> Option<Turn<'_, L>> {
        let free = async {
            loop {
                // Before the look, so that nobody leaves unheard behind it.
                let left = self.left.notified();
                if self.lock().insert(list.clone()) {
                    break;
                }
                left.await;
            }
        };
        timeout(patience, free).await.ok()?;
        Some(Turn {
            readers: self,
            list,
        })
    }
}

impl<L> Readers<L> {
    fn lock(&self) -> MutexGuard<'_, HashSet<L>> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L: Eq + Hash> Drop for Turn<'_, L> {
    fn drop(&mut self) {
        self.readers.lock().remove(&self.list);
        self.readers.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn a_reader_waits_for_one_of_the_same_list_and_for_no_other() {
        let readers = Readers::default();
        let first = readers.turn("one", PATIENCE).await.unwrap();
        let _other = readers.turn("other", Duration::ZERO).await.unwrap();
        let (second, ()) = tokio::join!(readers.turn("one", PATIENCE), async {
            tokio::task::yield_now().await;
            drop(first);
        });
        assert!(second.is_some());
        assert_eq!(readers.lock().len(), 2);
        drop(second);
        assert_eq!(readers.lock().len(), 1, "what nobody reads is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_their_patience() {
        let readers = Readers::default();
        let _first = readers.turn("one", PATIENCE).await.unwrap();
        assert!(readers.turn("one", PATIENCE).await.is_none());
    }
}
