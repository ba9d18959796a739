//! What APNs does with a push of today's provider API: the same phones, tokens and stored notifications as those of the binary protocol.

use std::time::{SystemTime, UNIX_EPOCH};

use apns_net::credentials::Environment;
use bytes::Bytes;

use super::delivery::{Content, Delivered};
use super::provider::Unfound;
use super::{DeviceId, World};
use crate::event::{Post, Request, Sent, What};
use crate::provider_api::{self, ApnsId, Push, Reason};

/// What became of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posted {
    /// It is accepted.
    Accepted,
    /// It is refused.
    Refused(Refusal),
    /// Nothing happened: as in [`Pushed::Wait`](super::Pushed::Wait).
    Wait(DeviceId),
}

/// Why a push is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// In APNs' words.
    pub reason: Reason,
    /// Since when the app is known to be gone, for [`Reason::Unregistered`]: milliseconds since 1970.
    pub timestamp_ms: Option<u64>,
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            timestamp_ms: None,
        }
    }
}

impl World {
    /// A provider pushes over HTTP/2. What can be wrong with the request itself was found before [H-31].
    pub fn post(
        &mut self,
        now: SystemTime,
        environment: Environment,
        id: ApnsId,
        push: &Push,
    ) -> Posted {
        self.expire(now);
        let sent = || posted(environment, id, push);
        let found = match self.find(&push.token, &push.topic, environment) {
            Ok(found) => found,
            Err(unfound) => {
                let reason = match unfound {
                    Unfound::OtherTopic(_) => Reason::DeviceTokenNotForTopic,
                    Unfound::NoPhone | Unfound::NoPhones | Unfound::OtherEnvironment => {
                        Reason::BadDeviceToken
                    }
                };
                let (request, _) = sent();
                self.refused(now, request, reason, unfound.to_string());
                return Posted::Refused(reason.into());
            }
        };
        if let Some(gone) = found.gone {
            let reason = Reason::Unregistered;
            let (request, _) = sent();
            self.refused(now, request, reason, reason.meaning().to_owned());
            return Posted::Refused(Refusal {
                reason,
                timestamp_ms: Some(milliseconds(gone)),
            });
        }
        let content = Content {
            expiry: push.expiry,
            priority: Some(push.priority),
            push_type: push.push_type,
            collapse_id: push.collapse_id.clone(),
        };
        match self.deliver(now, found, content, sent) {
            Delivered::Done => Posted::Accepted,
            Delivered::NoRoom(device) => Posted::Wait(device),
        }
    }

    /// A request was refused before any phone was looked for. What it says is told as far as it can be read.
    pub fn refuse(
        &mut self,
        now: SystemTime,
        environment: Environment,
        id: ApnsId,
        request: &provider_api::Request,
        reason: Reason,
    ) {
        let why = match &request.verified {
            Some(Err(fault)) if reason == Reason::InvalidProviderToken => fault.to_string(),
            _ => reason.meaning().to_owned(),
        };
        let push_type = request.push_type().ok().flatten();
        let request = Request {
            topic: request.named_topic().unwrap_or_default().into(),
            environment,
            token: request.named_token(),
            sent: Sent::Post(Box::new(Post {
                id,
                push_type,
                collapse_id: request.collapse_id().ok().flatten(),
                expiry: request.expiry().ok().flatten(),
                priority: request.priority(push_type).ok(),
                body: Bytes::copy_from_slice(&request.body),
            })),
        };
        self.refused(now, request, reason, why);
    }

    fn refused(&mut self, now: SystemTime, request: Request, reason: Reason, why: String) {
        let what = What::Refused {
            request,
            reason,
            why,
        };
        self.events.record(now, what);
    }

    /// A UUID nobody has seen: for a push that came without, and for `apns-unique-id`.
    pub fn new_apns_id(&mut self) -> ApnsId {
        ApnsId::of(self.rng.u128(..))
    }
}

/// A push as events tell of it, and its payload: a copy, or an event would pin the read buffer it came in.
pub(super) fn posted(environment: Environment, id: ApnsId, push: &Push) -> (Request, Bytes) {
    let body = Bytes::copy_from_slice(&push.payload);
    let request = Request {
        topic: push.topic.clone(),
        environment,
        token: Some(push.token.clone()),
        sent: Sent::Post(Box::new(Post {
            id,
            push_type: push.push_type,
            collapse_id: push.collapse_id.clone(),
            expiry: push.expiry,
            priority: Some(push.priority),
            body: body.clone(),
        })),
    };
    (request, body)
}

/// Since 1970; 0 before.
pub(crate) fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
