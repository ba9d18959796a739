//! Chapter 3: what is answered, and what is not.

use super::{Trial, case};
use crate::bytes::framed;
use crate::case::Basis::{AppleSays, Observed, OurChoice};
use crate::case::{Case, Failed, Need, ensure};
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
        "error-packet-in-one-record",
        "an error packet is the byte 08 and five more, in one TLS record",
        &[Clause::of("P-31")],
        Observed,
        |t| Box::pin(error_packet_in_one_record(t)),
    ),
    case(
        "missing-token",
        "a notification with a token of length 0 is answered 2",
        &[Clause::of("P-33")],
        Observed,
        |t| Box::pin(async move { t.refused(&framed(7, &[], &t.payload()), 2, 7).await }),
    ),
    case(
        "token-of-31-bytes",
        "a notification with a token of 31 bytes is answered 5",
        &[Clause::of("P-34")],
        OurChoice,
        |t| Box::pin(async move { t.refused(&framed(7, &[0xaa; 31], &t.payload()), 5, 7).await }),
    ),
    case(
        "missing-payload",
        "a notification with a payload of length 0 is answered 4",
        &[Clause::of("P-35")],
        OurChoice,
        |t| Box::pin(async move { t.refused(&framed(7, t.good()?, &[]), 4, 7).await }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "unknown-token",
        "a notification for a token that nobody has is answered 8",
        &[Clause::of("P-37")],
        Observed,
        |t| Box::pin(async move { t.refused(&framed(7, &t.bad()?, &t.payload()), 8, 7).await }),
    )
    .needs(&[Need::BadToken]),
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

async fn error_packet_in_one_record(t: &Trial) -> Result<(), Failed> {
    let mut link = t.connect().await?;
    link.send(&framed(0x0102_0304, &[], &t.payload())).await?;
    match link.answer().await? {
        Answer::Packet(packet) => {
            ensure(packet.command == 8, || format!("expected 08: {packet}"))?;
            ensure(packet.records == 1, || {
                format!("the six bytes came in {} TLS records", packet.records)
            })
        }
        answer => Err(Failed(format!("expected an error packet: {answer}"))),
    }
}
