//! Chapter 1: the connection, and how it is cut.

use tokio_rustls::rustls::version::{TLS12, TLS13};

use super::target::Port;
use super::{Trial, case};
use crate::bytes::{enhanced, framed, simple};
use crate::case::Basis::{AppleSays, Observed, OurChoice};
use crate::case::{Case, Failed, Need, Profile, ensure};
use crate::clause::Clause;
use crate::link::{Answer, Heard, Hello, NoLink, Tickets};
use crate::observer::Environment;

/// The cases.
pub(super) const CASES: &[Case<Trial>] = &[
    case(
        "frame-in-records-of-one-byte",
        "a frame whose bytes come in a TLS record each is one notification",
        &[Clause::of("P-08")],
        Observed,
        |t| Box::pin(frame_in_records_of_one_byte(t)),
    )
    .needs(&[Need::GoodToken]),
    case(
        "frame-in-segments-of-one-byte",
        "a frame whose TLS record comes in TCP segments of one byte is one notification",
        &[Clause::of("P-08")],
        Observed,
        |t| Box::pin(frame_in_segments_of_one_byte(t)),
    )
    .needs(&[Need::GoodToken]),
    case(
        "commands-mixed-in-one-write",
        "notifications of all three commands may follow each other in one write",
        &[Clause::of("P-08")],
        AppleSays,
        |t| Box::pin(commands_mixed_in_one_write(t)),
    )
    .needs(&[Need::GoodToken]),
    case(
        "many-notifications-in-one-write",
        "many notifications in one write are all accepted",
        &[Clause::of("P-08")],
        AppleSays,
        |t| Box::pin(many_notifications_in_one_write(t)),
    )
    .needs(&[Need::GoodToken]),
    case(
        "idle-connection-stays",
        "a connection that is idle between two notifications stays open",
        &[Clause::of("P-07")],
        AppleSays,
        |t| Box::pin(idle_connection_stays(t)),
    )
    .needs(&[Need::GoodToken]),
    case(
        "half-close-after-sending",
        "a client that has closed its side still gets the answer to what it sent before",
        &[Clause::of("P-45")],
        Observed,
        |t| Box::pin(half_close_after_sending(t)),
    )
    .only(&[Profile::Apple]),
    case(
        "reset-of-one-leaves-the-others",
        "a connection that is reset in the middle of a frame does not disturb another",
        &[Clause::of("P-08")],
        Observed,
        |t| Box::pin(reset_of_one_leaves_the_others(t)),
    )
    .needs(&[Need::GoodToken]),
    case(
        "frame-in-records-of-any-length",
        "frames that are cut into TLS records anywhere are the same frames",
        &[Clause::of("P-08")],
        Observed,
        |t| Box::pin(frames_in_records_of_any_length(t)),
    )
    .needs(&[Need::GoodToken]),
    case(
        "write-and-close",
        "everything is delivered of a client that writes and closes at once",
        &[Clause::of("P-45")],
        Observed,
        |t| Box::pin(write_and_close(t)),
    )
    .needs(&[Need::GoodToken, Need::Observer]),
    case(
        "no-sni-no-alpn",
        "a client that sends neither SNI nor ALPN is served",
        &[Clause::of("P-04")],
        Observed,
        // No connection of this suite to this port sends either.
        |t| Box::pin(async move { t.refused(&framed(7, &[], &t.payload()), 2, 7).await }),
    ),
    case(
        "any-server-name",
        "a client that asks for a server name that nobody has is served",
        &[Clause::of("P-04")],
        OurChoice,
        |t| Box::pin(any_server_name(t)),
    ),
    case(
        "apple-server-name",
        "a client that asks for the name of Apple's host for this environment is served",
        &[Clause::of("P-04")],
        OurChoice,
        |t| Box::pin(apple_server_name(t)),
    )
    .needs(&[Need::Environment]),
    case(
        "certificate-requested",
        "the server asks for a certificate",
        &[Clause::of("P-04"), Clause::of("P-02")],
        Observed,
        |t| Box::pin(async move { issuers(t).await.map(|_| ()) }),
    ),
    case(
        "acceptable-issuers-empty",
        "the server names no acceptable issuers when it asks for a certificate",
        &[Clause::of("P-04")],
        OurChoice,
        |t| Box::pin(acceptable_issuers_empty(t)),
    ),
    case(
        "tls-1-2",
        "a client that speaks TLS 1.2 at most is served",
        &[Clause::of("P-03")],
        OurChoice,
        |t| Box::pin(tls_1_2(t)),
    ),
    case(
        "no-tickets-in-tls-1-3",
        "a server that speaks TLS 1.3 sends no session tickets",
        &[Clause::of("P-03")],
        OurChoice,
        |t| Box::pin(no_tickets_in_tls_1_3(t)),
    ),
    case(
        "parallel-connections",
        "a client may have many connections at the same time",
        &[Clause::of("P-07")],
        AppleSays,
        |t| Box::pin(parallel_connections(t)),
    )
    .needs(&[Need::GoodToken]),
];

async fn frame_in_records_of_one_byte(t: &Trial) -> Result<(), Failed> {
    let frame = framed(1, t.good()?, &t.payload());
    let mut link = t.connect().await?;
    link.send_in_records(frame.chunks(1)).await?;
    t.all_accepted(&mut link).await
}

async fn frame_in_segments_of_one_byte(t: &Trial) -> Result<(), Failed> {
    let frame = framed(1, t.good()?, &t.payload());
    let mut link = t.connect().await?;
    link.cut_into_segments_of(1);
    link.send(&frame).await?;
    t.all_accepted(&mut link).await
}

async fn commands_mixed_in_one_write(t: &Trial) -> Result<(), Failed> {
    let token = t.good()?;
    let frames = [
        simple(token, &t.payload()),
        framed(2, token, &t.payload()),
        enhanced(3, i32::MAX, token, &t.payload()),
        framed(4, token, &t.payload()),
        simple(token, &t.payload()),
    ];
    t.accepted(&frames.concat()).await
}

async fn many_notifications_in_one_write(t: &Trial) -> Result<(), Failed> {
    let mut frames = Vec::new();
    for n in 0..t.target().burst {
        frames.extend(framed(n, t.good()?, &t.payload()));
    }
    t.accepted(&frames).await
}

async fn idle_connection_stays(t: &Trial) -> Result<(), Failed> {
    let token = t.good()?;
    let mut link = t.connect().await?;
    link.send(&framed(1, token, &t.payload())).await?;
    // Long enough for a server that closes after each notification, as some do.
    match link.hear_within(t.target().quiet).await? {
        Heard::Nothing => {}
        Heard::Record(_) => return Err(Failed::because("the server answered a good notification")),
        Heard::End(ending) => return Err(Failed(format!("the server ended it: {ending}"))),
    }
    link.send(&framed(2, token, &t.payload())).await?;
    t.all_accepted(&mut link).await
}

async fn half_close_after_sending(t: &Trial) -> Result<(), Failed> {
    let mut link = t.connect().await?;
    link.send(&framed(7, &[0xaa; 31], &t.payload())).await?;
    link.half_close().await?;
    match link.refusal().await? {
        Answer::Packet(packet) if packet.identifier == 7 => Ok(()),
        answer => Err(Failed(format!("expected an answer to 00000007: {answer}"))),
    }
}

async fn reset_of_one_leaves_the_others(t: &Trial) -> Result<(), Failed> {
    let frame = framed(1, t.good()?, &t.payload());
    let (start, rest) = frame.split_at(frame.len() / 2);
    let (mut broken, mut whole) = (t.connect().await?, t.connect().await?);
    broken.send(start).await?;
    whole.send(start).await?;
    broken.reset()?;
    whole.send(rest).await?;
    t.all_accepted(&mut whole).await
}

async fn frames_in_records_of_any_length(t: &Trial) -> Result<(), Failed> {
    let token = t.good()?;
    let frames = (0..20).map(|n| framed(n, token, &t.payload()));
    let frames = frames.collect::<Vec<_>>().concat();
    let mut link = t.connect().await?;
    let mut rest = frames.as_slice();
    while !rest.is_empty() {
        let len = t.random(|random| random.usize(1..=300)).min(rest.len());
        let (piece, behind) = rest.split_at(len);
        link.send(piece).await?;
        rest = behind;
    }
    t.all_accepted(&mut link).await
}

async fn write_and_close(t: &Trial) -> Result<(), Failed> {
    let (mut numbers, mut frames) = (Vec::new(), Vec::new());
    for n in 0..t.target().burst {
        let (number, payload) = t.numbered();
        numbers.push(number);
        frames.extend(framed(n, t.good()?, &payload));
    }
    let mut link = t.connect().await?;
    link.send(&frames).await?;
    link.half_close().await?;
    drop(link);
    t.delivered_exactly(&numbers).await
}

async fn any_server_name(t: &Trial) -> Result<(), Failed> {
    asks_for(t, "push.example.com").await
}

async fn apple_server_name(t: &Trial) -> Result<(), Failed> {
    let name = match t.target().observer.environment {
        Some(Environment::Production) => "gateway.push.apple.com",
        Some(Environment::Sandbox) => "gateway.sandbox.push.apple.com",
        None => return Err(Failed::because("no --environment was given")),
    };
    asks_for(t, name).await
}

/// Expects a client that asks for this name to be served.
async fn asks_for(t: &Trial, name: &'static str) -> Result<(), Failed> {
    let hello = Hello {
        server_name: Some(name),
        ..Hello::with(&t.target().papers.login)
    };
    let mut link = t.reach(&hello).await?;
    link.send(&framed(7, &[], &t.payload())).await?;
    t.answered(&mut link, 2, 7).await
}

/// The issuers that the server names when it asks for a certificate.
async fn issuers(t: &Trial) -> Result<Vec<Vec<u8>>, Failed> {
    let hello = Hello::with(&t.target().papers.login);
    t.reach(&hello).await?;
    hello
        .question
        .issuers()
        .ok_or_else(|| Failed::because("it did not ask"))
}

async fn acceptable_issuers_empty(t: &Trial) -> Result<(), Failed> {
    let issuers = issuers(t).await?;
    ensure(issuers.is_empty(), || format!("it names {}", issuers.len()))
}

async fn tls_1_2(t: &Trial) -> Result<(), Failed> {
    let hello = Hello {
        versions: &[&TLS12],
        ..Hello::with(&t.target().papers.login)
    };
    let mut link = t.reach(&hello).await?;
    link.send(&framed(7, &[], &t.payload())).await?;
    t.answered(&mut link, 2, 7).await
}

async fn no_tickets_in_tls_1_3(t: &Trial) -> Result<(), Failed> {
    let tickets = Tickets::default();
    let hello = Hello {
        versions: &[&TLS13],
        tickets: Some(tickets.clone()),
        ..Hello::with(&t.target().papers.login)
    };
    let mut link = match t.connect_to(Port::Binary, &hello).await {
        Ok(link) => link,
        // It does not speak it.
        Err(NoLink::Refused(_) | NoLink::Handshake(_)) => return Ok(()),
        Err(error) => return Err(Failed(error.to_string())),
    };
    // They come before the first answer does.
    link.send(&framed(7, &[], &t.payload())).await?;
    t.answered(&mut link, 2, 7).await?;
    let count = tickets.count();
    ensure(count == 0, || format!("it sent {count}"))
}

async fn parallel_connections(t: &Trial) -> Result<(), Failed> {
    let token = t.good()?;
    let mut links = Vec::new();
    for _ in 0..10 {
        links.push(t.connect().await?);
    }
    for link in &mut links {
        link.send(&framed(1, token, &t.payload())).await?;
    }
    for link in &mut links {
        t.all_accepted(link).await?;
    }
    Ok(())
}
