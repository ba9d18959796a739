//! Command 1, the enhanced notification [P-11].
//!
//! ```text
//! 01 | identifier (4) | expiry (4) | token length (2) | token | payload length (2) | payload
//! ```

use bytes::{BufMut as _, BytesMut};

use super::{Parts, Push, TooLong, len_u16, make_room, simple};
use crate::wire::Reader;
use crate::{Command, Expiry, Fault, Identifier};

const TOKEN_AT: usize = 9;

/// Appends `push` as command 1. Its priority is not sent; no expiry is sent as 0, which asks not to store.
///
/// # Errors
/// When token or payload do not fit into their length fields; nothing was appended then.
pub fn encode(identifier: Identifier, push: &Push<'_>, out: &mut BytesMut) -> Result<(), TooLong> {
    let token_len = len_u16("token", push.token.len())?;
    let payload_len = len_u16("payload", push.payload.len())?;
    make_room(out, [TOKEN_AT, 4, push.token.len(), push.payload.len()]);
    out.put_u8(Command::ENHANCED.0);
    out.put_slice(&identifier.0);
    out.put_i32(push.expiry.map_or(0, |expiry| expiry.0));
    out.put_u16(token_len);
    out.put_slice(push.token);
    out.put_u16(payload_len);
    out.put_slice(push.payload);
    Ok(())
}

pub(super) fn frame_len(buf: &[u8]) -> Option<usize> {
    simple::two_strings_end(buf, TOKEN_AT)
}

pub(super) fn parse<'a>(frame: &'a [u8], parts: &mut Parts<'a>) -> Result<(), Fault> {
    let mut reader = Reader::new(frame);
    reader.u8();
    parts.identifier = reader.array().map(Identifier);
    parts.expiry = reader.i32().map(Expiry);
    parts.token = reader.string();
    parts.payload = reader.string();
    Ok(())
}
