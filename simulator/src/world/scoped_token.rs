//! An app asks for its device token.

use std::sync::Arc;
use std::time::SystemTime;

use apns_proto::Token;
use apns_proto::courier::{Message, Status, TopicHash};

use super::registrations::{Registration, Topic};
use super::{DeviceId, World, topic_hash};
use crate::event::{Dropped, RegistrationRefused, What};

impl World {
    /// ScopedToken [C-10]: an app wants its device token. It gets the one it had [C-11].
    pub(super) fn register(
        &mut self,
        now: SystemTime,
        id: DeviceId,
        base: &Token,
        topic: TopicHash,
        app: Arc<str>,
    ) -> Message {
        let device = self.device(id).public();
        let refuse = |world: &mut Self, why, status| {
            let topic_name = app.clone();
            let device = device.clone();
            world.events.record(
                now,
                What::RegistrationRefused {
                    device,
                    topic: topic_name,
                    why,
                },
            );
            Message::ScopedTokenAck {
                status,
                token: None,
                topic,
            }
        };
        if !self.device(id).has_base(base) {
            return refuse(self, RegistrationRefused::BaseToken, Status::BAD_TOKEN);
        }
        if topic_hash(&app) != topic || app.is_empty() {
            return refuse(self, RegistrationRefused::Topic, Status::APP_GONE);
        }
        let entry = self.device(id);
        let had = self
            .registrations
            .of(entry)
            .find(|it| it.topic.hash == topic && it.base_tokens == entry.base_tokens)
            .map(|registration| registration.seed);
        let again = had.is_some();
        let next = |world: &mut Self| {
            let room = world.room_for_token(now, id);
            room.then(|| world.registrations.next(&mut world.rng))?
        };
        let Some(seed) = had.or_else(|| next(self)) else {
            return refuse(self, RegistrationRefused::NoRoom, Status(1));
        };
        let token = seed.token();
        let since = self.events.record(
            now,
            What::Registered {
                device,
                topic: app.clone(),
                token: token.clone(),
                again,
            },
        );
        if let Some(registration) = self.registrations.get_mut(&token) {
            registration.since = since;
            registration.gone = None;
        } else {
            let device = &mut self.devices[id.index()];
            let topic = Topic {
                name: app,
                hash: topic,
            };
            self.registrations.insert(device, seed, topic, since);
        }
        Message::ScopedTokenAck {
            status: Status::OK,
            token: Some(token),
            topic,
        }
    }

    /// Makes room for one more token of a phone, if need be by forgetting one that leads nowhere.
    fn room_for_token(&mut self, now: SystemTime, id: DeviceId) -> bool {
        let device = self.device(id);
        if self.registrations.of(device).count() < self.bounds.tokens_per_device_max {
            return true;
        }
        let leads_nowhere =
            |it: &&Registration| it.gone.is_some() || it.base_tokens != device.base_tokens;
        let oldest = self.registrations.of(device).filter(leads_nowhere).last();
        let Some(seed) = oldest.map(|registration| registration.seed) else {
            return false;
        };
        let token = seed.token();
        let device = &mut self.devices[id.index()];
        if let Some(registration) = self.registrations.remove(device, seed) {
            if let Some(item) = self.unstore(id, &token) {
                self.drop_item(now, id, &item, Dropped::TokenForgotten);
            }
            let device = self.device(id).public();
            self.events.record(
                now,
                What::TokenForgotten {
                    device,
                    topic: registration.topic.name.clone(),
                    token,
                },
            );
        }
        true
    }
}
