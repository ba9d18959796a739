//! A password as bytes: programs disagree on how.

use std::fmt;

/// A password in the two spellings the schemes want.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    /// PKCS#12's own schemes: UTF-16, big end first, closed by two zero bytes.
    pub(super) wide: Vec<u8>,
    /// PBES2: UTF-8.
    pub(super) plain: Vec<u8>,
}

impl Password {
    /// The spelling of RFC 7292, which is the one to write with.
    pub fn new(text: &str) -> Self {
        Self {
            wide: terminated(text.encode_utf16()),
            plain: text.as_bytes().to_vec(),
        }
    }

    /// Every spelling in use, the right one first: an empty password also as no bytes at all, without the closing
    /// zeros (Java, OpenSSL's `NULL`); one that is not ASCII also as OpenSSL before 1.1.0 wrote it, which widened the
    /// bytes of the UTF-8.
    pub(in crate::credentials) fn spellings(text: &str) -> Vec<Self> {
        let mut spellings = vec![Self::new(text)];
        if text.is_empty() {
            spellings.push(Self {
                wide: Vec::new(),
                plain: Vec::new(),
            });
        }
        if !text.is_ascii() {
            spellings.push(Self {
                wide: terminated(text.bytes().map(u16::from)),
                plain: text.as_bytes().to_vec(),
            });
        }
        spellings
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

fn terminated(units: impl Iterator<Item = u16>) -> Vec<u8> {
    units.chain([0]).flat_map(u16::to_be_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_spelled_as_in_appendix_b_of_rfc_7292() {
        // Its example: "Beavis".
        assert_eq!(
            Password::new("Beavis").wide,
            b"\x00\x42\x00\x65\x00\x61\x00\x76\x00\x69\x00\x73\x00\x00"
        );
        assert_eq!(
            Password::new("é😀").wide,
            b"\x00\xe9\xd8\x3d\xde\x00\x00\x00"
        );
    }

    #[test]
    fn an_empty_password_and_one_beyond_ascii_have_a_second_spelling() {
        let wide = |text| -> Vec<Vec<u8>> {
            let spellings = Password::spellings(text);
            spellings
                .into_iter()
                .map(|spelling| spelling.wide)
                .collect()
        };
        assert_eq!(wide("a"), [b"\x00a\x00\x00"]);
        assert_eq!(wide(""), [b"\x00\x00".to_vec(), vec![]]);
        assert_eq!(
            wide("é"),
            [&b"\x00\xe9\x00\x00"[..], b"\x00\xc3\x00\xa9\x00\x00"]
        );
    }

    #[test]
    fn a_password_is_not_printed() {
        assert_eq!(format!("{:?}", Password::new("secret")), "Password(…)");
    }
}
