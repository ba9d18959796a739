//! Reading the feedback service: connect, say nothing, read to the end [P-50].

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use apns_proto::feedback::Tuple;
use bytes::BytesMut;
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio_rustls::rustls::ClientConfig;

use super::tokens::Forgotten;
use crate::dial::{Endpoint, dial};
use crate::io_step::read_batch;

/// For the whole list.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Longer lists are read to their end, and reported up to here.
const TUPLES_REPORTED_MAX: usize = 100_000;

/// What a read gave.
#[derive(Debug)]
pub(super) struct Read {
    /// The tuples, in the order read.
    pub(super) tuples: Vec<TupleReport>,
    /// Why the list was not read to its end.
    pub(super) error: Option<String>,
}

/// A tuple as the API shows it.
#[derive(Debug, Serialize)]
pub(super) struct TupleReport {
    timestamp: u32,
    token: String,
    result: Forgotten,
}

/// Reads the list, giving `forget` every tuple with the last moment of its second.
pub(super) async fn read(
    endpoint: &Endpoint,
    tls: Arc<ClientConfig>,
    topic: &str,
    forget: impl Fn(&Tuple, SystemTime) -> Forgotten,
) -> Read {
    let mut tuples = Vec::new();
    let reading = read_all(endpoint, tls, |tuple| {
        let reported_at = UNIX_EPOCH + Duration::from_secs(u64::from(tuple.timestamp) + 1)
            - Duration::from_nanos(1);
        let result = forget(&tuple, reported_at);
        tracing::info!(topic, token = %tuple.token, timestamp = tuple.timestamp, ?result, "feedback read");
        if tuples.len() < TUPLES_REPORTED_MAX {
            tuples.push(TupleReport {
                timestamp: tuple.timestamp,
                token: tuple.token.to_hex(),
                result,
            });
        }
    });
    let error = match tokio::time::timeout(READ_TIMEOUT, reading).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error),
        Err(_) => Some(format!(
            "it did not end within {} s",
            READ_TIMEOUT.as_secs()
        )),
    };
    if let Some(error) = &error {
        tracing::warn!(topic, error, "a feedback list was not read to its end");
    }
    Read { tuples, error }
}

async fn read_all(
    endpoint: &Endpoint,
    tls: Arc<ClientConfig>,
    mut take: impl FnMut(Tuple),
) -> Result<(), String> {
    let mut stream = dial(endpoint, tls)
        .await
        .map_err(|error| error.to_string())?;
    let mut buf = BytesMut::new();
    while read_batch(&mut stream, &mut buf)
        .await
        .map_err(|error| error.to_string())?
        > 0
    {
        while let Some(tuple) = Tuple::decode(&mut buf) {
            take(tuple);
        }
    }
    if !buf.is_empty() {
        return Err(format!(
            "it ended inside a tuple, {} bytes left over",
            buf.len()
        ));
    }
    // Our close_notify tells the service that the list arrived [P-53]; the list is here whether that arrives or not.
    let _ = stream.shutdown().await;
    Ok(())
}
