//! The feedback face, port 2196: the list of the certificate's topic, at once and to the end [P-50].

use std::io;

use apns_net::linger::{Linger, LingerEnd, linger};
use apns_net::listen::Accepted;
use apns_proto::feedback::{Tuple, write_len};
use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;
use tracing::{Instrument, debug, info, info_span, warn};

use super::breakage::{Break, Manner};
use super::{Door, Visit, part};
use crate::config::Timeouts;
use crate::connections::{Presence, Who};
use crate::faults::{Action, Face, Injection};
use crate::shared::Shared;
use crate::world::Provider;

/// Serves one reader.
pub(crate) async fn serve(door: Door, accepted: Accepted) {
    let Some(visit) = door.provider(accepted).await else {
        return;
    };
    let Some(provider) = visit.provider() else {
        return; // The listener's policy requires a topic.
    };
    let Visit {
        shared,
        environment,
        timeouts,
        mut stream,
        peer,
        ..
    } = visit;
    let project = shared.name();
    let span = info_span!("feedback", %peer, topic = provider.topic(), %environment, project);
    let (number, fault) =
        shared.with(|world, now| world.inject_connection(now, provider.topic(), Face::Feedback));
    let who = Who::provider(Face::Feedback, &provider, number);
    let presence = Presence::new(&shared, who, environment, peer);
    let serving = async {
        let listing = async {
            match fault {
                None => list(&shared, timeouts, &provider, &mut stream, None).await,
                Some(fault) => {
                    list_oddly(&shared, timeouts, &provider, &mut stream, fault).await;
                }
            }
        };
        tokio::select! {
            () = listing => {}
            () = shared.certificate_refused(provider.topic(), number) => {}
            () = presence.stop().cancelled() => {}
        }
    };
    Box::pin(serving).instrument(span).await;
}

/// Lists as a fault will have it, or breaks off instead; then the list stays.
async fn list_oddly(
    shared: &Shared,
    timeouts: Timeouts,
    provider: &Provider,
    stream: &mut TlsStream<TcpStream>,
    Injection { fault, action }: Injection,
) {
    info!(
        fault = &*fault,
        action = action.name(),
        "a fault acts on the list"
    );
    if let Some(how) = Break::of(&action) {
        return how.apply(stream).await;
    }
    if let Action::Latency { delay, .. } = action {
        sleep(delay).await;
    }
    list(shared, timeouts, provider, stream, Manner::of(&action)).await;
}

/// Clears what was read, and only that, once the reader has closed in its turn: then it has everything [P-53].
async fn list(
    shared: &Shared,
    timeouts: Timeouts,
    provider: &Provider,
    stream: &mut TlsStream<TcpStream>,
    odd: Option<Manner>,
) {
    // A reader that does not close is done by then, too; if one reads for longer, the same list is served to both.
    let readers = shared.feedback_readers();
    let _turn = readers.turn(provider.clone(), timeouts.reader_close).await;
    let snapshot = shared.with(|world, _| world.feedback(provider));
    let tuples = snapshot.tuples.len();
    let written = match odd {
        None => timeout(timeouts.write, write(stream, &snapshot.tuples)).await,
        Some(manner) => Ok(write_oddly(stream, &snapshot.tuples, manner).await),
    };
    match written {
        Ok(Ok(true)) => {}
        Ok(Ok(false)) => {
            warn!(tuples, "a fault cut the list short: it stays");
            part(stream, timeouts.write).await;
            return;
        }
        Ok(Err(error)) => {
            warn!(%error, tuples, "the reader broke off: its list stays");
            return;
        }
        Err(_) => {
            warn!(after = ?timeouts.write, tuples, "the reader does not read: its list stays");
            return;
        }
    }
    let close = Linger {
        idle: timeouts.reader_close,
        total: timeouts.reader_close,
    };
    match linger(stream, close).await.end {
        LingerEnd::PeerClosed if tuples == 0 => debug!("read an empty list"),
        LingerEnd::PeerClosed => {
            info!(tuples, "read: the list is cleared");
            shared.with(|world, now| world.feedback_read(now, provider, &snapshot));
        }
        end => {
            warn!(
                ?end,
                tuples, "the reader did not close after the end of the list: its list stays"
            );
        }
    }
}

/// Whole tuples in each write, and so in each record [P-55].
async fn write(stream: &mut TlsStream<TcpStream>, mut tuples: &[Tuple]) -> io::Result<bool> {
    let mut record = BytesMut::new();
    while !tuples.is_empty() {
        let (now, later) = tuples.split_at(write_len(tuples));
        for tuple in now {
            tuple.encode(&mut record).map_err(io::Error::other)?;
        }
        stream.write_all(&record).await?;
        record.clear();
        tuples = later;
    }
    stream.flush().await?;
    Ok(true)
}

/// Wherever a fault will have the records begin; says whether it was the whole list.
async fn write_oddly(
    stream: &mut TlsStream<TcpStream>,
    tuples: &[Tuple],
    manner: Manner,
) -> io::Result<bool> {
    let mut words = BytesMut::new();
    for tuple in tuples {
        tuple.encode(&mut words).map_err(io::Error::other)?;
    }
    manner.say(stream, &words).await
}
