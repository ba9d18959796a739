//! The only place where raw bytes are taken apart. Everything is big-endian [P-08].

use std::fmt;

use byteorder::{BigEndian, ByteOrder as _};

/// Reads a slice from its front. Every method returns `None`, and takes nothing, when too little is left.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.take(2).map(BigEndian::read_u16)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take(4).map(BigEndian::read_u32)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.take(8).map(BigEndian::read_u64)
    }

    pub(crate) fn i32(&mut self) -> Option<i32> {
        self.take(4).map(BigEndian::read_i32)
    }

    /// A 16-bit length and that many bytes.
    pub(crate) fn string(&mut self) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let len = ahead.u16()?;
        let bytes = ahead.take(len.into())?;
        *self = ahead;
        Some(bytes)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The whole of `bytes` as one value of fixed length; `None` when it is longer or shorter.
pub(crate) fn exactly<'a, T>(
    bytes: &'a [u8],
    read: impl FnOnce(&mut Reader<'a>) -> Option<T>,
) -> Option<T> {
    let mut reader = Reader::new(bytes);
    let value = read(&mut reader)?;
    reader.is_empty().then_some(value)
}

const HEX: [[u8; 2]; 256] = hex_table();

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at compile time, where a wrong index does not build"
)]
const fn hex_table() -> [[u8; 2]; 256] {
    let digits = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    table
}

/// Lower-case hexadecimal, two digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut digits = Vec::with_capacity(bytes.len() * 2);
    for &byte in bytes {
        #[expect(clippy::indexing_slicing, reason = "a byte cannot miss a table of 256")]
        digits.extend_from_slice(&HEX[usize::from(byte)]);
    }
    String::from_utf8(digits).expect("hexadecimal digits are ASCII")
}

/// Prints how many bytes there are instead of the bytes: payloads and tokens do not belong into logs.
pub(crate) struct Hidden(pub(crate) usize);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_takes_nothing_when_too_little_is_left() {
        let mut reader = Reader::new(&[0x00, 0x03, 0xaa, 0xbb]);
        assert_eq!(reader.string(), None);
        assert_eq!(reader.u64(), None);
        assert_eq!(reader.len(), 4);
        assert_eq!(reader.u16(), Some(3));
        assert_eq!(reader.take(3), None);
        assert_eq!(reader.array(), Some([0xaa, 0xbb]));
        assert!(reader.is_empty());
    }

    #[test]
    fn exactly_refuses_what_is_longer_or_shorter() {
        assert_eq!(exactly(&[0, 0, 0, 7], Reader::u32), Some(7));
        assert_eq!(exactly(&[0, 0, 0, 7, 0], Reader::u32), None);
        assert_eq!(exactly(&[0, 0, 7], Reader::u32), None);
    }

    #[test]
    fn hexadecimal_has_two_lower_case_digits_for_every_byte() {
        assert_eq!(hex(&[0x00, 0x09, 0x0a, 0x7f, 0xff]), "00090a7fff");
    }
}
