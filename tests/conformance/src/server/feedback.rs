//! Chapter 4: the feedback service.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, interval};

use super::{Trial, case};
use crate::bytes::framed;
use crate::case::Basis::{AppleSays, OurChoice};
use crate::case::{Case, Failed, Lane, Need, ensure};
use crate::clause::Clause;
use crate::link::{Heard, Link, Login};

/// How far the clocks of the server and of this machine may be apart.
const CLOCKS_APART: u64 = 3600;

/// One TLS record has room for 431 tuples [P-55].
const MANY: usize = 440;

/// The cases.
pub(super) const CASES: &[Case<Trial>] = &[
    case(
        "feedback-ends-with-a-close",
        "the server closes at the end of the list, without having been spoken to",
        &[Clause::of("P-56"), Clause::of("P-50")],
        AppleSays,
        |t| Box::pin(async move { read(t).await.map(|_| ()) }),
    )
    .needs(&[Need::Feedback])
    .lanes(&[Lane::Feedback]),
    case(
        "feedback-empty-list",
        "a list that was read is empty: a handshake and a close",
        &[Clause::of("P-53"), Clause::of("P-56")],
        AppleSays,
        |t| Box::pin(empty_list(t)),
    )
    .needs(&[Need::Feedback])
    .lanes(&[Lane::Feedback]),
    case(
        "feedback-no-certificate",
        "a client without a certificate gets no feedback",
        &[Clause::of("P-50")],
        AppleSays,
        |t| Box::pin(async move { t.gets_no_feedback(&Login::Nobody).await }),
    )
    .needs(&[Need::Feedback]),
    case(
        "feedback-tuple",
        "a token whose app is gone is on the list after a push: four bytes of time, two of length, the token",
        &[Clause::of("P-51"), Clause::of("P-54")],
        AppleSays,
        |t| Box::pin(tuple(t)),
    )
    .needs(&[Need::Feedback, Need::GoneTokens])
    .lanes(&[Lane::Feedback]),
    case(
        "feedback-tuples-are-not-split",
        "of a list that does not fit into one TLS record no tuple is split over two",
        &[Clause::of("P-55")],
        OurChoice,
        |t| Box::pin(tuples_are_not_split(t)),
    )
    .needs(&[Need::Feedback, Need::GoneTokens])
    .lanes(&[Lane::Feedback]),
    case(
        "feedback-read-is-cleared",
        "what was read is not on the list again",
        &[Clause::of("P-53")],
        AppleSays,
        |t| Box::pin(read_is_cleared(t)),
    )
    .needs(&[Need::Feedback, Need::GoneTokens])
    .lanes(&[Lane::Feedback]),
    case(
        "feedback-unread-is-kept",
        "a list whose reader broke off is there again",
        &[Clause::of("P-53")],
        OurChoice,
        |t| Box::pin(unread_is_kept(t)),
    )
    .needs(&[Need::Feedback, Need::GoneTokens])
    .lanes(&[Lane::Feedback]),
    case(
        "feedback-of-meanwhile-is-kept",
        "what comes on the list while it is read is there the next time",
        &[Clause::of("P-53")],
        AppleSays,
        |t| Box::pin(what_comes_meanwhile(t)),
    )
    .needs(&[Need::Feedback, Need::GoneTokens])
    .lanes(&[Lane::Feedback]),
    case(
        "feedback-of-another-topic",
        "the list of one topic is not shown to the certificate of another",
        &[Clause::of("P-52")],
        AppleSays,
        |t| Box::pin(of_another_topic(t)),
    )
    .needs(&[Need::Feedback, Need::GoneTokens, Need::OtherTopicCertificate])
    .lanes(&[Lane::Feedback]),
];

/// A token that is gone, since when, as the list says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tuple {
    time: u32,
    token: Vec<u8>,
}

/// Takes one tuple off the front of a list; none where it is not whole.
fn split_tuple(list: &[u8]) -> Option<(Tuple, &[u8])> {
    let (time, rest) = list.split_first_chunk::<4>()?;
    let (len, rest) = rest.split_first_chunk::<2>()?;
    let (token, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
    let tuple = Tuple {
        time: u32::from_be_bytes(*time),
        token: token.to_vec(),
    };
    Some((tuple, rest))
}

fn tuples(mut list: &[u8]) -> Result<Vec<Tuple>, Failed> {
    let mut found = Vec::new();
    while !list.is_empty() {
        let Some((tuple, rest)) = split_tuple(list) else {
            return Err(Failed(format!(
                "the list ends in the middle of a tuple: {} bytes are left of it",
                list.len()
            )));
        };
        found.push(tuple);
        list = rest;
    }
    Ok(found)
}

/// The TLS records of a list, read to the server's close.
async fn records(link: &mut Link) -> Result<Vec<Vec<u8>>, Failed> {
    let mut records = Vec::new();
    loop {
        match link.hear().await? {
            Heard::Record(record) => records.push(record),
            Heard::End(_) => break,
            Heard::Nothing => return Err(Failed::because("the server does not end the list")),
        }
    }
    link.half_close().await?;
    Ok(records)
}

/// Reads the list once.
pub(super) async fn read(t: &Trial) -> Result<Vec<Tuple>, Failed> {
    let mut link = t.connect_to_feedback().await?;
    tuples(&records(&mut link).await?.concat())
}

async fn empty_list(t: &Trial) -> Result<(), Failed> {
    read(t).await?;
    cleared(t, |_| true).await
}

/// Expects nothing to be on the list of which `read` says that it was read before. The server may not have seen yet that we have closed.
async fn cleared(t: &Trial, read: impl Fn(&Tuple) -> bool) -> Result<(), Failed> {
    let deadline = Instant::now() + t.target().timeout;
    let mut pause = interval(Duration::from_millis(100));
    loop {
        pause.tick().await;
        let again = self::read(t).await?.into_iter().filter(|it| read(it));
        match again.count() {
            0 => return Ok(()),
            again if Instant::now() > deadline => {
                return Err(Failed(format!(
                    "of the list that was read {again} tuples come again and again"
                )));
            }
            _ => {}
        }
    }
}

/// Pushes to each of `tokens` as often as it takes until it is on the list: APNs is told by the phone, and a bridge by APNs.
async fn report(t: &Trial, tokens: &[Vec<u8>]) -> Result<(), Failed> {
    for _ in 0..3 {
        let mut links = Vec::new();
        // Some take one notification of a connection after the other.
        for part in tokens.chunks(MANY / 8) {
            let frames = (0..).zip(part);
            let frames = frames.map(|(number, token)| framed(number, token, &t.payload()));
            let mut link = t.connect().await?;
            link.send(&frames.collect::<Vec<_>>().concat()).await?;
            links.push(link);
        }
        for link in &mut links {
            // Whatever is answered: some say status 8 of a token that was on the list.
            t.settled(link).await?;
        }
    }
    Ok(())
}

/// A token that is reported.
async fn reported(t: &Trial) -> Result<Vec<u8>, Failed> {
    let token = t.gone_token().await?;
    report(t, std::slice::from_ref(&token)).await?;
    Ok(token)
}

/// Reads until each of `tokens` was on the list, with others or without: all records that came.
async fn records_with(t: &Trial, tokens: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Failed> {
    let deadline = Instant::now() + t.target().feedback_delay;
    let mut pause = interval(Duration::from_millis(100));
    let (mut missing, mut all) = (BTreeSet::from_iter(tokens), Vec::new());
    loop {
        pause.tick().await;
        let mut link = t.connect_to_feedback().await?;
        let records = records(&mut link).await?;
        for tuple in tuples(&records.concat())? {
            missing.remove(&tuple.token);
        }
        all.extend(records);
        if missing.is_empty() {
            return Ok(all);
        }
        ensure(Instant::now() < deadline, || {
            let (missing, of) = (missing.len(), tokens.len());
            format!("{missing} of {of} tokens did not come on the list")
        })?;
    }
}

/// Expects `token` to come on the list.
pub(super) async fn listed(t: &Trial, token: &[u8]) -> Result<Tuple, Failed> {
    let records = records_with(t, &[token.to_vec()]).await?;
    let mut tuples = tuples(&records.concat())?.into_iter();
    tuples
        .find(|tuple| tuple.token == token)
        .ok_or_else(|| Failed::because("the token did not come on the list"))
}

async fn tuple(t: &Trial) -> Result<(), Failed> {
    let tuple = listed(t, &reported(t).await?).await?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    ensure(
        now.as_secs().abs_diff(u64::from(tuple.time)) < CLOCKS_APART,
        || {
            format!(
                "its time is {}, and it is {} now",
                tuple.time,
                now.as_secs()
            )
        },
    )
}

async fn tuples_are_not_split(t: &Trial) -> Result<(), Failed> {
    let mut tokens = Vec::new();
    for _ in 0..MANY {
        tokens.push(t.gone_token().await?);
    }
    report(t, &tokens).await?;
    for record in records_with(t, &tokens).await? {
        tuples(&record).map_err(|_| Failed(format!("a TLS record of {} bytes", record.len())))?;
    }
    Ok(())
}

async fn read_is_cleared(t: &Trial) -> Result<(), Failed> {
    let token = reported(t).await?;
    let records = records_with(t, &[token]).await?;
    let list = tuples(&records.concat())?;
    // With another time it is the report of another push.
    cleared(t, |tuple| list.contains(tuple)).await
}

async fn unread_is_kept(t: &Trial) -> Result<(), Failed> {
    let token = reported(t).await?;
    let deadline = Instant::now() + t.target().feedback_delay;
    let mut pause = interval(Duration::from_millis(100));
    let listed = |record: &[u8]| record.windows(token.len()).any(|part| part == token);
    loop {
        pause.tick().await;
        let mut link = t.connect_to_feedback().await?;
        match link.hear().await? {
            Heard::Record(record) if listed(&record) => {
                link.reset()?;
                break;
            }
            Heard::Record(_) => {
                records(&mut link).await?;
            }
            Heard::End(_) => link.half_close().await?,
            Heard::Nothing => return Err(Failed::because("the server does not end the list")),
        }
        ensure(Instant::now() < deadline, || {
            "the token did not come on the list".to_owned()
        })?;
    }
    let again = read(t).await?;
    ensure(again.iter().any(|tuple| tuple.token == token), || {
        "the token was not there again".to_owned()
    })
}

async fn what_comes_meanwhile(t: &Trial) -> Result<(), Failed> {
    let mut slow = t.connect_to_feedback().await?;
    while let Heard::Record(_) = slow.hear().await? {}
    // It has read all there was, and has not closed yet.
    let token = reported(t).await?;
    slow.half_close().await?;
    listed(t, &token).await.map(|_| ())
}

async fn of_another_topic(t: &Trial) -> Result<(), Failed> {
    let token = reported(t).await?;
    let other = t.target().papers.login_of(Need::OtherTopicCertificate)?;
    let mut link = t.connect_to_feedback_as(other).await?;
    let list = tuples(&records(&mut link).await?.concat())?;
    ensure(list.iter().all(|tuple| tuple.token != token), || {
        "the other one sees it".to_owned()
    })?;
    listed(t, &token).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tuples_have_the_length_they_say() {
        let list = [
            &[0x65, 0x53, 0xf1, 0x00, 0x00, 0x20][..],
            &[0xaa; 32],
            &[0, 0, 0, 1, 0x00, 0x02, 0xbb, 0xbb],
        ];
        let found = tuples(&list.concat()).unwrap();
        assert_eq!(found[0].time, 1_700_000_000);
        assert_eq!(found[0].token, [0xaa; 32]);
        assert_eq!(found[1].token, [0xbb; 2]);
        assert!(tuples(&[0, 0, 0, 1, 0, 2, 0xbb]).is_err());
    }
}
