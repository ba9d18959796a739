//! The few DER shapes of Apple's extensions, of PKCS#12 and of public keys.

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const NULL: u8 = 0x05;
const OID: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const BMP_STRING: u8 = 0x1e;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const CONTEXT: u8 = 0x80;
const CONSTRUCTED: u8 = 0x20;

pub(crate) fn null() -> Vec<u8> {
    element(NULL, &[])
}

pub(crate) fn utf8(text: &str) -> Vec<u8> {
    element(UTF8_STRING, text.as_bytes())
}

pub(crate) fn sequence(items: &[Vec<u8>]) -> Vec<u8> {
    element(SEQUENCE, &items.concat())
}

/// A set of one element, or of several that are in order already.
pub(crate) fn set(items: &[Vec<u8>]) -> Vec<u8> {
    element(SET, &items.concat())
}

pub(crate) fn integer(number: u64) -> Vec<u8> {
    let digits = number.to_be_bytes();
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    let mut significant = digits[zeros.min(digits.len() - 1)..].to_vec();
    // A first bit of one would make it negative.
    if significant[0] & 0x80 != 0 {
        significant.insert(0, 0);
    }
    element(INTEGER, &significant)
}

pub(crate) fn octets(bytes: &[u8]) -> Vec<u8> {
    element(OCTET_STRING, bytes)
}

/// An object identifier, already encoded.
pub(crate) fn oid(content: &[u8]) -> Vec<u8> {
    element(OID, content)
}

/// A string of UTF-16.
pub(crate) fn bmp(text: &str) -> Vec<u8> {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    element(BMP_STRING, &units)
}

/// `value` under the explicit tag `[number]`.
pub(crate) fn explicit(number: u8, value: &[u8]) -> Vec<u8> {
    element(CONTEXT | CONSTRUCTED | number, value)
}

/// An octet string under the implicit tag `[number]`.
pub(crate) fn implicit_octets(number: u8, bytes: &[u8]) -> Vec<u8> {
    element(CONTEXT | number, bytes)
}

pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut der = vec![tag];
    let len = content.len().to_be_bytes();
    let significant = &len[len.iter().take_while(|byte| **byte == 0).count()..];
    match significant {
        [] => der.push(0),
        [short] if *short < 0x80 => der.push(*short),
        long => {
            // At most eight bytes of length: the cast loses nothing.
            der.push(0x80 | long.len() as u8);
            der.extend_from_slice(long);
        }
    }
    der.extend_from_slice(content);
    der
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_the_short_form_below_128_and_the_long_form_from_there() {
        assert_eq!(null(), [0x05, 0x00]);
        assert_eq!(utf8("ab"), [0x0c, 0x02, b'a', b'b']);
        assert_eq!(utf8(&"x".repeat(127))[..2], [0x0c, 0x7f]);
        assert_eq!(utf8(&"x".repeat(128))[..3], [0x0c, 0x81, 0x80]);
        assert_eq!(utf8(&"x".repeat(0x1234))[..4], [0x0c, 0x82, 0x12, 0x34]);
        assert_eq!(
            sequence(&[null(), utf8("a")]),
            [0x30, 5, 5, 0, 0x0c, 1, b'a']
        );
    }

    #[test]
    fn an_integer_is_as_short_as_can_be_and_never_negative() {
        for (number, der) in [
            (0, &[2, 1, 0][..]),
            (0x7f, &[2, 1, 0x7f]),
            (0x80, &[2, 2, 0, 0x80]),
            (2048, &[2, 2, 8, 0]),
            (u64::MAX, &[2, 9, 0, 255, 255, 255, 255, 255, 255, 255, 255]),
        ] {
            assert_eq!(integer(number), der);
        }
    }

    #[test]
    fn tags_of_a_context_wrap_a_value_or_replace_its_own() {
        assert_eq!(explicit(0, &octets(&[7])), [0xa0, 3, 4, 1, 7]);
        assert_eq!(implicit_octets(0, &[7]), [0x80, 1, 7]);
        assert_eq!(bmp("é"), [0x1e, 2, 0, 0xe9]);
        assert_eq!(set(&[null()]), [0x31, 2, 5, 0]);
        assert_eq!(oid(&[0x2a, 3]), [6, 2, 0x2a, 3]);
    }
}
