//! What an answer says about the notifications before and behind the refused one: [P-40], and what a bridge makes of it.

use std::time::Duration;

use tokio::time::{Instant, interval};

use super::super::{Trial, case};
use crate::bytes::framed;
use crate::case::Basis::{AppleSays, OurChoice};
use crate::case::{Case, Failed, Lane, Need, Profile};
use crate::clause::Clause;
use crate::link::{Answer, Packet};

/// The cases.
pub(super) const CASES: &[Case<Trial>] = &[
    case(
        "refused-first-of-many",
        "of many notifications in one write the first is refused: it is named",
        &[Clause::of("P-40")],
        AppleSays,
        |t| Box::pin(async move { refused_at(t, 0).await }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "refused-in-the-middle-of-many",
        "of many notifications in one write one in the middle is refused: it is named",
        &[Clause::of("P-40")],
        AppleSays,
        |t| Box::pin(async move { refused_at(t, t.target().burst / 2).await }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "refused-anywhere-among-many",
        "of many notifications in one write any one is refused: it is named",
        &[Clause::of("P-40")],
        AppleSays,
        |t| Box::pin(async move {
            let at = t.random(|random| random.u32(0..t.target().burst.max(1)));
            refused_at(t, at).await
        }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "refused-last-of-many",
        "of many notifications in one write the last is refused: it is named",
        &[Clause::of("P-40")],
        AppleSays,
        |t| Box::pin(async move { refused_at(t, t.target().burst.saturating_sub(1)).await }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "unknown-token-among-many",
        "of many notifications in one write one is for a token that nobody has: it is named",
        &[Clause::of("P-40"), Clause::of("P-37")],
        AppleSays,
        |t| Box::pin(async move {
            let at = t.target().burst / 2;
            let bad = t.bad()?;
            stopped_at(t, at, &bad, 8).await.map(|_| ())
        }),
    )
    .needs(&[Need::GoodToken, Need::BadToken])
    .only(&[Profile::Apple]),
    case(
        "what-is-before-the-refused-one-is-delivered-and-nothing-behind-it",
        "what is before a refused notification is delivered once, and nothing behind it",
        &[Clause::of("P-40")],
        AppleSays,
        |t| Box::pin(async move {
            let before = stopped_at(t, t.target().burst / 2, &[], 2).await?;
            t.delivered_exactly(&before).await
        }),
    )
    .needs(&[Need::GoodToken, Need::Observer]),
    case(
        "nothing-behind-an-unknown-token-is-delivered",
        "what is before a token that nobody has is delivered once, and nothing behind it",
        &[Clause::of("P-40"), Clause::of("P-37")],
        AppleSays,
        |t| Box::pin(async move {
            let bad = t.bad()?;
            let before = stopped_at(t, t.target().burst / 2, &bad, 8).await?;
            t.delivered_exactly(&before).await
        }),
    )
    .needs(&[Need::GoodToken, Need::BadToken, Need::Observer])
    .only(&[Profile::Apple]),
    case(
        "unknown-token-named-at-second-sight",
        "a token that turned out to be bad is answered when it comes again",
        &[Clause::of("P-40"), Clause::of("P-37")],
        OurChoice,
        |t| Box::pin(named_at_second_sight(t)),
    )
    .needs(&[Need::GoodToken, Need::FreshBadTokens])
    .lanes(&[Lane::BadTokens])
    .only(&[Profile::Bridge]),
    case(
        "unknown-token-at-first-sight-takes-nothing-with-it",
        "a token that nobody has, among many and at first sight, is not answered, and all others are delivered",
        &[Clause::of("P-40")],
        OurChoice,
        |t| Box::pin(first_sight_takes_nothing_with_it(t)),
    )
    .needs(&[Need::GoodToken, Need::FreshBadTokens, Need::Observer])
    .lanes(&[Lane::BadTokens])
    .only(&[Profile::Bridge]),
    case(
        "only-the-first-of-two-is-named",
        "of two bad notifications in one write only the first is answered",
        &[Clause::of("P-40")],
        AppleSays,
        |t| Box::pin(only_the_first_is_named(t)),
    )
    .needs(&[Need::GoodToken]),
    case(
        "same-identifier-many-times",
        "an identifier may be used again and again: everything is accepted",
        &[Clause::of("P-24")],
        AppleSays,
        |t| Box::pin(async move {
            let token = t.good()?;
            let frames = (0..10).map(|_| framed(7, token, &t.payload()));
            t.accepted(&frames.collect::<Vec<_>>().concat()).await
        }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "identifiers-wrap",
        "identifiers that wrap past ffffffff to 0 mean nothing: the refused one is named",
        &[Clause::of("P-24"), Clause::of("P-40")],
        AppleSays,
        |t| Box::pin(async move {
            let token = t.good()?;
            let frames = [
                framed(0xffff_fffe, token, &t.payload()),
                framed(0xffff_ffff, token, &t.payload()),
                framed(0, token, &t.payload()),
                framed(1, &[], &t.payload()),
                framed(2, token, &t.payload()),
            ];
            t.refused(&frames.concat(), 2, 1).await
        }),
    )
    .needs(&[Need::GoodToken]),
    case(
        "connections-do-not-disturb-each-other",
        "a refusal on one connection does not concern others of the same client",
        &[Clause::of("P-40")],
        AppleSays,
        |t| Box::pin(connections_do_not_disturb_each_other(t)),
    )
    .needs(&[Need::GoodToken]),
];

/// One notification without a token among many good ones.
async fn refused_at(t: &Trial, at: u32) -> Result<(), Failed> {
    stopped_at(t, at, &[], 2).await.map(|_| ())
}

/// Sends many in one write, the one at `at` to `token`: it must be refused with `status`. Returns the numbers of
/// those before it.
async fn stopped_at(t: &Trial, at: u32, token: &[u8], status: u8) -> Result<Vec<u32>, Failed> {
    let (mut frames, mut before) = (Vec::new(), Vec::new());
    for place in 0..t.target().burst.max(1) {
        let (number, payload) = t.numbered();
        // Identifiers that are not places: nobody can guess them.
        let identifier = place.wrapping_mul(2_654_435_761).wrapping_add(1);
        if place < at {
            before.push(number);
        }
        let to = if place == at { token } else { t.good()? };
        frames.extend(framed(identifier, to, &payload));
    }
    let named = at.wrapping_mul(2_654_435_761).wrapping_add(1);
    t.refused(&frames, status, named).await?;
    Ok(before)
}

async fn only_the_first_is_named(t: &Trial) -> Result<(), Failed> {
    let good = t.good()?;
    let frames = [
        framed(1, good, &t.payload()),
        framed(2, &[], &t.payload()),
        framed(3, good, &t.payload()),
        framed(4, &[], &t.payload()),
    ];
    let mut link = t.connect().await?;
    link.send(&frames.concat()).await?;
    t.answered(&mut link, 2, 2).await?;
    match link.answer().await? {
        Answer::Packet(packet) => Err(Failed(format!("a second packet: {packet}"))),
        Answer::End(_) | Answer::Nothing => Ok(()),
    }
}

async fn first_sight_takes_nothing_with_it(t: &Trial) -> Result<(), Failed> {
    let bad = t.bad()?;
    let mut frames = Vec::new();
    let mut others = Vec::new();
    for place in 0..t.target().burst.max(3) {
        let (number, payload) = t.numbered();
        if place == 1 {
            frames.extend(framed(place, &bad, &payload));
        } else {
            frames.extend(framed(place, t.good()?, &payload));
            others.push(number);
        }
    }
    let mut link = t.connect().await?;
    link.send(&frames).await?;
    t.all_accepted(&mut link).await?;
    t.delivered_exactly(&others).await
}

async fn named_at_second_sight(t: &Trial) -> Result<(), Failed> {
    let (good, bad) = (t.good()?, t.bad()?);
    let deadline = Instant::now() + t.target().timeout;
    let mut pause = interval(Duration::from_millis(100));
    let mut expected = Vec::new();
    loop {
        pause.tick().await;
        let (before, first) = t.numbered();
        let (behind, last) = t.numbered();
        let frames = [
            framed(1, good, &first),
            framed(2, &bad, &t.payload()),
            framed(3, good, &last),
        ];
        let mut link = t.connect().await?;
        link.send(&frames.concat()).await?;
        expected.push(before);
        match t.first_refusal(&mut link).await? {
            Some(Answer::Packet(Packet {
                status: 8,
                identifier: 2,
                ..
            })) => return t.delivered_exactly(&expected).await,
            Some(answer) => return Err(Failed(format!("not accepted: {answer}"))),
            // What is upstream has not said yet what it thinks of the token.
            None => expected.push(behind),
        }
        if Instant::now() > deadline {
            return Err(Failed::because(
                "it was never answered, however often it came",
            ));
        }
    }
}

async fn connections_do_not_disturb_each_other(t: &Trial) -> Result<(), Failed> {
    let good = t.good()?;
    let mut whole = t.connect().await?;
    whole.send(&framed(1, good, &t.payload())).await?;
    for identifier in 1..=10 {
        t.refused(&framed(identifier, &[], b"{}"), 2, identifier)
            .await?;
    }
    whole.send(&framed(2, good, &t.payload())).await?;
    t.all_accepted(&mut whole).await
}
