//! The port for phones.

use std::io;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;

use super::bug::Bug;
use super::server::OTHER_TEAM;
use super::world::World;

const CONNECT: u8 = 0x07;
const CONNECT_ACK: u8 = 0x08;
const FILTER_TOPICS: u8 = 0x09;
pub(crate) const NOTIFICATION: u8 = 0x0a;
const ACK: u8 = 0x0b;
const KEEP_ALIVE: u8 = 0x0c;
const KEEP_ALIVE_ACK: u8 = 0x0d;
const SCOPED_TOKEN: u8 = 0x11;
const SCOPED_TOKEN_ACK: u8 = 0x12;

const FRAME_LEN_MAX: u32 = 65_536;

/// More than any case has on its way.
const FRAMES_MAX: usize = 1_000;

type Fields = Vec<(u8, Vec<u8>)>;

pub(crate) fn hash(topic: &[u8]) -> Vec<u8> {
    digest(&SHA1_FOR_LEGACY_USE_ONLY, topic).as_ref().to_vec()
}

pub(crate) fn frame(command: u8, fields: &[(u8, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (id, value) in fields {
        body.push(*id);
        body.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        body.extend(*value);
    }
    let len = u32::try_from(body.len()).unwrap();
    [&[command], &len.to_be_bytes()[..], &body].concat()
}

pub(crate) async fn serve(stream: TlsStream<TcpStream>, world: &World) -> io::Result<()> {
    let ours = is_ours(&stream) || world.bug == Some(Bug::MixesTeams);
    let (mut reader, writer) = tokio::io::split(stream);
    let (line, frames) = mpsc::channel(FRAMES_MAX);
    // Ends, and closes, when nobody has anything to say any more.
    let writing = tokio::spawn(write(writer, frames));
    listen(&mut reader, &line, ours, world).await;
    world.state().offline(&line, world.bug);
    drop(line);
    Ok(writing.await?)
}

async fn write(mut writer: WriteHalf<TlsStream<TcpStream>>, mut frames: mpsc::Receiver<Vec<u8>>) {
    while let Some(frame) = frames.recv().await {
        if writer.write_all(&frame).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
    // A phone that is gone need not hear it.
    let _ = writer.shutdown().await;
}

/// Whether a phone is of the provider's team, or of none.
fn is_ours(stream: &TlsStream<TcpStream>) -> bool {
    let (_, tls) = stream.get_ref();
    let certificate = &tls.peer_certificates().unwrap()[0];
    let mut parts = certificate.windows(OTHER_TEAM.len());
    !parts.any(|part| part == OTHER_TEAM.as_bytes())
}

/// Serves a phone until it closes or breaks the rules.
async fn listen(
    reader: &mut ReadHalf<TlsStream<TcpStream>>,
    line: &mpsc::Sender<Vec<u8>>,
    ours: bool,
    world: &World,
) {
    let mut online = false;
    while let Some((command, fields)) = next(reader).await {
        let answer = match command {
            CONNECT if !online => connect(&fields, world),
            FILTER_TOPICS if online => filter(&fields, world),
            SCOPED_TOKEN if online => register(&fields, ours, world),
            KEEP_ALIVE if online => Some(Some(frame(KEEP_ALIVE_ACK, &[]))),
            ACK if online => acknowledged(&fields, world),
            CONNECT | FILTER_TOPICS | SCOPED_TOKEN | KEEP_ALIVE | ACK => return,
            _ => Some(None),
        };
        let Some(answer) = answer else {
            return;
        };
        let turned_away = answer == Some(frame(CONNECT_ACK, &[(1, &[2])]));
        if let Some(answer) = answer {
            line.try_send(answer).unwrap();
        }
        if turned_away {
            return;
        }
        if command == CONNECT {
            online = true;
            world.state().online(line.clone(), world.bug);
        }
    }
}

/// The next frame; none where the phone is gone or its bytes mean nothing.
async fn next(reader: &mut ReadHalf<TlsStream<TcpStream>>) -> Option<(u8, Fields)> {
    let command = reader.read_u8().await.ok()?;
    let len = reader.read_u32().await.ok()?;
    if len > FRAME_LEN_MAX {
        return None;
    }
    let mut body = vec![0; len as usize];
    reader.read_exact(&mut body).await.ok()?;
    let (mut fields, mut rest) = (Vec::new(), &body[..]);
    while !rest.is_empty() {
        let ([id, high, low], behind) = rest.split_first_chunk()?;
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, behind) = behind.split_at_checked(len)?;
        fields.push((*id, value.to_vec()));
        rest = behind;
    }
    Some((command, fields))
}

fn field(fields: &Fields, id: u8) -> Option<&[u8]> {
    let mut fields = fields.iter();
    fields
        .find(|(of, _)| *of == id)
        .map(|(_, value)| value.as_slice())
}

fn of_len(fields: &Fields, id: u8, len: usize) -> Option<&[u8]> {
    field(fields, id).filter(|value| value.len() == len)
}

/// What is answered, if anything; none where the phone is hung up on.
type Answer = Option<Option<Vec<u8>>>;

fn connect(fields: &Fields, world: &World) -> Answer {
    if field(fields, 2).is_some_and(|state| state.len() != 1) {
        return None;
    }
    let mut state = world.state();
    let presented = field(fields, 1).filter(|token| !token.is_empty());
    Some(Some(match presented {
        None => frame(CONNECT_ACK, &[(1, &[0]), (3, &state.new_base())]),
        Some(token)
            if state.base.as_deref() == Some(token)
                || world.bug == Some(Bug::TakesAnyBaseToken) =>
        {
            frame(CONNECT_ACK, &[(1, &[0])])
        }
        Some(_) => frame(CONNECT_ACK, &[(1, &[2])]),
    }))
}

fn filter(fields: &Fields, world: &World) -> Answer {
    field(fields, 1)?;
    let mut topics = fields.iter().filter(|(id, _)| matches!(id, 2 | 3));
    if topics.any(|(_, topic)| topic.len() != 20) {
        return None;
    }
    let ignored = fields.iter().filter(|(id, _)| *id == 3);
    world.state().ignored = ignored.map(|(_, topic)| topic.clone()).collect();
    Some(None)
}

/// Whether the provider reaches it is for the team of its phone to say.
fn register(fields: &Fields, ours: bool, world: &World) -> Answer {
    let (base, topic) = (field(fields, 1)?, of_len(fields, 2, 20)?);
    let app = field(fields, 3)?;
    let mut state = world.state();
    let refused = |status| frame(SCOPED_TOKEN_ACK, &[(1, &[status]), (3, topic)]);
    Some(Some(if state.base.as_deref() != Some(base) {
        refused(2)
    } else if hash(app) != topic {
        refused(3)
    } else {
        let token = if ours {
            state.install(topic)
        } else {
            state.token()
        };
        frame(SCOPED_TOKEN_ACK, &[(1, &[0]), (2, &token), (3, topic)])
    }))
}

fn acknowledged(fields: &Fields, world: &World) -> Answer {
    let (id, status) = (of_len(fields, 4, 4)?, of_len(fields, 8, 1)?);
    let known = world.state().acknowledged(id, status[0]);
    // Nobody asks for those that were done with when they were written.
    (known || world.bug == Some(Bug::SettlesWhenSent)).then_some(None)
}
