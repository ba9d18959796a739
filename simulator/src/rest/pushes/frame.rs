//! A push as a frame of the binary protocol.

use apns_proto::frame::{self, framed};
use bytes::{Bytes, BytesMut};

use crate::event::Sent;
use crate::inbox::Push;

/// The frame as it was on the wire; a push that came otherwise, as command 2 without an identifier. `None` where no frame can say it.
pub(super) fn bytes(push: &Push) -> Option<Bytes> {
    if let Sent::Frame { frame, .. } = &push.request.sent {
        return Some(frame.clone());
    }
    let said = frame::Push {
        token: push.request.token.as_ref()?.as_bytes(),
        payload: &push.payload,
        expiry: push.expiry,
        priority: push.priority,
    };
    let (identifier, mut frame) = (None, BytesMut::new());
    framed::encode(identifier, &said, &mut frame).ok()?;
    Some(frame.freeze())
}
