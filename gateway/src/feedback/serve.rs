//! Feedback for one connection of a backend [P-50].

use std::sync::Arc;
use std::time::Duration;

use apns_net::linger::{Linger, LingerEnd, linger};
use apns_proto::feedback::{Tuple, write_len};
use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tracing::{debug, info, warn};

use crate::shared::Shared;
use crate::store::{AppId, StoreDown};

/// Tuples taken from the store at a time.
const PAGE_LEN: usize = 4_310;

/// How long one write of at most 16 KiB may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a backend may take to close after the end of the list.
const CLOSE: Linger = Linger {
    idle: Duration::from_secs(5),
    total: Duration::from_secs(30),
};

/// Sends everything behind the backend's cursor, closes, and moves the cursor once the backend has closed too [P-53].
/// Whatever else happens, the same list is served again.
pub(crate) async fn serve(
    mut stream: Box<TlsStream<TcpStream>>,
    app: AppId,
    backend: Arc<str>,
    shared: &Shared,
) -> Result<(), StoreDown> {
    let store = &shared.store;
    // A reader that does not close is done by then, too; if one reads for longer, the same list is served to both.
    let _turn = shared
        .readers
        .turn((app, Arc::clone(&backend)), CLOSE.idle)
        .await;
    let mut last = store.feedback_cursor(app, Arc::clone(&backend)).await?;
    let mut tuples_len = 0;
    loop {
        let page = store.feedback_page(app, last, PAGE_LEN).await?;
        let Some(newest) = page.last() else { break };
        last = Some(newest.id);
        tuples_len += page.len();
        let tuples: Vec<_> = page.into_iter().map(|row| row.tuple).collect();
        if let Err(error) = write(&mut stream, &tuples).await {
            warn!(%error, "the backend did not take its feedback: it will be served again");
            return Ok(());
        }
    }
    match linger(&mut stream, CLOSE).await.end {
        LingerEnd::PeerClosed => {}
        end => {
            if tuples_len > 0 {
                warn!(
                    ?end,
                    tuples_len,
                    "the backend did not close after its feedback: it will be served again"
                );
            }
            return Ok(());
        }
    }
    if let (1.., Some(last)) = (tuples_len, last) {
        store.feedback_advance(app, backend, last).await?;
        info!(tuples_len, "served feedback");
    } else {
        debug!("there was no feedback to serve");
    }
    shared.counters.feedback_served.add(1);
    Ok(())
}

/// Writes whole tuples, as many as fit into one TLS record at a time [P-55]. The flush between two writes keeps TLS from
/// taking a part of the second.
async fn write(stream: &mut TlsStream<TcpStream>, mut tuples: &[Tuple]) -> std::io::Result<()> {
    let mut record = BytesMut::new();
    while !tuples.is_empty() {
        let (now, later) = tuples.split_at(write_len(tuples));
        record.clear();
        for tuple in now {
            // What was read from a length field fits into one.
            tuple.encode(&mut record).map_err(std::io::Error::other)?;
        }
        timeout(WRITE_TIMEOUT, async {
            stream.write_all(&record).await?;
            stream.flush().await
        })
        .await??;
        tuples = later;
    }
    Ok(())
}
