//! Chapter 3: what a client makes of an answer.

use std::ops::Range;
use std::time::Duration;

use super::papers::Shown;
use super::server::{Answer, Connection, Names, Then};
use super::trial::{BATCH, Played, Said, Trial, Verb};
use crate::case::Basis::{AppleSays, Observed, OurChoice};
use crate::case::{Case, Failed, ensure};
use crate::clause::Clause;

/// The place of the notification that is named.
const NAMED: usize = 6;

/// What is behind it.
const BEHIND: Range<usize> = NAMED + 1..BATCH;

/// An identifier that no client uses of its own accord.
const UNKNOWN: u32 = 0x7fff_fffe;

/// Connections on which an answer that names nothing may come before the client must have thought of something else: with the pauses of
/// [P-07] there are no more in the time that is watched.
const REPEATS: usize = 10;

/// The notification at [`NAMED`] is refused when everything was read: what a client has not yet written by then would be a matter of luck.
const REFUSED: Answer = Answer {
    behind: BATCH,
    pause: Duration::ZERO,
    status: 8,
    names: Names::Place(NAMED),
    cut: 0,
};

/// The cases.
pub(super) const CASES: &[Case<Trial>] = &[
    Case::new(
        "resends-what-follows",
        "behind a refused notification everything is sent again: once, in order, without the refused one",
        &[Clause::of("P-40"), Clause::of("P-31")],
        AppleSays,
        |t| Box::pin(resends(t, REFUSED)),
    ),
    Case::new(
        "answer-in-between",
        "the same, in whatever order, when the answer comes before all the others have",
        &[Clause::of("P-40")],
        AppleSays,
        |t| Box::pin(answer_in_between(t)),
    ),
    Case::new(
        "late-error",
        "the same when the answer comes 300 ms after everything was written",
        &[Clause::of("P-40"), Clause::of("P-30")],
        AppleSays,
        |t| {
            let late = Answer {
                pause: Duration::from_millis(300),
                ..REFUSED
            };
            Box::pin(resends(t, late))
        },
    ),
    Case::new(
        "split-error-packet",
        "the same when the six bytes come in two TLS records",
        &[Clause::of("P-08"), Clause::of("P-31")],
        Observed,
        |t| Box::pin(resends(t, Answer { cut: 1, ..REFUSED })),
    ),
    Case::new(
        "status-128",
        "the same with status 128, but for the refused one, which may be sent again",
        &[Clause::of("P-43")],
        AppleSays,
        |t| Box::pin(resends_with(t, 128)),
    ),
    Case::new(
        "status-255",
        "the same with status 255, which is no negative number, but for the refused one, which may be sent again",
        &[Clause::of("P-43")],
        AppleSays,
        |t| Box::pin(resends_with(t, 255)),
    ),
    Case::new(
        "status-nobody-assigned",
        "the same with status 77, which nobody assigned",
        &[Clause::of("P-46")],
        OurChoice,
        |t| {
            Box::pin(resends(
                t,
                Answer {
                    status: 77,
                    ..REFUSED
                },
            ))
        },
    ),
    Case::new(
        "status-10",
        "behind the notification that a shutdown names everything is sent again, and that one is not",
        &[Clause::of("P-42")],
        AppleSays,
        |t| Box::pin(status_10(t)),
    ),
    Case::new(
        "status-10-refuses-nobody",
        "the notification that a shutdown names is not taken for refused",
        &[Clause::of("P-42")],
        AppleSays,
        |t| Box::pin(status_10_refuses_nobody(t)),
    ),
    Case::new(
        "identifier-0",
        "an answer that names 0, which was never sent, does not lead to the same again and again",
        &[Clause::of("P-47"), Clause::of("P-38")],
        Observed,
        |t| Box::pin(names_nothing(t, 0)),
    ),
    Case::new(
        "unknown-identifier",
        "an answer that names something never sent does not lead to the same again and again",
        &[Clause::of("P-47")],
        Observed,
        |t| Box::pin(names_nothing(t, UNKNOWN)),
    ),
    Case::new(
        "unknown-identifier-resent",
        "what an answer that names something never sent leaves in doubt is sent again, once",
        &[Clause::of("P-47")],
        OurChoice,
        |t| Box::pin(unknown_identifier_resent(t)),
    ),
    Case::new(
        "refusal-after-unknown",
        "where everything is sent again after such an answer, a refusal among it is treated like any other",
        &[Clause::of("P-40"), Clause::of("P-47")],
        AppleSays,
        |t| Box::pin(refusal_after_unknown(t)),
    ),
    Case::new(
        "accepted-stays-accepted",
        "what an answer has said to be accepted is not sent again, whatever a later one names",
        &[Clause::of("P-40")],
        AppleSays,
        |t| Box::pin(accepted_stays_accepted(t)),
    ),
];

/// How the first connection is answered; all others are accepted.
fn once(answer: Answer) -> impl Fn(usize) -> Then {
    move |number| match number {
        0 => Then::Answer(answer),
        _ => Then::Accept,
    }
}

/// Answers the first connection so; what came, and which notifications came on later ones.
async fn answered(t: &Trial, answer: Answer) -> Result<(Played, Vec<usize>), Failed> {
    let played = t
        .play(Verb::Send, Shown::Good, once(answer), |connections| {
            t.places(later(connections)).len() >= BEHIND.len()
        })
        .await?;
    was_answered(&played)?;
    let again = t.places(later(&played.connections));
    Ok((played, again))
}

async fn resends(t: &Trial, answer: Answer) -> Result<(), Failed> {
    let (played, again) = answered(t, answer).await?;
    exactly(&again, BEHIND)?;
    tells(&played, answer.status)
}

async fn answer_in_between(t: &Trial) -> Result<(), Failed> {
    let early = Answer {
        behind: NAMED + 1,
        ..REFUSED
    };
    let (played, mut again) = answered(t, early).await?;
    again.sort_unstable();
    exactly(&again, BEHIND)?;
    tells(&played, early.status)
}

/// Apple does not say whether what is refused without a reason may be tried again.
async fn resends_with(t: &Trial, status: u8) -> Result<(), Failed> {
    let (played, mut again) = answered(t, Answer { status, ..REFUSED }).await?;
    again.retain(|place| *place != NAMED);
    exactly(&again, BEHIND)?;
    tells(&played, status)
}

/// What the client has said of the refusal, where it said anything, was what the answer said.
fn tells(played: &Played, status: u8) -> Result<(), Failed> {
    let expected = (named(), i64::from(status));
    for said in &played.said {
        if let Said::Error { identifier, status } = said {
            let got = (
                identifier.unwrap_or(expected.0),
                status.unwrap_or(expected.1),
            );
            ensure(got == expected, || {
                format!(
                    "it said that {} was refused with {}, where {} was with {}",
                    got.0, got.1, expected.0, expected.1
                )
            })?;
        }
    }
    Ok(())
}

const SHUTDOWN: Answer = Answer {
    status: 10,
    ..REFUSED
};

async fn status_10(t: &Trial) -> Result<(), Failed> {
    let (_, again) = answered(t, SHUTDOWN).await?;
    exactly(&again, BEHIND)
}

async fn status_10_refuses_nobody(t: &Trial) -> Result<(), Failed> {
    let (played, _) = answered(t, SHUTDOWN).await?;
    let refused = |said: &Said| matches!(said, Said::Error { identifier: Some(identifier), .. } if *identifier == named());
    ensure(!played.said.iter().any(refused), || {
        format!(
            "it said that {} was refused, which was the last one taken",
            named()
        )
    })
}

async fn names_nothing(t: &Trial, identifier: u32) -> Result<(), Failed> {
    let started = std::time::Instant::now();
    let answer = Answer {
        behind: 1,
        pause: Duration::from_millis(50),
        names: Names::Identifier(identifier),
        ..REFUSED
    };
    let played = t
        .play(
            Verb::Send,
            Shown::Good,
            move |_| Then::Answer(answer),
            move |connections| {
                connections.len() > REPEATS || started.elapsed() > Duration::from_secs(3)
            },
        )
        .await?;
    was_answered(&played)?;
    // Who has used the number loses a notification with each answer, and so comes to an end.
    let used = |connection: &Connection| {
        let mut sent = connection.sent.iter();
        sent.any(|sent| sent.identifier == Some(identifier))
    };
    let in_vain = played.connections.iter().filter(|c| c.answered && !used(c));
    match in_vain.count() {
        count if count > REPEATS => Err(Failed(format!(
            "it sent the same on more than {REPEATS} connections"
        ))),
        _ => Ok(()),
    }
}

/// Everything is read, and the answer names something never sent.
const BESIDE: Answer = Answer {
    names: Names::Identifier(UNKNOWN),
    ..REFUSED
};

async fn unknown_identifier_resent(t: &Trial) -> Result<(), Failed> {
    let played = t
        .play(Verb::Send, Shown::Good, once(BESIDE), |connections| {
            t.places(later(connections)).len() >= BATCH
        })
        .await?;
    was_answered(&played)?;
    exactly(&t.places(later(&played.connections)), 0..BATCH)
}

async fn refusal_after_unknown(t: &Trial) -> Result<(), Failed> {
    let script = |number| match number {
        0 => Then::Answer(BESIDE),
        1 => Then::Answer(REFUSED),
        _ => Then::Accept,
    };
    let behind_both = |connections: &[Connection]| {
        let refused = connections
            .get(1)
            .is_some_and(|connection| connection.answered);
        refused.then(|| t.places(&connections[2..]))
    };
    let played = t
        .play(Verb::Send, Shown::Good, script, |connections| {
            behind_both(connections).is_some_and(|again| again.len() >= BEHIND.len())
        })
        .await?;
    was_answered(&played)?;
    // Who does not send everything again after the first answer has nothing that could be refused.
    match behind_both(&played.connections) {
        Some(again) => exactly(&again, BEHIND),
        None => Ok(()),
    }
}

async fn accepted_stays_accepted(t: &Trial) -> Result<(), Failed> {
    let unknown = Answer {
        behind: 1,
        pause: Duration::from_millis(200),
        names: Names::Identifier(UNKNOWN),
        ..REFUSED
    };
    let script = move |number| match number {
        0 => Then::Answer(REFUSED),
        1 => Then::Answer(unknown),
        _ => Then::Accept,
    };
    let played = t
        .play(Verb::Send, Shown::Good, script, |connections| {
            let third = connections.get(2..).unwrap_or_default();
            t.places(third).len() >= BEHIND.len()
        })
        .await?;
    was_answered(&played)?;
    let early = t.places(later(&played.connections));
    match early.iter().filter(|place| **place <= NAMED).count() {
        0 => Ok(()),
        count => Err(Failed(format!(
            "it sent {count} notifications again that had been settled"
        ))),
    }
}

/// What the file calls the named one.
fn named() -> i64 {
    i64::try_from(NAMED + 1).expect("a batch is small")
}

fn later(connections: &[Connection]) -> &[Connection] {
    connections.get(1..).unwrap_or_default()
}

fn was_answered(played: &Played) -> Result<(), Failed> {
    let Some(first) = played.connections.first() else {
        return Err(Failed::because("it never connected"));
    };
    ensure(first.answered, || match first.sent.last() {
        Some(last) if last.identifier.is_none() => {
            "it sent notifications without an identifier, so that none can be named".to_owned()
        }
        _ => format!(
            "it sent only {} notifications on its first connection",
            first.sent.len()
        ),
    })
}

impl Trial {
    /// The places in the file of everything sent on these connections, in order.
    pub(super) fn places(&self, connections: &[Connection]) -> Vec<usize> {
        let sent = connections.iter().flat_map(|connection| &connection.sent);
        sent.filter_map(|sent| self.place(&sent.token)).collect()
    }
}

/// Expects exactly these notifications, once each, in order.
pub(super) fn exactly(got: &[usize], expected: Range<usize>) -> Result<(), Failed> {
    if got.iter().copied().eq(expected.clone()) {
        return Ok(());
    }
    let count = |place: &usize| got.iter().filter(|other| *other == place).count();
    let missing = expected.clone().filter(|place| count(place) == 0).count();
    let twice = expected.clone().filter(|place| count(place) > 1).count();
    let others = got.iter().filter(|place| !expected.contains(place)).count();
    let mut wrong = Vec::new();
    if missing > 0 {
        wrong.push(format!("{missing} of {} never came", expected.len()));
    }
    if twice > 0 {
        wrong.push(format!("{twice} came more than once"));
    }
    if others > 0 {
        wrong.push(format!("{others} came that should not have"));
    }
    if wrong.is_empty() {
        wrong.push("they came in another order".to_owned());
    }
    Err(Failed(wrong.join(", ")))
}
