//! The world as its faces share it: under one lock, and with a way to be told when it changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use apns_net::credentials::{CertificateInfo, Environment};
use tokio::sync::{Notify, watch};
use tracing::{Level, debug, enabled};

use crate::event::Offline;
use crate::world::{Bounds, ConnectionId, DeviceRefused, Provider, Wake, World};

/// The world and who waits for it.
#[derive(Debug)]
pub(crate) struct Shared {
    environment: Environment,
    inner: Mutex<Inner>,
    /// Changes when some phone has room again.
    room: watch::Sender<()>,
    /// The newest event.
    newest: watch::Sender<u64>,
}

#[derive(Debug)]
struct Inner {
    world: World,
    couriers: HashMap<ConnectionId, Arc<Notify>>,
    /// The newest event that is in the log.
    logged: u64,
}

impl Shared {
    pub(crate) fn new(environment: Environment, bounds: Bounds, seed: u64) -> Self {
        Self {
            environment,
            inner: Mutex::new(Inner {
                world: World::new(bounds, seed),
                couriers: HashMap::new(),
                logged: 0,
            }),
            room: watch::Sender::new(()),
            newest: watch::Sender::new(0),
        }
    }

    /// Shows the world a batch, whole under one lock, and wakes whom that concerns.
    pub(crate) fn with<T>(&self, batch: impl FnOnce(&mut World, SystemTime) -> T) -> T {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let done = batch(&mut inner.world, SystemTime::now());
        let mut room = false;
        for wake in inner.world.take_wakes() {
            match wake {
                Wake::Courier(connection) => {
                    if let Some(courier) = inner.couriers.get(&connection) {
                        courier.notify_one();
                    }
                }
                Wake::Room(_) => room = true,
            }
        }
        let newest = inner.world.newest_event();
        let happened = if newest > inner.logged && enabled!(Level::DEBUG) {
            inner.world.events(inner.logged, usize::MAX).events
        } else {
            Vec::new()
        };
        inner.logged = newest;
        // Nobody waits for the world while a line is written.
        drop(inner);
        for event in happened {
            debug!("{event}");
        }
        if room {
            self.room.send_replace(());
        }
        self.newest
            .send_if_modified(|known| newest > std::mem::replace(known, newest.max(*known)));
        done
    }

    /// Changes when some phone, perhaps another than the one waited for, has room again.
    pub(crate) fn room(&self) -> watch::Receiver<()> {
        self.room.subscribe()
    }

    /// The newest event.
    pub(crate) fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Who a certificate is on these listeners. `None`: it names no topic.
    pub(crate) fn provider(&self, certificate: &CertificateInfo) -> Option<Provider> {
        certificate
            .topic
            .as_deref()
            .map(|topic| Provider::new(topic, self.environment))
    }

    /// A phone's connection, and what tells its face that there is something in its outbox.
    pub(crate) fn connect(
        &self,
        certificate: &CertificateInfo,
    ) -> Result<(ConnectionId, Arc<Notify>), DeviceRefused> {
        let connection = self.with(|world, now| {
            world.connect(
                now,
                certificate.pin,
                &certificate.common_name,
                self.environment,
            )
        })?;
        // Before its first message nothing wakes it.
        let woken = Arc::new(Notify::new());
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.couriers.insert(connection, woken.clone());
        Ok((connection, woken))
    }

    pub(crate) fn disconnect(&self, connection: ConnectionId, why: Offline) {
        self.with(|world, now| world.disconnect(now, connection, why));
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.couriers.remove(&connection);
    }
}
