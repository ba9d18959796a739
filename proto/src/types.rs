//! Newtypes over wire numbers: a number nobody assigned survives and prints.

use std::fmt;

use byteorder::{BigEndian, ByteOrder as _};

/// The first byte of a frame on the provider connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Command(pub u8);

impl Command {
    /// A token and a payload, nothing else [P-10].
    pub const SIMPLE: Self = Self(0);
    /// With identifier and expiry [P-11].
    pub const ENHANCED: Self = Self(1);
    /// Items in one frame [P-12].
    pub const FRAMED: Self = Self(2);
    /// The server's error packet [P-31].
    pub const ERROR: Self = Self(8);
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::SIMPLE => "simple",
            Self::ENHANCED => "enhanced",
            Self::FRAMED => "framed",
            Self::ERROR => "error",
            Self(_) => "unassigned",
        };
        write!(f, "{} ({name})", self.0)
    }
}

/// What the provider calls a notification: four opaque bytes, echoed as they came [P-24].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Identifier(pub [u8; 4]);

impl Identifier {
    /// Stands for "none was given" in an error packet [P-38]; as good as any other where one was given.
    pub const ZERO: Self = Self([0; 4]);

    /// The identifier whose four bytes are `number`, big-endian.
    #[must_use]
    pub const fn from_u32(number: u32) -> Self {
        Self(number.to_be_bytes())
    }

    /// The four bytes read as a big-endian number.
    #[must_use]
    pub fn to_u32(self) -> u32 {
        BigEndian::read_u32(&self.0)
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.to_u32())
    }
}

/// Until when APNs keeps a notification for a phone that is offline: seconds since 1970, UTC, signed [P-22].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Expiry(pub i32);

impl Expiry {
    /// Whether it asks for storage at all: zero and less do not [P-22].
    #[must_use]
    pub const fn stores(self) -> bool {
        self.0 > 0
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How urgent a notification is [P-23].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Priority(pub u8);

impl Priority {
    /// Deliver at once.
    pub const IMMEDIATE: Self = Self(10);
    /// Deliver when it suits the phone's battery.
    pub const POWER_SAVING: Self = Self(5);

    /// What it is treated as: everything but 5 counts as 10 [P-23].
    #[must_use]
    pub fn effective(self) -> Self {
        if self == Self::POWER_SAVING {
            self
        } else {
            Self::IMMEDIATE
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a receiver takes; it depends on the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest payload in bytes, inclusive [P-21].
    pub payload_len_max: usize,
}

impl Limits {
    /// 2048 bytes of payload: every certificate but VoIP.
    pub const BINARY: Self = Self {
        payload_len_max: 2048,
    };
    /// 4096 bytes of payload: VoIP certificates.
    pub const VOIP: Self = Self {
        payload_len_max: 4096,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_big_endian_and_prints_as_hexadecimal() {
        let identifier = Identifier([0x00, 0x00, 0x00, 0x07]);
        assert_eq!(identifier.to_u32(), 7);
        assert_eq!(
            Identifier::from_u32(0x8000_0001),
            Identifier([0x80, 0, 0, 1])
        );
        assert_eq!(identifier.to_string(), "0x00000007");
    }

    #[test]
    fn only_a_positive_expiry_asks_for_storage() {
        for (expiry, stores) in [
            (0, false),
            (-1, false),
            (i32::MIN, false),
            (1, true),
            (i32::MAX, true),
        ] {
            assert_eq!(Expiry(expiry).stores(), stores, "{expiry}");
        }
    }

    #[test]
    fn every_priority_but_5_counts_as_10() {
        assert_eq!(Priority(5).effective(), Priority(5));
        for odd in [0, 1, 4, 6, 10, 255] {
            assert_eq!(Priority(odd).effective(), Priority(10), "{odd}");
        }
    }

    #[test]
    fn expiry_and_priority_print_their_numbers() {
        assert_eq!(format!("{} {}", Expiry(-1), Priority(10)), "-1 10");
    }

    #[test]
    fn unassigned_commands_survive_and_print() {
        assert_eq!(Command(77).to_string(), "77 (unassigned)");
        assert_eq!(Command::FRAMED.to_string(), "2 (framed)");
    }
}
