//! The answer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, interval};

use super::super::Trial;
use super::push;
use crate::case::Basis::AppleSays;
use crate::case::{Case, Failed, Need, ensure};
use crate::clause::Clause;

/// The cases.
pub(super) const CASES: &[Case<Trial>] = &[
    push(
        "http2-acceptance",
        "a push that is accepted is answered 200 with an empty body",
        &[Clause::of("H-32")],
        AppleSays,
        |t| Box::pin(async move { t.takes(t.push()?).await.map(|_| ()) }),
    ),
    push(
        "http2-refusal",
        "a refusal has a body {\"reason\": …} and nothing else but a timestamp",
        &[Clause::of("H-30")],
        AppleSays,
        |t| Box::pin(refusal(t)),
    ),
    push(
        "http2-unregistered",
        "a token whose app is gone is answered 410 Unregistered with the time in milliseconds, once the phone has said so",
        &[Clause::of("H-30"), Clause::of("H-31"), Clause::of("H-32")],
        AppleSays,
        |t| Box::pin(unregistered(t)),
    )
    .needs(&[Need::Http2, Need::GoneTokens]),
    push(
        "http2-shutdown",
        "a push that a server has not judged when it stops is answered 503 Shutdown",
        &[Clause::of("H-06")],
        AppleSays,
        |t| {
            Box::pin(async move {
                let push = t.push_of(t.target().shutdown_token()?, t.payload())?;
                t.refuses(push, 503, "Shutdown").await
            })
        },
    )
    .needs(&[Need::Http2, Need::ShutdownToken]),
];

async fn refusal(t: &Trial) -> Result<(), Failed> {
    let push = t.push()?.with("apns-priority", "7");
    let reply = t.api().await?.send(push).await?;
    reply.refused(400, "BadPriority")?;
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let keys: Vec<_> = body
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key)
        .collect();
    ensure(keys == ["reason"], || format!("the body has {keys:?}"))
}

async fn unregistered(t: &Trial) -> Result<(), Failed> {
    let token = t.gone_token().await?;
    let mut api = t.api().await?;
    let deadline = Instant::now() + t.target().feedback_delay;
    let mut pause = interval(Duration::from_millis(50));
    let reply = loop {
        pause.tick().await;
        let reply = api.send(t.push_of(&token, t.payload())?).await?;
        if reply.status.as_u16() != 200 {
            break reply;
        }
        ensure(Instant::now() < deadline, || {
            "the token is accepted again and again".to_owned()
        })?;
    };
    reply.refused(410, "Unregistered")?;
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let timestamp = body.get("timestamp").and_then(serde_json::Value::as_u64);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    // Seconds would be of 1970.
    let near =
        timestamp.is_some_and(|time| now.abs_diff(Duration::from_millis(time)).as_secs() < 86_400);
    ensure(near, || {
        format!("the timestamp is {timestamp:?}, which is not today in milliseconds")
    })
}
