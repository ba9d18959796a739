//! The few DER shapes of Apple's extensions.

const NULL: u8 = 0x05;
const UTF8_STRING: u8 = 0x0c;
const SEQUENCE: u8 = 0x30;

pub(crate) fn null() -> Vec<u8> {
    element(NULL, &[])
}

pub(crate) fn utf8(text: &str) -> Vec<u8> {
    element(UTF8_STRING, text.as_bytes())
}

pub(crate) fn sequence(items: &[Vec<u8>]) -> Vec<u8> {
    element(SEQUENCE, &items.concat())
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
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
}
