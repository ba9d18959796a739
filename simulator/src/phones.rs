//! Virtual phones that live beside a world: whatever concerns one of them reaches it, and its answer the world, before anybody else looks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use apns_net::credentials::Environment;
use slab::Slab;

use crate::app_server::Registry;
use crate::event::DeviceId;
use crate::phone::{Bundle, Phone, PhoneEvent};
use crate::pool::Pool;
use crate::virtual_phone::VirtualPhone;
use crate::world::{ConnectionId, DeviceRefused, World};

/// The phones of one world.
#[derive(Debug)]
pub(crate) struct Phones {
    phones: Slab<VirtualPhone>,
    /// Where they are, by their names.
    named: BTreeMap<Arc<str>, usize>,
    /// And by their numbers in the world; `usize::MAX` is nowhere. One that is out of service may be named still.
    places: Vec<usize>,
    bundles: Pool<Bundle>,
    /// What they remember, oldest first: the phone, by its number in the world, and the notification, by its number on the phone.
    remembered: VecDeque<(DeviceId, u64)>,
    remembered_max: usize,
    backend: Backend,
}

/// The app server of a project's phones, once there is one, and the environment it pushes in. It outlives the worlds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Backend(Arc<OnceLock<(Environment, Registry)>>);

impl Backend {
    /// From now on the apps of this environment hand in their tokens there. The first one stays.
    pub(crate) fn set(&self, environment: Environment, registry: Registry) {
        // Nobody starts two.
        let _ = self.0.set((environment, registry));
    }

    fn registry(&self, environment: Environment) -> Option<&Registry> {
        let (its, registry) = self.0.get()?;
        (*its == environment).then_some(registry)
    }
}

/// Why there is no such new phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddPhoneError {
    /// The name is taken.
    #[error("there is a phone of this name already")]
    Exists,
    /// The world is full.
    #[error(transparent)]
    Refused(#[from] DeviceRefused),
    /// Its app got no token.
    #[error(
        "the app got no device token: its topic is empty, or there is no room for another token"
    )]
    NoToken,
}

/// Why nothing was done to a phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OnPhoneError {
    /// It is not there.
    #[error("there is no phone of this name")]
    NoSuchPhone,
    /// It wants a connection and the world is full.
    #[error(transparent)]
    Refused(#[from] DeviceRefused),
}

impl Phones {
    pub(crate) fn new(backend: Backend, remembered_max: usize) -> Self {
        Self {
            phones: Slab::new(),
            named: BTreeMap::new(),
            places: Vec::new(),
            bundles: Pool::default(),
            remembered: VecDeque::new(),
            remembered_max,
            backend,
        }
    }

    /// Takes a phone into service. Nobody has seen it before, whatever its name.
    pub(crate) fn add(
        &mut self,
        now: SystemTime,
        world: &mut World,
        mut phone: Phone,
        environment: Environment,
    ) -> Result<(), AddPhoneError> {
        if self.named.contains_key(phone.name()) {
            return Err(AddPhoneError::Exists);
        }
        let name = phone.shared_name();
        phone.share(&mut self.bundles);
        phone.unwatched();
        let at = self.phones.insert(VirtualPhone::new(phone, environment));
        self.pump(now, world, at).inspect_err(|_| {
            self.phones.remove(at);
        })?;
        self.named.insert(name, at);
        Ok(())
    }

    /// Takes a phone out of service: it hangs up, and is gone.
    pub(crate) fn remove(&mut self, now: SystemTime, world: &mut World, name: &str) -> bool {
        let Some(at) = self.named.remove(name) else {
            return false;
        };
        let mut phone = self.phones.remove(at);
        phone.drop_line(now, world);
        true
    }

    pub(crate) fn get(&self, name: &str) -> Option<&VirtualPhone> {
        self.phones.get(*self.named.get(name)?)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &VirtualPhone> {
        self.named.values().filter_map(|at| self.phones.get(*at))
    }

    /// Does something to a phone; what follows from it has happened when this returns. `None`: there is no such phone.
    ///
    /// # Errors
    ///
    /// When the phone wants a connection and the world has no room for it.
    pub(crate) fn act<T>(
        &mut self,
        now: SystemTime,
        world: &mut World,
        name: &str,
        act: impl FnOnce(&mut Phone) -> T,
    ) -> Option<Result<T, DeviceRefused>> {
        let at = *self.named.get(name)?;
        let phone = &mut self.phones.get_mut(at)?.phone;
        let done = act(phone);
        phone.share(&mut self.bundles);
        Some(self.pump(now, world, at).map(|()| done))
    }

    /// There is something in the outbox of this connection, if it is one of ours.
    pub(crate) fn wake(&mut self, now: SystemTime, world: &mut World, connection: ConnectionId) {
        let Some(&at) = self.places.get(connection.device().index()) else {
            return;
        };
        let its = self.phones.get(at).and_then(VirtualPhone::connection);
        if its == Some(connection) {
            // It has a connection, so the world has had room for it.
            let _ = self.pump(now, world, at);
        }
    }

    fn pump(&mut self, now: SystemTime, world: &mut World, at: usize) -> Result<(), DeviceRefused> {
        let Some(phone) = self.phones.get_mut(at) else {
            return Ok(());
        };
        let (before, heard) = (phone.connection(), phone.phone.received_count());
        let pumped = phone.pump(now, world);
        let events = phone.phone.take_events();
        if let Some(registry) = self.backend.registry(phone.environment()) {
            for event in events {
                if let PhoneEvent::DidRegister { topic, token } = event {
                    registry.register(&topic, &token);
                }
            }
        }
        let (after, device) = (phone.connection(), phone.device());
        let remembers = heard + 1..=phone.phone.received_count();
        if let Some(device) = device {
            self.remembered
                .extend(remembers.map(|number| (device, number)));
        }
        if let Some(connection) = after
            && before != after
        {
            let device = connection.device().index();
            if self.places.len() <= device {
                self.places.resize(device + 1, usize::MAX);
            }
            self.places[device] = at;
        }
        self.forget();
        pumped
    }

    /// The oldest of what they remember makes room.
    fn forget(&mut self) {
        while self.remembered.len() > self.remembered_max {
            if let Some((device, number)) = self.remembered.pop_front()
                && let Some(&at) = self.places.get(device.index())
                && let Some(phone) = self.phones.get_mut(at)
                && phone.device() == Some(device)
            {
                phone.phone.forget(number);
            }
        }
    }
}
