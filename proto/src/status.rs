//! What is wrong with a notification, in the error packet's one byte.

use std::fmt;

/// Second byte of the error packet [P-31]. A number nobody assigned survives and prints [P-46].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Status(pub u8);

impl Status {
    /// Nothing is wrong; not sent by anybody in earnest [P-43].
    pub const NO_ERROR: Self = Self(0);
    /// The server failed, not the notification [P-43].
    pub const PROCESSING_ERROR: Self = Self(1);
    /// The token is absent or empty [P-33].
    pub const MISSING_TOKEN: Self = Self(2);
    /// The certificate carries no topic [P-43].
    pub const MISSING_TOPIC: Self = Self(3);
    /// The payload is absent or empty [P-35].
    pub const MISSING_PAYLOAD: Self = Self(4);
    /// The token has a length no token has [P-34].
    pub const INVALID_TOKEN_SIZE: Self = Self(5);
    /// The certificate's topic is malformed [P-43].
    pub const INVALID_TOPIC_SIZE: Self = Self(6);
    /// The payload is longer than the limit [P-36].
    pub const INVALID_PAYLOAD_SIZE: Self = Self(7);
    /// The token is not one of this app in this environment [P-37].
    pub const INVALID_TOKEN: Self = Self(8);
    /// The server closes; the identifier names the last notification it took [P-42].
    pub const SHUTDOWN: Self = Self(10);
    /// The frame cannot be parsed [P-16], [P-17].
    pub const PROTOCOL_ERROR: Self = Self(128);
    /// The server does not say [P-43].
    pub const UNKNOWN: Self = Self(255);

    /// Apple's name in lower case; "unassigned" for a number without one.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NO_ERROR => "no error",
            Self::PROCESSING_ERROR => "processing error",
            Self::MISSING_TOKEN => "missing token",
            Self::MISSING_TOPIC => "missing topic",
            Self::MISSING_PAYLOAD => "missing payload",
            Self::INVALID_TOKEN_SIZE => "invalid token size",
            Self::INVALID_TOPIC_SIZE => "invalid topic size",
            Self::INVALID_PAYLOAD_SIZE => "invalid payload size",
            Self::INVALID_TOKEN => "invalid token",
            Self::SHUTDOWN => "shutdown",
            Self::PROTOCOL_ERROR => "protocol error",
            Self::UNKNOWN => "unknown",
            Self(_) => "unassigned",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0, self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_prints_its_number_and_its_name() {
        assert_eq!(Status::INVALID_TOKEN.to_string(), "8 (invalid token)");
        assert_eq!(Status(10).to_string(), "10 (shutdown)");
        assert_eq!(Status(9).to_string(), "9 (unassigned)");
    }
}
