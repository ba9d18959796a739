//! What a phone does with what APNs sends.

use std::sync::Arc;
use std::time::SystemTime;

use apns_proto::Token;
use apns_proto::courier::{Message, Status, TopicHash};
use bytes::Bytes;

use super::app::{Bundle, RegistrationError};
use super::event::{Outcome, PhoneEvent, Received};
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
        if let Some(memory) = &mut self.memory {
            memory.recent.clear();
        }
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
        memory.acks.push(Message::Ack {
            token: Some(arrival.token.clone()),
            id: arrival.id,
            status,
        });
        let Some(app) = app else {
            self.happened(|| PhoneEvent::AppGone {
                token: arrival.token.clone(),
            });
            self.remember(None, Outcome::AppGone, arrival);
            return;
        };
        let topic = self.apps[app].bundle.topic.clone();
        if memory.recent.insert(arrival.id) {
            let outcome = self.show(app, &arrival);
            self.remember(Some(topic), outcome, arrival);
        } else {
            self.happened(|| PhoneEvent::ArrivedTwice { topic });
        }
    }

    /// Applies the app's state and the user's settings.
    fn show(&mut self, app: usize, arrival: &Arrival) -> Outcome {
        let Bundle { topic, name, .. } = &*self.apps[app].bundle;
        let (topic, name) = (topic.clone(), name.clone());
        let aps = match Payload::parse(&arrival.payload) {
            Ok(Payload::App(aps)) => aps,
            Ok(Payload::DeviceManagement) => {
                self.happened(|| PhoneEvent::DeviceManagementWoken { topic });
                return Outcome::DeviceManagement;
            }
            Err(error) => return self.not_shown(topic, NotShown::Unreadable(error)),
        };
        let presentation = present(aps, arrival.push_type, &self.apps[app]);
        if let Some(why) = presentation.nothing {
            return self.not_shown(topic, why);
        }
        if presentation.delegate {
            self.happened(|| PhoneEvent::HandedToDelegate {
                topic,
                payload: arrival.payload.clone(),
            });
            return Outcome::HandedToDelegate;
        }
        let mut outcome = Outcome::WokenInBackground;
        if let Some(alert) = presentation.alert {
            let memory = self.memory.get_or_insert_default();
            let note = Note {
                number: memory.screen.next_number(),
                at: arrival.at,
                topic: topic.clone(),
                app: name,
                alert,
            };
            if self.watched {
                self.events.push(PhoneEvent::Shown(note.clone()));
            }
            memory
                .screen
                .add(note, arrival.payload.clone(), arrival.collapse_id.clone());
            outcome = Outcome::Shown;
        }
        if let Some(badge) = presentation.badge {
            if std::mem::replace(&mut self.apps[app].badge, badge) != badge {
                self.happened(|| PhoneEvent::BadgeChanged {
                    topic: topic.clone(),
                    badge,
                });
            }
            outcome = Outcome::Shown;
        }
        if let Some(sound) = presentation.sound {
            self.happened(|| PhoneEvent::SoundPlayed {
                topic: topic.clone(),
                sound,
            });
            outcome = Outcome::Shown;
        }
        if presentation.wake {
            self.happened(|| PhoneEvent::WokenInBackground {
                topic,
                payload: arrival.payload.clone(),
            });
        }
        outcome
    }

    fn not_shown(&mut self, topic: Arc<str>, why: NotShown) -> Outcome {
        self.happened(|| PhoneEvent::NotShown {
            topic,
            why: why.clone(),
        });
        Outcome::NotShown(why)
    }

    fn remember(&mut self, topic: Option<Arc<str>>, outcome: Outcome, arrival: Arrival) {
        let Arrival {
            at,
            token,
            payload,
            stored,
            ..
        } = arrival;
        self.memory.get_or_insert_default().remember(Received {
            at,
            topic,
            token,
            payload,
            stored,
            outcome,
        });
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
