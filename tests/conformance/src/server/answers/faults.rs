//! Which status a fault gets, whose identifier is named, and which fault goes first [P-31] to [P-39], [P-44].

use super::super::{Trial, case};
use crate::bytes::{enhanced, frame, framed, item, simple};
use crate::case::Basis::{AppleSays, Observed, OurChoice};
use crate::case::{Case, Failed, Lane, Need, Profile, ensure};
use crate::clause::Clause;
use crate::link::{Answer, Heard};

/// The cases.
pub(super) const CASES: &[Case<Trial>] = &[
    case(
        "success-is-silence",
        "a notification that is accepted is not answered",
        &[Clause::of("P-30")],
        AppleSays,
        |t| Box::pin(success_is_silence(t)),
    )
    .needs(&[Need::GoodToken]),
    case(
        "error-packet-begins-with-08",
        "an error packet begins with the byte 08",
        &[Clause::of("P-31")],
        AppleSays,
        |t| Box::pin(error_packet_begins_with_08(t)),
    ),
    case(
        "error-packet-in-one-record",
        "the six bytes of an error packet come in one TLS record",
        &[Clause::of("P-31")],
        Observed,
        |t| Box::pin(error_packet_in_one_record(t)),
    ),
    case(
        "token-of-0-bytes-command-1",
        "a command 1 with a token of length 0 is answered 2",
        &[Clause::of("P-33")],
        Observed,
        |t| Box::pin(async move { t.refused(&enhanced(7, 0, &[], &t.payload()), 2, 7).await }),
    ),
    case(
        "token-of-0-bytes-command-2",
        "a command 2 with a token of length 0 is answered 2",
        &[Clause::of("P-33")],
        Observed,
        |t| Box::pin(async move { t.refused(&framed(7, &[], &t.payload()), 2, 7).await }),
    ),
    case(
        "token-absent",
        "a command 2 without a token is answered 2",
        &[Clause::of("P-33")],
        Observed,
        |t| {
            Box::pin(async move {
                let items = [item(2, &t.payload()), item(3, &[0, 0, 0, 7])];
                t.refused(&frame(&items), 2, 7).await
            })
        },
    ),
    case(
        "frame-of-0-bytes",
        "a command 2 of length 0 has no token: it is answered 2, with identifier 0",
        &[Clause::of("P-33"), Clause::of("P-38")],
        OurChoice,
        |t| Box::pin(async move { t.refused(&[0x02, 0, 0, 0, 0], 2, 0).await }),
    ),
    case(
        "token-of-1-byte",
        "a token of 1 byte is answered 5",
        &[Clause::of("P-34")],
        OurChoice,
        |t| {
            Box::pin(async move {
                t.refused(&enhanced(7, 0, &[0xaa], &t.payload()), 5, 7)
                    .await
            })
        },
    ),
    case(
        "token-of-31-bytes",
        "a token of 31 bytes is answered 5",
        &[Clause::of("P-34")],
        OurChoice,
        |t| Box::pin(token_size(t, &[0xaa; 31])),
    ),
    case(
        "token-of-101-bytes",
        "a token of 101 bytes is answered 5",
        &[Clause::of("P-34"), Clause::of("P-20")],
        OurChoice,
        |t| Box::pin(token_size(t, &[0xaa; 101])),
    ),
    case(
        "payload-of-0-bytes-command-1",
        "a command 1 with a payload of length 0 is answered 4",
        &[Clause::of("P-35")],
        OurChoice,
        |t| Box::pin(async move { t.refused(&enhanced(7, 0, t.good()?, &[]), 4, 7).await }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "payload-of-0-bytes-command-2",
        "a command 2 with a payload of length 0 is answered 4",
        &[Clause::of("P-35")],
        OurChoice,
        |t| Box::pin(async move { t.refused(&framed(7, t.good()?, &[]), 4, 7).await }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "payload-absent",
        "a command 2 without a payload is answered 4",
        &[Clause::of("P-35")],
        OurChoice,
        |t| {
            Box::pin(async move {
                let items = [item(3, &[0, 0, 0, 7]), item(1, t.good()?)];
                t.refused(&frame(&items), 4, 7).await
            })
        },
    )
    .needs(&[Need::GoodToken]),
    case(
        "payload-over-the-limit-command-1",
        "a command 1 whose payload has one byte more than the limit is answered 7",
        &[Clause::of("P-36"), Clause::of("P-21")],
        Observed,
        |t| {
            Box::pin(async move {
                let payload = t.payload_of(t.target().payload_limit + 1);
                t.refused(&enhanced(7, 0, t.good()?, &payload), 7, 7).await
            })
        },
    )
    .needs(&[Need::GoodToken]),
    case(
        "payload-over-the-limit-command-2",
        "a command 2 whose payload has one byte more than the limit is answered 7",
        &[Clause::of("P-36"), Clause::of("P-21")],
        Observed,
        |t| {
            Box::pin(async move {
                let payload = t.payload_of(t.target().payload_limit + 1);
                t.refused(&framed(7, t.good()?, &payload), 7, 7).await
            })
        },
    )
    .needs(&[Need::GoodToken]),
    case(
        "unknown-token-command-1",
        "a command 1 for a token that nobody has is answered 8",
        &[Clause::of("P-37")],
        Observed,
        |t| {
            Box::pin(async move {
                t.refused(&enhanced(7, 0, &t.bad()?, &t.payload()), 8, 7)
                    .await
            })
        },
    )
    .needs(&[Need::BadToken])
    .lanes(&[Lane::BadTokens]),
    case(
        "unknown-token-command-2",
        "a command 2 for a token that nobody has is answered 8",
        &[Clause::of("P-37")],
        Observed,
        |t| Box::pin(async move { t.refused(&framed(7, &t.bad()?, &t.payload()), 8, 7).await }),
    )
    .needs(&[Need::BadToken])
    .lanes(&[Lane::BadTokens]),
    case(
        "unknown-token-of-100-bytes",
        "a token of 100 bytes is looked up: when nobody has it, it is answered 8",
        &[Clause::of("P-37"), Clause::of("P-20")],
        OurChoice,
        |t| {
            Box::pin(async move {
                let token = t.random(|random| [(); 100].map(|()| random.u8(..)));
                t.refused(&framed(7, &token, &t.payload()), 8, 7).await
            })
        },
    )
    .needs(&[Need::FreshBadTokens])
    .lanes(&[Lane::BadTokens]),
    case(
        "token-goes-before-payload",
        "a missing token is answered before a payload that is too long",
        &[Clause::of("P-32")],
        Observed,
        |t| {
            Box::pin(async move {
                let payload = t.payload_of(t.target().payload_limit + 1);
                t.refused(&framed(7, &[], &payload), 2, 7).await
            })
        },
    ),
    case(
        "token-size-goes-before-payload",
        "a token of a wrong size is answered before a missing payload",
        &[Clause::of("P-32")],
        OurChoice,
        |t| Box::pin(async move { t.refused(&framed(7, &[0xaa; 31], &[]), 5, 7).await }),
    ),
    case(
        "payload-size-goes-before-unknown-token",
        "a payload that is too long is answered before a token that nobody has",
        &[Clause::of("P-32")],
        OurChoice,
        |t| {
            Box::pin(async move {
                let payload = t.payload_of(t.target().payload_limit + 1);
                t.refused(&framed(7, &t.bad()?, &payload), 7, 7).await
            })
        },
    )
    .needs(&[Need::BadToken]),
    case(
        "no-identifier-is-answered-with-0",
        "a command 2 without an identifier is answered with identifier 0",
        &[Clause::of("P-38")],
        Observed,
        |t| {
            Box::pin(async move {
                let items = [item(1, &[]), item(2, &t.payload())];
                t.refused(&frame(&items), 2, 0).await
            })
        },
    ),
    case(
        "identifier-comes-back-byte-for-byte",
        "every identifier comes back byte for byte: 0, 1, 7fffffff, 80000000, ffffffff",
        &[Clause::of("P-24")],
        AppleSays,
        |t| Box::pin(identifier_comes_back(t)),
    ),
    case(
        "command-0-has-no-answer",
        "a command 0 that is refused is not answered with a packet",
        &[Clause::of("P-39")],
        AppleSays,
        |t| Box::pin(command_0_has_no_answer(t)),
    ),
    case(
        "command-0-refused-closes",
        "a command 0 that is refused closes the connection",
        &[Clause::of("P-39")],
        AppleSays,
        |t| Box::pin(async move { t.ends_without_a_packet(&simple(&[], &t.payload())).await }),
    )
    .only(&[Profile::Apple]),
    case(
        "command-0-refused-is-passed-over",
        "a command 0 that is refused cannot be answered, so what comes behind it is accepted",
        &[Clause::of("P-39")],
        OurChoice,
        |t| {
            Box::pin(async move {
                let refused = simple(&[0xaa; 31], b"{}");
                let good = framed(1, t.good()?, &t.payload());
                t.accepted(&[refused, good].concat()).await
            })
        },
    )
    .needs(&[Need::GoodToken])
    .only(&[Profile::Bridge]),
    case(
        "command-0-whatever-is-wrong-has-no-answer",
        "a command 0 is not answered with a packet, whatever is wrong with it",
        &[Clause::of("P-39")],
        AppleSays,
        |t| Box::pin(command_0_whatever_is_wrong(t)),
    )
    .needs(&[Need::GoodToken]),
    case(
        "farewell-command-0",
        "a command 0 with neither token nor payload closes the connection without a packet",
        &[Clause::of("P-44"), Clause::of("P-39")],
        OurChoice,
        |t| Box::pin(async move { t.ends_without_a_packet(&simple(&[], &[])).await }),
    ),
    case(
        "farewell-without-items",
        "a command 2 with no item but the identifier is answered 2 with it",
        &[Clause::of("P-44"), Clause::of("P-33")],
        Observed,
        |t| Box::pin(async move { t.refused(&frame(&[item(3, &[0, 0, 0, 7])]), 2, 7).await }),
    ),
    case(
        "farewell-command-1",
        "a command 1 with neither token nor payload is answered 2 with its identifier",
        &[Clause::of("P-44")],
        Observed,
        |t| Box::pin(async move { t.refused(&enhanced(7, 0, &[], &[]), 2, 7).await }),
    ),
    case(
        "farewell-command-2",
        "a command 2 with an empty token and an empty payload is answered 2 with its identifier",
        &[Clause::of("P-44")],
        Observed,
        |t| {
            Box::pin(async move {
                // Pushy's order: identifier first.
                let items = [item(3, &[0, 0, 0, 7]), item(1, &[]), item(2, &[])];
                t.refused(&frame(&items), 2, 7).await
            })
        },
    ),
];

async fn success_is_silence(t: &Trial) -> Result<(), Failed> {
    let mut link = t.connect().await?;
    link.send(&framed(7, t.good()?, &t.payload())).await?;
    match link.hear_within(t.target().quiet).await? {
        Heard::Nothing => Ok(()),
        Heard::Record(_) => Err(Failed::because("the server answered")),
        Heard::End(ending) => Err(Failed(format!("the connection ended: {ending}"))),
    }
}

async fn error_packet_begins_with_08(t: &Trial) -> Result<(), Failed> {
    let mut link = t.connect().await?;
    link.send(&framed(7, &[], &t.payload())).await?;
    match link.refusal().await? {
        Answer::Packet(packet) => ensure(packet.command == 8, || format!("it was {packet}")),
        answer => Err(Failed(format!("expected an error packet: {answer}"))),
    }
}

async fn error_packet_in_one_record(t: &Trial) -> Result<(), Failed> {
    let mut link = t.connect().await?;
    link.send(&framed(0x0102_0304, &[], &t.payload())).await?;
    match link.refusal().await? {
        Answer::Packet(packet) => ensure(packet.records == 1, || {
            format!("they came in {} records", packet.records)
        }),
        answer => Err(Failed(format!("expected an error packet: {answer}"))),
    }
}

async fn token_size(t: &Trial, token: &[u8]) -> Result<(), Failed> {
    t.refused(&enhanced(7, 0, token, &t.payload()), 5, 7)
        .await?;
    t.refused(&framed(7, token, &t.payload()), 5, 7).await
}

async fn command_0_whatever_is_wrong(t: &Trial) -> Result<(), Failed> {
    let long = t.payload_of(t.target().payload_limit + 1);
    for frame in [
        simple(&[0xaa; 31], &t.payload()),
        simple(&[0xaa; 101], &t.payload()),
        simple(t.good()?, &[]),
        simple(t.good()?, &long),
    ] {
        no_packet(t, &frame).await?;
    }
    Ok(())
}

async fn identifier_comes_back(t: &Trial) -> Result<(), Failed> {
    for identifier in [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x0102_0304] {
        t.refused(&framed(identifier, &[], &t.payload()), 2, identifier)
            .await?;
    }
    Ok(())
}

async fn command_0_has_no_answer(t: &Trial) -> Result<(), Failed> {
    no_packet(t, &simple(&[], &t.payload())).await
}

/// Expects no packet for `frame`, whether the connection is closed or not.
async fn no_packet(t: &Trial, frame: &[u8]) -> Result<(), Failed> {
    let mut link = t.connect().await?;
    link.send(frame).await?;
    match link.answer_within(t.target().quiet).await? {
        Answer::Packet(packet) => Err(Failed(format!("the server answered {packet}"))),
        Answer::End(_) | Answer::Nothing => Ok(()),
    }
}
