//! The connection: ALPN, settings, streams, and who is turned away.

use data_encoding::HEXLOWER;

use super::super::Trial;
use super::super::target::Port;
use super::frames::{Frame, Frames, GOAWAY, HEADERS, RST_STREAM, SETTINGS};
use super::push;
use crate::case::Basis::{AppleSays, Observed, OurChoice};
use crate::case::{Case, Failed, Need, ensure};
use crate::clause::Clause;
use crate::link::{Hello, Login, NoLink};

/// Settings and errors of RFC 9113.
const MAX_CONCURRENT_STREAMS: u16 = 3;
const MAX_HEADER_LIST_SIZE: u16 = 6;
const NO_ERROR: u32 = 0;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;

/// The cases.
pub(super) const CASES: &[Case<Trial>] = &[
    push(
        "http2-alpn",
        "a client that offers h2 gets h2",
        &[Clause::of("H-01")],
        AppleSays,
        |t| Box::pin(alpn(t)),
    ),
    push(
        "http2-without-alpn",
        "a client that offers no protocol is served as HTTP/2",
        &[Clause::of("H-01")],
        Observed,
        |t| Box::pin(without_alpn(t)),
    ),
    push(
        "http2-other-alpn",
        "a client that offers other protocols only is not served as HTTP/2",
        &[Clause::of("H-01")],
        OurChoice,
        |t| Box::pin(other_alpn(t)),
    ),
    push(
        "http2-many-requests",
        "a connection takes one request after the other",
        &[Clause::of("H-02")],
        AppleSays,
        |t| Box::pin(many_requests(t)),
    ),
    push(
        "http2-refusal-leaves-the-connection",
        "a refused request does not close the connection",
        &[Clause::of("H-02")],
        AppleSays,
        |t| Box::pin(refusal_leaves_the_connection(t)),
    ),
    push(
        "http2-idle-connection-stays",
        "a connection that is idle between two requests stays open",
        &[Clause::of("H-02")],
        AppleSays,
        |t| Box::pin(idle_connection_stays(t)),
    ),
    push(
        "http2-request-not-completed",
        "a request that is not complete in time is reset with CANCEL, and the connection stays",
        &[Clause::of("H-02")],
        OurChoice,
        |t| Box::pin(request_not_completed(t)),
    )
    .needs(&[Need::Http2, Need::GoodToken, Need::FrameTimeout]),
    push(
        "http2-host-without-authority",
        "a request with host and without :authority is served",
        &[Clause::of("H-03")],
        Observed,
        |t| Box::pin(host_without_authority(t)),
    ),
    push(
        "http2-settings",
        "with a certificate many streams may be open, and headers have 8,000 bytes at most",
        &[Clause::of("H-04")],
        Observed,
        |t| Box::pin(settings(t)),
    ),
    push(
        "http2-one-stream-without-a-login",
        "without a certificate one stream may be open until a provider token was seen",
        &[Clause::of("H-04")],
        AppleSays,
        |t| Box::pin(one_stream_without_a_login(t)),
    ),
    push(
        "http2-streams-after-a-token",
        "behind the answer to the first valid provider token the limit of one stream is raised",
        &[Clause::of("H-04")],
        AppleSays,
        |t| Box::pin(streams_after_a_token(t)),
    )
    .needs(&[Need::Http2, Need::GoodToken, Need::ProviderKey]),
    push(
        "http2-stream-too-many",
        "a second stream where one may be open is reset with REFUSED_STREAM",
        &[Clause::of("H-04")],
        OurChoice,
        |t| Box::pin(stream_too_many(t)),
    ),
    push(
        "http2-headers-too-long",
        "headers of more than 8,000 bytes are answered 431",
        &[Clause::of("H-04")],
        OurChoice,
        |t| Box::pin(headers_too_long(t)),
    ),
    push(
        "http2-certificate-of-the-other-environment",
        "a certificate of the other environment gets a handshake, and a GOAWAY that says BadCertificateEnvironment",
        &[Clause::of("H-05")],
        Observed,
        |t| Box::pin(other_environment(t)),
    )
    .needs(&[Need::Http2, Need::OtherEnvironmentCertificate]),
    push(
        "http2-expired-certificate",
        "an expired certificate gets no answer",
        &[Clause::of("H-05"), Clause::of("P-06")],
        Observed,
        |t| Box::pin(expired_certificate(t)),
    )
    .needs(&[Need::Http2, Need::ExpiredCertificate]),
];

async fn alpn(t: &Trial) -> Result<(), Failed> {
    let link = t
        .connect_to(
            Port::Http2,
            &Hello::offering(&["h2", "http/1.1"], &t.target().papers.login),
        )
        .await
        .map_err(|error| Failed(error.to_string()))?;
    ensure(link.protocol() == Some(b"h2"), || {
        format!(
            "ALPN chose {:?}",
            link.protocol().map(String::from_utf8_lossy)
        )
    })
}

async fn without_alpn(t: &Trial) -> Result<(), Failed> {
    let mut frames = Frames::connect(t, &t.target().papers.login, &[]).await?;
    request(t, &mut frames, 1, (":authority", "api.push.apple.com")).await?;
    frames.find("200", Frame::is_200).await.map(|_| ())
}

async fn other_alpn(t: &Trial) -> Result<(), Failed> {
    let hello = Hello::offering(&["http/1.1"], &t.target().papers.login);
    match t.connect_to(Port::Http2, &hello).await {
        Err(NoLink::Refused(_)) => Ok(()),
        Err(error) => Err(Failed(error.to_string())),
        Ok(link) => ensure(link.protocol() == Some(b"http/1.1"), || {
            "the handshake succeeded, and no protocol was chosen".to_owned()
        }),
    }
}

async fn many_requests(t: &Trial) -> Result<(), Failed> {
    let mut api = t.api().await?;
    for _ in 0..20 {
        api.send(t.push()?).await?.accepted()?;
    }
    Ok(())
}

async fn refusal_leaves_the_connection(t: &Trial) -> Result<(), Failed> {
    let mut api = t.api().await?;
    let bad = t.push()?.with("apns-priority", "7");
    api.send(bad).await?.refused(400, "BadPriority")?;
    api.send(t.push()?).await?.accepted()
}

async fn idle_connection_stays(t: &Trial) -> Result<(), Failed> {
    let mut frames = Frames::connect(t, &t.target().papers.login, &["h2"]).await?;
    request(t, &mut frames, 1, (":authority", "api.push.apple.com")).await?;
    frames.find("200", Frame::is_200).await?;
    frames.quiet(t.target().quiet).await?;
    request(t, &mut frames, 3, (":authority", "api.push.apple.com")).await?;
    frames.find("200", Frame::is_200).await.map(|_| ())
}

async fn request_not_completed(t: &Trial) -> Result<(), Failed> {
    let time = t.target().frame_timeout.unwrap_or_default();
    let frames = Frames::connect(t, &t.target().papers.login, &["h2"]).await?;
    let mut frames = frames.waiting(time);
    let path = format!("/3/device/{}", HEXLOWER.encode(t.good()?));
    let headers = [
        (":method", "POST"),
        (":scheme", "https"),
        (":path", &*path),
        (":authority", "api.push.apple.com"),
        ("apns-topic", t.target().topic()?),
    ];
    frames.request(1, &headers, None).await?;
    let reset = |frame: &Frame| {
        frame.kind == RST_STREAM && frame.stream == 1 && frame.payload == CANCEL.to_be_bytes()
    };
    frames
        .find("RST_STREAM with CANCEL for stream 1", reset)
        .await?;
    request(t, &mut frames, 3, (":authority", "api.push.apple.com")).await?;
    frames.find("200", Frame::is_200).await.map(|_| ())
}

async fn host_without_authority(t: &Trial) -> Result<(), Failed> {
    let mut frames = Frames::connect(t, &t.target().papers.login, &["h2"]).await?;
    request(t, &mut frames, 1, ("host", "api.push.apple.com")).await?;
    frames.find("200", Frame::is_200).await.map(|_| ())
}

/// A push to a good token; `place` says in one of two ways where the server is.
async fn request(
    t: &Trial,
    frames: &mut Frames,
    stream: u32,
    place: (&str, &str),
) -> Result<(), Failed> {
    let path = format!("/3/device/{}", HEXLOWER.encode(t.good()?));
    let headers = [
        (":method", "POST"),
        (":scheme", "https"),
        (":path", &path),
        place,
        ("apns-topic", t.target().topic()?),
    ];
    frames.request(stream, &headers, Some(&t.payload())).await
}

async fn settings(t: &Trial) -> Result<(), Failed> {
    let settings = first_settings(t, &t.target().papers.login).await?.1;
    let value = |id| settings.iter().rev().find(|(of, _)| *of == id);
    ensure(
        value(MAX_CONCURRENT_STREAMS).is_none_or(|(_, streams)| *streams >= 100),
        || format!("the settings {settings:?} allow few streams"),
    )?;
    ensure(
        value(MAX_HEADER_LIST_SIZE).is_some_and(|(_, len)| *len == 8_000),
        || format!("the settings {settings:?} do not say 8,000 bytes of headers"),
    )
}

async fn one_stream_without_a_login(t: &Trial) -> Result<(), Failed> {
    let settings = first_settings(t, &Login::Nobody).await?.1;
    ensure(settings.contains(&(MAX_CONCURRENT_STREAMS, 1)), || {
        format!("the settings {settings:?} do not say one stream")
    })
}

async fn streams_after_a_token(t: &Trial) -> Result<(), Failed> {
    let (mut frames, _) = first_settings(t, &Login::Nobody).await?;
    let path = format!("/3/device/{}", HEXLOWER.encode(t.good()?));
    let authorization = format!(
        "bearer {}",
        t.target().papers.key_of(Need::ProviderKey)?.token(0)
    );
    let headers = [
        (":method", "POST"),
        (":scheme", "https"),
        (":path", &path),
        (":authority", "api.push.apple.com"),
        ("apns-topic", t.target().topic()?),
        ("authorization", &authorization),
    ];
    frames.request(1, &headers, Some(&t.payload())).await?;
    let raised = |frame: &Frame| {
        let mut settings = frame.settings().into_iter();
        frame.kind == SETTINGS
            && settings.any(|(id, value)| id == MAX_CONCURRENT_STREAMS && value > 1)
    };
    frames
        .find("SETTINGS with more than one stream", raised)
        .await
        .map(|_| ())
}

async fn stream_too_many(t: &Trial) -> Result<(), Failed> {
    let (mut frames, _) = first_settings(t, &Login::Nobody).await?;
    let path = format!("/3/device/{}", HEXLOWER.encode(t.good()?));
    let headers = [
        (":method", "POST"),
        (":scheme", "https"),
        (":path", &*path),
        (":authority", "api.push.apple.com"),
    ];
    for stream in [1, 3] {
        frames.request(stream, &headers, None).await?;
    }
    let reset = |frame: &Frame| {
        frame.kind == RST_STREAM
            && frame.stream == 3
            && frame.payload == REFUSED_STREAM.to_be_bytes()
    };
    frames
        .find("RST_STREAM with REFUSED_STREAM for stream 3", reset)
        .await
        .map(|_| ())
}

/// A connection whose SETTINGS have been seen and acknowledged, and what they said.
async fn first_settings(t: &Trial, login: &Login) -> Result<(Frames, Vec<(u16, u32)>), Failed> {
    let mut frames = Frames::connect(t, login, &["h2"]).await?;
    let first = frames
        .find("SETTINGS", |frame| {
            frame.kind == SETTINGS && !frame.payload.is_empty()
        })
        .await?;
    let settings = first.settings();
    Ok((frames, settings))
}

async fn headers_too_long(t: &Trial) -> Result<(), Failed> {
    let push = t.push()?.with("x-long", "x".repeat(8_000));
    let reply = t.api().await?.send(push).await?;
    ensure(reply.status.as_u16() == 431, || {
        format!("expected 431: the server answered {reply}")
    })
}

async fn other_environment(t: &Trial) -> Result<(), Failed> {
    let login = t
        .target()
        .papers
        .login_of(Need::OtherEnvironmentCertificate)?;
    let mut frames = Frames::connect(t, login, &["h2"]).await?;
    let farewell = frames
        .find("GOAWAY", |frame| matches!(frame.kind, GOAWAY | HEADERS))
        .await?;
    ensure(farewell.kind == GOAWAY, || "it was served".to_owned())?;
    let (numbers, words) = farewell.payload.split_at_checked(8).unwrap_or_default();
    let expected = [0_u32.to_be_bytes(), NO_ERROR.to_be_bytes()].concat();
    ensure(numbers == expected, || {
        format!("last stream and error are {}", HEXLOWER.encode(numbers))
    })?;
    let words = String::from_utf8_lossy(words);
    ensure(words.contains("\"BadCertificateEnvironment\""), || {
        format!("GOAWAY says {words:?}")
    })
}

async fn expired_certificate(t: &Trial) -> Result<(), Failed> {
    let login = t.target().papers.login_of(Need::ExpiredCertificate)?;
    let hello = Hello::offering(&["h2"], login);
    match t.connect_to(Port::Http2, &hello).await {
        Err(NoLink::Refused(_)) => return Ok(()),
        Err(error) => return Err(Failed(error.to_string())),
        Ok(_) => {}
    }
    // With TLS 1.3 the alert comes behind the handshake.
    let mut frames = Frames::connect(t, login, &["h2"]).await?;
    match frames.find("an end", |_| true).await {
        Err(_) => Ok(()),
        Ok(frame) => Err(Failed(format!("a frame of type {} came", frame.kind))),
    }
}
