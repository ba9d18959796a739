//! Where an accepted notification goes: to a phone that is online, into the one place its app has for later, or nowhere.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use apns_proto::{Expiry, Priority, Token};
use bytes::Bytes;

use super::device::Item;
use super::provider::Found;
use super::{DeviceId, World, unix_seconds};
use crate::event::{Dropped, Request, Route, What};
use crate::provider_api::PushType;

/// What is to be delivered, whichever protocol it came in.
pub(super) struct Content {
    pub(super) expiry: Option<Expiry>,
    pub(super) priority: Option<Priority>,
    pub(super) push_type: Option<PushType>,
    pub(super) collapse_id: Option<Arc<str>>,
}

/// Whether it was taken.
pub(super) enum Delivered {
    /// It is on its way, stored, or dropped for a reason that is no concern of its provider.
    Done,
    /// Nothing happened: the phone has no room.
    NoRoom(DeviceId),
}

impl World {
    /// Puts a notification on its way to the phone, or keeps it.
    pub(super) fn deliver(
        &mut self,
        now: SystemTime,
        found: Found,
        content: Content,
        request: impl FnOnce() -> (Request, Bytes),
    ) -> Delivered {
        let Found {
            token,
            device: id,
            topic,
            hash,
            gone,
        } = found;
        let device = self.device(id);
        let public = device.public();
        let keep = Keep::of(content.expiry.map(|expiry| expiry.0), now);
        let route = if gone.is_some() {
            Route::AppGone(public)
        } else if device.ignores(&hash) {
            Route::Dropped(public, Dropped::Unwanted)
        } else if device.is_online() {
            if device.on_the_way() >= self.bounds.outbox_max {
                self.device_mut(id).wanted = true;
                return Delivered::NoRoom(id);
            }
            Route::Queued(public)
        } else {
            match keep {
                Keep::No(why) => Route::Dropped(public, why),
                // What is there already gives way, so that its place is free.
                Keep::Yes
                    if self.stored.len() >= self.bounds.stored_max
                        && !self.stored.contains_key(&token) =>
                {
                    Route::Dropped(public, Dropped::NoRoom)
                }
                Keep::Yes => Route::Stored(public),
            }
        };
        let (queued, stored) = (
            matches!(route, Route::Queued(_)),
            matches!(route, Route::Stored(_)),
        );
        let (request, payload) = request();
        let push = self.events.record(now, What::Accepted { request, route });
        let item = |id| Item {
            push,
            id,
            token,
            topic,
            hash,
            payload,
            expiry: content.expiry,
            priority: content.priority,
            push_type: content.push_type,
            collapse_id: content.collapse_id,
            accepted_at: now,
            storage: None,
        };
        if queued {
            let device = &mut self.devices[id.index()];
            let item = item(device.next_id());
            device.queue(item, &mut self.spare);
            self.wake_courier(id);
        } else if stored {
            let item = item(self.device_mut(id).next_id());
            self.store(now, id, item);
        }
        Delivered::Done
    }

    /// Whether a phone takes a push now, rather than having it wait.
    #[must_use]
    pub fn has_room(&self, device: DeviceId) -> bool {
        let device = self.device(device);
        !device.is_online() || device.on_the_way() < self.bounds.outbox_max
    }

    /// How many notifications are kept for phones that are offline.
    #[must_use]
    pub fn stored_len(&self) -> usize {
        self.stored.len()
    }

    /// When the next notification that is kept expires: [`expire`](Self::expire) has something to do then.
    #[must_use]
    pub fn next_expiry(&self) -> Option<SystemTime> {
        let (expiry, ..) = self.expiries.first()?;
        Some(UNIX_EPOCH + Duration::from_secs(expiry.unsigned_abs()))
    }

    /// Drops what was kept until `now` [C-13]. Every call that takes `now` does it by itself, so nothing is delivered too late; the simulator calls it
    /// every second, so that the event comes on time in an idle world too.
    pub fn expire(&mut self, now: SystemTime) {
        let seconds = unix_seconds(now);
        while let Some((expiry, id, token)) = self.expiries.first()
            && *expiry <= seconds
        {
            let (id, token) = (*id, token.clone());
            let Some(item) = self.unstore(id, &token) else {
                break;
            };
            self.drop_item(now, id, &item, Dropped::Expired);
        }
    }

    /// Keeps `item` in the one place its app has on this phone [C-12].
    pub(super) fn store(&mut self, now: SystemTime, id: DeviceId, item: Item) {
        if let Some(older) = self.unstore(id, &item.token) {
            let what = What::Overwritten {
                push: older.push,
                by: item.push,
                device: self.device(id).public(),
                topic: older.topic,
            };
            self.events.record(now, what);
        }
        if let Some(expiry) = item.expiry {
            self.expiries
                .insert((expiry.0.into(), id, item.token.clone()));
        }
        self.stored.insert(item.token.clone(), item);
    }

    pub(super) fn unstore(&mut self, id: DeviceId, token: &Token) -> Option<Item> {
        let item = self.stored.remove(token)?;
        if let Some(expiry) = item.expiry {
            self.expiries.remove(&(expiry.0.into(), id, token.clone()));
        }
        Some(item)
    }

    pub(super) fn drop_item(&mut self, now: SystemTime, id: DeviceId, item: &Item, why: Dropped) {
        let what = What::Dropped {
            push: item.push,
            device: self.device(id).public(),
            topic: item.topic.clone(),
            why,
        };
        self.events.record(now, what);
    }
}

/// Whether a notification may be kept for a phone that is offline.
pub(super) enum Keep {
    Yes,
    No(Dropped),
}

impl Keep {
    /// [P-22]: no expiry keeps without end, zero or less does not keep.
    pub(super) fn of(expiry: Option<i32>, now: SystemTime) -> Self {
        match expiry {
            None => Self::Yes,
            Some(..=0) => Self::No(Dropped::NotStored),
            Some(expiry) if i64::from(expiry) <= unix_seconds(now) => Self::No(Dropped::Expired),
            Some(_) => Self::Yes,
        }
    }
}
