//! Command 2, the framed notification [P-12].
//!
//! ```text
//! 02 | frame length (4) | items
//! item: id (1) | length (2) | data
//! ```
//!
//! | id | item | length |
//! |---|---|---|
//! | 1 | token | 32 to 100 |
//! | 2 | payload | 1 to the limit |
//! | 3 | identifier | 4 |
//! | 4 | expiry | 4 |
//! | 5 | priority | 1 |

use bytes::{BufMut as _, BytesMut};

use super::{Parts, Push, TooLong, len_u16, make_room};
use crate::wire::{Reader, exactly};
use crate::{Command, Expiry, Fault, Identifier, Priority};

/// Longest frame that is read, in bytes behind the length field [P-17].
pub const FRAME_LEN_MAX: u32 = 16 * 1024;

/// Command and frame length.
pub(super) const HEADER_LEN: usize = 5;
const ITEM_HEADER_LEN: usize = 3;

const TOKEN: u8 = 1;
const PAYLOAD: u8 = 2;
const IDENTIFIER: u8 = 3;
const EXPIRY: u8 = 4;
const PRIORITY: u8 = 5;

/// Appends `push` as command 2, items in the order 1 to 5, those not given left out.
///
/// # Errors
/// When the frame is longer than [`FRAME_LEN_MAX`]; nothing was appended then.
pub fn encode(
    identifier: Option<Identifier>,
    push: &Push<'_>,
    out: &mut BytesMut,
) -> Result<(), TooLong> {
    let token_len = len_u16("token", push.token.len())?;
    let payload_len = len_u16("payload", push.payload.len())?;
    let optional_len = identifier.map_or(0, |_| ITEM_HEADER_LEN + 4)
        + push.expiry.map_or(0, |_| ITEM_HEADER_LEN + 4)
        + push.priority.map_or(0, |_| ITEM_HEADER_LEN + 1);
    let len =
        ITEM_HEADER_LEN + push.token.len() + ITEM_HEADER_LEN + push.payload.len() + optional_len;
    let frame_len = u32::try_from(len)
        .ok()
        .filter(|&len| len <= FRAME_LEN_MAX)
        .ok_or(TooLong {
            what: "frame",
            len,
            max: FRAME_LEN_MAX as usize,
        })?;
    make_room(out, [HEADER_LEN, len]);
    out.put_u8(Command::FRAMED.0);
    out.put_u32(frame_len);
    out.put_u8(TOKEN);
    out.put_u16(token_len);
    out.put_slice(push.token);
    out.put_u8(PAYLOAD);
    out.put_u16(payload_len);
    out.put_slice(push.payload);
    if let Some(identifier) = identifier {
        out.put_u8(IDENTIFIER);
        out.put_u16(4);
        out.put_slice(&identifier.0);
    }
    if let Some(expiry) = push.expiry {
        out.put_u8(EXPIRY);
        out.put_u16(4);
        out.put_i32(expiry.0);
    }
    if let Some(priority) = push.priority {
        out.put_u8(PRIORITY);
        out.put_u16(1);
        out.put_u8(priority.0);
    }
    Ok(())
}

/// Appends the farewell of a client that wants to know what was taken: command 2 with nothing but an identifier [P-44].
pub fn encode_farewell(identifier: Identifier, out: &mut BytesMut) {
    const FRAME_LEN: u32 = 7;
    out.put_u8(Command::FRAMED.0);
    out.put_u32(FRAME_LEN);
    out.put_u8(IDENTIFIER);
    out.put_u16(4);
    out.put_slice(&identifier.0);
}

/// Length of the whole frame; `None` until the header is there, a fault as soon as it is there and over the cap.
pub(super) fn frame_len(buf: &[u8]) -> Option<Result<usize, Fault>> {
    let mut reader = Reader::new(buf);
    reader.u8()?;
    let len = reader.u32()?;
    Some(if len > FRAME_LEN_MAX {
        Err(Fault::FrameLen {
            len,
            max: FRAME_LEN_MAX,
        })
    } else {
        Ok(HEADER_LEN + len as usize)
    })
}

/// Reads the items in whatever order they come [P-13]; ids nobody assigned are skipped [P-15].
pub(super) fn parse<'a>(frame: &'a [u8], parts: &mut Parts<'a>) -> Result<(), Fault> {
    let mut items = Reader::new(frame);
    items.take(HEADER_LEN);
    while !items.is_empty() {
        let left = items.len();
        let (Some(item), Some(len)) = (items.u8(), items.u16()) else {
            return Err(Fault::TrailingBytes { len: left }); // [P-16]
        };
        let Some(bytes) = items.take(len.into()) else {
            return Err(Fault::ItemPastFrame {
                item,
                len,
                left: items.len(),
            }); // [P-16]
        };
        let fixed = |expected| Fault::ItemLen {
            item,
            len: bytes.len(),
            expected,
        };
        match item {
            TOKEN => once(item, &mut parts.token, bytes)?,
            PAYLOAD => once(item, &mut parts.payload, bytes)?,
            IDENTIFIER => {
                let identifier = exactly(bytes, Reader::array).ok_or_else(|| fixed(4))?;
                once(item, &mut parts.identifier, Identifier(identifier))?;
            }
            EXPIRY => {
                let expiry = exactly(bytes, Reader::i32).ok_or_else(|| fixed(4))?;
                once(item, &mut parts.expiry, Expiry(expiry))?;
            }
            PRIORITY => {
                let priority = exactly(bytes, Reader::u8).ok_or_else(|| fixed(1))?;
                once(item, &mut parts.priority, Priority(priority))?;
            }
            _ => {} // [P-15]
        }
    }
    Ok(())
}

/// Of an item that occurs twice the first counts [P-14].
fn once<T>(item: u8, slot: &mut Option<T>, value: T) -> Result<(), Fault> {
    if slot.is_some() {
        return Err(Fault::DuplicateItem { item });
    }
    *slot = Some(value);
    Ok(())
}
