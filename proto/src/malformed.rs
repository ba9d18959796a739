//! What is wrong with a frame, and what to tell its sender.

use std::fmt;

use bytes::Bytes;

use crate::notification::answer_identifier;
use crate::wire::Hidden;
use crate::{Command, ErrorPacket, Identifier, Status, Token};

/// A frame that is not an acceptable notification; it knows how it is to be answered.
///
/// Token and payload are there as far as they could be read, for the dead letters. `Debug` shows neither payload nor whole
/// token.
#[derive(Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Its first byte.
    pub command: Command,
    /// The identifier, when one was readable before the fault.
    pub identifier: Option<Identifier>,
    /// What to answer; `None` is a bare close: command 0 [P-39] and an unknown command [P-18].
    pub status: Option<Status>,
    /// What is wrong.
    pub fault: Fault,
    /// Whether the frame's end is known, so that the stream can go on behind it.
    pub delimited: bool,
    /// The token, unless it is absent, empty or behind the fault.
    pub token: Option<Token>,
    /// The payload, unless it is absent, empty or behind the fault.
    pub payload: Option<Bytes>,
    /// The whole frame where it is delimited, else its header: 1 byte of an unknown command, 5 of command 2.
    pub frame: Bytes,
}

impl Malformed {
    /// The identifier the error packet carries; `None` where there is no packet.
    #[must_use]
    pub fn answer_identifier(&self) -> Option<Identifier> {
        answer_identifier(self.command, self.identifier)
    }

    /// The packet that answers it; `None` is a bare close.
    #[must_use]
    pub fn answer(&self) -> Option<ErrorPacket> {
        Some(ErrorPacket {
            status: self.status?,
            identifier: self.answer_identifier()?,
        })
    }

    /// Whether it is a client's farewell: no token *and* no payload, sent to be answered [P-44]. It is nobody's loss.
    #[must_use]
    pub fn farewell(&self) -> bool {
        self.fault == Fault::MissingToken && self.payload.is_none()
    }
}

impl fmt::Debug for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Malformed")
            .field("command", &self.command)
            .field("identifier", &self.identifier)
            .field("status", &self.status)
            .field("fault", &self.fault)
            .field("delimited", &self.delimited)
            .field("token", &self.token)
            .field(
                "payload",
                &self.payload.as_ref().map(|payload| Hidden(payload.len())),
            )
            .field("frame", &Hidden(self.frame.len()))
            .finish()
    }
}

/// What is wrong with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The first byte is no command [P-18].
    #[error("unknown command {:#04x}", .command.0)]
    UnknownCommand {
        /// The byte.
        command: Command,
    },
    /// The length of a command-2 frame is over the cap [P-17].
    #[error("frame length {len} is over {max}")]
    FrameLen {
        /// The length it claims, in bytes.
        len: u32,
        /// The longest that is read.
        max: u32,
    },
    /// An item of fixed length has another [P-16].
    #[error("item {item} has {len} bytes instead of {expected}")]
    ItemLen {
        /// The item's id.
        item: u8,
        /// Its length in bytes.
        len: usize,
        /// The length the protocol gives it.
        expected: usize,
    },
    /// An item claims more bytes than its frame has left [P-16].
    #[error("item {item} of {len} bytes runs past the frame, which has {left} left")]
    ItemPastFrame {
        /// The item's id.
        item: u8,
        /// The length it claims.
        len: u16,
        /// How many bytes the frame has left.
        left: usize,
    },
    /// Behind the last item are fewer bytes than the header of an item has [P-16].
    #[error("{len} bytes behind the last item")]
    TrailingBytes {
        /// How many.
        len: usize,
    },
    /// A known item occurs twice [P-14].
    #[error("item {item} occurs twice")]
    DuplicateItem {
        /// The item's id.
        item: u8,
    },
    /// The token is absent or empty [P-33].
    #[error("missing token")]
    MissingToken,
    /// The token is shorter or longer than any token [P-34].
    #[error("token of {len} bytes")]
    TokenLen {
        /// Its length in bytes.
        len: usize,
    },
    /// The payload is absent or empty [P-35].
    #[error("missing payload")]
    MissingPayload,
    /// The payload is longer than the limit [P-36].
    #[error("payload of {len} bytes is over {max}")]
    PayloadLen {
        /// Its length in bytes.
        len: usize,
        /// The limit.
        max: usize,
    },
}

impl Fault {
    /// The clause of `docs/protocol.md` it breaks.
    #[must_use]
    pub const fn clause(self) -> &'static str {
        match self {
            Self::UnknownCommand { .. } => "P-18",
            Self::FrameLen { .. } => "P-17",
            Self::ItemLen { .. } | Self::ItemPastFrame { .. } | Self::TrailingBytes { .. } => {
                "P-16"
            }
            Self::DuplicateItem { .. } => "P-14",
            Self::MissingToken => "P-33",
            Self::TokenLen { .. } => "P-34",
            Self::MissingPayload => "P-35",
            Self::PayloadLen { .. } => "P-36",
        }
    }

    /// The status it is answered with where the command has an answer.
    #[must_use]
    pub const fn status(self) -> Option<Status> {
        match self {
            Self::UnknownCommand { .. } => None,
            Self::FrameLen { .. }
            | Self::ItemLen { .. }
            | Self::ItemPastFrame { .. }
            | Self::TrailingBytes { .. }
            | Self::DuplicateItem { .. } => Some(Status::PROTOCOL_ERROR),
            Self::MissingToken => Some(Status::MISSING_TOKEN),
            Self::TokenLen { .. } => Some(Status::INVALID_TOKEN_SIZE),
            Self::MissingPayload => Some(Status::MISSING_PAYLOAD),
            Self::PayloadLen { .. } => Some(Status::INVALID_PAYLOAD_SIZE),
        }
    }
}
