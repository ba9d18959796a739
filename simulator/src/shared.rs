//! The world as its faces share it: under one lock, and with a way to be told when it changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use apns_net::credentials::{CertificateInfo, Environment};
use tokio::sync::{Notify, watch};
use tracing::{Level, debug, enabled, info};

use crate::event::Offline;
use crate::faults::Injection;
use crate::inbox::Inbox;
use crate::phones::Phones;
use crate::world::{Bounds, ConnectionId, DeviceRefused, Provider, Wake, World};

/// Events the inbox takes at a time; the faces go on in between.
const PAGE_LEN: usize = 1_000;

/// The world and who waits for it.
#[derive(Debug)]
pub(crate) struct Shared {
    environment: Environment,
    inner: Mutex<Inner>,
    /// Put together from the events when somebody looks.
    inbox: Mutex<Inbox>,
    /// Changes when some phone has room again.
    room: watch::Sender<()>,
    /// The newest event.
    newest: watch::Sender<u64>,
    /// How often the faults were changed.
    faults: watch::Sender<u64>,
}

#[derive(Debug)]
struct Inner {
    world: World,
    phones: Phones,
    couriers: HashMap<ConnectionId, Arc<Notify>>,
    /// The newest event that is in the log.
    logged: u64,
}

impl Inner {
    /// Wakes whom something concerns; whether some phone has room again.
    fn wake(&mut self, now: SystemTime) -> bool {
        let mut room = false;
        loop {
            let wakes = self.world.take_wakes();
            if wakes.is_empty() {
                return room;
            }
            for wake in wakes {
                match wake {
                    Wake::Courier(connection) => match self.couriers.get(&connection) {
                        Some(courier) => courier.notify_one(),
                        // A virtual phone answers at once, which may wake others.
                        None => self.phones.wake(now, &mut self.world, connection),
                    },
                    Wake::Room(_) => room = true,
                }
            }
        }
    }
}

impl Shared {
    pub(crate) fn new(environment: Environment, bounds: Bounds, seed: u64) -> Self {
        Self {
            environment,
            inner: Mutex::new(Inner {
                world: World::new(bounds, seed),
                phones: Phones::default(),
                couriers: HashMap::new(),
                logged: 0,
            }),
            inbox: Mutex::default(),
            room: watch::Sender::new(()),
            newest: watch::Sender::new(0),
            faults: watch::Sender::new(0),
        }
    }

    /// Shows the world a batch, whole under one lock, and wakes whom that concerns.
    pub(crate) fn with<T>(&self, batch: impl FnOnce(&mut World, SystemTime) -> T) -> T {
        self.with_phones(|world, _, now| batch(world, now))
    }

    /// The same, with the virtual phones that live beside the world.
    pub(crate) fn with_phones<T>(
        &self,
        batch: impl FnOnce(&mut World, &mut Phones, SystemTime) -> T,
    ) -> T {
        let mut guard = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *guard;
        let now = SystemTime::now();
        let done = batch(&mut inner.world, &mut inner.phones, now);
        let room = inner.wake(now);
        let newest = inner.world.newest_event();
        let happened = if newest > inner.logged && enabled!(Level::DEBUG) {
            inner.world.events(inner.logged, usize::MAX).events
        } else {
            Vec::new()
        };
        inner.logged = newest;
        let revision = inner.world.faults().revision();
        // Nobody waits for the world while a line is written.
        drop(guard);
        for event in happened {
            debug!("{event}");
        }
        if room {
            self.room.send_replace(());
        }
        self.newest
            .send_if_modified(|known| newest > std::mem::replace(known, newest.max(*known)));
        self.faults
            .send_if_modified(|known| revision > std::mem::replace(known, revision.max(*known)));
        done
    }

    /// Ends when a fault, given while a connection is open, is about its certificate.
    pub(crate) async fn certificate_refused(&self, topic: &str, connection: u64) {
        let mut faults = self.faults.subscribe();
        // The world outlives its faces, so this does not fail.
        while faults.changed().await.is_ok() {
            let refused = self.with(|world, now| world.inject_certificate(now, topic, connection));
            if let Some(Injection { fault, action }) = refused {
                info!(
                    fault = &*fault,
                    action = action.name(),
                    "closing: the certificate is refused by now"
                );
                return;
            }
        }
    }

    /// The project's name.
    pub(crate) const fn name(&self) -> &str {
        apns_certs::DEFAULT_TEAM
    }

    /// What time it is in it.
    pub(crate) fn now(&self) -> SystemTime {
        self.with(|_, now| now)
    }

    /// Looks into the inbox, which holds every push up to now.
    pub(crate) fn inbox<T>(&self, look: impl FnOnce(&Inbox) -> T) -> T {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let page = self.with(|world, _| world.events(inbox.seen(), PAGE_LEN));
            let last = page.events.len() < PAGE_LEN;
            inbox.take(page);
            if last {
                return look(&inbox);
            }
        }
    }

    /// Changes when some phone, perhaps another than the one waited for, has room again.
    pub(crate) fn room(&self) -> watch::Receiver<()> {
        self.room.subscribe()
    }

    /// The newest event.
    pub(crate) fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// The environment of these listeners.
    pub(crate) const fn environment(&self) -> Environment {
        self.environment
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
