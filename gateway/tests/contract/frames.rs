//! Frames, laid out by hand after the specification, and what tells them apart.

use apns_proto::Token;

/// A token of 32 bytes.
pub(crate) fn token(number: u64) -> Token {
    let mut bytes = vec![0xa1; 24];
    bytes.extend(number.to_be_bytes());
    Token::new(bytes)
}

/// A payload with a number in it.
pub(crate) fn payload(number: u64) -> String {
    format!(r#"{{"aps":{{"alert":"{number}"}}}}"#)
}

pub(crate) fn number(payload: &[u8]) -> u64 {
    let digits: String = payload
        .iter()
        .map(|byte| char::from(*byte))
        .filter(char::is_ascii_digit)
        .collect();
    digits.parse().unwrap()
}

/// Command 0.
pub(crate) fn simple(token: &[u8], payload: &str) -> Vec<u8> {
    [&[0][..], &string(token), &string(payload.as_bytes())].concat()
}

/// Command 1.
pub(crate) fn enhanced(identifier: u32, expiry: i32, token: &[u8], payload: &str) -> Vec<u8> {
    let head = [&[1][..], &identifier.to_be_bytes(), &expiry.to_be_bytes()].concat();
    [head, string(token), string(payload.as_bytes())].concat()
}

/// Command 2, with token, payload and, if any, identifier.
pub(crate) fn framed(identifier: Option<u32>, token: &[u8], payload: &str) -> Vec<u8> {
    let mut items = [vec![1], string(token), vec![2], string(payload.as_bytes())].concat();
    if let Some(identifier) = identifier {
        items.extend([vec![3], string(&identifier.to_be_bytes())].concat());
    }
    [
        &[2][..],
        &u32::try_from(items.len()).unwrap().to_be_bytes(),
        &items,
    ]
    .concat()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [
        &u16::try_from(bytes.len()).unwrap().to_be_bytes()[..],
        bytes,
    ]
    .concat()
}

/// Notification `number` to phone `phone`, with its number as its identifier.
pub(crate) fn note(number: u64, phone: u64) -> Vec<u8> {
    framed(
        Some(u32::try_from(number).unwrap()),
        token(phone).as_bytes(),
        &payload(number),
    )
}
