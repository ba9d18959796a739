//! Who pushes: certificates and provider tokens.

use std::time::Duration;

use tokio::time::{Instant, interval};

use super::super::Trial;
use super::client::{Api, Push, Reply};
use super::{WITH_KEY, push};
use crate::case::Basis::{AppleSays, Observed, OurChoice};
use crate::case::{Case, Failed, Need, ensure};
use crate::clause::Clause;
use crate::link::Login;

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
    push(
        "http2-provider-token-replaced-when-expired",
        "a provider token that has expired may be replaced at any time",
        &[Clause::of("H-22")],
        OurChoice,
        |t| Box::pin(replaced_when_expired(t)),
    )
    .needs(WITH_KEY),
    push(
        "http2-provider-token-of-an-unrelated-team",
        "a second provider token of another team is answered 403 UnrelatedKeyIdInToken",
        &[Clause::of("H-22")],
        AppleSays,
        |t| Box::pin(async move { second(t, Need::OtherTeamKey, "UnrelatedKeyIdInToken").await }),
    )
    .needs(&[Need::Http2, Need::GoodToken, Need::ProviderKey, Need::OtherTeamKey]),
    push(
        "http2-provider-token-of-an-unrelated-scope",
        "a second provider token of a key for some topics, behind one for all, is answered 403 UnrelatedKeyIdInToken",
        &[Clause::of("H-22")],
        OurChoice,
        |t| Box::pin(async move { second(t, Need::LimitedKey, "UnrelatedKeyIdInToken").await }),
    )
    .needs(&[Need::Http2, Need::GoodToken, Need::ProviderKey, Need::LimitedKey]),
    push(
        "http2-provider-token-of-the-other-environment",
        "a provider token of a key for the other environment is answered 403 BadEnvironmentKeyIdInToken",
        &[Clause::of("H-22")],
        OurChoice,
        |t| Box::pin(async move {
            let token = t.target().papers.key_of(Need::OtherEnvironmentKey)?.token(0);
            with_token(t, "bearer", &token).await?.refused(403, "BadEnvironmentKeyIdInToken")
        }),
    )
    .needs(&[Need::Http2, Need::GoodToken, Need::OtherEnvironmentKey]),
    push(
        "http2-certificate-without-a-topic",
        "a certificate without a topic is let in, and every push answered 403 BadCertificate",
        &[Clause::of("H-20")],
        OurChoice,
        |t| Box::pin(certificate_without_a_topic(t)),
    )
    .needs(&[Need::Http2, Need::GoodToken, Need::TopiclessCertificate]),
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

async fn replaced_when_expired(t: &Trial) -> Result<(), Failed> {
    let mut api = nobody(t).await?;
    let key = t.target().papers.key_of(Need::ProviderKey)?;
    let (old, new) = (key.token(HOUR - 1), key.token(0));
    api.send(push_with(t, "bearer", &old)?).await?.accepted()?;
    let deadline = Instant::now() + t.target().timeout;
    let mut pause = interval(Duration::from_millis(200));
    loop {
        pause.tick().await;
        let reply = api.send(push_with(t, "bearer", &old)?).await?;
        if reply.status.as_u16() != 200 {
            reply.refused(403, "ExpiredProviderToken")?;
            break;
        }
        ensure(Instant::now() < deadline, || {
            "a token of more than an hour is still good".to_owned()
        })?;
    }
    api.send(push_with(t, "bearer", &new)?).await?.accepted()
}

/// Expects a token of another key to be refused behind one of the suite's own.
async fn second(t: &Trial, other: Need, reason: &str) -> Result<(), Failed> {
    let mut api = nobody(t).await?;
    let papers = &t.target().papers;
    let own = papers.key_of(Need::ProviderKey)?.token(0);
    api.send(push_with(t, "bearer", &own)?).await?.accepted()?;
    let other = papers.key_of(other)?.token(0);
    let reply = api.send(push_with(t, "bearer", &other)?).await?;
    reply.refused(403, reason)
}

async fn certificate_without_a_topic(t: &Trial) -> Result<(), Failed> {
    let login = t.target().papers.login_of(Need::TopiclessCertificate)?;
    let mut api = Api::connect(t, login).await?;
    for _ in 0..2 {
        let reply = api.send(t.push()?).await?;
        reply.refused(403, "BadCertificate")?;
    }
    Ok(())
}
