//! What a server sends to a provider: feedback tuples, and error packets to a session in any state, which tells of every
//! notification exactly once.
#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use apns_proto::Push;
use apns_proto::client::Session;
use apns_proto::feedback::Tuple;
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

#[expect(
    clippy::disallowed_methods,
    reason = "the sessions have to be given some instant"
)]
static START: LazyLock<Instant> = LazyLock::new(Instant::now);
const QUIET: Duration = Duration::from_millis(100);
const PUSH: Push<'_> = Push {
    token: &[0xa1; 32],
    payload: b"{}",
    expiry: None,
    priority: None,
};

// The first byte says how long the script of the session is; what follows the script comes from the server.
fuzz_target!(|input: &[u8]| {
    feedback(input);
    let Some((&script_len, rest)) = input.split_first() else {
        return;
    };
    let (script, stream) = rest.split_at(usize::from(script_len).min(rest.len()));
    session(script, stream);
});

fn feedback(stream: &[u8]) {
    let mut buf = BytesMut::from(stream);
    let mut out = BytesMut::new();
    while let Some(tuple) = Tuple::decode(&mut buf) {
        tuple.encode(&mut out).expect("it came out of a tuple");
    }
    assert_eq!([&out[..], &buf[..]].concat(), stream);
}

fn session(script: &[u8], stream: &[u8]) {
    let mut session = Session::new(QUIET, 40);
    let (mut now, mut out, mut pushed, mut confirmed) = (*START, BytesMut::new(), 0_u32, vec![]);
    for &step in script {
        match step & 3 {
            0 => {
                for _ in 0..session.room().min(usize::from(step >> 2)) {
                    session.push(&PUSH, pushed, &mut out).expect("it is short");
                    pushed += 1;
                }
            }
            1 => session.write_started(now),
            2 => session.write_finished(now),
            _ => {
                now += Duration::from_millis(u64::from(step >> 2) * 4);
                if let Some(next) = session.next_confirmation() {
                    let due = next <= now;
                    let some = session.confirmed(now);
                    assert_eq!(due, !some.is_empty());
                    confirmed.extend(some);
                }
            }
        }
    }
    let mut buf = BytesMut::new();
    let mut packet = None;
    for &byte in stream {
        buf.extend_from_slice(&[byte]);
        if let Some(answer) = session.receive(&mut buf) {
            packet = answer.ok();
            break;
        }
    }
    assert_eq!(session.pending_len() + confirmed.len(), pushed as usize);
    let outcome = session.finish(packet);
    confirmed.extend(outcome.confirmed);
    confirmed.extend(outcome.rejected.map(|(tag, _)| tag));
    confirmed.extend(outcome.resend);
    assert!(confirmed.into_iter().eq(0..pushed), "each once, in order");
}
