//! Chapters 1 and 2: the connection, and what is sent on it.

use std::time::Duration;

use serde_json::Value;

use super::papers::Shown;
use super::rejections::exactly;
use super::server::{Connection, Then};
use super::trial::{BATCH, Played, Trial, Verb};
use crate::case::Basis::{AppleSays, OurChoice};
use crate::case::{Case, Failed, ensure};
use crate::clause::Clause;

/// Connections that a client may make while every one of them is closed at once. With pauses that double from a tenth of a second there are
/// six of them in the time that is watched; ten is generous.
const ATTEMPTS: usize = 10;

/// The cases.
pub(super) const CASES: &[Case<Trial>] = &[
    Case::new(
        "well-formed-frames",
        "every notification is sent once, in order, in a frame of command 0, 1 or 2",
        &[
            Clause::of("P-12"),
            Clause::of("P-10"),
            Clause::of("P-11"),
            Clause::of("P-13"),
        ],
        AppleSays,
        |t| Box::pin(well_formed_frames(t)),
    ),
    Case::new(
        "shows-its-certificate",
        "the client shows its certificate",
        &[Clause::of("P-02")],
        AppleSays,
        |t| Box::pin(shows_its_certificate(t)),
    ),
    Case::new(
        "one-connection",
        "notifications follow each other on one connection",
        &[Clause::of("P-07")],
        AppleSays,
        |t| Box::pin(one_connection(t)),
    ),
    Case::new(
        "backs-off",
        "a client whose every connection is closed at once waits between its attempts",
        &[Clause::of("P-07")],
        AppleSays,
        |t| Box::pin(backs_off(t)),
    ),
    Case::new(
        "bare-close",
        "what was written just before a close without a packet is sent again",
        &[Clause::of("P-47")],
        OurChoice,
        |t| Box::pin(bare_close(t)),
    ),
];

async fn send(t: &Trial) -> Result<Played, Failed> {
    t.play(
        Verb::Send,
        Shown::Good,
        |_| Then::Accept,
        |connections| connections.iter().map(|c| c.sent.len()).sum::<usize>() >= BATCH,
    )
    .await
}

async fn well_formed_frames(t: &Trial) -> Result<(), Failed> {
    let played = send(t).await?;
    for connection in &played.connections {
        if let Some(why) = &connection.broken {
            return Err(Failed(why.clone()));
        }
        for sent in &connection.sent {
            let payload: Option<Value> = serde_json::from_slice(&sent.payload).ok();
            ensure(payload.as_ref() == Some(&t.payload()), || {
                let text = String::from_utf8_lossy(&sent.payload);
                format!("the payload was {text}, not {}", t.payload())
            })?;
        }
    }
    exactly(&t.places(&played.connections), 0..BATCH)
}

async fn shows_its_certificate(t: &Trial) -> Result<(), Failed> {
    let played = send(t).await?;
    let mut secured = played.connections.iter().filter(|c| c.secured).peekable();
    ensure(secured.peek().is_some(), || "it never connected".to_owned())?;
    ensure(secured.all(|c| c.certified), || {
        "it connected without a certificate".to_owned()
    })
}

async fn one_connection(t: &Trial) -> Result<(), Failed> {
    let played = send(t).await?;
    let used = played.connections.iter().filter(|c| !c.sent.is_empty());
    match used.count() {
        1 => Ok(()),
        0 => Err(Failed::because("it sent nothing")),
        many => Err(Failed(format!(
            "it used {many} connections for {BATCH} notifications"
        ))),
    }
}

async fn backs_off(t: &Trial) -> Result<(), Failed> {
    let started = std::time::Instant::now();
    let played = t
        .play(
            Verb::Send,
            Shown::Good,
            |_| Then::HangUp,
            move |connections| {
                connections.len() > ATTEMPTS || started.elapsed() > Duration::from_secs(3)
            },
        )
        .await?;
    match played.connections.len() {
        0 => Err(Failed::because("it never connected")),
        len if len > ATTEMPTS => Err(Failed(format!(
            "it made more than {ATTEMPTS} connections within seconds"
        ))),
        _ => Ok(()),
    }
}

async fn bare_close(t: &Trial) -> Result<(), Failed> {
    let script = |number| match number {
        0 => Then::CloseBehind(BATCH),
        _ => Then::Accept,
    };
    let lost = |connections: &[Connection]| {
        let again = t.places(connections.get(1..).unwrap_or_default());
        (0..BATCH).filter(|place| !again.contains(place)).count()
    };
    let played = t
        .play(Verb::Send, Shown::Good, script, |connections| {
            lost(connections) == 0
        })
        .await?;
    match lost(&played.connections) {
        0 => Ok(()),
        lost => Err(Failed(format!(
            "{lost} of {BATCH} whose fate is unknown never came again"
        ))),
    }
}
