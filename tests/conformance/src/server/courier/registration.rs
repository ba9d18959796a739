//! What apps are there, and which the user wants to hear of.

use super::super::Trial;
use super::as_phone;
use super::phone::{FILTER_TOPICS, Phone, RECEIVED, SCOPED_TOKEN, SCOPED_TOKEN_ACK, hash};
use crate::bytes::framed;
use crate::case::Basis::{Observed, OurChoice};
use crate::case::{Case, Failed, Need, ensure};
use crate::clause::Clause;

/// A topic that is no provider's.
const OTHER: &str = "com.example.conformance.other";

/// The cases.
pub(super) const CASES: &[Case<Trial>] = &[
    as_phone(
        "courier-device-token",
        "an app is given a device token, with which a provider reaches it",
        &[Clause::of("C-11"), Clause::of("C-10")],
        Observed,
        |t| Box::pin(device_token(t)),
    ),
    as_phone(
        "courier-device-token-per-app",
        "two apps have two device tokens",
        &[Clause::of("C-11")],
        Observed,
        |t| Box::pin(device_token_per_app(t)),
    ),
    as_phone(
        "courier-device-token-of-its-app-alone",
        "the device token of one app is unknown to the provider of another",
        &[Clause::of("C-11"), Clause::of("P-37")],
        Observed,
        |t| Box::pin(device_token_of_its_app_alone(t)),
    ),
    as_phone(
        "courier-teams-apart",
        "the device token of a phone that belongs to another team is unknown to the provider",
        &[Clause::of("C-01"), Clause::of("P-37")],
        OurChoice,
        |t| Box::pin(teams_apart(t)),
    )
    .needs(&[
        Need::Courier,
        Need::DeviceCertificate,
        Need::OtherTeamDeviceCertificate,
    ]),
    as_phone(
        "courier-device-token-for-another-base-token",
        "a phone that names another's base token is given no device token",
        &[Clause::of("C-11")],
        OurChoice,
        |t| {
            Box::pin(async move {
                let topic = t.target().topic()?;
                gets_none(t, Some(&[0xaa; 32]), topic, topic).await
            })
        },
    ),
    as_phone(
        "courier-device-token-for-another-topic",
        "an app whose topic is not the SHA-1 of its name is given no device token",
        &[Clause::of("C-11")],
        OurChoice,
        |t| Box::pin(async move { gets_none(t, None, OTHER, t.target().topic()?).await }),
    ),
    as_phone(
        "courier-ignored-topic",
        "what is sent to an app the phone ignores does not come, not even when it is wanted again",
        &[Clause::of("C-05")],
        Observed,
        |t| Box::pin(ignored_topic(t)),
    ),
    as_phone(
        "courier-newest-filter-counts",
        "a newer filter takes the place of the one before: what it does not name is ignored no more",
        &[Clause::of("C-05")],
        Observed,
        |t| Box::pin(newest_filter_counts(t)),
    ),
];

async fn device_token(t: &Trial) -> Result<(), Failed> {
    let (mut phone, token) = Phone::with_app(t).await?;
    let payload = t.payload();
    t.pushes(&framed(1, &token, &payload)).await?;
    let note = phone.receives(&payload).await?;
    phone.acknowledge(&note, RECEIVED).await
}

async fn device_token_per_app(t: &Trial) -> Result<(), Failed> {
    let (mut phone, token) = Phone::with_app(t).await?;
    let other = phone.install(OTHER).await?;
    ensure(token != other, || "they have the same".to_owned())
}

async fn device_token_of_its_app_alone(t: &Trial) -> Result<(), Failed> {
    let mut phone = Phone::connect(t).await?;
    let other = phone.install(OTHER).await?;
    t.refused(&framed(7, &other, &t.payload()), 8, 7).await
}

async fn teams_apart(t: &Trial) -> Result<(), Failed> {
    let topic = t.target().topic()?;
    let mut theirs = Phone::connect_as(t, Need::OtherTeamDeviceCertificate).await?;
    let token = theirs.install(topic).await?;
    t.refused(&framed(7, &token, &t.payload()), 8, 7).await?;
    theirs.is_served().await?;
    // The same app on a phone of ours.
    let (_ours, token) = Phone::with_app(t).await?;
    t.pushes(&framed(8, &token, &t.payload())).await
}

/// Registers an app under a base token, its own where there is none, and the SHA-1 of `topic`.
async fn gets_none(t: &Trial, base: Option<&[u8]>, topic: &str, app: &str) -> Result<(), Failed> {
    let mut phone = Phone::connect(t).await?;
    let own = phone.base.clone();
    let base = base.unwrap_or(&own);
    let fields: [(u8, &[u8]); 3] = [(1, base), (2, &hash(topic)), (3, app.as_bytes())];
    phone.say(SCOPED_TOKEN, &fields).await?;
    let answer = phone.expect(SCOPED_TOKEN_ACK).await?;
    ensure(answer.field(1).is_some_and(|status| status != [0]), || {
        format!("the status is {:02x?}", answer.field(1))
    })?;
    ensure(answer.field(2).is_none_or(<[u8]>::is_empty), || {
        "it was given one".to_owned()
    })
}

/// Sets the filter, and waits until it holds.
async fn filter(phone: &mut Phone<'_>, topics: &[(u8, &[u8])]) -> Result<(), Failed> {
    let base = phone.base.clone();
    let fields = [&[(1, base.as_slice())], topics].concat();
    phone.say(FILTER_TOPICS, &fields).await?;
    phone.is_served().await
}

async fn ignored_topic(t: &Trial) -> Result<(), Failed> {
    let (mut phone, token) = Phone::with_app(t).await?;
    let topic = hash(t.target().topic()?);
    filter(&mut phone, &[(3, &topic)]).await?;
    t.pushes(&framed(1, &token, &t.payload())).await?;
    filter(&mut phone, &[(2, &topic)]).await?;
    comes_next(t, &mut phone, &token).await?;
    // Nor when it comes back.
    phone.hang_up().await?;
    phone.comes_back().await?;
    filter(&mut phone, &[(2, &topic)]).await?;
    comes_next(t, &mut phone, &token).await
}

async fn newest_filter_counts(t: &Trial) -> Result<(), Failed> {
    let (mut phone, token) = Phone::with_app(t).await?;
    let (topic, other) = (hash(t.target().topic()?), hash(OTHER));
    filter(&mut phone, &[(3, &topic), (3, &other)]).await?;
    filter(&mut phone, &[(3, &other)]).await?;
    comes_next(t, &mut phone, &token).await
}

/// Expects what is sent now to be the next that comes.
async fn comes_next(t: &Trial, phone: &mut Phone<'_>, token: &[u8]) -> Result<(), Failed> {
    let payload = t.payload();
    t.pushes(&framed(1, token, &payload)).await?;
    let note = phone.receives(&payload).await?;
    phone.acknowledge(&note, RECEIVED).await
}
