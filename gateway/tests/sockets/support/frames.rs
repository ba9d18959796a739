//! Notifications as bytes.

use apns_proto::Notification;

/// What the tests tell notifications apart by: the first byte of the token.
pub(crate) fn name(notification: &Notification) -> u8 {
    notification.token.as_bytes()[0]
}

/// The identifier the gateway gave upstream.
pub(crate) fn identifier(notification: &Notification) -> [u8; 4] {
    notification
        .identifier
        .expect("the gateway gives identifiers")
        .0
}

/// The token of a notification named so.
pub(crate) const fn token(name: u8) -> [u8; 32] {
    [name; 32]
}

/// Command 1 from the specification: identifier, expiry 0, a token of 32 bytes, a payload.
pub(crate) fn enhanced(identifier: u32, name: u8) -> Vec<u8> {
    enhanced_with(identifier, name, br#"{"aps":{"alert":"hi"}}"#)
}

/// The same with any payload.
pub(crate) fn enhanced_with(identifier: u32, name: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x01];
    frame.extend(identifier.to_be_bytes());
    frame.extend([0x00, 0x00, 0x00, 0x00]);
    frame.extend([0x00, 0x20]);
    frame.extend(token(name));
    frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    frame.extend(payload);
    frame
}
