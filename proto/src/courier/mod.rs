//! Frames between APNs and a phone, on port 5223 [C-02].
//!
//! ```text
//! command (1) | frame length (4) | fields
//! field: id (1) | length (2) | value; ids may repeat
//! ```
//!
//! [`Frame`] is the layout, [`Message`] the meaning.

use std::fmt;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use crate::TooLong;
use crate::frame::{len_u16, make_room};
use crate::wire::{self, Hidden, Reader};

mod message;

pub use message::{Message, Status, TopicHash};

/// Longest frame that is read, in bytes behind the length field [C-16].
pub const FRAME_LEN_MAX: u32 = 64 * 1024;

const HEADER_LEN: usize = 5;
const FIELD_HEADER_LEN: usize = 3;

/// The first byte of a frame on the courier connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Command(pub u8);

impl Command {
    /// Phone to server, first: here I am [C-03].
    pub const CONNECT: Self = Self(0x07);
    /// Server to phone: welcome, or who are you [C-04].
    pub const CONNECT_ACK: Self = Self(0x08);
    /// Phone to server: the topics it wants [C-05].
    pub const FILTER_TOPICS: Self = Self(0x09);
    /// Server to phone: a notification [C-06].
    pub const NOTIFICATION: Self = Self(0x0a);
    /// Phone to server: what became of it [C-07].
    pub const ACK: Self = Self(0x0b);
    /// Phone to server: are you there [C-09].
    pub const KEEP_ALIVE: Self = Self(0x0c);
    /// Server to phone: yes [C-09].
    pub const KEEP_ALIVE_ACK: Self = Self(0x0d);
    /// Phone to server: a device token for an app, please [C-10].
    pub const SCOPED_TOKEN: Self = Self(0x11);
    /// Server to phone: the device token [C-11].
    pub const SCOPED_TOKEN_ACK: Self = Self(0x12);
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::CONNECT => "connect",
            Self::CONNECT_ACK => "connect ack",
            Self::FILTER_TOPICS => "filter topics",
            Self::NOTIFICATION => "notification",
            Self::ACK => "ack",
            Self::KEEP_ALIVE => "keep alive",
            Self::KEEP_ALIVE_ACK => "keep alive ack",
            Self::SCOPED_TOKEN => "scoped token",
            Self::SCOPED_TOKEN_ACK => "scoped token ack",
            Self(_) => "unassigned",
        };
        write!(f, "{:02x} ({name})", self.0)
    }
}

/// A frame, whatever it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What kind it is.
    pub command: Command,
    /// Its fields in the order of the wire.
    pub fields: Vec<Field>,
}

/// One field of a frame. `Debug` shows numbers (up to four bytes), of anything longer the length only.
#[derive(Clone, PartialEq, Eq)]
pub struct Field {
    /// What it is; the meaning depends on the command.
    pub id: u8,
    /// Its bytes, sharing storage with the buffer they were decoded from.
    pub value: Bytes,
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value.len() {
            0..=4 => write!(f, "{:02x}: {}", self.id, wire::hex(&self.value)),
            len => write!(f, "{:02x}: {:?}", self.id, Hidden(len)),
        }
    }
}

/// Why the bytes on a courier connection mean nothing; the connection is closed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The frame is longer than the cap [C-16].
    #[error("frame length {len} is over {max}")]
    FrameLen {
        /// The length it claims, in bytes.
        len: u32,
        /// The longest that is read.
        max: u32,
    },
    /// A field claims more bytes than its frame has left, or there is no room for its header [C-02].
    #[error("field runs past the frame")]
    FieldPastFrame,
    /// A message lacks a field it cannot do without.
    #[error("command {command} without field {id}")]
    MissingField {
        /// The message's command.
        command: Command,
        /// The field's id.
        id: u8,
    },
    /// A field of fixed length has another.
    #[error("field {id} of command {command} has {len} bytes")]
    FieldLen {
        /// The message's command.
        command: Command,
        /// The field's id.
        id: u8,
        /// Its length in bytes.
        len: usize,
    },
}

impl Fault {
    /// The clause of `docs/protocol.md` it breaks.
    #[must_use]
    pub const fn clause(self) -> &'static str {
        match self {
            Self::FrameLen { .. } => "C-16",
            Self::FieldPastFrame => "C-02",
            Self::MissingField { command, .. } | Self::FieldLen { command, .. } => match command {
                Command::CONNECT => "C-03",
                Command::CONNECT_ACK => "C-04",
                Command::FILTER_TOPICS => "C-05",
                Command::NOTIFICATION => "C-06",
                Command::ACK => "C-07",
                Command::SCOPED_TOKEN => "C-10",
                Command::SCOPED_TOKEN_ACK => "C-11",
                _ => "C-02",
            },
        }
    }
}

/// Takes the next frame off the front of `buf`. `None`: it is not complete, nothing was consumed.
///
/// # Errors
/// When the frame is too long (found out by its header) or its fields do not add up; there is no way on then.
pub fn decode(buf: &mut BytesMut) -> Result<Option<Frame>, Fault> {
    let mut reader = Reader::new(buf);
    let (Some(command), Some(len)) = (reader.u8(), reader.u32()) else {
        return Ok(None);
    };
    if len > FRAME_LEN_MAX {
        return Err(Fault::FrameLen {
            len,
            max: FRAME_LEN_MAX,
        });
    }
    let len = len as usize;
    if reader.len() < len {
        return Ok(None);
    }
    buf.advance(HEADER_LEN);
    let body = buf.split_to(len).freeze();
    let mut reader = Reader::new(&body);
    let mut fields = Vec::new();
    while !reader.is_empty() {
        let (Some(id), Some(value)) = (reader.u8(), reader.string()) else {
            return Err(Fault::FieldPastFrame);
        };
        fields.push(Field {
            id,
            value: body.slice_ref(value),
        });
    }
    Ok(Some(Frame {
        command: Command(command),
        fields,
    }))
}

impl Frame {
    /// Appends it to `out`.
    ///
    /// # Errors
    /// When a field does not fit into its length field or the frame is longer than [`FRAME_LEN_MAX`]; nothing was appended
    /// then.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), TooLong> {
        for field in &self.fields {
            len_u16("field", field.value.len())?;
        }
        let len = self
            .fields
            .iter()
            .map(|field| FIELD_HEADER_LEN + field.value.len())
            .sum::<usize>();
        let frame_len = u32::try_from(len)
            .ok()
            .filter(|&len| len <= FRAME_LEN_MAX)
            .ok_or(TooLong {
                what: "frame",
                len,
                max: FRAME_LEN_MAX as usize,
            })?;
        make_room(out, [HEADER_LEN, len]);
        out.put_u8(self.command.0);
        out.put_u32(frame_len);
        for field in &self.fields {
            out.put_u8(field.id);
            out.put_u16(len_u16("field", field.value.len())?);
            out.put_slice(&field.value);
        }
        Ok(())
    }
}
