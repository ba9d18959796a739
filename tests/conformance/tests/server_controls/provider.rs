//! The port for notifications.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use super::bug::Bug;
use super::world::{Pushed, World};

/// What is made of a frame.
enum Judged {
    Taken,
    Refused { status: u8, identifier: u32 },
    Closed,
}

pub(crate) async fn serve(mut stream: TlsStream<TcpStream>, world: &World) -> std::io::Result<()> {
    let bug = world.bug;
    loop {
        let judged = match next(&mut stream, world).await? {
            Judged::Refused { .. } if bug == Some(Bug::NeverRefuses) => Judged::Taken,
            Judged::Refused { .. } if bug == Some(Bug::ClosesWithoutPacket) => Judged::Closed,
            judged => judged,
        };
        match judged {
            Judged::Taken if bug == Some(Bug::ConfirmsEverything) => {
                stream.write_all(&[8, 0, 0, 0, 0, 0]).await?;
                stream.flush().await?;
            }
            Judged::Taken => {}
            Judged::Closed => return close(stream).await.map(|_| ()),
            Judged::Refused { status, identifier } => {
                let [a, b, c, d] = identifier.to_be_bytes();
                let command = if bug == Some(Bug::WrongCommand) { 1 } else { 8 };
                let status = if bug == Some(Bug::Status1) { 1 } else { status };
                let packet = [command, status, a, b, c, d];
                let first = if bug == Some(Bug::SplitPacket) { 2 } else { 6 };
                for part in packet.chunks(first) {
                    stream.write_all(part).await?;
                    stream.flush().await?;
                }
                match bug {
                    Some(Bug::ReadsOn) => {}
                    Some(Bug::ClosesAtOnce) => return Ok(()),
                    _ => return close(stream).await.map(|_| ()),
                }
            }
        }
    }
}

/// Says close, then reads until the client has closed as well [P-41]; whether it has.
pub(crate) async fn close(mut stream: TlsStream<TcpStream>) -> std::io::Result<bool> {
    stream.shutdown().await?;
    let (socket, _) = stream.get_mut();
    let mut dropped = [0; 16 * 1024];
    loop {
        match timeout(Duration::from_secs(2), socket.read(&mut dropped)).await {
            Ok(Ok(0)) => return Ok(true),
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => return Ok(false),
        }
    }
}

async fn next(stream: &mut TlsStream<TcpStream>, world: &World) -> std::io::Result<Judged> {
    let command = match stream.read_u8().await? {
        _ if world.bug == Some(Bug::IgnoresCommand) => 1,
        command => command,
    };
    match command {
        0 => {
            let (token, payload) = (counted(stream).await?, counted(stream).await?);
            Ok(match judge(world, &token, &payload, None, 0) {
                Judged::Refused { .. } => Judged::Closed,
                judged => judged,
            })
        }
        1 => {
            let identifier = stream.read_u32().await?;
            let expiry = stream.read_i32().await?;
            let (token, payload) = (counted(stream).await?, counted(stream).await?);
            Ok(judge(world, &token, &payload, Some(expiry), identifier))
        }
        2 => {
            let len = stream.read_u32().await?;
            if len > 16_384 {
                return Ok(Judged::Refused {
                    status: 128,
                    identifier: 0,
                });
            }
            let mut body = vec![0; len as usize];
            stream.read_exact(&mut body).await?;
            Ok(items(world, &body))
        }
        _ => Ok(Judged::Closed),
    }
}

async fn counted(stream: &mut TlsStream<TcpStream>) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn items(world: &World, mut body: &[u8]) -> Judged {
    let mut found: [Option<&[u8]>; 5] = [None; 5];
    let four = |bytes: Option<&[u8]>| bytes.and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
    let named = |found: &[Option<&[u8]>; 5]| four(found[2]).map_or(0, u32::from_be_bytes);
    while !body.is_empty() {
        let broken = Judged::Refused {
            status: 128,
            identifier: named(&found),
        };
        let Some(([id, high, low], rest)) = body.split_first_chunk() else {
            return broken;
        };
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((data, rest)) = rest.split_at_checked(len) else {
            return broken;
        };
        body = rest;
        let fits = match id {
            3 | 4 => len == 4,
            5 => len == 1,
            _ => true,
        };
        match id {
            1..=5 if !fits || found[usize::from(id - 1)].is_some() => return broken,
            1..=5 => found[usize::from(id - 1)] = Some(data),
            _ => {}
        }
    }
    let identifier = named(&found);
    if world.bug == Some(Bug::DemandsAllItems) && found.iter().any(Option::is_none) {
        return Judged::Refused {
            status: 1,
            identifier,
        };
    }
    let (token, payload) = (found[0].unwrap_or_default(), found[1].unwrap_or_default());
    let expiry = four(found[3]).map(i32::from_be_bytes);
    judge(world, token, payload, expiry, identifier)
}

/// The order of the checks [P-32].
fn judge(
    world: &World,
    token: &[u8],
    payload: &[u8],
    expiry: Option<i32>,
    identifier: u32,
) -> Judged {
    let status = match (token.len(), payload.len()) {
        (0, _) => 2,
        (1..=31 | 101.., _) => 5,
        (_, 0) => 4,
        (_, 2049..) => 7,
        _ => match world.push(token, payload, expiry) {
            Pushed::Taken => return Judged::Taken,
            Pushed::Unknown => 8,
        },
    };
    Judged::Refused { status, identifier }
}
