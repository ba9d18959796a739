//! A project's world as its faces share it: under one lock with its clock, and with a way to be told when it changes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use apns_net::credentials::{CertificateInfo, Environment};
use apns_net::readers::Readers;
use rustc_hash::FxHashMap;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::{Level, debug, enabled, info};

use crate::clock::Clock;
use crate::connections::Connections;
use crate::event::Offline;
use crate::faults::Injection;
use crate::inbox::Inbox;
use crate::phones::{Backend, Phones};
use crate::world::{ConnectionId, DeviceRefused, Provider, Wake, World};

/// Events the inbox takes at a time; the faces go on in between.
const PAGE_LEN: usize = 1_000;

/// A world, who waits for it, and the connections to it. A reset leaves it to its connections, which are told to end, and puts another
/// in its place: nothing that is still under way reaches the new one.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The project's name.
    project: Arc<str>,
    inner: Mutex<Inner>,
    /// Put together from the events when somebody looks.
    inbox: Mutex<Inbox>,
    /// Changes when some phone has room again.
    room: watch::Sender<()>,
    /// Changes with every event; outlives this world.
    changes: watch::Sender<()>,
    /// How often the faults were changed.
    faults: watch::Sender<u64>,
    connections: Connections,
    feedback_readers: Readers<Provider>,
    /// Ends its connections.
    stop: CancellationToken,
}

/// The world and who lives beside it, under the lock.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) world: World,
    pub(crate) phones: Phones,
    clock: Clock,
    couriers: FxHashMap<ConnectionId, Arc<Notify>>,
    /// Some phone has room again, and nobody has been told.
    room: bool,
    /// The newest event that is in the log.
    logged: u64,
}

impl Inner {
    /// Wakes whom something concerns: a virtual phone answers at once, so that never more than one notification is on its way to it.
    pub(crate) fn wake(&mut self, now: SystemTime) {
        while let Some(wake) = self.world.next_wake() {
            match wake {
                Wake::Courier(connection) => match self.couriers.get(&connection) {
                    Some(courier) => courier.notify_one(),
                    None => self.phones.wake(now, &mut self.world, connection),
                },
                Wake::Room(_) => self.room = true,
            }
        }
    }
}

impl Shared {
    pub(crate) fn new(
        project: Arc<str>,
        world: World,
        backend: Backend,
        changes: watch::Sender<()>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            project,
            inner: Mutex::new(Inner {
                logged: world.newest_event(),
                phones: Phones::new(backend, world.bounds().remembered_max),
                world,
                clock: Clock::default(),
                couriers: FxHashMap::default(),
                room: false,
            }),
            inbox: Mutex::default(),
            room: watch::Sender::new(()),
            changes,
            faults: watch::Sender::new(0),
            connections: Connections::default(),
            feedback_readers: Readers::default(),
            stop,
        }
    }

    /// The project's name.
    pub(crate) fn name(&self) -> &str {
        &self.project
    }

    /// Is cancelled when the connections to this world are to end: the simulator stops, or the project is reset.
    pub(crate) const fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Who reads which feedback list.
    pub(crate) const fn feedback_readers(&self) -> &Readers<Provider> {
        &self.feedback_readers
    }

    /// The connections to this world.
    pub(crate) const fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Shows the world a batch, whole under one lock, and wakes whom that concerns. `now` is the project's.
    pub(crate) fn with<T>(&self, batch: impl FnOnce(&mut World, SystemTime) -> T) -> T {
        self.with_all(|all, now| batch(&mut all.world, now))
    }

    /// The same, with the virtual phones that live beside the world.
    pub(crate) fn with_phones<T>(
        &self,
        batch: impl FnOnce(&mut World, &mut Phones, SystemTime) -> T,
    ) -> T {
        self.with_all(|all, now| batch(&mut all.world, &mut all.phones, now))
    }

    /// The same, for a batch that [wakes](Inner::wake) by itself now and then.
    pub(crate) fn with_all<T>(&self, batch: impl FnOnce(&mut Inner, SystemTime) -> T) -> T {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let now = inner.clock.now(SystemTime::now());
        let done = batch(inner, now);
        inner.wake(now);
        let room = std::mem::take(&mut inner.room);
        let (newest, logged) = (inner.world.newest_event(), inner.logged);
        let happened = if newest > logged && enabled!(Level::DEBUG) {
            inner.world.events(logged, usize::MAX).events
        } else {
            Vec::new()
        };
        inner.logged = newest;
        let revision = inner.world.faults().revision();
        // Nobody waits for the world while a line is written.
        drop(guard);
        for event in happened {
            debug!(project = &*self.project, "{event}");
        }
        if room {
            self.room.send_replace(());
        }
        if newest > logged {
            self.changes.send_replace(());
        }
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

    /// Changes with every event, and when the project is reset.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Changes when some phone, perhaps another than the one waited for, has room again.
    pub(crate) fn room(&self) -> watch::Receiver<()> {
        self.room.subscribe()
    }

    /// What time it is here.
    pub(crate) fn now(&self) -> SystemTime {
        self.clock().now(SystemTime::now())
    }

    pub(crate) fn clock(&self) -> Clock {
        self.lock().clock
    }

    /// Sets the clock. What is due by the new time has happened when this returns.
    pub(crate) fn set_clock<E>(
        &self,
        set: impl FnOnce(&mut Clock, SystemTime) -> Result<(), E>,
    ) -> Result<(), E> {
        let clock = {
            let mut inner = self.lock();
            set(&mut inner.clock, SystemTime::now())?;
            inner.clock
        };
        self.with(|world, now| {
            world.clock_set(now, clock);
            world.expire(now);
        });
        Ok(())
    }

    /// A phone's connection, and what tells its face that there is something in its outbox.
    pub(crate) fn connect(
        &self,
        certificate: &CertificateInfo,
        environment: Environment,
    ) -> Result<(ConnectionId, Arc<Notify>), DeviceRefused> {
        let connection = self.with(|world, now| {
            world.connect(
                now,
                certificate.pin,
                certificate.common_name.as_str(),
                environment,
            )
        })?;
        // Before its first message nothing wakes it.
        let woken = Arc::new(Notify::new());
        self.lock().couriers.insert(connection, woken.clone());
        Ok((connection, woken))
    }

    pub(crate) fn disconnect(&self, connection: ConnectionId, why: Offline) {
        self.with(|world, now| world.disconnect(now, connection, why));
        self.lock().couriers.remove(&connection);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
