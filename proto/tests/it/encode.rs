//! What is written, compared with the specification's bytes.

use apns_proto::feedback::{self, Tuple};
use apns_proto::frame::{enhanced, framed, simple};
use apns_proto::{
    Command, ErrorPacket, Expiry, Identifier, NotAnErrorPacket, Priority, Push, Status, Token,
};
use bytes::BytesMut;

use crate::common::{PAYLOAD, TOKEN, hex};

fn written(write: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let mut out = BytesMut::from(&b"before"[..]);
    write(&mut out);
    out.strip_prefix(b"before")
        .expect("encoders only append")
        .to_vec()
}

#[test]
fn the_three_commands_are_written_as_specified() {
    let (token, payload) = (hex(TOKEN), hex(PAYLOAD));
    let push = Push {
        token: &token,
        payload: &payload,
        expiry: Some(Expiry(1_700_000_000)),
        priority: Some(Priority::IMMEDIATE),
    };
    let seven = Identifier::from_u32(7);
    assert_eq!(
        written(|out| simple::encode(&push, out).unwrap()),
        hex(&format!("00 0020 {TOKEN} 0016 {PAYLOAD}"))
    );
    assert_eq!(
        written(|out| enhanced::encode(seven, &push, out).unwrap()),
        hex(&format!("01 00000007 6553f100 0020 {TOKEN} 0016 {PAYLOAD}"))
    );
    assert_eq!(
        written(|out| framed::encode(Some(seven), &push, out).unwrap()),
        hex(&format!(
            "02 0000004e  01 0020 {TOKEN}  02 0016 {PAYLOAD}  03 0004 00000007  04 0004 6553f100  05 0001 0a"
        ))
    );
}

#[test]
fn what_is_not_given_is_left_out() {
    let (token, payload) = (hex(TOKEN), hex(PAYLOAD));
    let push = Push {
        token: &token,
        payload: &payload,
        expiry: None,
        priority: None,
    };
    assert_eq!(
        written(|out| framed::encode(None, &push, out).unwrap()),
        hex(&format!("02 0000003c  01 0020 {TOKEN}  02 0016 {PAYLOAD}"))
    );
    assert_eq!(
        written(|out| enhanced::encode(Identifier([0xfe, 0, 0, 1]), &push, out).unwrap()),
        hex(&format!("01 fe000001 00000000 0020 {TOKEN} 0016 {PAYLOAD}"))
    );
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_written() {
    let long = vec![0; 65_536];
    for (token, payload) in [(&long[..], &b"{}"[..]), (&b"token"[..], &long[..])] {
        let push = Push {
            token,
            payload,
            expiry: None,
            priority: None,
        };
        assert_eq!(
            written(|out| assert!(simple::encode(&push, out).is_err())),
            b""
        );
        assert_eq!(
            written(|out| assert!(enhanced::encode(Identifier::ZERO, &push, out).is_err())),
            b""
        );
        assert_eq!(
            written(|out| assert!(framed::encode(None, &push, out).is_err())),
            b""
        );
    }
    let push = Push {
        token: &[0xa1; 32],
        payload: &long[..16_384 - 37],
        expiry: None,
        priority: None,
    };
    let error = framed::encode(None, &push, &mut BytesMut::new()).unwrap_err();
    assert_eq!(error.to_string(), "frame of 16385 bytes is over 16384");
    let push = Push {
        payload: &long[..16_384 - 38],
        ..push
    };
    assert!(framed::encode(None, &push, &mut BytesMut::new()).is_ok());
}

#[test]
fn the_error_packet_has_six_bytes() {
    let packet = ErrorPacket {
        status: Status::INVALID_TOKEN,
        identifier: Identifier::from_u32(7),
    };
    assert_eq!(packet.encode()[..], hex("08 08 00000007"));
    let packet = ErrorPacket {
        status: Status(255),
        identifier: Identifier([0xfe, 0xdc, 0xba, 0x98]),
    };
    assert_eq!(packet.encode()[..], hex("08 ff fedcba98"));
}

#[test]
fn an_error_packet_is_read_once_all_six_bytes_are_there() {
    let bytes = hex("08 4d fedcba98 99");
    for len in 0..6 {
        let mut buf = BytesMut::from(&bytes[..len]);
        assert_eq!(ErrorPacket::decode(&mut buf), None);
        assert_eq!(buf.len(), len);
    }
    let mut buf = BytesMut::from(&bytes[..]);
    let packet = ErrorPacket::decode(&mut buf).unwrap().unwrap();
    assert_eq!(packet.status, Status(77), "an unknown status survives");
    assert_eq!(packet.identifier, Identifier([0xfe, 0xdc, 0xba, 0x98]));
    assert_eq!(buf[..], [0x99]);
}

#[test]
fn anything_else_than_an_error_packet_is_noticed_at_its_first_byte() {
    let mut buf = BytesMut::from(&b"H"[..]);
    let error = ErrorPacket::decode(&mut buf).unwrap().unwrap_err();
    assert_eq!(
        error,
        NotAnErrorPacket {
            command: Command(0x48)
        }
    );
}

#[test]
fn a_feedback_tuple_of_the_specification_is_read_and_written() {
    let bytes = hex(&format!("6553f100 0020 {TOKEN}"));
    let tuple = Tuple {
        timestamp: 1_700_000_000,
        token: Token::new(hex(TOKEN)),
    };
    assert_eq!(written(|out| tuple.encode(out).unwrap()), bytes);
    assert_eq!((tuple.wire_len(), bytes.len()), (38, 38));

    for len in 0..bytes.len() {
        let mut buf = BytesMut::from(&bytes[..len]);
        assert_eq!(Tuple::decode(&mut buf), None);
        assert_eq!(buf.len(), len);
    }
    let mut buf = BytesMut::from(&[&bytes[..], &bytes[..]].concat()[..]);
    assert_eq!(Tuple::decode(&mut buf), Some(tuple.clone()));
    assert_eq!(Tuple::decode(&mut buf), Some(tuple));
    assert!(buf.is_empty());
}

#[test]
fn a_write_of_feedback_never_splits_a_tuple_over_two_records() {
    let tuple = |len| Tuple {
        timestamp: 1,
        token: Token::new(vec![0xa1; len]),
    };
    assert_eq!(feedback::write_len(&[]), 0);
    assert_eq!(feedback::write_len(&vec![tuple(32); 431]), 431);
    assert_eq!(
        feedback::write_len(&vec![tuple(32); 1000]),
        431,
        "431 × 38 = 16,378"
    );
    assert_eq!(
        feedback::write_len(&[tuple(16_378), tuple(0)]),
        1,
        "exactly one record"
    );
    assert_eq!(
        feedback::write_len(&[tuple(16_372), tuple(0)]),
        2,
        "both in one record"
    );
    assert_eq!(
        feedback::write_len(&[tuple(20_000), tuple(32)]),
        1,
        "never none"
    );
    assert!(tuple(65_536).encode(&mut BytesMut::new()).is_err());
}

#[test]
fn debug_output_of_a_push_holds_neither_payload_nor_token() {
    let push = Push {
        token: &hex(TOKEN),
        payload: br#"{"aps":{"alert":"hi"}}"#,
        expiry: Some(Expiry(7)),
        priority: None,
    };
    assert_eq!(
        format!("{push:?}"),
        "Push { token: <32 bytes>, payload: <22 bytes>, expiry: Some(Expiry(7)), priority: None }"
    );
}
