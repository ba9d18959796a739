//! Tuples of the feedback service: the server speaks first, the client only reads [P-50].
//!
//! ```text
//! timestamp (4) | token length (2) | token
//! ```

use bytes::{Buf as _, BufMut as _, BytesMut};

use crate::frame::len_u16;
use crate::wire::Reader;
use crate::{Token, TooLong};

/// Most bytes one TLS record carries.
pub const RECORD_LEN_MAX: usize = 16 * 1024;

const HEADER_LEN: usize = 6;

/// A token whose app was not on the phone any more [P-51].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// When APNs found out: seconds since 1970, UTC.
    pub timestamp: u32,
    /// The token.
    pub token: Token,
}

impl Tuple {
    /// Its length on the wire: 38 bytes for a token of 32.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        HEADER_LEN + self.token.as_bytes().len()
    }

    /// Appends it to `out`.
    ///
    /// # Errors
    /// When the token does not fit into its length field; nothing was appended then.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), TooLong> {
        let token_len = len_u16("token", self.token.as_bytes().len())?;
        out.reserve(self.wire_len());
        out.put_u32(self.timestamp);
        out.put_u16(token_len);
        out.put_slice(self.token.as_bytes());
        Ok(())
    }

    /// Takes a tuple off the front of `buf`; `None`: it is not complete, nothing was consumed. No tuple is malformed; it is
    /// at most 65,541 bytes long.
    pub fn decode(buf: &mut BytesMut) -> Option<Self> {
        let mut reader = Reader::new(buf);
        let timestamp = reader.u32()?;
        let len = reader.string()?.len();
        buf.advance(HEADER_LEN);
        Some(Self {
            timestamp,
            token: Token::new(buf.split_to(len)),
        })
    }
}

/// How many of the first `tuples` belong into the next write, so that no tuple is split over two TLS records [P-55]: 431 of
/// 38 bytes. At least one, if there is one.
#[must_use]
pub fn write_len(tuples: &[Tuple]) -> usize {
    let fitting = tuples
        .iter()
        .scan(0, |len, tuple| {
            *len += tuple.wire_len();
            (*len <= RECORD_LEN_MAX).then_some(())
        })
        .count();
    fitting.max(tuples.len().min(1))
}
