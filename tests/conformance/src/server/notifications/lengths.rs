//! The layouts [P-10] to [P-12], and where their fields end [P-17], [P-20], [P-21].

use super::super::{Trial, case};
use crate::bytes::{enhanced, frame, frame_claiming, framed, item, simple};
use crate::case::Basis::{AppleSays, Observed, OurChoice};
use crate::case::{Case, Need};
use crate::clause::Clause;

/// The cases.
pub(super) const CASES: &[Case<Trial>] = &[
    case(
        "command-0",
        "a command 0 is accepted",
        &[Clause::of("P-10")],
        AppleSays,
        |t| Box::pin(async move { t.accepted(&simple(t.good()?, &t.payload())).await }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "command-1",
        "a command 1 is accepted",
        &[Clause::of("P-11")],
        AppleSays,
        |t| Box::pin(async move {
            t.accepted(&enhanced(7, 1_700_000_000, t.good()?, &t.payload()))
                .await
        }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "command-2-with-all-items",
        "a command 2 with all five items is accepted",
        &[Clause::of("P-12")],
        AppleSays,
        |t| Box::pin(async move {
            let items = [
                item(1, t.good()?),
                item(2, &t.payload()),
                item(3, &[0, 0, 0, 7]),
                item(4, &[0x65, 0x53, 0xf1, 0x00]),
                item(5, &[10]),
            ];
            t.accepted(&frame(&items)).await
        }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "payload-of-1-byte",
        "a payload of 1 byte is accepted",
        &[Clause::of("P-21")],
        OurChoice,
        |t| Box::pin(async move {
            let token = t.good()?;
            let frames = [simple(token, b"1"), enhanced(7, 0, token, b"1"), framed(8, token, b"1")];
            t.accepted(&frames.concat()).await
        }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "payload-of-256-bytes",
        "a payload of 256 bytes is accepted in all commands",
        &[Clause::of("P-21")],
        AppleSays,
        |t| Box::pin(async move {
            let token = t.good()?;
            let frames = [
                simple(token, &t.payload_of(256)),
                enhanced(7, 0, token, &t.payload_of(256)),
                framed(8, token, &t.payload_of(256)),
            ];
            t.accepted(&frames.concat()).await
        }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "payload-of-the-limit-command-2",
        "a command 2 whose payload has exactly the limit is accepted",
        &[Clause::of("P-21")],
        AppleSays,
        |t| Box::pin(async move {
            let payload = t.payload_of(t.target().payload_limit);
            t.accepted(&framed(7, t.good()?, &payload)).await
        }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "payload-of-the-limit-commands-0-and-1",
        "commands 0 and 1 whose payload has exactly the limit are accepted",
        &[Clause::of("P-21")],
        Observed,
        |t| Box::pin(async move {
            let token = t.good()?;
            let limit = t.target().payload_limit;
            let frames = [
                simple(token, &t.payload_of(limit)),
                enhanced(7, 0, token, &t.payload_of(limit)),
            ];
            t.accepted(&frames.concat()).await
        }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "payload-is-not-looked-at",
        "a payload need not be JSON, and need not have `aps`",
        &[Clause::of("P-21")],
        OurChoice,
        |t| Box::pin(async move {
            let token = t.good()?;
            let frames = [
                framed(1, token, b"not JSON"),
                framed(2, token, &[0xff, 0x00, 0xfe]),
                framed(3, token, br#"{"mdm":"push magic"}"#),
            ];
            t.accepted(&frames.concat()).await
        }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "command-0-is-read-to-its-end",
        "a command 0 with the longest token and payload there can be is read to its end before it is judged",
        &[Clause::of("P-10"), Clause::of("P-32")],
        OurChoice,
        |t| Box::pin(async move {
            let mut frame = simple(&vec![0x7b; 0xffff], &vec![0x7b; 0xffff]);
            frame.pop();
            t.never_answered(&frame).await
        }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "command-1-is-read-to-its-end",
        "a command 1 with the longest token and payload there can be is read to its end, and judged then",
        &[Clause::of("P-11"), Clause::of("P-34")],
        OurChoice,
        |t| Box::pin(async move {
            let longest = vec![0x7b; 0xffff];
            t.refused(&enhanced(7, 0, &longest, &longest), 5, 7).await
        }),
    ),
    case(
        "frame-length-ffffffff",
        "a command 2 that says it has ffffffff bytes is answered 128 with identifier 0 at once",
        &[Clause::of("P-17")],
        OurChoice,
        |t| Box::pin(async move { t.refused(&[0x02, 0xff, 0xff, 0xff, 0xff], 128, 0).await }),
    ),
    case(
        "frame-length-over-the-cap",
        "a command 2 that says it has 16,385 bytes is answered 128 with identifier 0 at once",
        &[Clause::of("P-17")],
        OurChoice,
        |t| Box::pin(async move { t.refused(&[0x02, 0x00, 0x00, 0x40, 0x01], 128, 0).await }),
    ),
    case(
        "frame-length-at-the-cap",
        "a command 2 of 16,384 bytes is read and judged by its items",
        &[Clause::of("P-17"), Clause::of("P-36")],
        OurChoice,
        |t| Box::pin(async move {
            let token = t.good()?;
            // What is not payload: three bytes in front of each item, the token, and the identifier.
            let payload = vec![0x20; 16_384 - 3 - token.len() - 3 - 3 - 4];
            t.refused(&framed(7, token, &payload), 7, 7).await
        }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "frame-length-too-short",
        "a command 2 whose last item runs past the frame is answered 128",
        &[Clause::of("P-16")],
        OurChoice,
        |t| Box::pin(async move {
            let body = [item(3, &[0, 0, 0, 7]), item(1, t.good()?), item(2, &t.payload())].concat();
            let claimed = u32::try_from(body.len() - 5).unwrap_or_default();
            t.refused(&frame_claiming(claimed, &body), 128, 7).await
        }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "frame-length-too-long",
        "a command 2 that has not come to its end is not answered, and is lost when the client closes",
        &[Clause::of("P-45")],
        OurChoice,
        |t| Box::pin(async move {
            let body = [item(1, t.good()?), item(2, &t.payload())].concat();
            let claimed = u32::try_from(body.len() + 50).unwrap_or_default();
            t.never_answered(&frame_claiming(claimed, &body)).await
        }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "one-byte-behind-the-last-item",
        "a command 2 with one or two bytes behind its last item is answered 128",
        &[Clause::of("P-16")],
        OurChoice,
        |t| Box::pin(async move {
            for rest in [&[5][..], &[5, 0]] {
                let items = [
                    item(3, &[0, 0, 0, 7]),
                    item(1, t.good()?),
                    item(2, &t.payload()),
                    rest.to_vec(),
                ];
                t.refused(&frame(&items), 128, 7).await?;
            }
            Ok(())
        }),
    )
    .needs(&[Need::GoodToken]),
];
