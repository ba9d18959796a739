//! Upstreams that answer garbage: every push and every connection comes to an end that says what it was, and no more is taken than there is
//! use for.

use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};

use super::connection::Ended;
use super::driven::Driven;
use crate::verdict::{Outcome, Reason};

/// Bytes on their way in each direction.
const WIRE_LEN: usize = 64 * 1024;

/// More than a connection that listens to reason takes of what never ends: the wire, and the windows of HTTP/2.
const TAKEN_LEN_MAX: usize = 512 * 1024;

/// A server's SETTINGS without any, and its acknowledgement of ours (RFC 9113, section 6.5).
const SETTINGS: &[u8] = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x04\x01\x00\x00\x00\x00";

/// Of a push.
const BODY: &[u8] = b"{}";

const DATA: u8 = 0x00;
const HEADERS: u8 = 0x01;
const PUSH_PROMISE: u8 = 0x05;
const CONTINUATION: u8 = 0x09;
const END_STREAM: u8 = 0x01;
const END_HEADERS: u8 = 0x04;

/// `:status 200` and `:status 400` in HPACK's static table (RFC 7541, appendix A).
const STATUS_200: &[u8] = b"\x88";
const STATUS_400: &[u8] = b"\x8c";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A header field without indexing, with a new name (RFC 7541, section 6.2.2).
fn field(name: &[u8], value: &[u8]) -> Vec<u8> {
    let len = |text: &[u8]| u8::try_from(text.len()).ok().filter(|len| *len < 127);
    let mut bytes = vec![0x00, len(name).unwrap()];
    bytes.extend(name);
    bytes.push(len(value).unwrap());
    bytes.extend(value);
    bytes
}

/// `:status` as literal text.
fn status(text: &[u8]) -> Vec<u8> {
    // Index 8 of the static table names it.
    [&[0x08, u8::try_from(text.len()).unwrap()], text].concat()
}

/// Fields of so many bytes and a little more.
fn fields(len: usize) -> Vec<u8> {
    let one = field(b"x-long", &[b'x'; 100]);
    one.iter()
        .copied()
        .cycle()
        .take(len / one.len() * one.len())
        .collect()
}

/// A header block in frames of 16,000 bytes each, whole or without its end.
fn block(whole: bool, fields: &[u8]) -> Vec<u8> {
    let parts: Vec<_> = fields.chunks(16_000).collect();
    let mut bytes = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let (kind, end_stream) = match number {
            0 => (HEADERS, END_STREAM),
            _ => (CONTINUATION, 0),
        };
        let last = whole && number + 1 == parts.len();
        let flags = end_stream | if last { END_HEADERS } else { 0 };
        bytes.extend(frame(kind, flags, 1, part));
    }
    bytes
}

fn answer(header_block: &[u8], body: &[u8]) -> Vec<u8> {
    let head = frame(HEADERS, END_HEADERS, 1, header_block);
    [head, frame(DATA, END_STREAM, 1, body)].concat()
}

/// What is left of a push and of its connection.
struct Left {
    outcome: Outcome,
    ended: Ended,
}

/// Sends one push to an upstream that says `bytes`, and then nothing or goodbye.
async fn pushed_to(bytes: &[u8], closes: bool) -> Left {
    let (near, far) = duplex(WIRE_LEN);
    let mut connection = Driven::start(near).await;
    let pushed = connection.push(BODY);
    let (mut reader, mut writer) = split(far);
    request(&mut reader).await;
    let reading =
        tokio::spawn(async move { tokio::io::copy(&mut reader, &mut tokio::io::sink()).await });
    // It may hang up in the middle of that.
    drop(writer.write_all(bytes).await);
    if closes {
        drop(writer.shutdown().await);
    }
    let outcome = pushed.await.unwrap();
    let ended = connection.ended().await;
    reading.abort();
    Left { outcome, ended }
}

/// Reads to the end of the push.
async fn request(reader: &mut (impl AsyncRead + Unpin)) {
    let mut bytes = Vec::new();
    while !bytes.ends_with(BODY) {
        assert_ne!(reader.read_buf(&mut bytes).await.unwrap(), 0);
    }
}

/// What an upstream says that never stops; how many bytes of it were taken within the hour.
async fn taken_of_endless(first: &[u8], again: &[u8]) -> (Outcome, usize) {
    let (near, far) = duplex(WIRE_LEN);
    let mut connection = Driven::start(near).await;
    let pushed = connection.push(BODY);
    let writing = tokio::spawn(babble(far, first.to_vec(), again.to_vec()));
    let outcome = pushed.await.unwrap();
    // Whoever is not heard any more notices it when the connection is given up.
    drop(connection.ended().await);
    drop(connection);
    (outcome, writing.await.unwrap())
}

async fn babble(far: DuplexStream, first: Vec<u8>, again: Vec<u8>) -> usize {
    let (mut reader, mut writer) = split(far);
    request(&mut reader).await;
    let reading =
        tokio::spawn(async move { tokio::io::copy(&mut reader, &mut tokio::io::sink()).await });
    let mut taken = 0;
    let mut next = first;
    while taken < 4 * TAKEN_LEN_MAX && writer.write_all(&next).await.is_ok() {
        taken += next.len();
        next.clone_from(&again);
    }
    reading.abort();
    taken
}

#[tokio::test(start_paused = true)]
async fn what_is_no_http2_at_all_is_called_that_and_held_against_no_notification() {
    for said in [
        &b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"[..],
        b"SSH-2.0-OpenSSH_9.2\r\n",
        // An error packet of the binary protocol, and whatever is behind it.
        b"\x08\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
        b"220 mail.example.com ESMTP\r\n",
        &[0xff; 100],
    ] {
        let Left { outcome, ended } = pushed_to(said, false).await;
        assert_eq!(outcome, Outcome::NoPreface, "{said:?}");
        assert!(matches!(ended, Ended::Gibberish(_)), "{said:?}: {ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_closes_or_is_silent_before_its_first_word_is_held_against_no_notification()
 {
    let Left { outcome, ended } = pushed_to(b"", true).await;
    assert_eq!(outcome, Outcome::NoPreface);
    assert!(matches!(ended, Ended::NoPreface), "{ended:?}");
    // Half a head, and then?
    for said in [&b""[..], b"\x00\x00\x00\x04\x00"] {
        let Left { outcome, ended } = pushed_to(said, false).await;
        assert_eq!(outcome, Outcome::NoPreface, "{said:?}");
        assert!(matches!(ended, Ended::Silent(_)), "{said:?}: {ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_http2_does_not_allow_is_the_end_of_one_push_and_not_of_the_connection() {
    let fields_of = |len| [STATUS_200, &fields(len)].concat();
    for (what, bytes) in [
        ("more fields than we take", block(true, &fields_of(15_900))),
        ("more of them than a frame", block(true, &fields_of(60_000))),
        ("no :status", answer(&field(b"x-long", b"x"), b"")),
        (
            "less than it said",
            answer(
                &[STATUS_200, &field(b"content-length", b"5")].concat(),
                b"{}",
            ),
        ),
    ] {
        let Left { outcome, ended } = pushed_to(&[SETTINGS, &bytes].concat(), false).await;
        assert_eq!(outcome, Outcome::Garbled, "{what}");
        // Nobody answers its pings here; that is what it ends by.
        assert!(matches!(ended, Ended::Silent(_)), "{what}: {ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_breaks_the_rules_of_the_connection_ends_it_and_says_so() {
    let unfinished = frame(HEADERS, 0, 1, STATUS_200);
    for (what, bytes) in [
        ("a frame over the limit", vec![0xff; 9]),
        ("a :status that is no number", answer(&status(b"two"), b"")),
        ("a :status of four digits", answer(&status(b"2000"), b"")),
        ("a body before its head", frame(DATA, END_STREAM, 1, b"{}")),
        ("a stream nobody opened", frame(DATA, 0, 7, b"x")),
        (
            "fields of no stream",
            frame(HEADERS, END_HEADERS, 0, STATUS_200),
        ),
        (
            "a promise",
            frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\x02"),
        ),
        ("no HPACK", frame(HEADERS, END_HEADERS, 1, &[0xff; 5])),
        (
            "a body among the fields",
            [unfinished, frame(DATA, 0, 1, b"x")].concat(),
        ),
    ] {
        let Left { outcome, ended } = pushed_to(&[SETTINGS, &bytes].concat(), false).await;
        assert_eq!(outcome, Outcome::Lost { alone: false }, "{what}");
        assert!(matches!(ended, Ended::Gibberish(_)), "{what}: {ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_header_block_that_never_ends_and_is_not_continued_is_no_answer() {
    let begun = [
        SETTINGS,
        &block(false, &[STATUS_200, &fields(1_000)].concat()),
    ]
    .concat();
    let Left { outcome, ended } = pushed_to(&begun, false).await;
    assert_eq!(outcome, Outcome::Unanswered);
    assert!(matches!(ended, Ended::Silent(_)), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn of_what_never_ends_no_more_is_taken_than_there_is_use_for() {
    let begun = |bytes: Vec<u8>| [SETTINGS, &bytes].concat();
    let headers = begun(frame(
        HEADERS,
        END_STREAM,
        1,
        &[STATUS_200, &fields(16_000)].concat(),
    ));
    let (outcome, taken) =
        taken_of_endless(&headers, &frame(CONTINUATION, 0, 1, &fields(16_000))).await;
    assert_eq!(outcome, Outcome::Lost { alone: false });
    assert!(taken < TAKEN_LEN_MAX, "{taken} bytes of a header block");

    let head = begun(frame(HEADERS, END_HEADERS, 1, STATUS_400));
    let (outcome, taken) = taken_of_endless(&head, &frame(DATA, 0, 1, &[b'x'; 16_000])).await;
    assert!(matches!(outcome, Outcome::Answered(answer) if answer.foreign));
    assert!(taken < TAKEN_LEN_MAX, "{taken} bytes of a body");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_none_of_the_provider_apis_is_told_from_one_that_is() {
    let judged = async |header_block: &[u8], body: &[u8]| {
        let bytes = [SETTINGS, &answer(header_block, body)].concat();
        match pushed_to(&bytes, false).await.outcome {
            Outcome::Answered(answer) => (answer.status, answer.reason, answer.foreign),
            outcome => panic!("{outcome:?}"),
        }
    };
    let bad_token = Some(Reason::BadDeviceToken);
    for (head, body, expected) in [
        (STATUS_200, &b""[..], (200, None, false)),
        (
            STATUS_400,
            br#"{"reason":"BadDeviceToken"}"#,
            (400, bad_token, false),
        ),
        (STATUS_200, b"<html>It works!</html>", (200, None, true)),
        (STATUS_400, b"{\"reason\":\"BadDev", (400, None, true)),
        (STATUS_400, b"\"BadDeviceToken\"", (400, None, true)),
        (STATUS_400, &[0xff; 500], (400, None, true)),
        (&status(b"302"), b"", (302, None, true)),
        (&status(b"999"), b"{}", (999, None, true)),
    ] {
        assert_eq!(judged(head, body).await, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_an_upstream_babbles_a_push_and_its_connection_come_to_an_end(
        greets: bool,
        closes: bool,
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let said = if greets { [SETTINGS, &bytes].concat() } else { bytes };
        let Left { outcome, ended } = runtime.block_on(pushed_to(&said, closes));
        prop_assert!(outcome.is_unknown() || matches!(outcome, Outcome::Unprocessed { .. }), "{:?}", outcome);
        prop_assert!(!matches!(ended, Ended::Refused(_)), "{:?}", ended);
    }
}
