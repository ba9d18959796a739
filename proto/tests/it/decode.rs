//! Frames that are right.

use apns_proto::{Command, Expiry, Identifier, Limits, Priority, Token, decode};
use bytes::BytesMut;

use crate::common::{PAYLOAD, TOKEN, decode_all, decode_one, enhanced, framed, hex, simple};

#[test]
fn command_0_of_the_specification_is_decoded() {
    let frame = hex(&format!("00 0020 {TOKEN} 0016 {PAYLOAD}"));
    assert_eq!(frame.len(), 59);
    let notification = decode_one(&frame).unwrap();
    assert_eq!(notification.command, Command::SIMPLE);
    assert_eq!(notification.identifier, None);
    assert_eq!(notification.answer_identifier(), None);
    assert_eq!(notification.expiry, None);
    assert_eq!(notification.priority, None);
    assert_eq!(notification.token, Token::new(hex(TOKEN)));
    assert_eq!(notification.payload, r#"{"aps":{"alert":"hi"}}"#);
    assert_eq!(notification.frame, frame);
}

#[test]
fn command_1_of_the_specification_is_decoded() {
    let frame = hex(&format!("01 00000007 6553f100 0020 {TOKEN} 0016 {PAYLOAD}"));
    assert_eq!(frame.len(), 67);
    let notification = decode_one(&frame).unwrap();
    assert_eq!(notification.command, Command::ENHANCED);
    assert_eq!(notification.identifier, Some(Identifier([0, 0, 0, 7])));
    assert_eq!(
        notification.answer_identifier(),
        Some(Identifier([0, 0, 0, 7]))
    );
    assert_eq!(notification.expiry, Some(Expiry(1_700_000_000)));
    assert_eq!(notification.priority, None);
    assert_eq!(notification.token, Token::new(hex(TOKEN)));
    assert_eq!(notification.payload, hex(PAYLOAD));
    assert_eq!(notification.frame, frame);
}

#[test]
fn command_2_of_the_specification_is_decoded() {
    let frame = hex(&format!(
        "02 0000004e  01 0020 {TOKEN}  02 0016 {PAYLOAD}  03 0004 00000007  04 0004 6553f100  05 0001 0a"
    ));
    assert_eq!(frame.len(), 83);
    let notification = decode_one(&frame).unwrap();
    assert_eq!(notification.command, Command::FRAMED);
    assert_eq!(notification.identifier, Some(Identifier([0, 0, 0, 7])));
    assert_eq!(notification.expiry, Some(Expiry(1_700_000_000)));
    assert_eq!(notification.priority, Some(Priority::IMMEDIATE));
    assert_eq!(notification.token, Token::new(hex(TOKEN)));
    assert_eq!(notification.payload, hex(PAYLOAD));
    assert_eq!(notification.frame, frame);
}

#[test]
fn first_notifications_captured_from_real_clients_are_decoded() {
    let token = "a1".repeat(32);
    let payload = "7b22617073223a7b22616c657274223a226d73672030227d7d"; // {"aps":{"alert":"msg 0"}}
    let node_apn = format!("02 00000046  01 0020 {token}  02 0019 {payload}  03 0004 00000000");
    let command_1 = format!("01 00000000 00000000 0020 {token} 0019 {payload}");
    let all_items = format!(
        "02 00000051  01 0020 {token}  02 0019 {payload}  03 0004 00000000  04 0004 6b2c80cd  05 0001 0a"
    );
    for (capture, expiry, priority) in [
        (node_apn, None, None),
        (command_1, Some(Expiry(0)), None),
        (all_items, Some(Expiry(0x6b2c_80cd)), Some(Priority(10))),
    ] {
        let notification = decode_one(&hex(&capture)).unwrap();
        assert_eq!(notification.identifier, Some(Identifier::ZERO), "{capture}");
        assert_eq!(notification.expiry, expiry, "{capture}");
        assert_eq!(notification.priority, priority, "{capture}");
        assert_eq!(notification.token.as_bytes(), [0xa1; 32], "{capture}");
        assert_eq!(
            notification.payload, r#"{"aps":{"alert":"msg 0"}}"#,
            "{capture}"
        );
    }
}

#[test]
fn items_may_come_in_pushys_order() {
    let frame = hex(&format!(
        "02 0000004e  03 0004 00000007  01 0020 {TOKEN}  02 0016 {PAYLOAD}  04 0004 6553f100  05 0001 05"
    ));
    let notification = decode_one(&frame).unwrap();
    assert_eq!(notification.identifier, Some(Identifier([0, 0, 0, 7])));
    assert_eq!(notification.priority, Some(Priority::POWER_SAVING));
    assert_eq!(notification.payload, hex(PAYLOAD));
}

#[test]
fn command_2_without_an_identifier_is_answered_with_zero() {
    let frame = hex(&format!("02 0000003c  01 0020 {TOKEN}  02 0016 {PAYLOAD}"));
    let notification = decode_one(&frame).unwrap();
    assert_eq!(notification.identifier, None);
    assert_eq!(notification.answer_identifier(), Some(Identifier([0; 4])));
}

#[test]
fn unknown_items_are_skipped() {
    let frame = hex(&format!(
        "02 00000049  06 0000  01 0020 {TOKEN}  ff 0003 010203  02 0016 {PAYLOAD}  ff 0001 00"
    ));
    assert_eq!(decode_one(&frame).unwrap().payload, hex(PAYLOAD));
}

#[test]
fn no_expiry_and_no_priority_is_refused() {
    for expiry in ["00000000", "ffffffff", "80000000", "00015180", "7fffffff"] {
        let frame = hex(&format!("01 00000007 {expiry} 0020 {TOKEN} 0016 {PAYLOAD}"));
        assert!(decode_one(&frame).is_ok(), "{expiry}");
    }
    for priority in ["00", "01", "05", "0a", "ff"] {
        let frame = hex(&format!(
            "02 00000040  01 0020 {TOKEN}  02 0016 {PAYLOAD}  05 0001 {priority}"
        ));
        assert!(decode_one(&frame).is_ok(), "{priority}");
    }
    let never = hex(&format!("01 00000007 ffffffff 0020 {TOKEN} 0016 {PAYLOAD}"));
    assert_eq!(decode_one(&never).unwrap().expiry, Some(Expiry(-1)));
}

#[test]
fn an_identifier_is_kept_byte_for_byte() {
    let frame = hex(&format!("01 fe00ff80 00000000 0020 {TOKEN} 0016 {PAYLOAD}"));
    assert_eq!(
        decode_one(&frame).unwrap().identifier,
        Some(Identifier([0xfe, 0x00, 0xff, 0x80]))
    );
}

#[test]
fn the_three_commands_mix_on_one_stream() {
    let stream = hex(&format!(
        "00 0020 {TOKEN} 0016 {PAYLOAD}
         02 0000003c  01 0020 {TOKEN}  02 0016 {PAYLOAD}
         01 00000007 6553f100 0020 {TOKEN} 0016 {PAYLOAD}
         00 0020 {TOKEN} 0016 {PAYLOAD}"
    ));
    let (decoded, left) = decode_all(&stream, Limits::BINARY);
    let commands: Vec<u8> = decoded
        .into_iter()
        .map(|one| one.unwrap().command.0)
        .collect();
    assert_eq!((commands, left.len()), (vec![0, 2, 1, 0], 0));
}

#[test]
fn an_incomplete_frame_consumes_nothing_wherever_it_breaks_off() {
    for frame in [
        hex(&format!("00 0020 {TOKEN} 0016 {PAYLOAD}")),
        hex(&format!("01 00000007 6553f100 0020 {TOKEN} 0016 {PAYLOAD}")),
        hex(&format!("02 0000003c  01 0020 {TOKEN}  02 0016 {PAYLOAD}")),
    ] {
        for len in 0..frame.len() {
            let mut buf = BytesMut::from(&frame[..len]);
            assert!(
                decode(&mut buf, &Limits::BINARY).is_none(),
                "{len} of {frame:02x?}"
            );
            assert_eq!(buf, frame[..len]);
        }
    }
}

#[test]
fn payload_and_frame_share_the_storage_of_the_buffer_and_the_token_has_its_own() {
    let frame = hex(&format!("01 00000007 6553f100 0020 {TOKEN} 0016 {PAYLOAD}"));
    let mut buf = BytesMut::from(&frame[..]);
    let storage = buf.as_ptr_range();
    let notification = decode(&mut buf, &Limits::BINARY).unwrap().unwrap();
    for part in [&notification.payload, &notification.frame] {
        assert!(storage.contains(&part.as_ptr()));
    }
    assert!(!storage.contains(&notification.token.as_bytes().as_ptr()));
}

#[test]
fn token_lengths_32_to_100_and_payloads_up_to_the_limit_are_taken_in_every_command() {
    for (limits, payload_len_max) in [(Limits::BINARY, 2048), (Limits::VOIP, 4096)] {
        for token_len in [32, 54, 80, 100] {
            for payload_len in [1, 22, payload_len_max] {
                let (token, payload) = (vec![0xa1; token_len], vec![b'x'; payload_len]);
                let stream = [
                    simple(&token, &payload),
                    enhanced([0, 0, 0, 7], 0, &token, &payload),
                    framed(&[(1, token.clone()), (2, payload.clone())]),
                ]
                .concat();
                let (decoded, left) = decode_all(&stream, limits);
                assert!(left.is_empty());
                assert_eq!(decoded.len(), 3);
                for one in decoded {
                    let notification = one.unwrap();
                    assert_eq!(notification.token.as_bytes(), token);
                    assert_eq!(notification.payload, payload);
                }
            }
        }
    }
}

#[test]
fn debug_output_holds_neither_payload_nor_whole_token() {
    let frame = hex(&format!("01 00000007 6553f100 0020 {TOKEN} 0016 {PAYLOAD}"));
    let debug = format!("{:?}", decode_one(&frame).unwrap());
    assert!(
        debug.contains("00010203…") && debug.contains("<22 bytes>"),
        "{debug}"
    );
    assert!(
        !debug.contains("alert") && !debug.contains("00010203040"),
        "{debug}"
    );
}
