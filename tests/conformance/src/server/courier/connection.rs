//! The connection: who is let in, how frames are read, and who is welcome.

use super::super::Trial;
use super::super::papers::forged;
use super::super::target::Port;
use super::as_phone;
use super::phone::{
    ACK, CONNECT, CONNECT_ACK, FILTER_TOPICS, Heard, KEEP_ALIVE, KEEP_ALIVE_ACK, Phone,
    SCOPED_TOKEN, SCOPED_TOKEN_ACK, hash,
};
use crate::bytes::courier;
use crate::case::Basis::{Observed, OurChoice};
use crate::case::{Case, Failed, Need, ensure};
use crate::clause::Clause;
use crate::link::{Heard as Bytes, Hello, Login, NoLink};

/// A command that nobody has.
const UNKNOWN: u8 = 0x7f;

/// The cases.
pub(super) const CASES: &[Case<Trial>] = &[
    as_phone(
        "courier-no-certificate",
        "a phone without a certificate is turned away",
        &[Clause::of("C-01")],
        OurChoice,
        |t| Box::pin(async move { is_turned_away(t, &Login::Nobody).await }),
    )
    .needs(&[Need::Courier]),
    as_phone(
        "courier-push-certificate",
        "a provider's push certificate is turned away",
        &[Clause::of("C-01")],
        OurChoice,
        |t| Box::pin(async move { is_turned_away(t, &t.target().papers.login).await }),
    )
    .needs(&[Need::Courier]),
    as_phone(
        "courier-certificate-of-an-unknown-issuer",
        "a phone whose certificate looks right, of an issuer the server does not know, is turned away",
        &[Clause::of("C-01")],
        OurChoice,
        |t| {
            Box::pin(async move {
                let own = t.target().papers.login_of(Need::DeviceCertificate)?;
                is_turned_away(t, &forged(own, true)?).await
            })
        },
    ),
    as_phone(
        "courier-connect",
        "a phone that connects without a token is welcome, and given one",
        &[Clause::of("C-03"), Clause::of("C-04")],
        Observed,
        |t| Box::pin(async move { Phone::connect(t).await?.is_served().await }),
    ),
    as_phone(
        "courier-connect-without-a-state",
        "a phone that does not say its state, and whose token is empty, is one without a token that connects",
        &[Clause::of("C-03")],
        OurChoice,
        |t| Box::pin(connect_without_a_state(t)),
    ),
    as_phone(
        "courier-connect-comes-first",
        "a phone that says something else before Connect gets no answer to it",
        &[Clause::of("C-03")],
        Observed,
        |t| Box::pin(connect_comes_first(t)),
    ),
    as_phone(
        "courier-known-token",
        "a phone that comes back with its token is welcome, and given no other",
        &[Clause::of("C-04")],
        Observed,
        |t| Box::pin(known_token(t)),
    ),
    as_phone(
        "courier-unknown-token",
        "a phone with a token that the server does not know is answered 2, and the server closes",
        &[Clause::of("C-18"), Clause::of("C-04")],
        Observed,
        |t| Box::pin(unknown_token(t)),
    ),
    as_phone(
        "courier-keepalive",
        "a phone that asks whether the server is there is answered, whatever it says besides",
        &[Clause::of("C-09")],
        Observed,
        |t| Box::pin(keepalive(t)),
    ),
    as_phone(
        "courier-frames-cut-anywhere",
        "frames are the same however TLS records cut them, and several may come in one",
        &[Clause::of("C-02")],
        Observed,
        |t| Box::pin(cut_anywhere(t)),
    ),
    as_phone(
        "courier-unknown-fields-are-skipped",
        "fields that nobody knows are skipped, wherever they stand",
        &[Clause::of("C-02")],
        OurChoice,
        |t| Box::pin(unknown_fields_are_skipped(t)),
    ),
    as_phone(
        "courier-unknown-commands-are-skipped",
        "frames with a command that nobody knows are skipped",
        &[Clause::of("C-02")],
        OurChoice,
        |t| Box::pin(unknown_commands_are_skipped(t)),
    ),
    as_phone(
        "courier-first-field-counts",
        "of two fields with the same id, where one should be, the first counts",
        &[Clause::of("C-02")],
        OurChoice,
        |t| Box::pin(first_field_counts(t)),
    ),
    as_phone(
        "courier-field-past-the-frame",
        "a field that runs past its frame closes the connection",
        &[Clause::of("C-02")],
        OurChoice,
        |t| Box::pin(field_past_the_frame(t)),
    ),
    as_phone(
        "courier-field-absent",
        "a field that should be there and is not closes the connection",
        &[Clause::of("C-02")],
        OurChoice,
        |t| Box::pin(field_absent(t)),
    ),
    as_phone(
        "courier-field-of-a-wrong-length",
        "a field of a wrong length closes the connection",
        &[Clause::of("C-02")],
        OurChoice,
        |t| Box::pin(field_of_a_wrong_length(t)),
    ),
    as_phone(
        "courier-frame-length-over-the-cap",
        "a frame that says it has more than 65,536 bytes closes the connection at once",
        &[Clause::of("C-16")],
        OurChoice,
        |t| {
            Box::pin(async move {
                for len in [[0, 1, 0, 1], [0xff; 4]] {
                    let mut phone = Phone::connect(t).await?;
                    phone.send(&[&[KEEP_ALIVE], &len[..]].concat()).await?;
                    phone.is_hung_up_on().await?;
                }
                Ok(())
            })
        },
    ),
    as_phone(
        "courier-frame-length-at-the-cap",
        "a frame of 65,536 bytes is read",
        &[Clause::of("C-16")],
        OurChoice,
        |t| Box::pin(frame_length_at_the_cap(t)),
    ),
];

/// In the handshake, or behind it and before anything is answered.
async fn is_turned_away(t: &Trial, login: &Login) -> Result<(), Failed> {
    let mut link = match t.connect_to(Port::Courier, &Hello::with(login)).await {
        Ok(link) => link,
        Err(NoLink::Refused(_)) => return Ok(()),
        Err(error) => return Err(Failed(error.to_string())),
    };
    link.try_send(&courier(CONNECT, &[(2, &[1])])).await?;
    match link.hear().await? {
        Bytes::End(_) => Ok(()),
        Bytes::Record(_) => Err(Failed::because("it was answered")),
        Bytes::Nothing => Err(Failed::because("the connection stayed open")),
    }
}

async fn connect_without_a_state(t: &Trial) -> Result<(), Failed> {
    let mut phone = Phone::dial(t).await?;
    phone.say(CONNECT, &[(1, &[])]).await?;
    phone.is_given_a_base_token().await?;
    phone.is_served().await
}

async fn connect_comes_first(t: &Trial) -> Result<(), Failed> {
    let mut phone = Phone::dial(t).await?;
    phone.say(KEEP_ALIVE, &[]).await?;
    match phone.hear_within(t.target().quiet).await? {
        Heard::Frame(frame) => Err(Failed(format!("it was answered {:02x}", frame.command))),
        Heard::End(_) | Heard::Nothing => Ok(()),
    }
}

async fn known_token(t: &Trial) -> Result<(), Failed> {
    let mut phone = Phone::connect(t).await?;
    phone.hang_up().await?;
    phone.redial().await?;
    let welcome = phone.expect(CONNECT_ACK).await?;
    welcome.says(1, &[0])?;
    ensure(welcome.field(3).is_none(), || {
        "it was given another".to_owned()
    })?;
    phone.is_served().await
}

async fn unknown_token(t: &Trial) -> Result<(), Failed> {
    let mut phone = Phone::connect(t).await?;
    phone.hang_up().await?;
    phone.base = t.random(|random| (0..32).map(|_| random.u8(..)).collect());
    phone.redial().await?;
    phone.expect(CONNECT_ACK).await?.says(1, &[2])?;
    phone.is_hung_up_on().await?;
    Phone::connect(t).await?.is_served().await
}

async fn keepalive(t: &Trial) -> Result<(), Failed> {
    let mut phone = Phone::connect(t).await?;
    phone.is_served().await?;
    let more: [(u8, &[u8]); 3] = [(1, b"WiFi"), (2, b"7.1.2"), (3, b"11D257")];
    phone.say(KEEP_ALIVE, &more).await?;
    phone.expect(KEEP_ALIVE_ACK).await?;
    phone.is_served().await
}

async fn cut_anywhere(t: &Trial) -> Result<(), Failed> {
    let mut phone = Phone::connect(t).await?;
    let frame = courier(KEEP_ALIVE, &[(1, b"WiFi")]);
    for byte in &frame {
        phone.send(&[*byte]).await?;
    }
    phone.expect(KEEP_ALIVE_ACK).await?;
    let (first, second) = frame.split_at(7);
    phone.send(&[&frame, &frame, first].concat()).await?;
    phone.send(second).await?;
    for _ in 0..3 {
        phone.expect(KEEP_ALIVE_ACK).await?;
    }
    Ok(())
}

async fn unknown_fields_are_skipped(t: &Trial) -> Result<(), Failed> {
    let mut phone = Phone::dial(t).await?;
    let fields: [(u8, &[u8]); 5] = [
        (0, &[]),
        (2, &[1]),
        (0x55, &[0xaa; 300]),
        (0x55, b"again"),
        (0xff, &[1]),
    ];
    phone.say(CONNECT, &fields).await?;
    phone.is_given_a_base_token().await?;
    phone.is_served().await
}

async fn unknown_commands_are_skipped(t: &Trial) -> Result<(), Failed> {
    let mut phone = Phone::connect(t).await?;
    phone.say(UNKNOWN, &[]).await?;
    phone.say(UNKNOWN, &[(1, b"whatever")]).await?;
    phone.is_served().await
}

async fn first_field_counts(t: &Trial) -> Result<(), Failed> {
    let mut phone = Phone::connect(t).await?;
    let (topic, base) = (t.target().topic()?, phone.base.clone());
    let fields: [(u8, &[u8]); 6] = [
        (1, &base),
        (1, &[0xaa; 32]),
        (2, &hash(topic)),
        (2, &hash("com.example.conformance.none")),
        (3, topic.as_bytes()),
        (3, b"com.example.conformance.none"),
    ];
    phone.say(SCOPED_TOKEN, &fields).await?;
    let answer = phone.expect(SCOPED_TOKEN_ACK).await?;
    answer.says(1, &[0])?;
    answer.says(3, &hash(topic))
}

/// Expects `frame` to end the connection of a phone.
async fn closes(t: &Trial, frame: &[u8]) -> Result<(), Failed> {
    let mut phone = Phone::connect(t).await?;
    phone.send(frame).await?;
    let hung_up = phone.is_hung_up_on().await;
    hung_up.map_err(|Failed(why)| Failed(format!("behind {frame:02x?}: {why}")))
}

async fn field_past_the_frame(t: &Trial) -> Result<(), Failed> {
    // A field that says it has more bytes than are left, and two bytes where a field would have three.
    closes(t, &[KEEP_ALIVE, 0, 0, 0, 5, 1, 0, 3, 0xaa, 0xaa]).await?;
    closes(t, &[KEEP_ALIVE, 0, 0, 0, 2, 1, 0]).await
}

async fn field_absent(t: &Trial) -> Result<(), Failed> {
    let topic = hash(t.target().topic()?);
    for frame in [
        courier(FILTER_TOPICS, &[(2, &topic)]),
        courier(SCOPED_TOKEN, &[(1, &[0xaa; 32]), (3, b"com.example")]),
        courier(SCOPED_TOKEN, &[(2, &topic), (3, b"com.example")]),
        courier(ACK, &[(8, &[0])]),
    ] {
        closes(t, &frame).await?;
    }
    Ok(())
}

async fn field_of_a_wrong_length(t: &Trial) -> Result<(), Failed> {
    let mut phone = Phone::dial(t).await?;
    phone.say(CONNECT, &[(2, &[0, 1])]).await?;
    phone.is_hung_up_on().await?;
    let base: (u8, &[u8]) = (1, &[0xaa; 32]);
    for frame in [
        courier(FILTER_TOPICS, &[base, (2, &[0; 19])]),
        courier(FILTER_TOPICS, &[base, (3, &[0; 21])]),
        courier(SCOPED_TOKEN, &[base, (2, &[0; 19]), (3, b"com.example")]),
        courier(ACK, &[(4, &[0, 0, 1]), (8, &[0])]),
        courier(ACK, &[(4, &[0, 0, 0, 1]), (8, &[])]),
    ] {
        closes(t, &frame).await?;
    }
    Ok(())
}

async fn frame_length_at_the_cap(t: &Trial) -> Result<(), Failed> {
    let mut phone = Phone::connect(t).await?;
    // Two fields of three bytes and as many as are left.
    let half = vec![0xaa; 65_536 / 2 - 3];
    phone
        .say(KEEP_ALIVE, &[(0x55, &half), (0x55, &half)])
        .await?;
    phone.expect(KEEP_ALIVE_ACK).await.map(|_| ())
}
