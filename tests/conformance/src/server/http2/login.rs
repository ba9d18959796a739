//! Who pushes: certificates and provider tokens.

use super::super::Trial;
use super::client::{Api, Push, Reply};
use super::push;
use crate::case::Basis::{AppleSays, Observed, OurChoice};
use crate::case::{Case, Failed, Need};
use crate::clause::Clause;
use crate::link::Login;

/// What cases with provider tokens cannot do without.
const WITH_KEY: &[Need] = &[Need::Http2, Need::GoodToken, Need::ProviderKey];

const HOUR: i64 = 3600;

/// The cases.
pub(super) const CASES: &[Case<Trial>] = &[
    push(
        "http2-certificate-and-authorization",
        "beside a certificate authorization is ignored",
        &[Clause::of("H-20")],
        AppleSays,
        |t| Box::pin(async move { t.takes(t.push()?.with("authorization", "bearer nonsense")).await.map(|_| ()) }),
    ),
    push(
        "http2-no-provider-token",
        "without a certificate and without authorization a push is answered 403 MissingProviderToken",
        &[Clause::of("H-21")],
        OurChoice,
        |t| Box::pin(async move {
            let reply = nobody(t).await?.send(t.push()?).await?;
            reply.refused(403, "MissingProviderToken")
        }),
    ),
    push(
        "http2-malformed-provider-token",
        "a provider token that is none is answered 403 InvalidProviderToken",
        &[Clause::of("H-21")],
        OurChoice,
        |t| Box::pin(async move {
            let reply = nobody(t).await?.send(t.push()?.with("authorization", "bearer a.b.c")).await?;
            reply.refused(403, "InvalidProviderToken")
        }),
    ),
    push(
        "http2-provider-token",
        "a push with a provider token is accepted",
        &[Clause::of("H-21")],
        AppleSays,
        |t| Box::pin(async move { with_token(t, "bearer", &t.target().papers.key_of(Need::ProviderKey)?.token(0)).await?.accepted() }),
    )
    .needs(WITH_KEY),
    push(
        "http2-bearer-in-upper-case",
        "`Bearer` is as good as `bearer`",
        &[Clause::of("H-21")],
        Observed,
        |t| Box::pin(async move { with_token(t, "Bearer", &t.target().papers.key_of(Need::ProviderKey)?.token(0)).await?.accepted() }),
    )
    .needs(WITH_KEY),
    push(
        "http2-provider-token-without-topic",
        "a push with a provider token and without a topic is answered 400 MissingTopic",
        &[Clause::of("H-18")],
        AppleSays,
        |t| Box::pin(async move {
            let push = Push::new(t.good()?, t.payload()).with("authorization", format!("bearer {}", t.target().papers.key_of(Need::ProviderKey)?.token(0)));
            nobody(t).await?.send(push).await?.refused(400, "MissingTopic")
        }),
    )
    .needs(WITH_KEY),
    push(
        "http2-device-token-of-another-topic",
        "a device token that belongs to another topic is answered 400 DeviceTokenNotForTopic",
        &[Clause::of("H-18"), Clause::of("H-31")],
        AppleSays,
        |t| Box::pin(async move {
            let push = t.push()?.with("apns-topic", "com.example.conformance.none");
            let token = t.target().papers.key_of(Need::ProviderKey)?.token(0);
            let push = push.with("authorization", format!("bearer {token}"));
            nobody(t).await?.send(push).await?.refused(400, "DeviceTokenNotForTopic")
        }),
    )
    .needs(WITH_KEY),
    push(
        "http2-provider-token-of-more-than-an-hour",
        "a provider token older than an hour is answered 403 ExpiredProviderToken",
        &[Clause::of("H-21")],
        AppleSays,
        |t| Box::pin(async move {
            let token = t.target().papers.key_of(Need::ProviderKey)?.token(HOUR + 120);
            with_token(t, "bearer", &token).await?.refused(403, "ExpiredProviderToken")
        }),
    )
    .needs(WITH_KEY),
    push(
        "http2-provider-token-of-almost-an-hour",
        "a provider token of almost an hour is good",
        &[Clause::of("H-21")],
        AppleSays,
        |t| Box::pin(async move { with_token(t, "bearer", &t.target().papers.key_of(Need::ProviderKey)?.token(HOUR - 120)).await?.accepted() }),
    )
    .needs(WITH_KEY),
    push(
        "http2-provider-token-of-the-future",
        "a provider token dated far ahead is answered 403 InvalidProviderToken",
        &[Clause::of("H-21")],
        OurChoice,
        |t| Box::pin(async move {
            let token = t.target().papers.key_of(Need::ProviderKey)?.token(-HOUR);
            with_token(t, "bearer", &token).await?.refused(403, "InvalidProviderToken")
        }),
    )
    .needs(WITH_KEY),
    push(
        "http2-provider-token-of-an-unknown-key",
        "a provider token of a key nobody knows is answered 403 InvalidProviderToken",
        &[Clause::of("H-21")],
        OurChoice,
        |t| Box::pin(async move {
            let token = t.target().papers.key_of(Need::ProviderKey)?.token_of_key("CONFORMNCE");
            with_token(t, "bearer", &token).await?.refused(403, "InvalidProviderToken")
        }),
    )
    .needs(WITH_KEY),
    push(
        "http2-provider-token-of-another-team",
        "a provider token for another team than the key's is answered 403 InvalidProviderToken",
        &[Clause::of("H-21")],
        OurChoice,
        |t| Box::pin(async move {
            let token = t.target().papers.key_of(Need::ProviderKey)?.token_of_team("CONFORMNCE");
            with_token(t, "bearer", &token).await?.refused(403, "InvalidProviderToken")
        }),
    )
    .needs(WITH_KEY),
    push(
        "http2-provider-token-wrongly-signed",
        "a provider token whose claims are not those that were signed is answered 403 InvalidProviderToken",
        &[Clause::of("H-21")],
        OurChoice,
        |t| Box::pin(wrongly_signed(t)),
    )
    .needs(WITH_KEY),
    push(
        "http2-provider-token-again",
        "one provider token serves many pushes",
        &[Clause::of("H-22")],
        AppleSays,
        |t| Box::pin(again(t)),
    )
    .needs(WITH_KEY),
    push(
        "http2-provider-token-replaced-too-soon",
        "a second provider token within 20 minutes is answered 429 TooManyProviderTokenUpdates",
        &[Clause::of("H-22")],
        AppleSays,
        |t| Box::pin(replaced_too_soon(t)),
    )
    .needs(WITH_KEY),
];

/// A connection without a certificate.
async fn nobody(t: &Trial) -> Result<Api, Failed> {
    Api::connect(t, &Login::Nobody).await
}

fn push_with(t: &Trial, scheme: &str, token: &str) -> Result<Push, Failed> {
    let push = t.push()?.with("apns-topic", t.target().topic()?);
    Ok(push.with("authorization", format!("{scheme} {token}")))
}

async fn with_token(t: &Trial, scheme: &str, token: &str) -> Result<Reply, Failed> {
    nobody(t).await?.send(push_with(t, scheme, token)?).await
}

async fn wrongly_signed(t: &Trial) -> Result<(), Failed> {
    let key = t.target().papers.key_of(Need::ProviderKey)?;
    let (signed, other) = (key.token(0), key.token(60));
    let (Some((claims, _)), Some((_, signature))) =
        (signed.rsplit_once('.'), other.rsplit_once('.'))
    else {
        return Err(Failed::because("a provider token has three parts"));
    };
    let reply = with_token(t, "bearer", &format!("{claims}.{signature}")).await?;
    reply.refused(403, "InvalidProviderToken")
}

async fn again(t: &Trial) -> Result<(), Failed> {
    let mut api = nobody(t).await?;
    let token = t.target().papers.key_of(Need::ProviderKey)?.token(0);
    for _ in 0..3 {
        api.send(push_with(t, "bearer", &token)?)
            .await?
            .accepted()?;
    }
    Ok(())
}

async fn replaced_too_soon(t: &Trial) -> Result<(), Failed> {
    let mut api = nobody(t).await?;
    let key = t.target().papers.key_of(Need::ProviderKey)?;
    api.send(push_with(t, "bearer", &key.token(60))?)
        .await?
        .accepted()?;
    let reply = api.send(push_with(t, "bearer", &key.token(0))?).await?;
    reply.refused(429, "TooManyProviderTokenUpdates")
}
