//! A payload handed in from inside: what becomes of it is what becomes of any push.

use std::time::SystemTime;

use apns_net::credentials::Environment;
use apns_proto::{Priority, Token};
use bytes::Bytes;

use super::World;
use super::delivery::{Content, Delivered};
use crate::event::{Request, Sent};

impl World {
    /// Sends the payload of a file to an app, and says under which event. `None`: nothing happened, as too much is on its way to the phone, or the token is
    /// not one of this app.
    pub(crate) fn deliver_file(
        &mut self,
        now: SystemTime,
        environment: Environment,
        token: &Token,
        topic: &str,
        payload: Bytes,
    ) -> Option<u64> {
        self.expire(now);
        let found = self.find(token, topic, environment).ok()?;
        let priority = Priority::IMMEDIATE;
        let content = Content {
            expiry: None,
            priority: Some(priority),
            push_type: None,
            collapse_id: None,
        };
        let request = || {
            let request = Request {
                topic: topic.into(),
                environment,
                token: Some(token.clone()),
                sent: Sent::File {
                    payload: payload.clone(),
                    priority,
                },
            };
            (request, payload)
        };
        match self.deliver(now, found, content, request) {
            Delivered::Done => Some(self.newest_event()),
            Delivered::NoRoom(_) => None,
        }
    }
}
