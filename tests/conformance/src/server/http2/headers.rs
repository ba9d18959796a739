//! The headers of a request.

use super::super::Trial;
use super::client::Reply;
use super::push;
use crate::case::Basis::{AppleSays, OurChoice};
use crate::case::{Case, Failed, Need, ensure};
use crate::clause::Clause;
use crate::observer::Environment;

/// A UUID as Apple writes them.
const ID: &str = "123e4567-e89b-12d3-a456-4266554400a0";

/// The cases.
pub(super) const CASES: &[Case<Trial>] = &[
    push(
        "http2-other-headers",
        "headers that are not of this API are ignored",
        &[Clause::of("H-10")],
        OurChoice,
        |t| {
            Box::pin(async move {
                t.takes(
                    t.push()?
                        .with("apns-thread-id", "x")
                        .with("content-type", "text/plain"),
                )
                .await
                .map(|_| ())
            })
        },
    ),
    push(
        "http2-header-twice",
        "a header of this API that is there twice is answered 400 DuplicateHeaders",
        &[Clause::of("H-11")],
        AppleSays,
        |t| Box::pin(header_twice(t)),
    ),
    push(
        "http2-id-comes-back",
        "the answer carries the apns-id of the request",
        &[Clause::of("H-12")],
        AppleSays,
        |t| Box::pin(id_comes_back(t)),
    ),
    push(
        "http2-id-upper-case",
        "an apns-id in upper case comes back as it was",
        &[Clause::of("H-12")],
        OurChoice,
        |t| Box::pin(id_upper_case(t)),
    ),
    push(
        "http2-id-made-up",
        "where a request has no apns-id the answer has one: 8-4-4-4-12, lower case, another one each time",
        &[Clause::of("H-12")],
        AppleSays,
        |t| Box::pin(id_made_up(t)),
    ),
    push(
        "http2-unique-id",
        "in the sandbox, and only there, the answer has apns-unique-id, another UUID than apns-id",
        &[Clause::of("H-12")],
        AppleSays,
        |t| Box::pin(unique_id(t)),
    )
    .needs(&[Need::Http2, Need::GoodToken, Need::Environment]),
    push(
        "http2-id-no-uuid",
        "an apns-id that is no UUID is answered 400 BadMessageId",
        &[Clause::of("H-12")],
        AppleSays,
        |t| {
            Box::pin(async move {
                each_refused(
                    t,
                    "apns-id",
                    &["7", &ID[1..], &ID.replace('-', "")],
                    "BadMessageId",
                )
                .await
            })
        },
    ),
    push(
        "http2-expiration",
        "an expiration of 0, in the past and in the future is taken",
        &[Clause::of("H-13")],
        OurChoice,
        |t| {
            Box::pin(async move {
                each_taken(
                    t,
                    "apns-expiration",
                    &["0", "1", "86400", "2147483647", "4294967296"],
                )
                .await
            })
        },
    ),
    push(
        "http2-expiration-no-number",
        "an expiration that is no whole number is answered 400 BadExpirationDate",
        &[Clause::of("H-13")],
        OurChoice,
        |t| {
            Box::pin(async move {
                each_refused(
                    t,
                    "apns-expiration",
                    &["soon", "-1", "1.5"],
                    "BadExpirationDate",
                )
                .await
            })
        },
    ),
    push(
        "http2-priority",
        "priorities 10, 5 and 1 are taken",
        &[Clause::of("H-14")],
        AppleSays,
        |t| Box::pin(async move { each_taken(t, "apns-priority", &["10", "5", "1"]).await }),
    ),
    push(
        "http2-priority-other",
        "another priority is answered 400 BadPriority",
        &[Clause::of("H-14")],
        AppleSays,
        |t| {
            Box::pin(async move {
                each_refused(t, "apns-priority", &["0", "7", "11", "high"], "BadPriority").await
            })
        },
    ),
    push(
        "http2-collapse-id",
        "a collapse id of 64 bytes is taken",
        &[Clause::of("H-15")],
        AppleSays,
        |t| {
            Box::pin(
                async move { each_taken(t, "apns-collapse-id", &["x", &"x".repeat(64)]).await },
            )
        },
    ),
    push(
        "http2-collapse-id-too-long",
        "a collapse id of 65 bytes is answered 400 BadCollapseId",
        &[Clause::of("H-15")],
        AppleSays,
        |t| {
            Box::pin(async move {
                each_refused(t, "apns-collapse-id", &[&"x".repeat(65)], "BadCollapseId").await
            })
        },
    ),
    push(
        "http2-push-type",
        "an alert may say so, or say nothing",
        &[Clause::of("H-16")],
        AppleSays,
        |t| Box::pin(push_type(t)),
    ),
    push(
        "http2-push-type-unknown",
        "a push type that Apple does not name is answered 400 InvalidPushType",
        &[Clause::of("H-16")],
        AppleSays,
        |t| {
            Box::pin(async move {
                each_refused(t, "apns-push-type", &["Alert", "badge"], "InvalidPushType").await
            })
        },
    ),
    push(
        "http2-background",
        "a background push has priority 5, named or not",
        &[Clause::of("H-17")],
        AppleSays,
        |t| Box::pin(background(t)),
    ),
    push(
        "http2-background-priority-10",
        "a background push of priority 10 is answered 400 BadPriority",
        &[Clause::of("H-17")],
        AppleSays,
        |t| {
            Box::pin(async move {
                let push = t
                    .push()?
                    .with("apns-push-type", "background")
                    .with("apns-priority", "10");
                t.refuses(push, 400, "BadPriority").await
            })
        },
    ),
    push(
        "http2-topic-of-the-certificate",
        "the topic may be that of the certificate",
        &[Clause::of("H-18")],
        AppleSays,
        |t| Box::pin(topic(t)),
    ),
    push(
        "http2-topic-of-another",
        "a topic the certificate is not for is answered 400 TopicDisallowed",
        &[Clause::of("H-18")],
        OurChoice,
        |t| {
            Box::pin(async move {
                each_refused(
                    t,
                    "apns-topic",
                    &["com.example.conformance.none"],
                    "TopicDisallowed",
                )
                .await
            })
        },
    ),
    push(
        "http2-topic-without-suffix",
        "a topic without the suffix of its push type is answered 400 BadTopic",
        &[Clause::of("H-18")],
        OurChoice,
        |t| {
            Box::pin(async move {
                t.refuses(t.push()?.with("apns-push-type", "voip"), 400, "BadTopic")
                    .await
            })
        },
    ),
];

async fn each_taken(t: &Trial, header: &str, values: &[&str]) -> Result<(), Failed> {
    let mut api = t.api().await?;
    for value in values {
        let reply = api.send(t.push()?.with(header, *value)).await?;
        reply
            .accepted()
            .map_err(|Failed(why)| Failed(format!("{header}: {value}: {why}")))?;
    }
    Ok(())
}

async fn each_refused(
    t: &Trial,
    header: &str,
    values: &[&str],
    reason: &str,
) -> Result<(), Failed> {
    let mut api = t.api().await?;
    for value in values {
        let reply = api.send(t.push()?.with(header, *value)).await?;
        reply
            .refused(400, reason)
            .map_err(|Failed(why)| Failed(format!("{header}: {value}: {why}")))?;
    }
    Ok(())
}

async fn header_twice(t: &Trial) -> Result<(), Failed> {
    let mut api = t.api().await?;
    for (header, value) in [
        ("apns-id", ID),
        ("apns-expiration", "0"),
        ("apns-priority", "10"),
        ("apns-push-type", "alert"),
        ("apns-collapse-id", "x"),
        ("apns-topic", t.target().topic()?),
        ("authorization", "bearer x"),
    ] {
        let push = t.push()?.with(header, value).with(header, value);
        let reply = api.send(push).await?;
        reply
            .refused(400, "DuplicateHeaders")
            .map_err(|Failed(why)| Failed(format!("{header}: {why}")))?;
    }
    Ok(())
}

async fn id_comes_back(t: &Trial) -> Result<(), Failed> {
    let mut api = t.api().await?;
    let taken = api.send(t.push()?.with("apns-id", ID)).await?;
    taken.accepted()?;
    has_id(&taken, ID)?;
    let refused = t.push()?.with("apns-id", ID).with("apns-priority", "7");
    has_id(&api.send(refused).await?, ID)
}

async fn id_upper_case(t: &Trial) -> Result<(), Failed> {
    let id = ID.to_ascii_uppercase();
    has_id(&t.takes(t.push()?.with("apns-id", &id)).await?, &id)
}

fn has_id(reply: &Reply, id: &str) -> Result<(), Failed> {
    ensure(reply.header("apns-id") == Some(id), || {
        format!("the answer's apns-id is {:?}", reply.header("apns-id"))
    })
}

async fn id_made_up(t: &Trial) -> Result<(), Failed> {
    let mut api = t.api().await?;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let reply = api.send(t.push()?).await?;
        reply.accepted()?;
        let id = reply.header("apns-id").unwrap_or_default().to_owned();
        ensure(is_canonical(&id), || {
            format!("the answer's apns-id is {id:?}")
        })?;
        seen.push(id);
    }
    ensure(seen[0] != seen[1], || format!("{} twice", seen[0]))
}

async fn unique_id(t: &Trial) -> Result<(), Failed> {
    let reply = t.takes(t.push()?.with("apns-id", ID)).await?;
    let id = reply.header("apns-unique-id");
    let right = match t.target().observer.environment {
        Some(Environment::Sandbox) => id.is_some_and(|id| is_canonical(id) && id != ID),
        _ => id.is_none(),
    };
    ensure(right, || format!("apns-unique-id is {id:?}"))
}

fn is_canonical(id: &str) -> bool {
    let lengths: Vec<_> = id.split('-').map(str::len).collect();
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-');
    lengths == [8, 4, 4, 4, 12] && id.bytes().all(digit)
}

async fn push_type(t: &Trial) -> Result<(), Failed> {
    let mut api = t.api().await?;
    api.send(t.push()?.with("apns-push-type", "alert"))
        .await?
        .accepted()?;
    api.send(t.push()?).await?.accepted()
}

async fn background(t: &Trial) -> Result<(), Failed> {
    let mut api = t.api().await?;
    let push = t.push()?.with("apns-push-type", "background");
    api.send(push.clone()).await?.accepted()?;
    api.send(push.with("apns-priority", "5")).await?.accepted()
}

async fn topic(t: &Trial) -> Result<(), Failed> {
    let topic = t.target().topic()?;
    t.takes(t.push()?.with("apns-topic", topic))
        .await
        .map(|_| ())
}
