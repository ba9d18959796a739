//! The binary protocol's side: who pushes, what is wrong with a push, whose its token is.

use std::sync::Arc;
use std::time::SystemTime;

use apns_net::credentials::Environment;
use apns_proto::courier::TopicHash;
use apns_proto::{Malformed, Notification, Status, Token};
use bytes::Bytes;

use super::delivery::{Content, Delivered};
use super::{DeviceId, Snapshot, World};
use crate::event::{Request, Sent, What};
use crate::knobs::DeadToken;

/// Who pushes, or reads feedback: the topic is its certificate's [P-02], the environment the listener's [P-05].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Provider {
    pub(super) topic: Arc<str>,
    pub(super) environment: Environment,
}

impl Provider {
    /// A provider that shows a certificate for `topic` on a listener of `environment`.
    #[must_use]
    pub fn new(topic: impl Into<Arc<str>>, environment: Environment) -> Self {
        Self {
            topic: topic.into(),
            environment,
        }
    }

    /// Its topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Where it connected.
    #[must_use]
    pub const fn environment(&self) -> Environment {
        self.environment
    }
}

/// What a provider is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Silence [P-30].
    Accepted,
    /// An error packet; everything behind is discarded [P-40].
    Rejected {
        /// Its status.
        status: Status,
        /// The clause of `docs/protocol.md` behind it.
        clause: &'static str,
    },
}

/// What became of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It is decided.
    Answer(Answer),
    /// Nothing happened: the phone has [`outbox_max`](super::Bounds::outbox_max) on their way. Ask again after [`Wake::Room`](super::Wake::Room).
    Wait(DeviceId),
}

/// Whose a device token is; the topic is the table's own.
pub(super) struct Found {
    pub(super) token: Token,
    pub(super) device: DeviceId,
    pub(super) topic: Arc<str>,
    pub(super) hash: TopicHash,
    pub(super) gone: Option<SystemTime>,
}

/// Why a push has no phone to go to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfound {
    #[error("no phone has this token")]
    NoPhone,
    #[error("no phone has this token: there are no phones in this project")]
    NoPhones,
    #[error("the token is one of {0}")]
    OtherTopic(Arc<str>),
    #[error("the token is one of the other environment")]
    OtherEnvironment,
}

impl World {
    /// A provider pushes. The order of the checks is [P-32]; what can be wrong with the frame itself was found before.
    pub fn push(
        &mut self,
        now: SystemTime,
        provider: &Provider,
        notification: &Notification,
    ) -> Pushed {
        self.expire(now);
        let Provider { topic, environment } = provider;
        let found = self
            .find(&notification.token, topic, *environment)
            .map_err(|unfound| unfound.to_string())
            .and_then(|found| match self.knobs.dead_token {
                DeadToken::Status8 if found.gone.is_some() => {
                    Err("the app is gone, and the knob dead-token is at status-8".to_owned())
                }
                _ => Ok(found),
            });
        let found = match found {
            Ok(found) => found,
            Err(why) => {
                let (status, clause) = (Status::INVALID_TOKEN, "P-37");
                let (request, _) = request(provider, notification);
                let packet = self.knobs.answer(notification.answer_identifier(), status);
                self.events.record(
                    now,
                    What::Rejected {
                        request,
                        status: packet.map(|packet| packet.status),
                        clause,
                        why,
                    },
                );
                return Pushed::Answer(Answer::Rejected { status, clause });
            }
        };
        let content = Content {
            expiry: notification.expiry,
            priority: notification.priority,
            push_type: None,
            collapse_id: None,
        };
        match self.deliver(now, found, content, || request(provider, notification)) {
            Delivered::Done => Pushed::Answer(Answer::Accepted),
            Delivered::NoRoom(device) => Pushed::Wait(device),
        }
    }

    /// What is known of a device token, if it is one of this topic and environment.
    pub(super) fn find(
        &self,
        token: &Token,
        topic: &str,
        environment: Environment,
    ) -> Result<Found, Unfound> {
        let registration = self
            .registrations
            .get(token)
            .ok_or(if self.devices.is_empty() {
                Unfound::NoPhones
            } else {
                Unfound::NoPhone
            })?;
        if *registration.topic.name != *topic {
            return Err(Unfound::OtherTopic(registration.topic.name.clone()));
        }
        if self.device(registration.device).environment != environment {
            return Err(Unfound::OtherEnvironment);
        }
        Ok(Found {
            token: token.clone(),
            device: registration.device,
            topic: registration.topic.name.clone(),
            hash: registration.topic.hash,
            gone: registration.gone,
        })
    }

    /// A provider's frame was no notification; it has been answered so.
    pub fn malformed(&mut self, now: SystemTime, provider: &Provider, malformed: &Malformed) {
        let request = Request {
            topic: provider.topic.clone(),
            environment: provider.environment,
            token: malformed.token.clone(),
            sent: Sent::Frame {
                command: malformed.command,
                identifier: malformed.identifier,
                frame: Bytes::copy_from_slice(&malformed.frame),
            },
        };
        self.events.record(
            now,
            What::Rejected {
                request,
                status: self
                    .knobs
                    .answer_fault(malformed.answer_identifier(), malformed.fault)
                    .map(|packet| packet.status),
                clause: if malformed.farewell() {
                    "P-44"
                } else {
                    malformed.fault.clause()
                },
                why: malformed.fault.to_string(),
            },
        );
    }

    /// Bytes behind an answer were thrown away [P-40].
    pub fn discarded(&mut self, now: SystemTime, provider: &Provider, len: u64) {
        let Provider { topic, environment } = provider.clone();
        self.events.record(
            now,
            What::Discarded {
                topic,
                environment,
                len,
            },
        );
    }

    /// What a provider's feedback list holds now, oldest first. Nothing is cleared by this [P-53].
    #[must_use]
    pub fn feedback(&self, provider: &Provider) -> Snapshot {
        self.feedback.snapshot(provider)
    }

    /// A provider has read `snapshot` to the close: those tuples are cleared, newer ones stay [P-53].
    pub fn feedback_read(&mut self, now: SystemTime, provider: &Provider, snapshot: &Snapshot) {
        let tuples = self.feedback.clear(provider, snapshot);
        let Provider { topic, environment } = provider.clone();
        self.events.record(
            now,
            What::FeedbackRead {
                topic,
                environment,
                tuples,
            },
        );
    }
}

/// What came, as events tell of it, and the payload in it: copies, or they would pin the read buffer for as long as an event is remembered, or a phone
/// is offline.
pub(super) fn request(provider: &Provider, notification: &Notification) -> (Request, Bytes) {
    let frame = Bytes::copy_from_slice(&notification.frame);
    let payload = match notification.payload_range() {
        Some(range) => frame.slice(range),
        None => Bytes::copy_from_slice(&notification.payload),
    };
    let request = Request {
        topic: provider.topic.clone(),
        environment: provider.environment,
        token: Some(notification.token.clone()),
        sent: Sent::Frame {
            command: notification.command,
            identifier: notification.identifier,
            frame,
        },
    };
    (request, payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_statuses_in_the_documentation_is_the_list_of_those_that_have_a_name() {
        let document = include_str!("../../../docs/simulator.md");
        let (_, chapter) = document
            .split_once("## Statuses of the binary protocol")
            .unwrap();
        let (chapter, _) = chapter.split_once("\n## ").unwrap();
        let documented: Vec<_> = chapter
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once(" | "))
            .map(|(status, rest)| {
                let (name, _) = rest.split_once(" | ").unwrap();
                (status.trim_end_matches('`').parse().unwrap(), name)
            })
            .collect();
        let named = (0..=u8::MAX).map(|status| (status, Status(status).name()));
        let named: Vec<_> = named.filter(|(_, name)| *name != "unassigned").collect();
        assert_eq!(documented, named);
    }
}
