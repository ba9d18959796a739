//! Whether this crate reads and writes the frames of a phone's connection as a vector says.

use apns_proto::courier::{self, Message};
use bytes::BytesMut;

use super::check::{Checked, only_at_the_end, same};
use super::model::{self, Hex};

pub(super) fn message(vector: &model::Courier) -> Checked {
    let bytes = &vector.bytes.0;
    let decoded = only_at_the_end(bytes, |buf| courier::decode(buf).transpose())?;
    match (
        &vector.message,
        vector.close,
        decoded.and_then(Message::try_from),
    ) {
        (Some(expected), None, Ok(message)) => {
            same("message", &meant(message.clone()), expected)?;
            if vector.canonical {
                let mut out = BytesMut::new();
                message
                    .encode(&mut out)
                    .map_err(|error| error.to_string())?;
                same("encoded", &&out[..], &&bytes[..])?;
            }
            Ok(())
        }
        (None, Some(true), Err(fault)) => same("clause", &fault.clause(), &&vector.clause[..]),
        (_, _, decoded) => Err(format!("{decoded:?}")),
    }
}

fn meant(message: Message) -> model::Message {
    let bytes = |bytes: &[u8]| Hex(bytes.to_vec());
    let token = |token: apns_proto::Token| bytes(token.as_bytes());
    let topics = |topics: Vec<courier::TopicHash>| {
        let hashes = topics.iter().map(|topic| bytes(&topic.0));
        hashes.collect()
    };
    match message {
        Message::Connect { token: base, state } => model::Message::Connect {
            token: base.map(token),
            state,
        },
        Message::ConnectAck {
            status,
            token: base,
        } => model::Message::ConnectAck {
            status: status.0,
            token: base.map(token),
        },
        Message::FilterTopics {
            token: base,
            enabled,
            ignored,
        } => model::Message::FilterTopics {
            token: token(base),
            enabled: topics(enabled),
            ignored: topics(ignored),
        },
        Message::Notification {
            token: to,
            topic,
            payload,
            id,
            expiry,
            timestamp_ns,
            storage,
            priority,
            push_type,
            collapse_id,
        } => model::Message::Notification {
            token: token(to),
            topic: bytes(&topic.0),
            payload: bytes(&payload),
            id: bytes(&id),
            expiry: expiry.map(|expiry| expiry.0),
            timestamp_ns: timestamp_ns.map(|time| bytes(&time.to_be_bytes())),
            storage,
            priority: priority.map(|priority| priority.0),
            push_type: push_type.as_deref().map(bytes),
            collapse_id: collapse_id.as_deref().map(bytes),
        },
        Message::Ack {
            token: to,
            id,
            status,
        } => model::Message::Ack {
            token: to.map(token),
            id: bytes(&id),
            status: status.0,
        },
        Message::KeepAlive => model::Message::KeepAlive {},
        Message::KeepAliveAck => model::Message::KeepAliveAck {},
        Message::ScopedToken { base, topic, app } => model::Message::ScopedToken {
            token: token(base),
            topic: bytes(&topic.0),
            app: bytes(&app),
        },
        Message::ScopedTokenAck {
            status,
            token: scoped,
            topic,
        } => model::Message::ScopedTokenAck {
            status: status.0,
            token: scoped.map(token),
            topic: bytes(&topic.0),
        },
        Message::Unknown(frame) => model::Message::Unknown {
            command: frame.command.0,
        },
    }
}
