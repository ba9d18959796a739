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

/// An identifier that no client uses of its own accord.
const UNKNOWN: u32 = 0x7fff_fffe;

/// Connections on which an answer that names nothing may come before the client must have thought of something else: with the pauses of
/// [P-07] there are no more in the time that is watched.
const REPEATS: usize = 10;

/// The notification at [`NAMED`] is refused as soon as it was read.
const REFUSED: Answer = Answer {
    behind: NAMED + 1,
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
        "late-error",
        "the same when the answer comes 300 ms after everything was written",
        &[Clause::of("P-40"), Clause::of("P-30")],
        AppleSays,
        |t| {
            let late = Answer {
                behind: BATCH,
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
        "the same with status 128",
        &[Clause::of("P-43")],
        AppleSays,
        |t| {
            Box::pin(resends(
                t,
                Answer {
                    status: 128,
                    ..REFUSED
                },
            ))
        },
    ),
    Case::new(
        "status-255",
        "the same with status 255, which is no negative number",
        &[Clause::of("P-43")],
        AppleSays,
        |t| {
            Box::pin(resends(
                t,
                Answer {
                    status: 255,
                    ..REFUSED
                },
            ))
        },
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
        "accepted-stays-accepted",
        "what an answer has said to be accepted is not sent again, whatever a later one names",
        &[Clause::of("P-40")],
        AppleSays,
        |t| Box::pin(accepted_stays_accepted(t)),
    ),
];

/// Answers the first connection so, and expects what is behind the named one on later ones.
async fn answered(t: &Trial, answer: Answer) -> Result<Played, Failed> {
    let script = move |number| match number {
        0 => Then::Answer(answer),
        _ => Then::Accept,
    };
    let expected = NAMED + 1..BATCH;
    let played = t
        .play(Verb::Send, Shown::Good, script, |connections| {
            t.places(later(connections)).len() >= expected.len()
        })
        .await?;
    was_answered(&played)?;
    t.compare(later(&played.connections), expected)?;
    Ok(played)
}

async fn resends(t: &Trial, answer: Answer) -> Result<(), Failed> {
    let played = answered(t, answer).await?;
    let expected = (named(), i64::from(answer.status));
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

async fn status_10(t: &Trial) -> Result<(), Failed> {
    let shutdown = Answer {
        status: 10,
        ..REFUSED
    };
    let played = answered(t, shutdown).await?;
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
            "it sent the same on more than {REPEATS} connections within {:?}",
            started.elapsed()
        ))),
        _ => Ok(()),
    }
}

async fn unknown_identifier_resent(t: &Trial) -> Result<(), Failed> {
    let answer = Answer {
        behind: BATCH,
        names: Names::Identifier(UNKNOWN),
        ..REFUSED
    };
    let script = move |number| match number {
        0 => Then::Answer(answer),
        _ => Then::Accept,
    };
    let played = t
        .play(Verb::Send, Shown::Good, script, |connections| {
            t.places(later(connections)).len() >= BATCH
        })
        .await?;
    was_answered(&played)?;
    t.compare(later(&played.connections), 0..BATCH)
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
    let behind = BATCH - NAMED - 1;
    let played = t
        .play(Verb::Send, Shown::Good, script, |connections| {
            let third = connections.get(2..).unwrap_or_default();
            t.places(third).len() >= behind
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

    /// Expects exactly these notifications on these connections, once each, in order.
    pub(super) fn compare(
        &self,
        connections: &[Connection],
        expected: Range<usize>,
    ) -> Result<(), Failed> {
        let got = self.places(connections);
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
}
