//! Notifications: what they carry, when they are kept, when they are done with.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::super::{Trial, feedback};
use super::as_phone;
use super::phone::{ACK, APP_GONE, Frame, NOTIFICATION, Phone, RECEIVED, hash};
use crate::bytes::{enhanced, frame, framed, item};
use crate::case::Basis::{AppleSays, Observed, OurChoice};
use crate::case::{Case, Failed, Lane, Need, ensure};
use crate::clause::Clause;

/// How far the clocks of the server and of this machine may be apart.
const CLOCKS_APART: Duration = Duration::from_secs(3600);

/// How long the notification lives that is to expire.
const SHORT: u64 = 1;

/// The cases.
pub(super) const CASES: &[Case<Trial>] = &[
    as_phone(
        "courier-notification",
        "a notification has the device token, the topic, the payload and a message id",
        &[Clause::of("C-06")],
        Observed,
        |t| Box::pin(notification(t)),
    ),
    as_phone(
        "courier-notification-says-what-the-provider-said",
        "expiry and priority of a notification, where they are there, are the provider's, and its time is that of its acceptance",
        &[Clause::of("C-06")],
        Observed,
        |t| Box::pin(says_what_the_provider_said(t)),
    ),
    as_phone(
        "courier-notification-over-http2",
        "a notification that came over HTTP/2 has its push type and its collapse id",
        &[Clause::of("C-06"), Clause::of("H-15"), Clause::of("H-16")],
        OurChoice,
        |t| Box::pin(over_http2(t)),
    )
    .needs(&[Need::Courier, Need::DeviceCertificate, Need::Http2]),
    as_phone(
        "courier-stored-notifications-are-marked",
        "of what was stored the last is marked 2 and the others 1; what was not stored has no mark",
        &[Clause::of("C-06")],
        Observed,
        |t| Box::pin(stored_are_marked(t)),
    )
    .needs(&[
        Need::Courier,
        Need::DeviceCertificate,
        Need::OtherTopicCertificate,
    ]),
    as_phone(
        "courier-acknowledged-is-done-with",
        "what a phone has acknowledged does not come again",
        &[Clause::of("C-07"), Clause::of("C-17")],
        Observed,
        |t| Box::pin(acknowledged_is_done_with(t)),
    ),
    as_phone(
        "courier-acknowledgement-with-a-token",
        "an acknowledgement may name the device token",
        &[Clause::of("C-07")],
        Observed,
        |t| Box::pin(acknowledged_with_a_token(t)),
    ),
    as_phone(
        "courier-app-gone",
        "a phone that answers 3 does not have the app: its token is on the feedback list",
        &[Clause::of("C-08"), Clause::of("P-54")],
        OurChoice,
        |t| Box::pin(app_gone(t)),
    )
    .needs(&[Need::Courier, Need::DeviceCertificate, Need::Feedback])
    .lanes(&[Lane::Feedback, Lane::Phone]),
    as_phone(
        "courier-newest-is-kept",
        "of several notifications to an app on a phone that is offline the newest is kept, and comes when the phone does",
        &[Clause::of("C-12")],
        AppleSays,
        |t| Box::pin(newest_is_kept(t)),
    ),
    as_phone(
        "courier-kept-until-its-expiry",
        "a notification that expires later is kept for a phone that is offline",
        &[Clause::of("C-13"), Clause::of("C-12")],
        AppleSays,
        |t| Box::pin(kept_until_its_expiry(t)),
    ),
    as_phone(
        "courier-expired-is-dropped",
        "a notification that has expired while the phone was offline does not come",
        &[Clause::of("C-13")],
        AppleSays,
        |t| Box::pin(expired_is_dropped(t)),
    ),
    as_phone(
        "courier-not-to-be-stored",
        "an expiry of 0, or in the past, is not kept for a phone that is offline",
        &[Clause::of("C-13"), Clause::of("P-22")],
        AppleSays,
        |t| Box::pin(not_to_be_stored(t)),
    ),
    as_phone(
        "courier-every-one-comes-to-a-phone-that-is-online",
        "a phone that is connected gets every notification, acknowledged or not",
        &[Clause::of("C-14")],
        AppleSays,
        |t| Box::pin(every_one_comes(t)),
    ),
    as_phone(
        "courier-sent-is-not-received",
        "what was sent and not acknowledged comes again",
        &[Clause::of("C-17")],
        Observed,
        |t| Box::pin(sent_is_not_received(t)),
    ),
    as_phone(
        "courier-sent-and-not-to-be-stored",
        "what was sent, not acknowledged and is not to be stored does not come again",
        &[Clause::of("C-17")],
        OurChoice,
        |t| Box::pin(sent_and_not_to_be_stored(t)),
    ),
];

/// Command 2 with an expiry.
fn until(expiry: i32, token: &[u8], payload: &[u8]) -> Vec<u8> {
    frame(&[
        item(1, token),
        item(2, payload),
        item(4, &expiry.to_be_bytes()),
    ])
}

/// Seconds since 1970, so many from now.
fn in_seconds(seconds: u64) -> Result<i32, Failed> {
    i32::try_from(now().as_secs() + seconds)
        .map_err(|_| Failed::because("there is no expiry after 2038"))
}

fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// The next notification is this one; it is acknowledged.
async fn takes(phone: &mut Phone<'_>, payload: &[u8]) -> Result<Frame, Failed> {
    let note = phone.receives(payload).await?;
    phone.acknowledge(&note, RECEIVED).await?;
    Ok(note)
}

/// Expects nothing to be on its way: what is sent now is the next that comes.
async fn nothing_else_comes(t: &Trial, phone: &mut Phone<'_>, token: &[u8]) -> Result<(), Failed> {
    let payload = t.payload();
    t.pushes(&framed(1, token, &payload)).await?;
    takes(phone, &payload).await.map(|_| ())
}

async fn notification(t: &Trial) -> Result<(), Failed> {
    let (mut phone, token) = Phone::with_app(t).await?;
    let payload = t.payload();
    t.pushes(&framed(7, &token, &payload)).await?;
    let note = takes(&mut phone, &payload).await?;
    note.says(1, &token)?;
    note.says(2, &hash(t.target().topic()?))?;
    let id = note.field(4).unwrap_or_default();
    ensure(id.len() == 4, || format!("the message id is {id:02x?}"))
}

async fn says_what_the_provider_said(t: &Trial) -> Result<(), Failed> {
    let (mut phone, token) = Phone::with_app(t).await?;
    let (payload, expiry) = (t.payload(), in_seconds(7200)?.to_be_bytes());
    let items = [
        item(1, &token),
        item(2, &payload),
        item(4, &expiry),
        item(5, &[5]),
    ];
    t.pushes(&frame(&items)).await?;
    let note = takes(&mut phone, &payload).await?;
    for (id, said) in [(5, &expiry[..]), (0x0d, &[5])] {
        if note.field(id).is_some() {
            note.says(id, said)?;
        }
    }
    let Some(time) = note.field(6) else {
        return Ok(());
    };
    let time = time.first_chunk::<8>().filter(|_| time.len() == 8);
    let taken = time.map(|nanoseconds| Duration::from_nanos(u64::from_be_bytes(*nanoseconds)));
    ensure(
        taken.is_some_and(|taken| now().abs_diff(taken) < CLOCKS_APART),
        || format!("the time of acceptance is {taken:?} since 1970"),
    )
}

async fn over_http2(t: &Trial) -> Result<(), Failed> {
    let (mut phone, token) = Phone::with_app(t).await?;
    let payload = t.payload();
    let push = t.push_of(&token, payload.clone())?;
    let push = push
        .with("apns-push-type", "alert")
        .with("apns-collapse-id", "a game");
    t.takes(push).await?;
    let note = takes(&mut phone, &payload).await?;
    note.says(0x1c, b"alert")?;
    note.says(0x20, b"a game")
}

async fn stored_are_marked(t: &Trial) -> Result<(), Failed> {
    let (mut phone, token) = Phone::with_app(t).await?;
    let login = t.target().papers.login_of(Need::OtherTopicCertificate)?;
    let topic = login
        .topic()
        .ok_or_else(|| Failed::because("--other-topic-cert has no UID"))?;
    let other = phone.install(&topic).await?;
    phone.hang_up().await?;
    let payloads = [t.payload(), t.payload()];
    t.pushes(&framed(1, &token, &payloads[0])).await?;
    t.pushes_as(login, &framed(1, &other, &payloads[1])).await?;
    phone.comes_back().await?;
    let mut marks = Vec::new();
    for _ in &payloads {
        let note = phone.expect(NOTIFICATION).await?;
        phone.acknowledge(&note, RECEIVED).await?;
        marks.push(note.field(7).map(<[u8]>::to_vec));
    }
    ensure(marks == [Some(vec![1]), Some(vec![2])], || {
        format!("they are marked {marks:02x?}")
    })?;
    let payload = t.payload();
    t.pushes(&framed(2, &token, &payload)).await?;
    let note = takes(&mut phone, &payload).await?;
    ensure(note.field(7).is_none(), || {
        format!("what was not stored is marked {:02x?}", note.field(7))
    })
}

async fn acknowledged_is_done_with(t: &Trial) -> Result<(), Failed> {
    let (mut phone, token) = Phone::with_app(t).await?;
    nothing_else_comes(t, &mut phone, &token).await?;
    phone.hang_up().await?;
    phone.comes_back().await?;
    nothing_else_comes(t, &mut phone, &token).await
}

async fn acknowledged_with_a_token(t: &Trial) -> Result<(), Failed> {
    let (mut phone, token) = Phone::with_app(t).await?;
    let payload = t.payload();
    t.pushes(&framed(1, &token, &payload)).await?;
    let note = phone.receives(&payload).await?;
    let id = note.field(4).unwrap_or_default();
    phone
        .say(ACK, &[(1, &token), (4, id), (8, &[RECEIVED])])
        .await?;
    phone.hang_up().await?;
    phone.comes_back().await?;
    nothing_else_comes(t, &mut phone, &token).await
}

async fn app_gone(t: &Trial) -> Result<(), Failed> {
    let (mut phone, token) = Phone::with_app(t).await?;
    let payload = t.payload();
    t.pushes(&framed(1, &token, &payload)).await?;
    let note = phone.receives(&payload).await?;
    phone.acknowledge(&note, APP_GONE).await?;
    phone.is_served().await?;
    feedback::listed(t, &token).await.map(|_| ())
}

async fn newest_is_kept(t: &Trial) -> Result<(), Failed> {
    let (mut phone, token) = Phone::with_app(t).await?;
    phone.hang_up().await?;
    let newest = t.payload();
    let frames = [
        framed(1, &token, &t.payload()),
        enhanced(2, i32::MAX, &token, &t.payload()),
        framed(3, &token, &newest),
    ];
    t.pushes(&frames.concat()).await?;
    phone.comes_back().await?;
    takes(&mut phone, &newest).await?;
    nothing_else_comes(t, &mut phone, &token).await
}

async fn kept_until_its_expiry(t: &Trial) -> Result<(), Failed> {
    let (mut phone, token) = Phone::with_app(t).await?;
    phone.hang_up().await?;
    let payload = t.payload();
    t.pushes(&until(in_seconds(7200)?, &token, &payload))
        .await?;
    phone.comes_back().await?;
    takes(&mut phone, &payload).await.map(|_| ())
}

async fn expired_is_dropped(t: &Trial) -> Result<(), Failed> {
    let (mut phone, token) = Phone::with_app(t).await?;
    phone.hang_up().await?;
    let expiry = in_seconds(SHORT)?;
    t.pushes(&until(expiry, &token, &t.payload())).await?;
    t.until(UNIX_EPOCH + Duration::from_secs(u64::from(expiry.unsigned_abs()) + 1))
        .await;
    phone.comes_back().await?;
    nothing_else_comes(t, &mut phone, &token).await
}

async fn not_to_be_stored(t: &Trial) -> Result<(), Failed> {
    let (mut phone, token) = Phone::with_app(t).await?;
    phone.hang_up().await?;
    for expiry in [0, -1, 86_400] {
        t.pushes(&until(expiry, &token, &t.payload())).await?;
    }
    phone.comes_back().await?;
    nothing_else_comes(t, &mut phone, &token).await
}

async fn every_one_comes(t: &Trial) -> Result<(), Failed> {
    let (mut phone, token) = Phone::with_app(t).await?;
    let payloads = [t.payload(), t.payload(), t.payload()];
    let frames = payloads.iter().map(|payload| framed(1, &token, payload));
    t.pushes(&frames.collect::<Vec<_>>().concat()).await?;
    let mut notes = Vec::new();
    for _ in &payloads {
        notes.push(phone.expect(NOTIFICATION).await?);
    }
    for note in &notes {
        phone.acknowledge(note, RECEIVED).await?;
    }
    let came = |payload: &&Vec<u8>| notes.iter().any(|note| note.field(3) == Some(payload));
    let missing = payloads.iter().filter(|payload| !came(payload)).count();
    ensure(missing == 0, || format!("{missing} of them did not come"))
}

async fn sent_is_not_received(t: &Trial) -> Result<(), Failed> {
    let (mut phone, token) = Phone::with_app(t).await?;
    let payload = t.payload();
    t.pushes(&framed(1, &token, &payload)).await?;
    phone.receives(&payload).await?;
    phone.hang_up().await?;
    phone.comes_back().await?;
    takes(&mut phone, &payload).await?;
    nothing_else_comes(t, &mut phone, &token).await
}

async fn sent_and_not_to_be_stored(t: &Trial) -> Result<(), Failed> {
    let (mut phone, token) = Phone::with_app(t).await?;
    let payload = t.payload();
    t.pushes(&until(0, &token, &payload)).await?;
    phone.receives(&payload).await?;
    phone.hang_up().await?;
    phone.comes_back().await?;
    nothing_else_comes(t, &mut phone, &token).await
}
