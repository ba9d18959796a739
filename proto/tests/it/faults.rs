//! Frames that are wrong, and what their sender is told.

use apns_proto::{ErrorPacket, Fault, Identifier, Limits, Status, decode};
use bytes::BytesMut;

use crate::common::{PAYLOAD, TOKEN, decode_all, decode_one, enhanced, framed, hex, simple};

/// What is wrong, the frame, the six bytes of the answer (none: bare close), the clause.
fn table() -> Vec<(&'static str, String, Option<&'static str>, &'static str)> {
    vec![
        // Apple's names, in all three commands.
        (
            "token absent",
            format!("02 00000020  03 0004 00000007  02 0016 {PAYLOAD}"),
            Some("08 02 00000007"),
            "P-33",
        ),
        (
            "nothing at all",
            "02 00000000".into(),
            Some("08 02 00000000"),
            "P-33",
        ),
        (
            "empty token, command 1",
            format!("01 00000007 00000000 0000 0016 {PAYLOAD}"),
            Some("08 02 00000007"),
            "P-33",
        ),
        (
            "empty token, command 0",
            format!("00 0000 0016 {PAYLOAD}"),
            None,
            "P-33",
        ),
        (
            "Pushy's farewell",
            "02 00000018  03 0004 00000005  01 0000  02 0000  04 0004 00000000  05 0001 0a".into(),
            Some("08 02 00000005"),
            "P-33",
        ),
        (
            "java-apns' probe",
            "01 00000000 00000000 0001 00 0001 00".into(),
            Some("08 05 00000000"),
            "P-34",
        ),
        (
            "token of 31, command 2",
            format!(
                "02 00000042  01 001f {}  02 0016 {PAYLOAD}  03 0004 00000007",
                "a1".repeat(31)
            ),
            Some("08 05 00000007"),
            "P-34",
        ),
        (
            "token of 101, command 1",
            format!(
                "01 fe000007 00000000 0065 {} 0016 {PAYLOAD}",
                "a1".repeat(101)
            ),
            Some("08 05 fe000007"),
            "P-34",
        ),
        (
            "token of 1, command 0",
            format!("00 0001 a1 0016 {PAYLOAD}"),
            None,
            "P-34",
        ),
        (
            "payload absent",
            format!("02 0000002a  01 0020 {TOKEN}  03 0004 00000007"),
            Some("08 04 00000007"),
            "P-35",
        ),
        (
            "empty payload, command 1",
            format!("01 00000007 00000000 0020 {TOKEN} 0000"),
            Some("08 04 00000007"),
            "P-35",
        ),
        (
            "empty payload, command 0",
            format!("00 0020 {TOKEN} 0000"),
            None,
            "P-35",
        ),
        (
            "payload of 2049, command 1",
            format!(
                "01 00000007 00000000 0020 {TOKEN} 0801 {}",
                "20".repeat(2049)
            ),
            Some("08 07 00000007"),
            "P-36",
        ),
        (
            "payload of 2049, command 2",
            format!(
                "02 0000082e  02 0801 {}  03 0004 00000007  01 0020 {TOKEN}",
                "20".repeat(2049)
            ),
            Some("08 07 00000007"),
            "P-36",
        ),
        (
            "payload of 2049, command 0",
            format!("00 0020 {TOKEN} 0801 {}", "20".repeat(2049)),
            None,
            "P-36",
        ),
        // Token before payload.
        (
            "short token and no payload",
            "01 00000007 00000000 0001 a1 0000".into(),
            Some("08 05 00000007"),
            "P-34",
        ),
        (
            "no token and long payload",
            format!("01 00000007 00000000 0000 0801 {}", "20".repeat(2049)),
            Some("08 02 00000007"),
            "P-33",
        ),
        // The body of command 2; an identifier counts when it stands before the fault.
        (
            "identifier of 3",
            "02 00000006  03 0003 000007".into(),
            Some("08 80 00000000"),
            "P-16",
        ),
        (
            "expiry of 5",
            "02 0000000f  03 0004 00000007  04 0005 6553f10000".into(),
            Some("08 80 00000007"),
            "P-16",
        ),
        (
            "priority of 2",
            "02 0000000c  03 0004 00000007  05 0002 000a".into(),
            Some("08 80 00000007"),
            "P-16",
        ),
        (
            "priority of 0",
            "02 0000000a  03 0004 00000007  05 0000".into(),
            Some("08 80 00000007"),
            "P-16",
        ),
        (
            "item past the frame",
            "02 0000000a  03 0004 00000007  01 0001".into(),
            Some("08 80 00000007"),
            "P-16",
        ),
        (
            "item of 65535 in a short frame",
            "02 00000004  01 ffff 00".into(),
            Some("08 80 00000000"),
            "P-16",
        ),
        (
            "1 trailing byte",
            "02 00000008  03 0004 00000007 01".into(),
            Some("08 80 00000007"),
            "P-16",
        ),
        (
            "2 trailing bytes",
            "02 00000009  03 0004 00000007 01 00".into(),
            Some("08 80 00000007"),
            "P-16",
        ),
        (
            "trailing byte before the identifier could come",
            "02 00000001 03".into(),
            Some("08 80 00000000"),
            "P-16",
        ),
        (
            "identifier behind the fault",
            format!("02 00000025  05 0002 000a  01 0016 {PAYLOAD}  03 0004 00000007"),
            Some("08 80 00000000"),
            "P-16",
        ),
        (
            "token twice",
            format!("02 0000004d  03 0004 00000007  01 0020 {TOKEN}  01 0020 {TOKEN}"),
            Some("08 80 00000007"),
            "P-14",
        ),
        (
            "payload twice, once empty",
            format!("02 00000023  03 0004 00000007  02 0000  02 0016 {PAYLOAD}"),
            Some("08 80 00000007"),
            "P-14",
        ),
        (
            "identifier twice: the first counts",
            "02 0000000e  03 0004 00000007  03 0004 00000008".into(),
            Some("08 80 00000007"),
            "P-14",
        ),
        (
            "expiry twice",
            "02 0000000e  04 0004 00000000  04 0004 00000000".into(),
            Some("08 80 00000000"),
            "P-14",
        ),
        (
            "priority twice",
            "02 00000008  05 0001 0a  05 0001 0a".into(),
            Some("08 80 00000000"),
            "P-14",
        ),
        // A structural fault goes before what is in the items.
        (
            "empty token, then trailing byte",
            "02 00000004  01 0000 00".into(),
            Some("08 80 00000000"),
            "P-16",
        ),
    ]
}

#[test]
fn each_fault_gets_its_status_identifier_and_clause_and_the_stream_goes_on() {
    let behind = hex(&format!("00 0020 {TOKEN} 0016 {PAYLOAD}"));
    for (name, frame, answer, clause) in table() {
        let frame = hex(&frame);
        let (decoded, left) = decode_all(&[&frame[..], &behind[..]].concat(), Limits::BINARY);
        let [Err(malformed), Ok(next)] = &decoded[..] else {
            panic!("{name}: {decoded:?}");
        };
        assert_eq!(
            malformed
                .answer()
                .map(ErrorPacket::encode)
                .as_ref()
                .map(|six| &six[..]),
            answer.map(hex).as_deref(),
            "{name}"
        );
        assert_eq!(malformed.fault.clause(), clause, "{name}");
        assert!(malformed.delimited, "{name}");
        assert_eq!(malformed.frame, frame, "{name}");
        assert_eq!(next.frame, behind, "{name}");
        assert!(left.is_empty(), "{name}");
        assert_eq!(malformed.status.is_some(), answer.is_some(), "{name}");
    }
}

#[test]
fn no_fault_is_found_before_its_frame_is_complete() {
    for (name, frame, ..) in table() {
        let frame = hex(&frame);
        for len in 0..frame.len() {
            let mut buf = BytesMut::from(&frame[..len]);
            assert_eq!(
                decode(&mut buf, &Limits::BINARY),
                None,
                "{name}, {len} bytes"
            );
            assert_eq!(buf.len(), len, "{name}");
        }
    }
}

#[test]
fn an_unknown_command_has_no_answer_and_no_end() {
    for command in [3, 4, 7, 8, 9, 0x16, b'G', 0x80, 0xff] {
        let mut buf = BytesMut::from(&[command, 0x03, 0x01][..]);
        let malformed = decode(&mut buf, &Limits::BINARY).unwrap().unwrap_err();
        assert_eq!(malformed.answer(), None);
        assert_eq!((malformed.status, malformed.identifier), (None, None));
        assert_eq!(malformed.fault.clause(), "P-18");
        assert!(!malformed.delimited);
        assert_eq!(&malformed.frame[..], [command]);
    }
    let fault = decode_all(&hex("16 0301"), Limits::BINARY)
        .0
        .remove(0)
        .unwrap_err()
        .fault;
    assert_eq!(fault.to_string(), "unknown command 0x16");
}

#[test]
fn a_frame_over_16_kib_is_refused_by_its_header_alone() {
    for (header, len) in [
        ("02 ffffffff", u32::MAX),
        ("02 00004001", 16_385),
        ("02 80000000", 1 << 31),
    ] {
        let mut buf = BytesMut::from(&hex(header)[..]);
        let malformed = decode(&mut buf, &Limits::BINARY).unwrap().unwrap_err();
        assert_eq!(malformed.fault, Fault::FrameLen { len, max: 16_384 });
        assert_eq!(
            malformed.answer().unwrap().encode()[..],
            hex("08 80 00000000")
        );
        assert!(!malformed.delimited);
        assert_eq!(malformed.frame, hex(header));
        assert_eq!(malformed.fault.clause(), "P-17");
        assert!(buf.capacity() <= 5, "nothing was allocated for it");
    }
}

#[test]
fn a_frame_of_16_kib_is_still_read() {
    let rest = 16_384 - (3 + 32) - (3 + 22) - 3;
    let frame = framed(&[(1, hex(TOKEN)), (2, hex(PAYLOAD)), (200, vec![0; rest])]);
    assert_eq!(frame[..5], hex("02 00004000"));
    assert_eq!(decode_one(&frame).unwrap().payload, hex(PAYLOAD));
}

#[test]
fn the_longest_frames_of_commands_0_and_1_are_waited_for_and_then_refused() {
    let (token, payload) = (vec![0xa1; 65_535], vec![b'x'; 65_535]);
    for (frame, len) in [
        (simple(&token, &payload), 131_075),
        (enhanced([0, 0, 0, 7], 0, &token, &payload), 131_083),
    ] {
        assert_eq!(frame.len(), len);
        let mut buf = BytesMut::from(&frame[..len - 1]);
        assert_eq!(decode(&mut buf, &Limits::BINARY), None);
        let malformed = decode_one(&frame).unwrap_err();
        assert_eq!(malformed.fault, Fault::TokenLen { len: 65_535 });
        assert!(malformed.delimited);
    }
}

#[test]
fn what_could_be_read_is_kept_for_the_dead_letters() {
    let long = "20".repeat(2049);
    let malformed = decode_one(&hex(&format!(
        "01 00000007 00000000 0020 {TOKEN} 0801 {long}"
    )))
    .unwrap_err();
    assert_eq!(malformed.token.unwrap().as_bytes(), hex(TOKEN));
    assert_eq!(malformed.payload.unwrap(), hex(&long));

    let malformed = decode_one(&hex(&format!(
        "02 0000003f  01 0020 {TOKEN}  02 0016 {PAYLOAD} 03 0004"
    )))
    .unwrap_err();
    assert_eq!(malformed.token.unwrap().as_bytes(), hex(TOKEN));
    assert_eq!(malformed.payload.unwrap(), hex(PAYLOAD));

    let malformed = decode_one(&hex(&format!("00 0000 0016 {PAYLOAD}"))).unwrap_err();
    assert_eq!(malformed.token, None);
    assert_eq!(malformed.payload.unwrap(), hex(PAYLOAD));
}

#[test]
fn only_a_frame_with_neither_token_nor_payload_is_a_farewell() {
    for (frame, farewell) in [
        (
            "02 00000018  03 0004 00000005  01 0000  02 0000  04 0004 00000000  05 0001 0a"
                .to_owned(),
            true,
        ),
        ("02 00000007  03 0004 00000005".to_owned(), true),
        ("01 00000007 00000000 0000 0000".to_owned(), true),
        ("00 0000 0000".to_owned(), true),
        (format!("01 00000007 00000000 0000 0016 {PAYLOAD}"), false),
        (format!("01 00000007 00000000 0020 {TOKEN} 0000"), false),
        ("01 00000007 00000000 0001 a1 0000".to_owned(), false),
        ("02 00000004  01 0000 00".to_owned(), false),
    ] {
        assert_eq!(
            decode_one(&hex(&frame)).unwrap_err().farewell(),
            farewell,
            "{frame}"
        );
    }
}

#[test]
fn a_voip_certificate_may_send_4096_bytes_and_no_more() {
    let frame = |len| enhanced([0, 0, 0, 7], 0, &hex(TOKEN), &vec![b'x'; len]);
    assert!(decode_all(&frame(4096), Limits::VOIP).0.remove(0).is_ok());
    let malformed = decode_all(&frame(4097), Limits::VOIP)
        .0
        .remove(0)
        .unwrap_err();
    assert_eq!(malformed.status, Some(Status::INVALID_PAYLOAD_SIZE));
    assert_eq!(malformed.identifier, Some(Identifier([0, 0, 0, 7])));
    assert_eq!(
        malformed.fault.to_string(),
        "payload of 4097 bytes is over 4096"
    );
}

#[test]
fn debug_output_of_a_malformed_frame_holds_neither_payload_nor_whole_token() {
    let long = hex(PAYLOAD).repeat(100);
    let malformed = decode_one(&enhanced([0; 4], 0, &hex(TOKEN), &long)).unwrap_err();
    let debug = format!("{malformed:?}");
    assert!(
        debug.contains("00010203…") && debug.contains("<2200 bytes>"),
        "{debug}"
    );
    assert!(
        !debug.contains("alert") && !debug.contains("00010203040"),
        "{debug}"
    );
}
