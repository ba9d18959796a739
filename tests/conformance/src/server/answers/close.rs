//! What follows a packet, and what ends a connection without one: [P-18], [P-19], [P-31], [P-41], [P-42].

use super::super::{Trial, case};
use crate::bytes::{framed, simple};
use crate::case::Basis::{AppleSays, Observed, OurChoice};
use crate::case::{Case, Failed, Need};
use crate::clause::Clause;
use crate::link::{Answer, Ending, Heard};

/// More than the buffers of both kernels hold, so that a server that does not read on is noticed.
const BACKLOG_LEN: usize = 4 * 1024 * 1024;

/// The cases.
pub(super) const CASES: &[Case<Trial>] = &[
    case(
        "closed-behind-the-packet",
        "the server closes behind an error packet, and says nothing more",
        &[Clause::of("P-31")],
        AppleSays,
        |t| Box::pin(closed_behind_the_packet(t)),
    ),
    case(
        "close-notify-behind-the-packet",
        "behind an error packet the server says close_notify",
        &[Clause::of("P-41")],
        OurChoice,
        |t| Box::pin(close_notify_behind_the_packet(t)),
    ),
    case(
        "packet-survives-a-backlog",
        "a client that writes megabytes before it reads still finds the error packet",
        &[Clause::of("P-41")],
        OurChoice,
        |t| Box::pin(packet_survives_a_backlog(t)),
    ),
    case(
        "packet-survives-late-writes",
        "a client that goes on writing frame by frame behind a refused one still finds the error packet",
        &[Clause::of("P-41")],
        Observed,
        |t| Box::pin(packet_survives_late_writes(t)),
    ),
    case(
        "unknown-command-closes",
        "a first byte other than 00, 01, 02 closes the connection without a packet",
        &[Clause::of("P-18")],
        AppleSays,
        |t| {
            Box::pin(async move {
                for command in [0x03, 0x08, 0x47, 0xff] {
                    let mut frame = framed(7, &[0xaa; 32], &t.payload());
                    frame[0] = command;
                    t.ends_without_a_packet(&frame).await?;
                }
                Ok(())
            })
        },
    ),
    case(
        "frame-not-completed-closes",
        "a frame that is not complete in time closes the connection without a packet",
        &[Clause::of("P-19")],
        OurChoice,
        |t| Box::pin(frame_not_completed_closes(t)),
    )
    .needs(&[Need::FrameTimeout]),
    case(
        "shutdown-names-the-last-accepted",
        "status 10 names the last notification that was accepted",
        &[Clause::of("P-42")],
        AppleSays,
        |t| {
            Box::pin(async move {
                let good = t.good()?;
                let frames = [
                    framed(5, good, &t.payload()),
                    framed(6, good, &t.payload()),
                    framed(7, t.target().shutdown_token()?, &t.payload()),
                ];
                t.refused(&frames.concat(), 10, 6).await
            })
        },
    )
    .needs(&[Need::GoodToken, Need::ShutdownToken]),
    case(
        "shutdown-with-nothing-accepted",
        "a server that closes and has accepted nothing on the connection says nothing",
        &[Clause::of("P-42")],
        OurChoice,
        |t| {
            Box::pin(async move {
                let frame = framed(7, t.target().shutdown_token()?, &t.payload());
                t.ends_without_a_packet(&frame).await
            })
        },
    )
    .needs(&[Need::ShutdownToken]),
    case(
        "shutdown-behind-one-without-an-identifier",
        "a server that closes, where the last it accepted had no identifier, says nothing",
        &[Clause::of("P-42")],
        OurChoice,
        |t| {
            Box::pin(async move {
                let good = t.good()?;
                let frames = [
                    framed(5, good, &t.payload()),
                    simple(good, &t.payload()),
                    framed(7, t.target().shutdown_token()?, &t.payload()),
                ];
                t.ends_without_a_packet(&frames.concat()).await
            })
        },
    )
    .needs(&[Need::GoodToken, Need::ShutdownToken]),
];

async fn closed_behind_the_packet(t: &Trial) -> Result<(), Failed> {
    let mut link = t.connect().await?;
    link.send(&framed(7, &[], &t.payload())).await?;
    match link.refusal().await? {
        Answer::Packet(_) => {}
        answer => return Err(Failed(format!("expected an error packet: {answer}"))),
    }
    match link.answer().await? {
        Answer::End(_) => Ok(()),
        Answer::Nothing => Err(Failed::because("the connection stayed open")),
        answer @ Answer::Packet(_) => Err(Failed(format!("behind the packet {answer}"))),
    }
}

async fn close_notify_behind_the_packet(t: &Trial) -> Result<(), Failed> {
    let mut link = t.connect().await?;
    link.send(&framed(7, &[], &t.payload())).await?;
    t.answered(&mut link, 2, 7).await?;
    match link.hear().await? {
        Heard::End(Ending::CloseNotify) => Ok(()),
        Heard::End(ending) => Err(Failed(format!("the server ended it otherwise: {ending}"))),
        Heard::Record(_) => Err(Failed::because("the server said something else")),
        Heard::Nothing => Err(Failed::because("the connection stayed open")),
    }
}

async fn packet_survives_a_backlog(t: &Trial) -> Result<(), Failed> {
    let mut link = t.connect().await?;
    link.send(&framed(7, &[], &t.payload())).await?;
    let frame = framed(8, &[0xaa; 32], &t.payload());
    let backlog = frame.repeat(BACKLOG_LEN / frame.len());
    // Who is reset while it writes looks at nothing that came before.
    if let Some(ending) = link.try_send(&backlog).await? {
        return Err(Failed(format!(
            "the connection ended while we were writing: {ending}"
        )));
    }
    t.answered(&mut link, 2, 7).await
}

async fn packet_survives_late_writes(t: &Trial) -> Result<(), Failed> {
    let mut link = t.connect().await?;
    link.send(&framed(7, &[], &t.payload())).await?;
    let frame = framed(8, &[0xaa; 32], &t.payload());
    for _ in 0..200 {
        if link.try_send(&frame).await?.is_some() {
            break;
        }
    }
    t.answered(&mut link, 2, 7).await
}

async fn frame_not_completed_closes(t: &Trial) -> Result<(), Failed> {
    let Some(time) = t.target().frame_timeout else {
        return Err(Failed::because("no --frame-timeout was given"));
    };
    let mut link = t.connect().await?;
    link.send(&framed(7, &[0xaa; 32], &t.payload())[..20])
        .await?;
    match link.hear_within(time + t.target().timeout).await? {
        Heard::End(_) => Ok(()),
        Heard::Record(_) => Err(Failed::because("the server answered half a frame")),
        Heard::Nothing => Err(Failed::because("the connection stayed open")),
    }
}
