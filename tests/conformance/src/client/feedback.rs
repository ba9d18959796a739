//! Chapter 4: reading feedback, judged by what the client prints.

use data_encoding::HEXLOWER;

use super::papers::Shown;
use super::server::Then;
use super::trial::{Said, Trial, Verb};
use crate::case::Basis::{AppleSays, Observed};
use crate::case::{Case, Failed, Need, ensure};
use crate::clause::Clause;

/// The cases.
pub(super) const CASES: &[Case<Trial>] = &[
    Case::new(
        "feedback-of-32",
        "tuples with tokens of 32 bytes are read",
        &[Clause::of("P-51"), Clause::of("P-50")],
        AppleSays,
        |t| Box::pin(reads(t, &[32, 32, 32], usize::MAX)),
    )
    .needs(&[Need::FeedbackReader]),
    Case::new(
        "feedback-of-any-length",
        "the length in a tuple says how long its token is",
        &[Clause::of("P-51"), Clause::of("P-20")],
        AppleSays,
        |t| Box::pin(reads(t, &[32, 54, 80, 100, 32], usize::MAX)),
    )
    .needs(&[Need::FeedbackReader]),
    Case::new(
        "feedback-in-pieces",
        "a tuple may come in several TLS records",
        &[Clause::of("P-08"), Clause::of("P-55")],
        Observed,
        |t| Box::pin(reads(t, &[32; 8], 7)),
    )
    .needs(&[Need::FeedbackReader]),
    Case::new(
        "long-feedback",
        "a list that does not fit into one TLS record is read to its end",
        &[Clause::of("P-56"), Clause::of("P-55")],
        Observed,
        |t| Box::pin(reads(t, &[32; 1000], 431 * 38)),
    )
    .needs(&[Need::FeedbackReader]),
    Case::new(
        "empty-feedback",
        "a list may be empty",
        &[Clause::of("P-56")],
        Observed,
        |t| Box::pin(reads(t, &[], usize::MAX)),
    )
    .needs(&[Need::FeedbackReader]),
];

/// Serves tuples with tokens of these lengths in records of so many bytes, and expects them to be printed.
async fn reads(t: &Trial, lengths: &[usize], record: usize) -> Result<(), Failed> {
    let tuples: Vec<(u32, Vec<u8>)> = (0..)
        .zip(lengths)
        .map(|(n, len)| {
            let token = t.token(usize::try_from(n).expect("a list is short"));
            (
                1_400_000_000 + n,
                token.into_iter().rev().cycle().take(*len).collect(),
            )
        })
        .collect();
    let list: Vec<u8> = tuples
        .iter()
        .flat_map(|(timestamp, token)| {
            let len = u16::try_from(token.len()).expect("a token is short");
            [&timestamp.to_be_bytes()[..], &len.to_be_bytes(), token].concat()
        })
        .collect();
    let pieces: Vec<_> = list.chunks(record).map(<[u8]>::to_vec).collect();
    // Only the first reader gets the list: what was read is gone [P-53].
    let script = move |number| {
        Then::Write(if number == 0 {
            pieces.clone()
        } else {
            Vec::new()
        })
    };
    // What it prints last tells nobody that it is the last: its end does, or that nothing comes any more.
    let played = t
        .play(Verb::Feedback, Shown::Good, script, |_| false)
        .await?;
    ensure(played.connections.iter().any(|c| c.secured), || {
        "it never connected".to_owned()
    })?;
    let read: Vec<(&str, Option<i64>)> = played
        .said
        .iter()
        .filter_map(|said| match said {
            Said::Feedback { token, timestamp } => Some((token.as_str(), *timestamp)),
            Said::Error { .. } => None,
        })
        .collect();
    ensure(read.len() == tuples.len(), || {
        format!("it printed {} tuples of {}", read.len(), tuples.len())
    })?;
    for ((token, timestamp), (when, expected)) in read.iter().zip(&tuples) {
        let expected = HEXLOWER.encode(expected);
        ensure(token.eq_ignore_ascii_case(&expected), || {
            format!("it printed the token {token} where {expected} was sent")
        })?;
        ensure(
            timestamp.is_none_or(|shown| shown == i64::from(*when)),
            || format!("it printed the time {timestamp:?} where {when} was sent"),
        )?;
    }
    Ok(())
}
