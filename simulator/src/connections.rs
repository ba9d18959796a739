//! The connections to one world: who is at the other end, since when, and what each has carried. As many as the listeners let in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use apns_net::credentials::Environment;
use tokio_util::sync::CancellationToken;

use crate::faults::Face;
use crate::shared::Shared;
use crate::world::Provider;

/// Who is at the other end.
#[derive(Debug, Clone)]
pub(crate) enum Who {
    /// Of a provider port.
    Provider {
        face: Face,
        /// Its certificate's.
        topic: Option<Arc<str>>,
        /// By which faults tell the connections of a face from each other.
        number: u64,
    },
    /// Of the courier.
    Phone { device: Arc<str> },
}

impl Who {
    pub(crate) fn provider(face: Face, provider: &Provider, number: u64) -> Self {
        Self::Provider {
            face,
            topic: Some(provider.topic().into()),
            number,
        }
    }

    /// Over HTTP/2; with a provider token there is no topic.
    pub(crate) fn caller(topic: Option<&str>, number: u64) -> Self {
        Self::Provider {
            face: Face::Http2,
            topic: topic.map(Into::into),
            number,
        }
    }
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Of this world, from 1.
    pub(crate) id: u64,
    pub(crate) who: Who,
    pub(crate) environment: Environment,
    pub(crate) peer: SocketAddr,
    /// By the project's clock.
    pub(crate) since: SystemTime,
    notifications: AtomicU64,
    stop: CancellationToken,
}

impl Connection {
    /// How many notifications it has carried.
    pub(crate) fn notifications(&self) -> u64 {
        self.notifications.load(Ordering::Relaxed)
    }
}

/// All that are open.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    open: BTreeMap<u64, Arc<Connection>>,
    last: u64,
}

impl Connections {
    pub(crate) fn len(&self) -> usize {
        self.lock().open.len()
    }

    /// In the order they came.
    pub(crate) fn all(&self) -> Vec<Arc<Connection>> {
        self.lock().open.values().cloned().collect()
    }

    /// Has one end; says whether there was one.
    pub(crate) fn close(&self, id: u64) -> bool {
        let connection = self.lock().open.get(&id).cloned();
        let Some(connection) = connection else {
            return false;
        };
        connection.stop.cancel();
        true
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection is listed as long as this lives.
#[derive(Debug)]
pub(crate) struct Presence {
    shared: Arc<Shared>,
    connection: Arc<Connection>,
}

impl Presence {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        who: Who,
        environment: Environment,
        peer: SocketAddr,
    ) -> Self {
        let since = shared.now();
        let mut inner = shared.connections().lock();
        inner.last += 1;
        let connection = Arc::new(Connection {
            id: inner.last,
            who,
            environment,
            peer,
            since,
            notifications: AtomicU64::new(0),
            stop: shared.stop().child_token(),
        });
        inner.open.insert(connection.id, connection.clone());
        drop(inner);
        Self {
            shared: shared.clone(),
            connection,
        }
    }

    /// Is cancelled when the connection is to end, alone or with its world.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.connection.stop
    }

    /// It belongs to another world from now on, where `who` is at its other end.
    pub(crate) fn move_to(&mut self, shared: &Arc<Shared>, who: Who) {
        let Connection {
            environment, peer, ..
        } = *self.connection;
        *self = Self::new(shared, who, environment, peer);
    }

    /// So many notifications more went through.
    pub(crate) fn carried(&self, notifications: u64) {
        self.connection
            .notifications
            .fetch_add(notifications, Ordering::Relaxed);
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut inner = self.shared.connections().lock();
        inner.open.remove(&self.connection.id);
    }
}
