//! What APNs does with what phones say on the courier connection.

use std::sync::Arc;
use std::time::SystemTime;

use apns_net::credentials::{Environment, Pin};
use apns_proto::Token;
use apns_proto::courier::{Message, Status};
use apns_proto::feedback::Tuple;

use super::delivery::Keep;
use super::device::{DeviceEntry, Line};
use super::registrations::Seed;
use super::{ConnectionId, DeviceId, Provider, World, unix_seconds};
use crate::event::{Dropped, Offline, What};

/// Answers that wait to be written on one connection; a phone that asks and does not read is given up.
const ANSWERS_MAX: usize = 1_000;

/// The world has [`devices_max`](super::Bounds::devices_max) phones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no room for another phone")]
pub struct DeviceRefused;

/// A phone said something out of place: its connection is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CourierFault {
    /// Connect comes first, and once.
    #[error("it must say Connect [C-03] before anything else")]
    NotConnected,
    /// Connect comes once.
    #[error("it said Connect [C-03] twice")]
    ConnectedTwice,
    /// An acknowledgement of something that is not on its way.
    #[error("it acknowledged [C-07] {} which was not sent, or twice", id_text(.0))]
    NotSent([u8; 4]),
    /// It asks, and does not read the answers.
    #[error("it does not read its answers")]
    AnswersUnread,
    /// Only servers say this.
    #[error("it said what only a server says")]
    ServerMessage,
}

impl World {
    /// A phone's TLS connection stands. `pin` is its certificate's: a phone is known by it.
    ///
    /// # Errors
    ///
    /// When the world has no room for another phone.
    pub fn connect(
        &mut self,
        now: SystemTime,
        pin: Pin,
        name: impl Into<Arc<str>>,
        environment: Environment,
    ) -> Result<ConnectionId, DeviceRefused> {
        let device = match self.by_certificate.get(&(pin, environment)) {
            Some(known) => *known,
            None => {
                let device = self.admit(now, name, environment)?;
                self.by_certificate.insert((pin, environment), device);
                device
            }
        };
        Ok(self.dial(device))
    }

    /// A phone that nobody has seen before and that has no certificate: its driver knows it by its id.
    ///
    /// # Errors
    ///
    /// When the world has no room for another phone.
    pub fn admit(
        &mut self,
        now: SystemTime,
        name: impl Into<Arc<str>>,
        environment: Environment,
    ) -> Result<DeviceId, DeviceRefused> {
        self.expire(now);
        let room = self.devices.len() < self.bounds.devices_max;
        let id = u32::try_from(self.devices.len()).ok().filter(|_| room);
        let Some(id) = id.map(DeviceId) else {
            self.events
                .record(now, What::DeviceRefused { name: name.into() });
            return Err(DeviceRefused);
        };
        self.devices
            .push(DeviceEntry::new(id, name.into(), environment));
        Ok(id)
    }

    /// A connection of a phone that was [admitted](Self::admit).
    pub fn dial(&mut self, device: DeviceId) -> ConnectionId {
        let entry = self.device_mut(device);
        entry.connections = entry.connections.wrapping_add(1);
        let connection = ConnectionId {
            device,
            number: entry.connections,
        };
        self.dialling.insert(connection);
        connection
    }

    /// Whether it has not been given up.
    fn is_open(&self, connection: ConnectionId) -> bool {
        let line = self.device(connection.device).line.as_ref();
        line.is_some_and(|line| line.connection == connection)
            || self.dialling.contains(&connection)
    }

    /// A phone says something. What there is to answer is the [next message](Self::next_message) then.
    ///
    /// # Errors
    ///
    /// When it is out of place. The connection has been given up: write what is in the outbox no more, hang up.
    pub fn receive(
        &mut self,
        now: SystemTime,
        connection: ConnectionId,
        message: Message,
    ) -> Result<(), CourierFault> {
        self.expire(now);
        if !self.is_open(connection) {
            return Ok(()); // It has been given up already; the face will see.
        }
        let id = connection.device;
        let said = self.said(now, connection, id, message).and_then(|()| {
            let line = self.device_mut(id).line_mut(connection);
            match line.map_or(0, |line| line.unsaid()) {
                0..=ANSWERS_MAX => Ok(()),
                _ => Err(CourierFault::AnswersUnread),
            }
        });
        if let Err(fault) = said {
            let (device, why) = (self.device(id).public(), fault.to_string());
            self.events.record(now, What::CourierFault { device, why });
            self.disconnect(now, connection, Offline::Fault);
        }
        said
    }

    /// What is to be written on a connection next. When there is nothing, ask whether that [was all](Self::hangs_up).
    pub fn next_message(&mut self, connection: ConnectionId) -> Option<Message> {
        let line = self.devices[connection.device.index()].line_mut(connection)?;
        line.next_message(&mut self.spare)
    }

    /// Whether a connection on which there is nothing to write is to be closed.
    #[must_use]
    pub fn hangs_up(&self, connection: ConnectionId) -> bool {
        let line = self.device(connection.device).line.as_ref();
        match line.filter(|line| line.connection == connection) {
            Some(line) => line.closing && line.is_drained(),
            // Before Connect there is nothing to say; a connection given up is to be closed.
            None => !self.dialling.contains(&connection),
        }
    }

    /// A connection is gone, or is given up. What was on its way and not acknowledged is kept, as far as an offline phone's would be [C-17].
    pub fn disconnect(&mut self, now: SystemTime, connection: ConnectionId, why: Offline) {
        self.expire(now);
        self.dialling.remove(&connection);
        let id = connection.device;
        let line = &mut self.device_mut(id).line;
        let Some(line) = line.take_if(|line| line.connection == connection) else {
            return;
        };
        // A phone that was sent away [C-18] never was online.
        if !line.closing {
            let device = self.device(id).public();
            self.events.record(now, What::Offline { device, why });
        }
        for mut item in line.into_items() {
            item.storage = None;
            let keep = match self.registrations.get(&item.token) {
                None => Keep::No(Dropped::TokenForgotten),
                Some(registration) if registration.gone.is_some() => Keep::No(Dropped::AppGone),
                Some(_) => Keep::of(item.expiry.map(|expiry| expiry.0), now),
            };
            match keep {
                Keep::No(why) => self.drop_item(now, id, &item, why),
                Keep::Yes
                    if self.stored.len() >= self.bounds.stored_max
                        && !self.stored.contains_key(&item.token) =>
                {
                    self.drop_item(now, id, &item, Dropped::NoRoom);
                }
                Keep::Yes => self.store(now, id, item),
            }
        }
        self.wake_waiting(id);
    }

    /// A phone that does not take what is queued for it counts as gone; its face hangs up.
    pub fn give_up(&mut self, now: SystemTime, device: DeviceId) {
        if let Some(line) = &self.device(device).line {
            let connection = line.connection;
            self.wake_courier(device);
            self.disconnect(now, connection, Offline::Stalled);
        }
    }

    fn said(
        &mut self,
        now: SystemTime,
        connection: ConnectionId,
        id: DeviceId,
        message: Message,
    ) -> Result<(), CourierFault> {
        let connected = self.device_mut(id).line_mut(connection).is_some();
        match message {
            Message::Connect { .. } if connected => return Err(CourierFault::ConnectedTwice),
            Message::Connect { token, .. } => self.says_hello(now, connection, id, token),
            Message::Unknown(_) => {} // Phones may say more than this world knows.
            _ if !connected => return Err(CourierFault::NotConnected),
            Message::FilterTopics {
                token,
                enabled: _,
                ignored,
            } => {
                let device = self.device_mut(id);
                if device.has_base(&token) {
                    device.ignore(ignored);
                }
            }
            Message::KeepAlive => self.say(id, Message::KeepAliveAck),
            Message::ScopedToken { base, topic, app } => {
                let app = String::from_utf8_lossy(&app).into();
                let answer = self.register(now, id, &base, topic, app);
                self.say(id, answer);
            }
            Message::Ack {
                id: sent,
                status,
                token: _,
            } => self.acknowledged(now, id, sent, status)?,
            Message::ConnectAck { .. }
            | Message::Notification { .. }
            | Message::KeepAliveAck
            | Message::ScopedTokenAck { .. } => return Err(CourierFault::ServerMessage),
        }
        Ok(())
    }

    fn say(&mut self, id: DeviceId, message: Message) {
        if let Some(line) = &mut self.devices[id.index()].line {
            line.say(message, &mut self.spare);
            self.wake_courier(id);
        }
    }

    /// Connect [C-03]: gives the phone its base token, or has it come again without the one it has [C-18].
    fn says_hello(
        &mut self,
        now: SystemTime,
        connection: ConnectionId,
        id: DeviceId,
        presented: Option<Token>,
    ) {
        if let Some(line) = &self.device(id).line {
            let older = line.connection;
            self.wake_courier(id);
            self.disconnect(now, older, Offline::Replaced);
        }
        self.dialling.remove(&connection);
        let device = self.device(id).public();
        self.device_mut(id).line = Some(Line::new(connection));
        let (status, issued) = match presented {
            Some(token) if !self.device(id).has_base(&token) => {
                self.events.record(
                    now,
                    What::BaseTokenRefused {
                        device: device.clone(),
                        token,
                    },
                );
                (Status::BAD_TOKEN, None)
            }
            Some(_) => (Status::OK, None),
            None => {
                let seed = self.new_base();
                let token = seed.token();
                let what = What::BaseTokenIssued {
                    device: device.clone(),
                    token: token.clone(),
                };
                self.events.record(now, what);
                let entry = self.device_mut(id);
                entry.base = Some(seed);
                entry.base_tokens += 1;
                entry.ignore(Vec::new());
                (Status::OK, Some(token))
            }
        };
        self.say(
            id,
            Message::ConnectAck {
                status,
                token: issued,
            },
        );
        if status != Status::OK {
            if let Some(line) = &mut self.device_mut(id).line {
                line.closing = true;
            }
            return;
        }
        let stored = self.send_stored(id);
        self.events.record(now, What::Online { device, stored });
    }

    /// Puts what was kept on its way, oldest first, the last one marked [C-06].
    fn send_stored(&mut self, id: DeviceId) -> usize {
        let registrations = self.registrations.of(self.device(id));
        let tokens: Vec<_> = registrations.map(|it| it.seed.token()).collect();
        let mut items: Vec<_> = tokens
            .iter()
            .filter_map(|token| self.unstore(id, token))
            .collect();
        items.sort_by_key(|item| item.push);
        let len = items.len();
        for (n, mut item) in items.into_iter().enumerate() {
            item.storage = Some(if n + 1 == len { 2 } else { 1 });
            self.devices[id.index()].queue(item, &mut self.spare);
        }
        len
    }

    fn new_base(&mut self) -> Seed {
        loop {
            if let Some(seed) = Seed::new(self.rng.u64(..)) {
                return seed;
            }
        }
    }

    /// Ack [C-07]: the notification arrived, or had nowhere to arrive [C-08].
    fn acknowledged(
        &mut self,
        now: SystemTime,
        id: DeviceId,
        sent: [u8; 4],
        status: Status,
    ) -> Result<(), CourierFault> {
        let device = self.device(id).public();
        let line = self.devices[id.index()].line.as_mut();
        let item = line
            .and_then(|line| line.acknowledged(sent, &mut self.spare))
            .ok_or(CourierFault::NotSent(sent))?;
        self.wake_waiting(id);
        match status {
            Status::OK => {
                let what = What::Delivered {
                    push: item.push,
                    device,
                    topic: item.topic,
                    token: item.token,
                };
                self.events.record(now, what);
            }
            Status::APP_GONE => match self.registrations.get_mut(&item.token) {
                Some(registration) if registration.since > item.push => {
                    self.drop_item(now, id, &item, Dropped::RegisteredSince);
                }
                Some(registration) if registration.gone.is_none() => {
                    registration.gone = Some(now);
                    let timestamp = u32::try_from(unix_seconds(now)).unwrap_or(u32::MAX);
                    let what = What::AppGone {
                        push: item.push,
                        device,
                        topic: item.topic.clone(),
                        token: item.token.clone(),
                        timestamp,
                    };
                    self.events.record(now, what);
                    self.list(
                        now,
                        id,
                        item.topic,
                        Tuple {
                            timestamp,
                            token: item.token,
                        },
                    );
                }
                _ => self.drop_item(now, id, &item, Dropped::AppGone),
            },
            Status(other) => self.drop_item(now, id, &item, Dropped::Refused(other)),
        }
        Ok(())
    }

    /// Puts a token on its app's feedback list [P-54].
    fn list(&mut self, now: SystemTime, id: DeviceId, topic: Arc<str>, tuple: Tuple) {
        let environment = self.device(id).environment;
        let provider = Provider::new(topic.clone(), environment);
        if let Some(forgotten) = self.feedback.add(provider, tuple, self.bounds.feedback_max) {
            self.events.record(
                now,
                What::FeedbackForgotten {
                    topic,
                    environment,
                    token: forgotten.token,
                },
            );
        }
    }
}

fn id_text(id: &[u8; 4]) -> String {
    data_encoding::HEXLOWER.encode(id)
}
