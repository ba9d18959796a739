//! Notification frames written by hand from the protocol's tables (docs/protocol.md), so that the tests do not share an encoder, and
//! its mistakes, with what they test.

/// Command 0 [P-10].
#[must_use]
pub fn simple(token: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0];
    put(&mut frame, token);
    put(&mut frame, payload);
    frame
}

/// Command 1 [P-11].
#[must_use]
pub fn enhanced(identifier: u32, expiry: i32, token: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![1];
    frame.extend(identifier.to_be_bytes());
    frame.extend(expiry.to_be_bytes());
    put(&mut frame, token);
    put(&mut frame, payload);
    frame
}

/// Command 2 with the items that node-apn sends for a plain alert: token, payload, identifier [P-12].
#[must_use]
pub fn framed(identifier: u32, token: &[u8], payload: &[u8]) -> Vec<u8> {
    items(&[(1, token), (2, payload), (3, &identifier.to_be_bytes())])
}

/// Command 2 with exactly these items, each an item number and its bytes.
#[must_use]
pub fn items(items: &[(u8, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (id, value) in items {
        body.push(*id);
        put(&mut body, value);
    }
    let mut frame = vec![2];
    frame.extend(
        u32::try_from(body.len())
            .expect("a frame of the tests is short")
            .to_be_bytes(),
    );
    frame.extend(body);
    frame
}

/// The error packet a backend reads [P-31].
#[must_use]
pub fn error_packet(status: u8, identifier: u32) -> [u8; 6] {
    let [a, b, c, d] = identifier.to_be_bytes();
    [8, status, a, b, c, d]
}

/// Two bytes of length, then the bytes.
fn put(frame: &mut Vec<u8>, bytes: &[u8]) {
    frame.extend(
        u16::try_from(bytes.len())
            .expect("two bytes hold the length")
            .to_be_bytes(),
    );
    frame.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: &[u8] = br#"{"aps":{"alert":"hi"}}"#;

    fn token() -> Vec<u8> {
        (0..32).collect()
    }

    /// The vectors that stand in docs/protocol.md: token 00..1f, identifier 7, expiry 1700000000, priority 10.
    #[test]
    fn frames_are_the_vectors_of_the_specification() {
        let token = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
        let payload = "7b22617073223a7b22616c657274223a226869227d7d";
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        assert_eq!(
            hex(&simple(&self::token(), PAYLOAD)),
            format!("000020{token}0016{payload}")
        );
        assert_eq!(
            hex(&enhanced(7, 1_700_000_000, &self::token(), PAYLOAD)),
            format!("01000000076553f1000020{token}0016{payload}")
        );
        let all: &[(u8, &[u8])] = &[
            (1, &self::token()),
            (2, PAYLOAD),
            (3, &[0, 0, 0, 7]),
            (4, &[0x65, 0x53, 0xf1, 0]),
            (5, &[10]),
        ];
        assert_eq!(
            hex(&items(all)),
            format!("020000004e010020{token}020016{payload}030004000000070400046553f1000500010a")
        );
        assert_eq!(
            hex(&framed(7, &self::token(), PAYLOAD)),
            format!("0200000043010020{token}020016{payload}03000400000007")
        );
        assert_eq!(hex(&error_packet(8, 7)), "080800000007");
    }
}
