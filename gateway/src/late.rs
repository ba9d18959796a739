//! Open connections, where what became of their newest notification can still be told (order contract, rules 4 and 8).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::contract::Late;

/// Every open connection of the daemon.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenConnections(Arc<Mutex<HashMap<u64, watch::Sender<Option<Late>>>>>);

/// A connection's place among the open ones, until it is dropped.
#[derive(Debug)]
pub(crate) struct Registered {
    open: OpenConnections,
    connection: u64,
    late: watch::Receiver<Option<Late>>,
}

impl OpenConnections {
    /// Opens a connection's ear.
    pub(crate) fn register(&self, connection: u64) -> Registered {
        let (sender, late) = watch::channel(None);
        self.lock().insert(connection, sender);
        Registered {
            open: self.clone(),
            connection,
            late,
        }
    }

    /// Tells a connection, if it is still open. Only the newest is worth telling: an answer about any other would call back
    /// what was accepted behind it.
    pub(crate) fn tell(&self, late: Late) {
        if let Some(sender) = self.lock().get(&late.connection) {
            sender.send_if_modified(|known| {
                let newer = known.is_none_or(|known| known.seq < late.seq);
                if newer {
                    *known = Some(late);
                }
                newer
            });
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, watch::Sender<Option<Late>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registered {
    /// The newest word on one of its notifications, once there is one that was not returned before.
    pub(crate) async fn late(&mut self) -> Late {
        loop {
            self.late
                .changed()
                .await
                .expect("the sender lives as long as the registration");
            if let Some(late) = *self.late.borrow_and_update() {
                return late;
            }
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.open.lock().remove(&self.connection);
    }
}

#[cfg(test)]
mod tests {
    use apns_proto::Status;

    use super::*;

    fn late(connection: u64, seq: u64) -> Late {
        Late {
            connection,
            seq,
            status: Some(Status::INVALID_TOKEN),
        }
    }

    #[tokio::test]
    async fn a_connection_hears_of_its_newest_notification_only() {
        let open = OpenConnections::default();
        let mut one = open.register(1);
        let _other = open.register(2);
        for seq in [4, 7, 5] {
            open.tell(late(1, seq));
        }
        open.tell(late(2, 9));
        open.tell(late(3, 9));
        assert_eq!(one.late().await, late(1, 7));
        open.tell(late(1, 8));
        assert_eq!(one.late().await, late(1, 8));
    }

    #[test]
    fn a_connection_that_ended_is_forgotten() {
        let open = OpenConnections::default();
        let one = open.register(1);
        assert_eq!(open.len(), 1);
        drop(one);
        assert_eq!(open.len(), 0);
        open.tell(late(1, 1));
    }
}
