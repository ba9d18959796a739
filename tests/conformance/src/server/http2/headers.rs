//! The request: its path, its headers, its body, and which of several faults is named.

use data_encoding::{HEXLOWER, HEXUPPER};
use http::Method;

use super::super::Trial;
use super::client::{Push, Reply};
use super::push;
use crate::case::Basis::{AppleSays, OurChoice};
use crate::case::{Case, Failed, Need, ensure};
use crate::clause::Clause;

/// A UUID as Apple writes them.
const ID: &str = "123e4567-e89b-12d3-a456-4266554400a0";

/// The cases.
pub(super) const CASES: &[Case<Trial>] = &[
    push(
        "http2-path",
        "any other path than /3/device/ and a token is answered 404 BadPath",
        &[Clause::of("H-10")],
        AppleSays,
        |t| Box::pin(path(t)),
    ),
    push(
        "http2-method",
        "any other method than POST is answered 405 MethodNotAllowed",
        &[Clause::of("H-10")],
        AppleSays,
        |t| Box::pin(method(t)),
    ),
    push(
        "http2-no-device-token",
        "a path without a token is answered 400 MissingDeviceToken",
        &[Clause::of("H-10")],
        AppleSays,
        |t| Box::pin(async move { t.refuses(to(t, "")?, 400, "MissingDeviceToken").await }),
    ),
    push(
        "http2-device-token-no-hex",
        "a token that is not written in hexadecimal is answered 400 BadDeviceToken",
        &[Clause::of("H-10")],
        AppleSays,
        |t| {
            Box::pin(async move {
                t.refuses(to(t, &"g1".repeat(32))?, 400, "BadDeviceToken")
                    .await
            })
        },
    ),
    push(
        "http2-device-token-length",
        "a token of less than 32 or more than 100 bytes is answered 400 BadDeviceToken",
        &[Clause::of("H-10"), Clause::of("P-20")],
        OurChoice,
        |t| Box::pin(device_token_length(t)),
    ),
    push(
        "http2-device-token-upper-case",
        "a token may be written in upper case",
        &[Clause::of("H-10")],
        OurChoice,
        |t| {
            Box::pin(async move {
                t.takes(to(t, &HEXUPPER.encode(t.good()?))?)
                    .await
                    .map(|_| ())
            })
        },
    ),
    push(
        "http2-device-token-unknown",
        "a token that nobody has is answered 400 BadDeviceToken",
        &[Clause::of("H-31")],
        AppleSays,
        |t| {
            Box::pin(async move {
                t.refuses(t.push_of(&t.bad()?, t.payload())?, 400, "BadDeviceToken")
                    .await
            })
        },
    )
    .needs(&[Need::Http2, Need::BadToken]),
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
    push(
        "http2-payload-of-4096-bytes",
        "a payload of 4,096 bytes is taken",
        &[Clause::of("H-19")],
        AppleSays,
        |t| {
            Box::pin(async move {
                t.takes(t.push_of(t.good()?, t.payload_of(4096))?)
                    .await
                    .map(|_| ())
            })
        },
    ),
    push(
        "http2-payload-of-4097-bytes",
        "a payload of 4,097 bytes is answered 413 PayloadTooLarge",
        &[Clause::of("H-19")],
        AppleSays,
        |t| {
            Box::pin(async move {
                t.refuses(
                    t.push_of(t.good()?, t.payload_of(4097))?,
                    413,
                    "PayloadTooLarge",
                )
                .await
            })
        },
    ),
    push(
        "http2-payload-much-too-large",
        "a payload of a megabyte is answered 413 PayloadTooLarge",
        &[Clause::of("H-19")],
        AppleSays,
        |t| {
            Box::pin(async move {
                t.refuses(
                    t.push_of(t.good()?, vec![b' '; 1 << 20])?,
                    413,
                    "PayloadTooLarge",
                )
                .await
            })
        },
    ),
    push(
        "http2-no-payload",
        "a request without a body is answered 400 PayloadEmpty",
        &[Clause::of("H-19")],
        AppleSays,
        |t| {
            Box::pin(async move {
                t.refuses(t.push_of(t.good()?, Vec::new())?, 400, "PayloadEmpty")
                    .await
            })
        },
    ),
    push(
        "http2-payload-no-json",
        "what is in the payload is not looked at",
        &[Clause::of("H-19"), Clause::of("P-21")],
        OurChoice,
        |t| {
            Box::pin(async move {
                t.takes(t.push_of(t.good()?, b"no JSON".to_vec())?)
                    .await
                    .map(|_| ())
            })
        },
    ),
    push(
        "http2-order-of-the-checks",
        "of several faults the first in the order of the clause is named",
        &[Clause::of("H-31")],
        OurChoice,
        |t| Box::pin(order(t)),
    ),
];

/// A push with `token` as it stands in the path.
fn to(t: &Trial, token: &str) -> Result<Push, Failed> {
    let mut push = t.push()?;
    push.path = format!("/3/device/{token}");
    Ok(push)
}

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

async fn path(t: &Trial) -> Result<(), Failed> {
    let token = HEXLOWER.encode(t.good()?);
    let mut api = t.api().await?;
    for path in [
        "/".to_owned(),
        format!("/2/device/{token}"),
        format!("/3/devices/{token}"),
    ] {
        let mut push = t.push()?;
        push.path = path;
        api.send(push).await?.refused(404, "BadPath")?;
    }
    Ok(())
}

async fn method(t: &Trial) -> Result<(), Failed> {
    let mut api = t.api().await?;
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let mut push = t.push()?;
        push.method = method;
        api.send(push).await?.refused(405, "MethodNotAllowed")?;
    }
    Ok(())
}

async fn device_token_length(t: &Trial) -> Result<(), Failed> {
    let mut api = t.api().await?;
    for len in [1, 31, 101] {
        let push = t.push_of(&vec![0xaa; len], t.payload())?;
        api.send(push).await?.refused(400, "BadDeviceToken")?;
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

async fn order(t: &Trial) -> Result<(), Failed> {
    let mut api = t.api().await?;
    // Everything is wrong; then one after the other is put right.
    let mut push = t.push_of(&[0xaa; 31], Vec::new())?;
    push.method = Method::PUT;
    push.path.insert(1, 'x');
    push = push
        .with("apns-priority", "10")
        .with("apns-priority", "7")
        .with("apns-id", "7")
        .with("apns-expiration", "soon")
        .with("apns-push-type", "badge")
        .with("apns-collapse-id", "x".repeat(65))
        .with("apns-topic", "com.example.conformance.none");
    api.send(push.clone()).await?.refused(404, "BadPath")?;
    push.path.remove(1);
    api.send(push.clone())
        .await?
        .refused(405, "MethodNotAllowed")?;
    push.method = Method::POST;
    let put_right: [(&str, u16, &str); 7] = [
        ("apns-priority", 400, "DuplicateHeaders"),
        ("apns-id", 400, "BadMessageId"),
        ("apns-expiration", 400, "BadExpirationDate"),
        ("apns-push-type", 400, "InvalidPushType"),
        ("apns-priority", 400, "BadPriority"),
        ("apns-collapse-id", 400, "BadCollapseId"),
        ("apns-topic", 400, "TopicDisallowed"),
    ];
    for (header, status, reason) in put_right {
        api.send(push.clone()).await?.refused(status, reason)?;
        let at = push.headers.iter().position(|(name, _)| name == header);
        push.headers.remove(at.expect("it was put there"));
    }
    api.send(push.clone())
        .await?
        .refused(400, "BadDeviceToken")?;
    push.path = t.push()?.path;
    api.send(push).await?.refused(400, "PayloadEmpty")
}
