//! Frames written by hand from the tables of docs/protocol.md. Nothing here knows what a valid frame is: a case decides what it sends.

/// Command 0 [P-10].
#[must_use]
pub fn simple(token: &[u8], payload: &[u8]) -> Vec<u8> {
    [&[0x00], &counted(token)[..], &counted(payload)].concat()
}

/// Command 1 [P-11].
#[must_use]
pub fn enhanced(identifier: u32, expiry: i32, token: &[u8], payload: &[u8]) -> Vec<u8> {
    [
        &[0x01],
        &identifier.to_be_bytes()[..],
        &expiry.to_be_bytes(),
        &counted(token),
        &counted(payload),
    ]
    .concat()
}

/// Command 2 with a token, a payload and an identifier [P-12].
#[must_use]
pub fn framed(identifier: u32, token: &[u8], payload: &[u8]) -> Vec<u8> {
    frame(&[
        item(1, token),
        item(2, payload),
        item(3, &identifier.to_be_bytes()),
    ])
}

/// Command 2 with these bytes behind its length [P-12].
#[must_use]
pub fn frame(items: &[Vec<u8>]) -> Vec<u8> {
    let body = items.concat();
    frame_claiming(len4(body.len()), &body)
}

/// Command 2 that says it has `len` bytes, and what comes behind.
#[must_use]
pub fn frame_claiming(len: u32, body: &[u8]) -> Vec<u8> {
    [&[0x02], &len.to_be_bytes()[..], body].concat()
}

/// An item of command 2 [P-12].
#[must_use]
pub fn item(id: u8, data: &[u8]) -> Vec<u8> {
    [&[id], &counted(data)[..]].concat()
}

/// The error packet [P-31].
#[must_use]
pub fn error_packet(status: u8, identifier: u32) -> [u8; 6] {
    let [a, b, c, d] = identifier.to_be_bytes();
    [0x08, status, a, b, c, d]
}

/// A frame of the courier connection [C-02]; a field is an item by another name.
#[must_use]
pub fn courier(command: u8, fields: &[(u8, &[u8])]) -> Vec<u8> {
    let body: Vec<_> = fields
        .iter()
        .flat_map(|(id, value)| item(*id, value))
        .collect();
    [&[command], &len4(body.len()).to_be_bytes()[..], &body].concat()
}

/// Two bytes of length, then the bytes.
fn counted(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).expect("a case counts in two bytes what fits");
    [&len.to_be_bytes()[..], bytes].concat()
}

fn len4(len: usize) -> u32 {
    u32::try_from(len).expect("a case's frame is short")
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    const PAYLOAD: &[u8] = br#"{"aps":{"alert":"hi"}}"#;
    const TOKEN: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const PAYLOAD_HEX: &str = "7b22617073223a7b22616c657274223a226869227d7d";

    #[test]
    fn frames_are_those_of_the_tables() {
        let token: Vec<_> = (0..32).collect();
        let hex = |bytes: &[u8]| HEXLOWER.encode(bytes);
        assert_eq!(
            hex(&simple(&token, PAYLOAD)),
            format!("000020{TOKEN}0016{PAYLOAD_HEX}")
        );
        assert_eq!(
            hex(&enhanced(7, 1_700_000_000, &token, PAYLOAD)),
            format!("01000000076553f1000020{TOKEN}0016{PAYLOAD_HEX}")
        );
        assert_eq!(
            hex(&framed(7, &token, PAYLOAD)),
            format!("0200000043010020{TOKEN}020016{PAYLOAD_HEX}03000400000007")
        );
        assert_eq!(hex(&error_packet(8, 7)), "080800000007");
        let connect: [(u8, &[u8]); 2] = [(1, &[0xab, 0xcd]), (2, &[1])];
        assert_eq!(hex(&courier(7, &connect)), "0700000009010002abcd02000101");
    }
}
