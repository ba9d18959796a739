//! A phone without a socket: messages are handed across between a [`Phone`] and a [`World`], the same ones that a courier connection would carry.

use std::time::SystemTime;

use apns_net::credentials::Environment;

use crate::event::{DeviceId, Offline};
use crate::phone::Phone;
use crate::world::{ConnectionId, DeviceRefused, World};

/// A phone and its place in a world.
#[derive(Debug)]
pub struct VirtualPhone {
    /// The phone; act on it, then [`pump`](Self::pump).
    pub phone: Phone,
    environment: Environment,
    /// None before its first connection.
    device: Option<DeviceId>,
    connection: Option<ConnectionId>,
}

impl VirtualPhone {
    /// A phone that no world has seen before.
    #[must_use]
    pub fn new(phone: Phone, environment: Environment) -> Self {
        Self {
            phone,
            environment,
            device: None,
            connection: None,
        }
    }

    /// Moves messages until neither side has anything to say, connecting and hanging up as the phone wants.
    ///
    /// # Errors
    ///
    /// When the world has no room for the phone.
    pub fn pump(&mut self, now: SystemTime, world: &mut World) -> Result<(), DeviceRefused> {
        loop {
            self.hear(now, world);
            if !self.speak(now, world)? {
                return Ok(());
            }
        }
    }

    /// Moves what the phone has to say, connecting and hanging up as it wants; whether there was anything.
    ///
    /// # Errors
    ///
    /// When the world has no room for the phone.
    pub fn speak(&mut self, now: SystemTime, world: &mut World) -> Result<bool, DeviceRefused> {
        let Some(connection) = self.line(now, world)? else {
            return Ok(false);
        };
        let mut spoke = false;
        while let Some(message) = self.phone.next_message() {
            spoke = true;
            if world.receive(now, connection, message).is_err() {
                break; // The world has hung up; its outbox says so.
            }
        }
        Ok(spoke)
    }

    /// Moves what the world has to say; whether there was anything. What the phone answers waits for [`speak`](Self::speak): a test that breaks the line in
    /// between loses acknowledgements.
    pub fn hear(&mut self, now: SystemTime, world: &mut World) -> bool {
        let Some(connection) = self.connection else {
            return false;
        };
        let mut heard = false;
        while let Some(message) = world.next_message(connection) {
            self.phone.receive(now, message);
            heard = true;
        }
        if world.hangs_up(connection) {
            self.drop_line(now, world);
            heard = true;
        }
        heard
    }

    /// The connection breaks, whoever wants what. The next [`pump`](Self::pump) makes a new one.
    pub fn drop_line(&mut self, now: SystemTime, world: &mut World) {
        if let Some(connection) = self.connection.take() {
            world.disconnect(now, connection, Offline::Closed);
            self.phone.disconnected();
        }
    }

    /// Its connection, while it has one.
    pub(crate) const fn connection(&self) -> Option<ConnectionId> {
        self.connection
    }

    /// Its number in the world, once it has had a connection.
    pub(crate) const fn device(&self) -> Option<DeviceId> {
        self.device
    }

    /// The environment its apps are signed for.
    pub(crate) const fn environment(&self) -> Environment {
        self.environment
    }

    fn line(
        &mut self,
        now: SystemTime,
        world: &mut World,
    ) -> Result<Option<ConnectionId>, DeviceRefused> {
        if !self.phone.keeps_connection() {
            self.drop_line(now, world);
        }
        if !self.phone.wants_connection() {
            return Ok(None);
        }
        if self.connection.is_none() {
            let device = match self.device {
                Some(device) => device,
                None => world.admit(now, self.phone.shared_name(), self.environment)?,
            };
            self.device = Some(device);
            self.connection = Some(world.dial(device));
            self.phone.connected();
        }
        Ok(self.connection)
    }
}
