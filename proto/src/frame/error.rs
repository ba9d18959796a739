//! Command 8, the error packet: the only thing a server ever says on the provider connection [P-30], [P-31].
//!
//! ```text
//! 08 | status (1) | identifier (4)
//! ```

use bytes::{Buf as _, BytesMut};

use crate::wire::Reader;
use crate::{Command, Identifier, Status};

/// One notification is refused, or the server shuts down; the close follows [P-31].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorPacket {
    /// What is wrong.
    pub status: Status,
    /// With which notification; with [`Status::SHUTDOWN`] the last one that was taken [P-42].
    pub identifier: Identifier,
}

impl ErrorPacket {
    /// Its length on the wire in bytes.
    pub const LEN: usize = 6;

    /// Its six bytes, to be written in one piece: clients read them with a single `recv` [P-31].
    #[must_use]
    pub const fn encode(self) -> [u8; Self::LEN] {
        let [a, b, c, d] = self.identifier.0;
        [Command::ERROR.0, self.status.0, a, b, c, d]
    }

    /// Takes an error packet off the front of `buf`. `None`: not all six bytes are there, nothing was consumed.
    pub fn decode(buf: &mut BytesMut) -> Option<Result<Self, NotAnErrorPacket>> {
        let mut reader = Reader::new(buf);
        let command = Command(reader.u8()?);
        if command != Command::ERROR {
            return Some(Err(NotAnErrorPacket { command }));
        }
        let packet = Self {
            status: Status(reader.u8()?),
            identifier: Identifier(reader.array()?),
        };
        buf.advance(Self::LEN);
        Some(Ok(packet))
    }
}

/// What came from the server is no error packet: it does not speak this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("answer begins with command {command} instead of an error packet")]
pub struct NotAnErrorPacket {
    /// Its first byte; nothing was consumed.
    pub command: Command,
}
