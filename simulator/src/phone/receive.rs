//! What a phone does with what APNs sends.

use std::sync::Arc;
use std::time::SystemTime;

use apns_proto::Token;
use apns_proto::courier::{Message, Status, TopicHash};
use bytes::Bytes;

use super::app::{Bundle, RegistrationError};
use super::event::{Outcome, PhoneEvent, Received};
use super::memory::Ack;
use super::payload::Payload;
use super::present::{NotShown, present};
use super::screen::Note;
use super::{Keepalive, Link, Phone};
use crate::provider_api::PushType;

impl Phone {
    /// A message arrived. What a notification carries is kept as it is, and so must not be a slice of a large buffer. On a connection that is not wanted any more nothing is taken: what is not acknowledged is not lost [C-17].
    pub fn receive(&mut self, now: SystemTime, message: Message) {
        match (self.link, message) {
            (Link::Connecting { hello: false }, Message::ConnectAck { status, token }) => {
                self.welcomed(status, token)
            }
            (
                Link::Up { .. },
                Message::Notification {
                    token,
                    topic,
                    payload,
                    id,
                    storage,
                    push_type,
                    collapse_id,
                    ..
                },
            ) => {
                let stored = storage.is_some_and(|flags| flags != 0);
                self.notified(Arrival {
                    at: now,
                    token,
                    topic,
                    payload,
                    id,
                    stored,
                    push_type: push_type.as_deref().and_then(PushType::named),
                    collapse_id,
                });
            }
            (
                Link::Up { .. },
                Message::ScopedTokenAck {
                    status,
                    token,
                    topic,
                },
            ) => self.registered(status, token, topic),
            (Link::Up { filter, .. }, Message::KeepAliveAck) => {
                self.link = Link::Up {
                    filter,
                    keepalive: Keepalive::Quiet,
                }
            }
            // Out of place, or new: APNs may say more than a phone knows.
            _ => {}
        }
    }

    fn welcomed(&mut self, status: Status, token: Option<Token>) {
        if status != Status::OK {
            self.link = Link::Down;
            self.change_base(None);
            self.events.push(PhoneEvent::BaseTokenRefused);
            return;
        }
        if token.is_some() && token != self.base {
            self.change_base(token);
        }
        self.link = Link::Up {
            filter: true,
            keepalive: Keepalive::Quiet,
        };
        self.events.push(PhoneEvent::Online);
    }

    /// Device tokens belong to a base token: with another one every app registers again.
    fn change_base(&mut self, base: Option<Token>) {
        self.base = base;
        self.recent.clear();
        for app in &mut self.apps {
            if app.token.take().is_some() {
                app.owed = true;
            }
            app.ask = app.owed;
        }
    }

    fn registered(&mut self, status: Status, token: Option<Token>, topic: TopicHash) {
        let Some(app) = self
            .apps
            .iter_mut()
            .find(|app| app.bundle.hash == topic && app.owed)
        else {
            return;
        };
        app.owed = false;
        app.ask = false;
        let topic = app.bundle.topic.clone();
        self.events.push(match token {
            Some(token) if status == Status::OK => {
                app.token = Some(token.clone());
                PhoneEvent::DidRegister { topic, token }
            }
            _ => PhoneEvent::DidFail {
                topic,
                error: RegistrationError::refused(status.0),
            },
        });
        self.filter_changed();
        self.note_wish();
    }

    fn notified(&mut self, arrival: Arrival) {
        let app = self
            .apps
            .iter()
            .position(|app| app.bundle.hash == arrival.topic && app.owns(&arrival.token));
        let status = if app.is_some() {
            Status::OK
        } else {
            Status::APP_GONE
        };
        let memory = self.memory.get_or_insert_default();
        memory.acknowledge(Ack {
            token: arrival.token.clone(),
            id: arrival.id,
            status,
        });
        let Some(app) = app else {
            let (received, _) = arrival.became(None, Outcome::AppGone);
            let token = received.token.clone();
            self.received += 1;
            memory.remember(self.received, received);
            self.happened(|| PhoneEvent::AppGone { token });
            return;
        };
        let topic = self.apps[app].bundle.topic.clone();
        if !self.recent.insert(arrival.id) {
            self.happened(|| PhoneEvent::ArrivedTwice { topic });
            return;
        }
        self.received += 1;
        let number = self.received;
        let (outcome, noted) = self.show(app, number, &arrival);
        let (received, collapse_id) = arrival.became(Some(topic), outcome);
        let memory = self.memory.get_or_insert_default();
        if noted {
            memory.remember_noted(number, received, collapse_id);
        } else {
            memory.remember(number, received);
        }
    }

    /// Applies the app's state and the user's settings. `true`: there is to be a note on the lock screen.
    fn show(&mut self, app: usize, number: u64, arrival: &Arrival) -> (Outcome, bool) {
        let bundle = self.apps[app].bundle.clone();
        let topic = || bundle.topic.clone();
        let payload = || arrival.payload.clone();
        let aps = match Payload::parse(&arrival.payload) {
            Ok(Payload::App(aps)) => aps,
            Ok(Payload::DeviceManagement) => {
                self.happened(|| PhoneEvent::DeviceManagementWoken { topic: topic() });
                return (Outcome::DeviceManagement, false);
            }
            Err(error) => return (self.not_shown(&bundle, NotShown::Unreadable(error)), false),
        };
        let presentation = present(aps, arrival.push_type, &self.apps[app]);
        if let Some(why) = presentation.nothing {
            return (self.not_shown(&bundle, why), false);
        }
        if presentation.delegate {
            self.happened(|| PhoneEvent::HandedToDelegate {
                topic: topic(),
                payload: payload(),
            });
            return (Outcome::HandedToDelegate, false);
        }
        let (mut outcome, mut noted) = (Outcome::WokenInBackground, false);
        if let Some(alert) = presentation.alert {
            self.happened(|| {
                PhoneEvent::Shown(Note {
                    number,
                    at: arrival.at,
                    topic: topic(),
                    app: bundle.name.clone(),
                    alert: alert.into_owned(),
                })
            });
            (outcome, noted) = (Outcome::Shown, true);
        }
        if let Some(badge) = presentation.badge {
            if std::mem::replace(&mut self.apps[app].badge, badge) != badge {
                self.happened(|| PhoneEvent::BadgeChanged {
                    topic: topic(),
                    badge,
                });
            }
            outcome = Outcome::Shown;
        }
        if let Some(sound) = presentation.sound {
            self.happened(|| PhoneEvent::SoundPlayed {
                topic: topic(),
                sound: sound.into_owned(),
            });
            outcome = Outcome::Shown;
        }
        if presentation.wake {
            self.happened(|| PhoneEvent::WokenInBackground {
                topic: topic(),
                payload: payload(),
            });
        }
        (outcome, noted)
    }

    fn not_shown(&mut self, bundle: &Bundle, why: NotShown) -> Outcome {
        self.happened(|| PhoneEvent::NotShown {
            topic: bundle.topic.clone(),
            why: why.clone(),
        });
        Outcome::NotShown(why)
    }
}

/// A notification as it came.
struct Arrival {
    at: SystemTime,
    token: Token,
    topic: TopicHash,
    payload: Bytes,
    id: [u8; 4],
    stored: bool,
    push_type: Option<PushType>,
    collapse_id: Option<Bytes>,
}

impl Arrival {
    /// What is remembered of it, and the name under which a later one takes its note's place.
    fn became(self, topic: Option<Arc<str>>, outcome: Outcome) -> (Received, Option<Bytes>) {
        let received = Received {
            at: self.at,
            topic,
            token: self.token,
            payload: self.payload,
            stored: self.stored,
            outcome,
        };
        (received, self.collapse_id)
    }
}
