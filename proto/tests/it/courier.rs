//! Courier frames, byte by byte as in the specification's table.

use apns_proto::courier::{self, Command, Fault, Field, Frame, Message, Status, TopicHash};
use apns_proto::{Expiry, Priority, Token};
use bytes::{Bytes, BytesMut};

use crate::common::{PAYLOAD, TOKEN, hex};

/// SHA-1 of "com.apple.madrid", as the specification gives it.
const TOPIC: &str = "e4e6d952954168d0a5db02dbaf27cc35fc18d159";

fn topic() -> TopicHash {
    TopicHash(hex(TOPIC).try_into().expect("20 bytes"))
}

fn token() -> Token {
    Token::new(hex(TOKEN))
}

fn table() -> Vec<(String, Message)> {
    let full = Message::Notification {
        token: token(),
        topic: topic(),
        payload: Bytes::from(hex(PAYLOAD)),
        id: [0, 0, 0, 9],
        expiry: Some(Expiry(1_700_000_000)),
        timestamp_ns: Some(0x1797_9cfe_362a_0000),
        storage: Some(2),
        priority: Some(Priority::IMMEDIATE),
        push_type: Some(Bytes::from_static(b"alert")),
        collapse_id: Some(Bytes::from_static(b"score")),
    };
    let bare = Message::Notification {
        token: token(),
        topic: topic(),
        payload: Bytes::from(hex(PAYLOAD)),
        id: [0xff, 0, 0, 9],
        expiry: None,
        timestamp_ns: None,
        storage: None,
        priority: None,
        push_type: None,
        collapse_id: None,
    };
    vec![
        (
            format!("07 00000027  01 0020 {TOKEN}  02 0001 01"),
            Message::Connect {
                token: Some(token()),
                state: 1,
            },
        ),
        (
            "07 00000004  02 0001 01".into(),
            Message::Connect {
                token: None,
                state: 1,
            },
        ),
        (
            format!("08 00000027  01 0001 00  03 0020 {TOKEN}"),
            Message::ConnectAck {
                status: Status::OK,
                token: Some(token()),
            },
        ),
        (
            "08 00000004  01 0001 02".into(),
            Message::ConnectAck {
                status: Status::BAD_TOKEN,
                token: None,
            },
        ),
        (
            format!(
                "09 00000068  01 0020 {TOKEN}  02 0014 {TOPIC}  02 0014 {}  03 0014 {TOPIC}",
                "77".repeat(20)
            ),
            Message::FilterTopics {
                token: token(),
                enabled: vec![topic(), TopicHash([0x77; 20])],
                ignored: vec![topic()],
            },
        ),
        (
            format!(
                "0a 00000084  01 0020 {TOKEN}  02 0014 {TOPIC}  03 0016 {PAYLOAD}  04 0004 00000009
                 05 0004 6553f100  06 0008 17979cfe362a0000  07 0001 02  0d 0001 0a  1c 0005 616c657274  20 0005 73636f7265"
            ),
            full,
        ),
        (
            format!(
                "0a 0000005a  01 0020 {TOKEN}  02 0014 {TOPIC}  03 0016 {PAYLOAD}  04 0004 ff000009"
            ),
            bare,
        ),
        (
            format!("0b 0000002e  01 0020 {TOKEN}  04 0004 00000009  08 0001 00"),
            Message::Ack {
                token: Some(token()),
                id: [0, 0, 0, 9],
                status: Status::OK,
            },
        ),
        (
            "0b 0000000b  04 0004 00000009  08 0001 03".into(),
            Message::Ack {
                token: None,
                id: [0, 0, 0, 9],
                status: Status::APP_GONE,
            },
        ),
        ("0c 00000000".into(), Message::KeepAlive),
        ("0d 00000000".into(), Message::KeepAliveAck),
        (
            format!(
                "11 0000004c  01 0020 {TOKEN}  02 0014 {TOPIC}  03 000f 636f6d2e6578616d706c652e617070"
            ),
            Message::ScopedToken {
                base: token(),
                topic: topic(),
                app: Bytes::from_static(b"com.example.app"),
            },
        ),
        (
            format!("12 0000003e  01 0001 00  02 0020 {TOKEN}  03 0014 {TOPIC}"),
            Message::ScopedTokenAck {
                status: Status::OK,
                token: Some(token()),
                topic: topic(),
            },
        ),
        (
            format!("12 0000001b  01 0001 02  03 0014 {TOPIC}"),
            Message::ScopedTokenAck {
                status: Status::BAD_TOKEN,
                token: None,
                topic: topic(),
            },
        ),
        (
            "14 00000004  01 0001 01".into(),
            Message::Unknown(Frame {
                command: Command(0x14),
                fields: vec![Field {
                    id: 1,
                    value: Bytes::from_static(&[1]),
                }],
            }),
        ),
    ]
}

#[test]
fn each_message_is_read_and_written_as_specified() {
    for (bytes, message) in table() {
        let bytes = hex(&bytes);
        let mut buf = BytesMut::from(&bytes[..]);
        let frame = courier::decode(&mut buf).unwrap().unwrap();
        assert!(buf.is_empty());
        assert_eq!(Message::try_from(frame).unwrap(), message);
        let mut out = BytesMut::new();
        message.clone().encode(&mut out).unwrap();
        assert_eq!(out, bytes, "{message:?}");
    }
}

#[test]
fn a_frame_consumes_nothing_until_it_is_complete() {
    for (bytes, _) in table() {
        let bytes = hex(&bytes);
        for len in 0..bytes.len() {
            let mut buf = BytesMut::from(&bytes[..len]);
            assert_eq!(courier::decode(&mut buf), Ok(None));
            assert_eq!(buf.len(), len);
        }
    }
}

#[test]
fn fields_nobody_needs_are_skipped_wherever_they_stand() {
    let bytes = hex(&format!(
        "07 0000004a  05 0004 00000041  06 0001 01  01 0020 {TOKEN}  08 0007 43617272696572  10 0002 000b  02 0001 01  0a 0006 313841333733"
    ));
    let frame = courier::decode(&mut BytesMut::from(&bytes[..]))
        .unwrap()
        .unwrap();
    assert_eq!(frame.fields.len(), 7);
    assert_eq!(
        Message::try_from(frame),
        Ok(Message::Connect {
            token: Some(token()),
            state: 1
        })
    );
    let keep_alive = hex("0c 00000010  01 0004 57694669  02 0003 372e30  05 0000");
    let frame = courier::decode(&mut BytesMut::from(&keep_alive[..]))
        .unwrap()
        .unwrap();
    assert_eq!(Message::try_from(frame), Ok(Message::KeepAlive));
}

#[test]
fn a_connect_with_an_empty_token_and_no_state_is_a_first_connect() {
    let frame = courier::decode(&mut BytesMut::from(&hex("07 00000003  01 0000")[..]))
        .unwrap()
        .unwrap();
    assert_eq!(
        Message::try_from(frame),
        Ok(Message::Connect {
            token: None,
            state: 1
        })
    );
}

#[test]
fn frames_that_do_not_add_up_are_refused() {
    for (bytes, fault, clause) in [
        (
            "07 ffffffff",
            Fault::FrameLen {
                len: u32::MAX,
                max: 65_536,
            },
            "C-16",
        ),
        (
            "0a 00010001",
            Fault::FrameLen {
                len: 65_537,
                max: 65_536,
            },
            "C-16",
        ),
        ("07 00000001 01", Fault::FieldPastFrame, "C-02"),
        ("07 00000002 01 00", Fault::FieldPastFrame, "C-02"),
        ("07 00000004 01 0002 00", Fault::FieldPastFrame, "C-02"),
    ] {
        let found = courier::decode(&mut BytesMut::from(&hex(bytes)[..])).unwrap_err();
        assert_eq!((found, found.clause()), (fault, clause), "{bytes}");
    }
}

#[test]
fn messages_without_a_field_they_need_are_refused() {
    let missing = |command, id| Fault::MissingField {
        command: Command(command),
        id,
    };
    let len = |command, id, len| Fault::FieldLen {
        command: Command(command),
        id,
        len,
    };
    for (bytes, fault, clause) in [
        (
            "07 00000005  02 0002 0101".to_owned(),
            len(0x07, 2, 2),
            "C-03",
        ),
        ("08 00000000".to_owned(), missing(0x08, 1), "C-04"),
        (
            format!("09 00000017  02 0014 {TOPIC}"),
            missing(0x09, 1),
            "C-05",
        ),
        (
            format!("09 00000026  01 0020 {TOKEN}  02 0000"),
            len(0x09, 2, 0),
            "C-05",
        ),
        (
            format!("0a 0000003a  01 0020 {TOKEN}  02 0014 {TOPIC}"),
            missing(0x0a, 3),
            "C-06",
        ),
        (
            "0b 00000007  04 0004 00000009".to_owned(),
            missing(0x0b, 8),
            "C-07",
        ),
        (
            "0b 0000000a  04 0003 000009  08 0001 00".to_owned(),
            len(0x0b, 4, 3),
            "C-07",
        ),
        (
            format!("11 0000003a  01 0020 {TOKEN}  02 0014 {TOPIC}"),
            missing(0x11, 3),
            "C-10",
        ),
        (
            "12 00000004  01 0001 00".to_owned(),
            missing(0x12, 3),
            "C-11",
        ),
    ] {
        let frame = courier::decode(&mut BytesMut::from(&hex(&bytes)[..]))
            .unwrap()
            .unwrap();
        let found = Message::try_from(frame).unwrap_err();
        assert_eq!((found, found.clause()), (fault, clause), "{bytes}");
    }
}

#[test]
fn what_does_not_fit_into_a_frame_is_refused_and_nothing_is_written() {
    let frame = |sizes: &[usize]| Frame {
        command: Command::NOTIFICATION,
        fields: sizes
            .iter()
            .map(|&len| Field {
                id: 3,
                value: vec![0; len].into(),
            })
            .collect(),
    };
    let mut out = BytesMut::new();
    assert!(frame(&[65_536]).encode(&mut out).is_err());
    assert!(
        frame(&[65_530, 1]).encode(&mut out).is_err(),
        "65,537 bytes"
    );
    assert!(out.is_empty());
    assert!(frame(&[65_529, 1]).encode(&mut out).is_ok(), "65,536 bytes");
    assert_eq!(
        courier::decode(&mut out).unwrap().unwrap(),
        frame(&[65_529, 1])
    );
}

#[test]
fn debug_output_shows_numbers_but_no_payload() {
    let message = Message::Notification {
        token: token(),
        topic: topic(),
        payload: Bytes::from(hex(PAYLOAD)),
        id: [0, 0, 0, 9],
        expiry: None,
        timestamp_ns: None,
        storage: None,
        priority: None,
        push_type: None,
        collapse_id: None,
    };
    let debug = format!("{message:?}");
    assert!(
        debug.contains("04: 00000009") && debug.contains("03: <22 bytes>"),
        "{debug}"
    );
    assert!(!debug.contains("alert"), "{debug}");
}

#[test]
fn commands_topics_and_statuses_print_for_a_log() {
    assert_eq!(Command::SCOPED_TOKEN.to_string(), "11 (scoped token)");
    assert_eq!(Command(0xfe).to_string(), "fe (unassigned)");
    assert_eq!(Status::APP_GONE.to_string(), "3");
    assert_eq!(
        format!("{} {:?}", topic(), topic()),
        format!("{TOPIC} {TOPIC}")
    );
}
