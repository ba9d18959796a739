//! Literal bytes, and a frame assembler that shares nothing with the crate's encoders.

use apns_proto::{Limits, Malformed, Notification, decode};
use bytes::BytesMut;

/// The specification's token: 00 to 1f.
pub(crate) const TOKEN: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
/// The specification's payload, `{"aps":{"alert":"hi"}}`: 22 bytes.
pub(crate) const PAYLOAD: &str = "7b22617073223a7b22616c657274223a226869227d7d";

/// Bytes from hexadecimal digits; everything else (spaces, bars) only helps the reader.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .map(|digit| u8::try_from(digit).expect("a digit is small"))
        .collect();
    assert_eq!(digits.len() % 2, 0, "half a byte in {text:?}");
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// Everything that comes out of `stream` handed over in one piece, up to the first frame without an end; and what is left.
pub(crate) fn decode_all(stream: &[u8], limits: Limits) -> (Vec<Decoded>, BytesMut) {
    let mut buf = BytesMut::from(stream);
    let mut decoded = vec![];
    while let Some(one) = decode(&mut buf, &limits) {
        let stop = one.as_ref().is_err_and(|malformed| !malformed.delimited);
        decoded.push(one);
        if stop {
            break;
        }
    }
    (decoded, buf)
}

pub(crate) type Decoded = Result<Notification, Malformed>;

/// The one thing that comes out of `frame`.
#[expect(
    clippy::result_large_err,
    reason = "a test does not mind moving 136 bytes"
)]
pub(crate) fn decode_one(frame: &[u8]) -> Decoded {
    let (mut decoded, left) = decode_all(frame, Limits::BINARY);
    assert_eq!((decoded.len(), left.len()), (1, 0), "{frame:02x?}");
    decoded.remove(0)
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).expect("a short test string");
    [&len.to_be_bytes(), bytes].concat()
}

pub(crate) fn simple(token: &[u8], payload: &[u8]) -> Vec<u8> {
    [vec![0], string(token), string(payload)].concat()
}

pub(crate) fn enhanced(identifier: [u8; 4], expiry: i32, token: &[u8], payload: &[u8]) -> Vec<u8> {
    let head = [&[1], &identifier[..], &expiry.to_be_bytes()].concat();
    [head, string(token), string(payload)].concat()
}

pub(crate) fn framed(items: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let body: Vec<u8> = items
        .iter()
        .flat_map(|(id, bytes)| [vec![*id], string(bytes)].concat())
        .collect();
    let len = u32::try_from(body.len()).expect("a short test frame");
    [&[2], &len.to_be_bytes()[..], &body].concat()
}
