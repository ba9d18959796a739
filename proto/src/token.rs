//! Device tokens.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::wire;

/// A device token as it is on the wire; any length, 32 bytes in practice [P-20].
///
/// It prints as its first four bytes and "…": a whole token does not belong into a log. Its storage is its own, and one of the usual length needs none
/// but itself: tokens are copied, kept and looked up with every notification.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(Stored);

/// The length decides which: equal tokens are stored alike.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Stored {
    Usual([u8; Token::LEN_MIN]),
    Other(Box<[u8]>),
}

impl Token {
    /// Shortest token that is looked up [P-20].
    pub const LEN_MIN: usize = 32;
    /// Longest token that is looked up [P-20].
    pub const LEN_MAX: usize = 100;

    /// The token with these bytes.
    pub fn new(bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        Self(match bytes.try_into() {
            Ok(usual) => Stored::Usual(usual),
            Err(_) => Stored::Other(bytes.into()),
        })
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Stored::Usual(bytes) => bytes,
            Stored::Other(bytes) => bytes,
        }
    }

    /// The whole token in lower-case hexadecimal.
    #[must_use]
    pub fn to_hex(&self) -> String {
        wire::hex(self.as_bytes())
    }
}

impl Hash for Token {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // In one piece: every notification is looked up by its token several times.
        state.write(self.as_bytes());
    }
}

impl AsRef<[u8]> for Token {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.as_bytes().get(..4).unwrap_or(self.as_bytes());
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
        assert_eq!(token.as_ref(), token.as_bytes());
        assert_eq!(Token::new(&[0xab][..]).to_string(), "ab…");
    }
    /// What is written to a hasher, piece by piece.
    #[derive(Default)]
    struct Pieces(Vec<Vec<u8>>);

    impl Hasher for Pieces {
        fn write(&mut self, bytes: &[u8]) {
            self.0.push(bytes.to_vec());
        }

        fn finish(&self) -> u64 {
            0
        }
    }

    #[test]
    fn a_token_is_hashed_as_its_bytes_in_one_piece() {
        for bytes in [&[0xaa; 32][..], &[0xbb; 80]] {
            let mut pieces = Pieces::default();
            Token::new(bytes).hash(&mut pieces);
            assert_eq!(pieces.0, [bytes]);
        }
    }
}
