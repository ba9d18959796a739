//! What holds for every input.

use std::fmt::Debug;

use apns_proto::courier::{self, Message};
use apns_proto::feedback::Tuple;
use apns_proto::{
    Command, ErrorPacket, Expiry, Identifier, Limits, Notification, Priority, Push, Status, Token,
    decode, frame,
};
use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::common::{Decoded, decode_all, enhanced, framed, simple};

/// Mostly lengths at the edges.
fn string(edges: &'static [usize]) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![3 => select(edges), 1 => 0..5_000_usize].prop_flat_map(|len| vec(any::<u8>(), len))
}

fn token() -> impl Strategy<Value = Vec<u8>> {
    string(&[32, 32, 32, 0, 1, 31, 33, 100, 101])
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    string(&[1, 22, 200, 0, 2048, 2049])
}

/// An item of command 2: mostly sensible, sometimes of another length or with an id nobody assigned.
fn item() -> impl Strategy<Value = (u8, Vec<u8>)> {
    prop_oneof![
        4 => token().prop_map(|bytes| (1, bytes)),
        4 => payload().prop_map(|bytes| (2, bytes)),
        3 => (3..=4_u8, vec(any::<u8>(), 4)),
        2 => vec(any::<u8>(), 1).prop_map(|bytes| (5, bytes)),
        1 => (any::<u8>(), vec(any::<u8>(), 0..10)),
    ]
}

/// A frame with an end, good or bad.
fn delimited() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (token(), payload()).prop_map(|(token, payload)| simple(&token, &payload)),
        (any::<[u8; 4]>(), any::<i32>(), token(), payload()).prop_map(
            |(identifier, expiry, token, payload)| enhanced(identifier, expiry, &token, &payload)
        ),
        vec(item(), 0..4).prop_map(|items| framed(&items)),
        vec(any::<u8>(), 0..40).prop_map(|body| {
            let len = u8::try_from(body.len()).expect("less than 40");
            [&[2, 0, 0, 0, len], &body[..]].concat()
        }),
    ]
}

/// A stream of frames, perhaps with noise behind them, and where to cut it into pieces.
fn stream() -> impl Strategy<Value = (Vec<u8>, Vec<Index>)> {
    let noise = prop_oneof![Just(vec![]), vec(any::<u8>(), 0..60)];
    (vec(delimited(), 0..6), noise, vec(any::<Index>(), 0..20))
        .prop_map(|(frames, noise, cuts)| ([frames.concat(), noise].concat(), cuts))
}

fn pieces<'a>(stream: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    places
        .windows(2)
        .map(|pair| &stream[pair[0]..pair[1]])
        .collect()
}

/// The same as [`decode_all`], piece by piece.
fn decode_pieces(pieces: &[&[u8]], limits: Limits) -> (Vec<Decoded>, BytesMut) {
    let (mut decoded, mut buf, mut over) = (vec![], BytesMut::new(), false);
    for piece in pieces {
        buf.extend_from_slice(piece);
        while !over {
            let before = buf.clone();
            let Some(one) = decode(&mut buf, &limits) else {
                assert_eq!(buf, before, "an incomplete frame consumes nothing");
                break;
            };
            assert!(buf.len() < before.len(), "a frame consumes something");
            over = one.as_ref().is_err_and(|malformed| !malformed.delimited);
            decoded.push(one);
        }
    }
    (decoded, buf)
}

fn frame_of(decoded: &Decoded) -> &Bytes {
    match decoded {
        Ok(notification) => &notification.frame,
        Err(malformed) => &malformed.frame,
    }
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_frames((stream, cuts) in stream()) {
        let whole = decode_all(&stream, Limits::BINARY);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(&decode_pieces(&pieces(&stream, &cuts), Limits::BINARY), &whole);
        prop_assert_eq!(&decode_pieces(&bytes, Limits::BINARY), &whole);
        let mut accounted = whole.0.iter().flat_map(|one| frame_of(one).to_vec()).collect::<Vec<u8>>();
        accounted.extend_from_slice(&whole.1);
        prop_assert_eq!(accounted, stream, "every byte is in a frame or left");
    }

    #[test]
    fn any_bytes_are_judged_without_a_panic_and_within_the_rules(stream in vec(prop_oneof![0..9_u8, any::<u8>()], 0..400)) {
        for one in decode_all(&stream, Limits::BINARY).0 {
            match one {
                Ok(notification) => {
                    prop_assert!((32..=100).contains(&notification.token.as_bytes().len()));
                    prop_assert!((1..=2048).contains(&notification.payload.len()));
                }
                Err(malformed) => {
                    prop_assert_eq!(malformed.answer().is_some(), malformed.status.is_some());
                    prop_assert_eq!(malformed.status.is_none(), !matches!(malformed.command, Command::ENHANCED | Command::FRAMED));
                    prop_assert!(malformed.delimited || malformed.frame.len() <= 5);
                }
            }
        }
    }

    #[test]
    fn the_order_of_items_does_not_matter(
        order in Just([1_u8, 2, 3, 4, 5, 99]).prop_shuffle(),
        token in vec(any::<u8>(), 32..=100),
        payload in vec(any::<u8>(), 1..=2048),
        identifier: [u8; 4],
        expiry: i32,
        priority: u8,
        absent in vec(3..=99_u8, 0..3),
    ) {
        let items: Vec<(u8, Vec<u8>)> = order
            .into_iter()
            .filter(|id| !absent.contains(id))
            .map(|id| (id, match id {
                1 => token.clone(),
                2 => payload.clone(),
                3 => identifier.to_vec(),
                4 => expiry.to_be_bytes().to_vec(),
                5 => vec![priority],
                _ => b"whatever".to_vec(),
            }))
            .collect();
        let frame = framed(&items);
        let given = |id| !absent.contains(&id);
        let expected = Notification {
            command: Command::FRAMED,
            identifier: given(3).then_some(Identifier(identifier)),
            expiry: given(4).then_some(Expiry(expiry)),
            priority: given(5).then_some(Priority(priority)),
            token: Token::new(token),
            payload: payload.into(),
            frame: frame.clone().into(),
        };
        prop_assert_eq!(decode_all(&frame, Limits::BINARY).0, vec![Ok(expected)]);
    }

    #[test]
    fn what_is_encoded_is_decoded(
        token in vec(any::<u8>(), 32..=100),
        payload in vec(any::<u8>(), 1..=2048),
        identifier: Option<[u8; 4]>,
        expiry: Option<i32>,
        priority: Option<u8>,
    ) {
        let identifier = identifier.map(Identifier);
        let (expiry, priority) = (expiry.map(Expiry), priority.map(Priority));
        let push = Push { token: &token, payload: &payload, expiry, priority };
        let mut buf = BytesMut::new();
        frame::simple::encode(&push, &mut buf).unwrap();
        frame::enhanced::encode(identifier.unwrap_or_default(), &push, &mut buf).unwrap();
        frame::framed::encode(identifier, &push, &mut buf).unwrap();
        for (command, identifier, expiry, priority) in [
            (Command::SIMPLE, None, None, None),
            (Command::ENHANCED, Some(identifier.unwrap_or_default()), Some(expiry.unwrap_or(Expiry(0))), None),
            (Command::FRAMED, identifier, expiry, priority),
        ] {
            let notification = decode(&mut buf, &Limits::BINARY).unwrap().unwrap();
            prop_assert_eq!(notification.command, command);
            prop_assert_eq!(notification.identifier, identifier);
            prop_assert_eq!(notification.expiry, expiry);
            prop_assert_eq!(notification.priority, priority);
            prop_assert_eq!(notification.token.as_bytes(), &token);
            prop_assert_eq!(&notification.payload[..], &payload);
        }
        prop_assert!(buf.is_empty());
    }

    #[test]
    fn error_packets_and_feedback_tuples_survive_the_wire_in_pieces(
        status: u8, identifier: [u8; 4], timestamp: u32, token in vec(any::<u8>(), 0..200),
    ) {
        let packet = ErrorPacket { status: Status(status), identifier: Identifier(identifier) };
        let tuple = Tuple { timestamp, token: Token::new(token) };
        let mut buf = BytesMut::new();
        tuple.encode(&mut buf).unwrap();
        prop_assert_eq!(in_pieces(&packet.encode(), |buf| ErrorPacket::decode(buf).map(Result::unwrap)), vec![packet]);
        prop_assert_eq!(in_pieces(&buf, Tuple::decode), vec![tuple]);
    }

    #[test]
    fn any_bytes_on_the_courier_are_read_without_a_panic(stream in vec(prop_oneof![0..0x20_u8, any::<u8>()], 0..400)) {
        let mut buf = BytesMut::from(&stream[..]);
        while let Ok(Some(frame)) = courier::decode(&mut buf) {
            let mut out = BytesMut::new();
            frame.encode(&mut out).unwrap();
            prop_assert_eq!(courier::decode(&mut out), Ok(Some(frame.clone())));
            if let Ok(message) = Message::try_from(frame) {
                prop_assert_eq!(Message::try_from(message.clone().into_frame()), Ok(message));
            }
        }
    }

    #[test]
    fn courier_messages_come_out_of_any_chunking(
        command in 0x07..=0x13_u8,
        fields in vec((0..0x0e_u8, prop_oneof![vec(any::<u8>(), 0..9), vec(any::<u8>(), 20), vec(any::<u8>(), 32)]), 0..8),
    ) {
        let body: Vec<u8> = fields
            .into_iter()
            .flat_map(|(id, value)| [&[id, 0, u8::try_from(value.len()).unwrap()], &value[..]].concat())
            .collect();
        let stream = [&[command], &u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat();
        let whole = courier::decode(&mut BytesMut::from(&stream[..])).unwrap().unwrap();
        prop_assert_eq!(in_pieces(&stream, |buf| courier::decode(buf).unwrap()), vec![whole.clone()]);
        let mut again = BytesMut::new();
        whole.encode(&mut again).unwrap();
        prop_assert_eq!(&again[..], &stream[..]);
    }
}

/// Hands `stream` over byte by byte.
fn in_pieces<T: Debug>(stream: &[u8], decode: impl Fn(&mut BytesMut) -> Option<T>) -> Vec<T> {
    let mut buf = BytesMut::new();
    let mut decoded = vec![];
    for &byte in stream {
        buf.extend_from_slice(&[byte]);
        decoded.extend(decode(&mut buf));
    }
    assert!(buf.is_empty());
    decoded
}
