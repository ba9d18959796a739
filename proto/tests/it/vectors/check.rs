//! Whether this crate does what a vector says.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use apns_proto::server::{Reply, Session, Step};
use apns_proto::{
    Command, ErrorPacket, Expiry, Identifier, Limits, Malformed, Priority, Push, Status, client,
    decode, feedback, frame,
};
use bytes::BytesMut;
use serde_json::Value;

use super::courier;
use super::model::{self, Answer, Hex, Kind, Means, Parsed, read};

pub(super) type Checked = Result<(), String>;

const LONG: Duration = Duration::from_secs(60);

#[expect(
    clippy::disallowed_methods,
    reason = "the sessions have to count from some instant"
)]
fn start() -> Instant {
    Instant::now()
}

pub(crate) fn check(kind: Kind, vector: &Value) -> Checked {
    match kind {
        Kind::Notification => notification(&read(vector)?),
        Kind::Error => error_packet(&read(vector)?),
        Kind::Sender => sender(&read(vector)?),
        Kind::Feedback => tuples(&read(vector)?),
        Kind::Courier => courier::message(&read(vector)?),
        Kind::Stream => stream(&read(vector)?),
    }
}

pub(super) fn same<T: PartialEq + Debug>(what: &str, got: &T, expected: &T) -> Checked {
    if got == expected {
        Ok(())
    } else {
        Err(format!("{what}: {got:?} instead of {expected:?}"))
    }
}

/// Hands over `bytes` one by one; nothing may come out, and nothing may be consumed, before the last.
pub(super) fn only_at_the_end<T: PartialEq + Debug>(
    bytes: &[u8],
    take: impl Fn(&mut BytesMut) -> Option<T>,
) -> Result<T, String> {
    let (last, before) = bytes.split_last().ok_or("no bytes")?;
    let mut buf = BytesMut::with_capacity(bytes.len());
    for &byte in before {
        buf.extend_from_slice(&[byte]);
        let len = buf.len();
        same("an incomplete frame", &take(&mut buf), &None)?;
        same("what is left of it", &buf.len(), &len)?;
    }
    buf.extend_from_slice(&[*last]);
    let Some(piecemeal) = take(&mut buf) else {
        return Err(format!("nothing came out of {bytes:02x?}"));
    };
    let whole = take(&mut BytesMut::from(bytes));
    same("byte by byte", &Some(&piecemeal), &whole.as_ref())?;
    Ok(piecemeal)
}

/// Every order of `pieces`.
fn orders(pieces: &[Hex]) -> Vec<Vec<u8>> {
    if pieces.is_empty() {
        return vec![vec![]];
    }
    (0..pieces.len())
        .flat_map(|first| {
            let mut rest = pieces.to_vec();
            let first = rest.remove(first).0;
            orders(&rest)
                .into_iter()
                .map(move |rest| [&first[..], &rest].concat())
        })
        .collect()
}

fn notification(vector: &model::Notification) -> Checked {
    let limits = vector
        .payload_max
        .map_or(Limits::BINARY, |payload_len_max| Limits { payload_len_max });
    for rest in orders(&vector.any_order) {
        let bytes = [&vector.bytes.0[..], &rest].concat();
        let decoded = only_at_the_end(&bytes, |buf| decode(buf, &limits))?;
        match (&vector.parse, &vector.answer, decoded) {
            (Some(parse), None, Ok(notification)) => {
                accepted(vector, parse, &notification, &bytes)?;
            }
            (None, Some(answer), Err(malformed)) => {
                refused(vector, answer, &malformed)?;
                session_refuses(&bytes, limits, answer, vector.delimited)?;
            }
            (_, _, decoded) => return Err(format!("{decoded:?}")),
        }
    }
    Ok(())
}

fn accepted(
    vector: &model::Notification,
    parse: &Parsed,
    notification: &apns_proto::Notification,
    bytes: &[u8],
) -> Checked {
    let got = Parsed {
        command: notification.command.0,
        identifier: notification.identifier.map(|id| Hex(id.0.to_vec())),
        expiry: notification.expiry.map(|expiry| expiry.0),
        priority: notification.priority.map(|priority| priority.0),
        token: Hex(notification.token.as_bytes().to_vec()),
        payload: Hex(notification.payload.to_vec()),
    };
    same("fields", &got, parse)?;
    same("frame", &&notification.frame[..], &bytes)?;
    if let Some(means) = &vector.means {
        let priority = notification.priority.unwrap_or(Priority::IMMEDIATE);
        let got = Means {
            priority: priority.effective().0,
            stored: notification.expiry.is_none_or(Expiry::stores),
        };
        same("meaning", &got, means)?;
    }
    if vector.canonical || notification.command != Command::FRAMED {
        let push = Push {
            token: &parse.token.0,
            payload: &parse.payload.0,
            expiry: parse.expiry.map(Expiry),
            priority: parse.priority.map(Priority),
        };
        let mut out = BytesMut::new();
        let identifier = notification.identifier;
        match notification.command {
            Command::SIMPLE => frame::simple::encode(&push, &mut out),
            Command::ENHANCED => {
                frame::enhanced::encode(identifier.unwrap_or_default(), &push, &mut out)
            }
            _ => frame::framed::encode(identifier, &push, &mut out),
        }
        .map_err(|error| error.to_string())?;
        same("encoded", &&out[..], &bytes)?;
    }
    Ok(())
}

fn refused(vector: &model::Notification, answer: &Answer, malformed: &Malformed) -> Checked {
    same("answer", &told(malformed.answer()), answer)?;
    same("farewell", &malformed.farewell(), &vector.farewell)?;
    same("delimited", &malformed.delimited, &vector.delimited)
}

/// The answer as a server's session gives it, and what the session does with a frame that nobody answers.
fn session_refuses(bytes: &[u8], limits: Limits, answer: &Answer, delimited: bool) -> Checked {
    let now = start();
    let handed_out = || {
        let mut session = Session::new(limits, LONG);
        match session.receive(&mut BytesMut::from(bytes), now) {
            Some(Step::Malformed { seq: 1, malformed }) => Ok((session, malformed)),
            step => Err(format!("{step:?}")),
        }
    };
    let (mut session, malformed) = handed_out()?;
    let reply = session
        .answer(1, malformed.status)
        .ok_or("it may not be answered")?;
    same("the session's answer", &replied(reply), answer)?;
    let (mut session, _) = handed_out()?;
    same("goes on behind it", &session.pass(1), &delimited)
}

/// What a packet, or a close without one, is in a vector.
fn told(packet: Option<ErrorPacket>) -> Answer {
    let bytes = packet.map(ErrorPacket::encode);
    Answer {
        status: bytes.map(|[_, status, ..]| status),
        identifier: bytes.map(|[_, _, identifier @ ..]| Hex(identifier.to_vec())),
        close: true,
    }
}

fn replied(reply: Reply) -> Answer {
    match reply {
        Reply::Packet(packet) => told(Some(packet)),
        Reply::Close => told(None),
    }
}

fn error_packet(vector: &model::ErrorPacket) -> Checked {
    let bytes = &vector.bytes.0;
    match (
        &vector.parse,
        vector.no_answer,
        only_at_the_end(bytes, ErrorPacket::decode)?,
    ) {
        (Some(parse), None, Ok(packet)) => {
            let got = model::ParsedError {
                status: packet.status.0,
                identifier: Hex(packet.identifier.0.to_vec()),
                name: packet.status.name().to_owned(),
            };
            same("fields", &got, parse)?;
            same("encoded", &&packet.encode()[..], &&bytes[..])
        }
        (None, Some(true), Err(no_answer)) => {
            same("first byte", &Some(&no_answer.command.0), &bytes.first())
        }
        (_, _, decoded) => Err(format!("{decoded:?}")),
    }
}

fn sender(vector: &model::Sender) -> Checked {
    let bytes = &vector.bytes.0;
    for cut in 0..=bytes.len() {
        let now = start();
        let mut session = client::Session::new(LONG, 1_000);
        let mut out = BytesMut::new();
        for number in 1..=vector.sent {
            let push = Push {
                token: &[0xa1; 32],
                payload: b"{}",
                expiry: None,
                priority: None,
            };
            let identifier = session
                .push(&push, number, &mut out)
                .map_err(|error| error.to_string())?;
            same("identifier", &identifier, &Identifier::from_u32(number))?;
        }
        session.write_started(now);
        session.write_finished(now);
        let mut buf = BytesMut::from(&bytes[..cut]);
        let mut packet = session.receive(&mut buf);
        if packet.is_none() {
            buf.extend_from_slice(&bytes[cut..]);
            packet = session.receive(&mut buf);
        }
        let outcome = session.finish(packet.and_then(Result::ok));
        let expected: Vec<u32> = (1..=vector.confirmed).collect();
        same("confirmed", &outcome.confirmed, &expected)?;
        let refused = outcome.rejected.map(|(number, status)| model::Refused {
            identifier: Hex(number.to_be_bytes().to_vec()),
            status: status.0,
        });
        same("refused", &refused, &vector.refused)?;
        same("resend", &outcome.resend, &vector.resend)?;
        let may_duplicate = outcome.doubtful > 0;
        same("may duplicate", &may_duplicate, &vector.may_duplicate)?;
    }
    Ok(())
}

fn tuples(vector: &model::Feedback) -> Checked {
    let bytes = &vector.bytes.0;
    let expected: Vec<feedback::Tuple> = vector
        .tuples
        .iter()
        .flat_map(|tuple| {
            let token = apns_proto::Token::new(&tuple.token.0);
            let timestamp = tuple.timestamp;
            std::iter::repeat_n(feedback::Tuple { timestamp, token }, tuple.times)
        })
        .collect();
    let (mut buf, mut got) = (BytesMut::new(), vec![]);
    for &byte in bytes {
        buf.extend_from_slice(&[byte]);
        got.extend(feedback::Tuple::decode(&mut buf));
    }
    same("tuples", &got, &expected)?;
    same("unread", &buf.len(), &vector.unread)?;
    let mut buf = BytesMut::from(&bytes[..]);
    let whole: Vec<_> = std::iter::from_fn(|| feedback::Tuple::decode(&mut buf)).collect();
    same("tuples in one piece", &whole, &expected)?;

    let mut out = BytesMut::new();
    for tuple in &expected {
        tuple.encode(&mut out).map_err(|error| error.to_string())?;
    }
    out.extend_from_slice(&buf);
    same("encoded", &&out[..], &&bytes[..])?;
    if let Some(first_write) = vector.first_write {
        same("first write", &feedback::write_len(&expected), &first_write)?;
    }
    Ok(())
}

/// Streams up to this length are cut in two at every place; longer ones are handed over whole and byte by byte.
const CUT_EVERYWHERE_MAX: usize = 1_000;

fn stream(vector: &model::Stream) -> Checked {
    let bytes = &vector.bytes.0;
    conversation(vector, &[bytes])?;
    conversation(vector, &bytes.chunks(1).collect::<Vec<_>>())?;
    if bytes.len() <= CUT_EVERYWHERE_MAX {
        for cut in 1..bytes.len() {
            conversation(vector, &[&bytes[..cut], &bytes[cut..]])
                .map_err(|error| format!("cut at {cut}: {error}"))?;
        }
    }
    Ok(())
}

/// Plays the server that knows every token but the one of 32 bytes ff.
fn conversation(vector: &model::Stream, pieces: &[&[u8]]) -> Checked {
    let now = start();
    let mut session = Session::new(Limits::BINARY, LONG);
    let (mut buf, mut taken, mut reply) = (BytesMut::new(), vec![], None);
    for piece in pieces {
        buf.extend_from_slice(piece);
        while let Some(step) = session.receive(&mut buf, now) {
            let (seq, status) = match step {
                Step::Malformed { seq, malformed } => (seq, malformed.status),
                Step::Notification { seq, notification }
                    if notification.token.as_bytes() == [0xff; 32] =>
                {
                    (seq, Some(Status::INVALID_TOKEN))
                }
                Step::Notification { notification, .. } => {
                    let identifier = notification.identifier.map(|id| Hex(id.0.to_vec()));
                    taken.push((notification.command.0, identifier));
                    continue;
                }
            };
            reply = Some(
                session
                    .answer(seq, status)
                    .ok_or("it may not be answered")?,
            );
        }
    }
    if vector.shutdown {
        same("answered before the shutdown", &reply, &None)?;
        reply = Some(session.shutdown());
        session.receive(&mut buf, now);
    }
    let expected: Vec<_> = vector
        .taken
        .iter()
        .flat_map(|one| std::iter::repeat_n((one.command, one.identifier.clone()), one.times))
        .collect();
    same("taken", &taken, &expected)?;
    let silence = Answer {
        status: None,
        identifier: None,
        close: false,
    };
    same("answer", &reply.map_or(silence, replied), &vector.answer)?;
    same("discarded", &session.discarded_len(), &vector.discarded)?;
    same("unread", &buf.len(), &vector.unread)
}
