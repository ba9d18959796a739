//! What a phone or a courier server sends: what is read can be written and read again, as a frame and as a message.
#![no_main]

use apns_proto::courier::{self, Message};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

// The input is a stream, and the fields of one frame whose length is right.
fuzz_target!(|input: &[u8]| {
    again(input);
    if let Some((&command, fields)) = input.split_first() {
        let len = u32::try_from(fields.len()).expect("the fuzzer's inputs are short");
        again(&[&[command], &len.to_be_bytes()[..], fields].concat());
    }
});

fn again(stream: &[u8]) {
    let mut buf = BytesMut::from(stream);
    while let Ok(Some(frame)) = courier::decode(&mut buf) {
        let taken = stream.len() - buf.len();
        let mut out = BytesMut::new();
        frame.encode(&mut out).expect("it came out of a frame");
        assert!(stream[..taken].ends_with(&out), "the same bytes");
        let Ok(message) = Message::try_from(frame) else {
            continue;
        };
        let mut out = BytesMut::new();
        message
            .clone()
            .encode(&mut out)
            .expect("it came out of a frame");
        let again = courier::decode(&mut out)
            .expect("it was just written")
            .expect("whole");
        assert_eq!(Message::try_from(again).as_ref(), Ok(&message));
    }
}
