//! What a provider sends: whatever it is and however it is cut, the decoder and the session agree on it, and every byte is
//! accounted for.
#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use apns_proto::server::{Session, Step};
use apns_proto::{Limits, Malformed, Notification, decode};
use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;

#[expect(
    clippy::disallowed_methods,
    reason = "the sessions have to be given some instant"
)]
static NOW: LazyLock<Instant> = LazyLock::new(Instant::now);

// The low bits of the first byte say how long the pieces are. The rest is the stream; or, if the high bit is set, the body
// of one command 2, so that the fuzzer need not keep the frame length right to get at the items.
fuzz_target!(|input: &[u8]| {
    let Some((&first, rest)) = input.split_first() else {
        return;
    };
    let piece_len = usize::from(first & 0x7f).max(1);
    if first & 0x80 == 0 {
        both_ways(rest, piece_len);
    } else {
        let len = u32::try_from(rest.len()).expect("the fuzzer's inputs are short");
        both_ways(&[&[2], &len.to_be_bytes()[..], rest].concat(), piece_len);
    }
});

fn both_ways(stream: &[u8], piece_len: usize) {
    for limits in [Limits::BINARY, Limits::VOIP] {
        let whole = whole(stream, limits);
        let accounted: Vec<u8> = whole.iter().flat_map(|one| frame(one).to_vec()).collect();
        assert!(stream.starts_with(&accounted));
        assert_eq!(pieces(stream, piece_len, limits), whole);
    }
}

type Decoded = Result<Notification, Malformed>;

fn frame(decoded: &Decoded) -> &Bytes {
    match decoded {
        Ok(notification) => &notification.frame,
        Err(malformed) => &malformed.frame,
    }
}

fn whole(stream: &[u8], limits: Limits) -> Vec<Decoded> {
    let mut buf = BytesMut::from(stream);
    let mut decoded = vec![];
    while let Some(one) = decode(&mut buf, &limits) {
        check(&one, limits);
        let over = one.as_ref().is_err_and(|malformed| !malformed.delimited);
        decoded.push(one);
        if over {
            break;
        }
    }
    decoded
}

fn pieces(stream: &[u8], piece_len: usize, limits: Limits) -> Vec<Decoded> {
    let mut session = Session::new(limits, Duration::from_secs(60));
    let (mut buf, mut decoded) = (BytesMut::new(), vec![]);
    for piece in stream.chunks(piece_len) {
        buf.extend_from_slice(piece);
        while let Some(step) = session.receive(&mut buf, *NOW) {
            match step {
                Step::Notification { seq, notification } => {
                    decoded.push(Ok(notification));
                    assert_eq!(seq, decoded.len() as u64);
                }
                Step::Malformed { seq, malformed } => {
                    assert_eq!(session.pass(seq), malformed.delimited);
                    decoded.push(Err(malformed));
                    assert_eq!(seq, decoded.len() as u64);
                }
            }
        }
    }
    decoded
}

fn check(decoded: &Decoded, limits: Limits) {
    match decoded {
        Ok(notification) => {
            assert!((32..=100).contains(&notification.token.as_bytes().len()));
            assert!((1..=limits.payload_len_max).contains(&notification.payload.len()));
        }
        Err(malformed) => {
            assert_eq!(malformed.answer().is_some(), malformed.status.is_some());
            assert!(malformed.delimited || malformed.frame.len() <= 5);
        }
    }
}
