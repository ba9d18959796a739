//! Chapter 5: whom a client believes.

use std::time::{Duration, Instant};

use super::papers::Shown;
use super::server::Then;
use super::trial::{Trial, Verb};
use crate::case::Basis::AppleSays;
use crate::case::{Case, Failed, ensure};
use crate::clause::Clause;

/// The cases.
pub(super) const CASES: &[Case<Trial>] = &[
    Case::new(
        "server-of-an-unknown-issuer",
        "nothing is sent to a server whose certificate comes from an unknown issuer",
        &[Clause::of("P-02")],
        AppleSays,
        |t| Box::pin(distrusts(t, Shown::UnknownIssuer)),
    ),
    Case::new(
        "server-of-another-name",
        "nothing is sent to a server whose certificate is for another host",
        &[Clause::of("P-02")],
        AppleSays,
        |t| Box::pin(distrusts(t, Shown::OtherName)),
    ),
    Case::new(
        "server-that-has-expired",
        "nothing is sent to a server whose certificate has expired",
        &[Clause::of("P-02")],
        AppleSays,
        |t| Box::pin(distrusts(t, Shown::Expired)),
    ),
];

async fn distrusts(t: &Trial, shown: Shown) -> Result<(), Failed> {
    let started = Instant::now();
    let played = t
        .play(
            Verb::Send,
            shown,
            |_| Then::Accept,
            move |connections| {
                // Until it has left, a client that is slow may still be about to send.
                let left = !connections.is_empty() && connections.iter().all(|c| c.over);
                connections.iter().any(|c| !c.sent.is_empty())
                    || left && started.elapsed() > Duration::from_secs(2)
            },
        )
        .await?;
    ensure(!played.connections.is_empty(), || {
        "it never connected".to_owned()
    })?;
    let sent: usize = played.connections.iter().map(|c| c.sent.len()).sum();
    ensure(sent == 0, || format!("it sent {sent} notifications"))
}
