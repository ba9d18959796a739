//! What expiry and priority may say [P-22], [P-23].

use super::super::{Trial, case};
use crate::bytes::{enhanced, frame, item};
use crate::case::Basis::{AppleSays, Observed, OurChoice};
use crate::case::{Case, Failed, Need};
use crate::clause::Clause;

/// The cases.
pub(super) const CASES: &[Case<Trial>] = &[
    case(
        "expiry-0",
        "an expiry of 0 is accepted",
        &[Clause::of("P-22")],
        AppleSays,
        |t| Box::pin(async move { expiry(t, 0).await }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "expiry-negative",
        "an expiry less than zero is accepted",
        &[Clause::of("P-22")],
        Observed,
        |t| {
            Box::pin(async move {
                expiry(t, -1).await?;
                expiry(t, i32::MIN).await
            })
        },
    )
    .needs(&[Need::GoodToken]),
    case(
        "expiry-past",
        "an expiry in the past is accepted",
        &[Clause::of("P-22")],
        Observed,
        |t| {
            Box::pin(async move {
                // A second after the beginning, a duration instead of a time, and a day in 2009.
                expiry(t, 1).await?;
                expiry(t, 86_400).await?;
                expiry(t, 1_245_196_800).await
            })
        },
    )
    .needs(&[Need::GoodToken]),
    case(
        "expiry-far-in-the-future",
        "an expiry in 2038 is accepted",
        &[Clause::of("P-22")],
        AppleSays,
        |t| Box::pin(async move { expiry(t, i32::MAX).await }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "priority-5-and-10",
        "priorities 5 and 10 are accepted",
        &[Clause::of("P-23")],
        AppleSays,
        |t| Box::pin(async move { priorities(t, &[5, 10]).await }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "priority-0",
        "a priority of 0 is accepted",
        &[Clause::of("P-23")],
        Observed,
        |t| Box::pin(async move { priorities(t, &[0]).await }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "priority-of-any-value",
        "no value of the priority is refused",
        &[Clause::of("P-23")],
        OurChoice,
        |t| Box::pin(async move { priorities(t, &[1, 4, 6, 9, 11, 127, 128, 255]).await }),
    )
    .needs(&[Need::GoodToken]),
];

/// In both commands that have one.
async fn expiry(t: &Trial, expiry: i32) -> Result<(), Failed> {
    let token = t.good()?;
    let items = [
        item(1, token),
        item(2, &t.payload()),
        item(4, &expiry.to_be_bytes()),
    ];
    let frames = [enhanced(7, expiry, token, &t.payload()), frame(&items)];
    t.accepted(&frames.concat()).await
}

async fn priorities(t: &Trial, priorities: &[u8]) -> Result<(), Failed> {
    let mut frames = Vec::new();
    for priority in priorities {
        frames.extend(frame(&[
            item(1, t.good()?),
            item(2, &t.payload()),
            item(5, &[*priority]),
        ]));
    }
    t.accepted(&frames).await
}
