//! Whose turn it is to read a list: one connection of a backend at a time.
//!
//! A backend that closes and reads again at once may be quicker than the cursor: then its second read waits until the first has
//! moved it, and does not get the same tuples twice.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::store::AppId;

/// Who reads, of all backends. At most one entry per connection.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    reading: Mutex<HashSet<Reader>>,
    left: Notify,
}

type Reader = (AppId, Arc<str>);

/// A backend's turn, over when dropped.
pub(super) struct Turn<'a> {
    readers: &'a Readers,
    reader: Reader,
}

impl Readers {
    /// Waits until no other connection of the backend reads, for `patience` at most; none: one still does.
    pub(super) async fn turn(
        &self,
        app: AppId,
        backend: &Arc<str>,
        patience: Duration,
    ) -> Option<Turn<'_>> {
        let reader = (app, Arc::clone(backend));
        let free = async {
            loop {
                // Before the look, so that nobody leaves unheard behind it.
                let left = self.left.notified();
                if self.lock().insert(reader.clone()) {
                    break;
                }
                left.await;
            }
        };
        timeout(patience, free).await.ok()?;
        Some(Turn {
            readers: self,
            reader,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Reader>> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.readers.lock().remove(&self.reader);
        self.readers.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn a_backend_waits_for_itself_and_for_nobody_else() {
        let readers = Readers::default();
        let (app, other_app) = (AppId::fake(1), AppId::fake(2));
        let (one, other): (Arc<str>, Arc<str>) = (Arc::from("one"), Arc::from("other"));
        let first = readers.turn(app, &one, PATIENCE).await.unwrap();
        let _others = [
            readers.turn(app, &other, Duration::ZERO).await.unwrap(),
            readers.turn(other_app, &one, Duration::ZERO).await.unwrap(),
        ];
        let (second, ()) = tokio::join!(readers.turn(app, &one, PATIENCE), async {
            tokio::task::yield_now().await;
            drop(first);
        });
        assert!(second.is_some());
        assert_eq!(readers.lock().len(), 3);
        drop(second);
        assert_eq!(readers.lock().len(), 2, "who does not read is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_their_patience() {
        let readers = Readers::default();
        let (app, one): (_, Arc<str>) = (AppId::fake(1), Arc::from("one"));
        let _first = readers.turn(app, &one, PATIENCE).await.unwrap();
        assert!(readers.turn(app, &one, PATIENCE).await.is_none());
    }
}
