//! Device tokens.

use std::fmt;

use bytes::Bytes;

use crate::wire;

/// A device token as it is on the wire; any length, 32 bytes in practice [P-20].
///
/// It prints as its first four bytes and "…": a whole token does not belong into a log.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(Bytes);

impl Token {
    /// Shortest token that is looked up [P-20].
    pub const LEN_MIN: usize = 32;
    /// Longest token that is looked up [P-20].
    pub const LEN_MAX: usize = 100;

    /// The token with these bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its bytes, sharing storage.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// A copy with storage of its own.
    ///
    /// A decoded token is a slice of the read buffer and keeps all of that alive: whoever keeps tokens keeps these.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }

    /// The whole token in lower-case hexadecimal.
    #[must_use]
    pub fn to_hex(&self) -> String {
        wire::hex(&self.0)
    }
}

impl AsRef<[u8]> for Token {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.get(..4).unwrap_or(&self.0);
        write!(f, "{}…", wire::hex(shown))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_prints_four_bytes_and_no_more() {
        let token = Token::new(&[0x0f, 0x74, 0x47, 0x07, 0xbe, 0xbc][..]);
        assert_eq!(format!("{token} {token:?}"), "0f744707… 0f744707…");
        assert_eq!(token.to_hex(), "0f744707bebc");
        assert_eq!(Token::new(&[0xab][..]).to_string(), "ab…");
    }
}
