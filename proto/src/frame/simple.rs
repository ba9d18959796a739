//! Command 0, the simple notification [P-10].
//!
//! ```text
//! 00 | token length (2) | token | payload length (2) | payload
//! ```

use bytes::{BufMut as _, BytesMut};

use super::{Parts, Push, TooLong, len_u16, make_room};
use crate::wire::Reader;
use crate::{Command, Fault};

const TOKEN_AT: usize = 1;

/// Appends `push` as command 0. Its expiry and priority are not sent: the layout has no room for them.
///
/// # Errors
/// When token or payload do not fit into their length fields; nothing was appended then.
pub fn encode(push: &Push<'_>, out: &mut BytesMut) -> Result<(), TooLong> {
    let token_len = len_u16("token", push.token.len())?;
    let payload_len = len_u16("payload", push.payload.len())?;
    make_room(out, [TOKEN_AT, 4, push.token.len(), push.payload.len()]);
    out.put_u8(Command::SIMPLE.0);
    out.put_u16(token_len);
    out.put_slice(push.token);
    out.put_u16(payload_len);
    out.put_slice(push.payload);
    Ok(())
}

pub(super) fn frame_len(buf: &[u8]) -> Option<usize> {
    two_strings_end(buf, TOKEN_AT)
}

pub(super) fn parse<'a>(frame: &'a [u8], parts: &mut Parts<'a>) -> Result<(), Fault> {
    let mut reader = Reader::new(frame);
    reader.take(TOKEN_AT);
    parts.token = reader.string();
    parts.payload = reader.string();
    Ok(())
}

/// Where the second of two length-prefixed strings ends, the first of which begins at `at`; `None` until both lengths are
/// there.
pub(super) fn two_strings_end(buf: &[u8], at: usize) -> Option<usize> {
    let mut reader = Reader::new(buf);
    reader.take(at)?;
    let first = usize::from(reader.u16()?);
    reader.take(first)?;
    let second = usize::from(reader.u16()?);
    Some(at + 2 + first + 2 + second)
}
