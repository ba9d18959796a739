//! A decoded notification.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use crate::wire::Hidden;
use crate::{Command, Expiry, Identifier, Priority, Token};

/// A notification as a provider sent it: framed correctly, with a token and a payload of acceptable lengths.
///
/// Payload and frame are slices of the buffer it was decoded from. `Debug` shows neither payload nor whole token.
#[derive(Clone, PartialEq, Eq)]
pub struct Notification {
    /// Which of the three layouts it came in.
    pub command: Command,
    /// What the provider calls it; none in command 0, optional in command 2 [P-13].
    pub identifier: Option<Identifier>,
    /// None in command 0, optional in command 2: then APNs stores it as long as it likes [P-22].
    pub expiry: Option<Expiry>,
    /// Only command 2 can carry one [P-23].
    pub priority: Option<Priority>,
    /// The phone and app it is for; 32 to 100 bytes [P-20].
    pub token: Token,
    /// JSON, 1 byte to the limit [P-21]; not looked into.
    pub payload: Bytes,
    /// The whole frame as it was on the wire.
    pub frame: Bytes,
}

impl Notification {
    /// The identifier an error packet about it carries: none for command 0, which has no answer [P-39], zero for command 2
    /// without an identifier [P-38].
    #[must_use]
    pub fn answer_identifier(&self) -> Option<Identifier> {
        answer_identifier(self.command, self.identifier)
    }

    /// Where in the frame the payload is; `None` when it is no slice of it.
    #[must_use]
    pub fn payload_range(&self) -> Option<Range<usize>> {
        let start = self
            .payload
            .as_ptr()
            .addr()
            .checked_sub(self.frame.as_ptr().addr())?;
        let end = start.checked_add(self.payload.len())?;
        (end <= self.frame.len()).then_some(start..end)
    }
}

impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification")
            .field("command", &self.command)
            .field("identifier", &self.identifier)
            .field("expiry", &self.expiry)
            .field("priority", &self.priority)
            .field("token", &self.token)
            .field("payload", &Hidden(self.payload.len()))
            .field("frame", &Hidden(self.frame.len()))
            .finish()
    }
}

pub(crate) fn answer_identifier(
    command: Command,
    identifier: Option<Identifier>,
) -> Option<Identifier> {
    match command {
        Command::ENHANCED | Command::FRAMED => Some(identifier.unwrap_or(Identifier::ZERO)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_found_in_its_frame_and_not_elsewhere() {
        let frame = Bytes::from_static(b"frame{}");
        let mut notification = Notification {
            command: Command::SIMPLE,
            identifier: None,
            expiry: None,
            priority: None,
            token: Token::new([0; 32]),
            payload: frame.slice(5..),
            frame,
        };
        assert_eq!(notification.payload_range(), Some(5..7));
        notification.payload = Bytes::copy_from_slice(b"{}");
        assert_eq!(notification.payload_range(), None);
    }
}
