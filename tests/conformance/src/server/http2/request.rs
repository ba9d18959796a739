//! The request: its path, its body, and which of several faults is named.

use data_encoding::{HEXLOWER, HEXUPPER};
use http::Method;

use super::super::Trial;
use super::client::{Api, Push, Reply};
use super::{WITH_KEY, push};
use crate::case::Basis::{AppleSays, OurChoice};
use crate::case::{Case, Failed, Need, ensure};
use crate::clause::Clause;
use crate::link::Login;

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
        "http2-voip-payload-of-5120-bytes",
        "a voip payload of 5,120 bytes is not too large",
        &[Clause::of("H-19")],
        AppleSays,
        |t| {
            Box::pin(async move {
                // The token is not for that topic, which is looked at last [H-31].
                let reply = voip(t, 5120).await?;
                ensure(reply.status.as_u16() != 413, || {
                    format!("the server answered {reply}")
                })
            })
        },
    )
    .needs(WITH_KEY),
    push(
        "http2-voip-payload-of-5121-bytes",
        "a voip payload of 5,121 bytes is answered 413 PayloadTooLarge",
        &[Clause::of("H-19")],
        AppleSays,
        |t| Box::pin(async move { voip(t, 5121).await?.refused(413, "PayloadTooLarge") }),
    )
    .needs(WITH_KEY),
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

/// The answer to a voip push of so many bytes, which a key for all topics may send.
async fn voip(t: &Trial, len: usize) -> Result<Reply, Failed> {
    let token = t.target().papers.key_of(Need::ProviderKey)?.token(0);
    let push = t
        .push_of(t.good()?, t.payload_of(len))?
        .with("apns-topic", format!("{}.voip", t.target().topic()?))
        .with("apns-push-type", "voip")
        .with("authorization", format!("bearer {token}"));
    Api::connect(t, &Login::Nobody).await?.send(push).await
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
