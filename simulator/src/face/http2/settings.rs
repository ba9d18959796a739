//! What the server announces, first or last, in frames that are its own and not the library's.

use std::io;
use std::time::Duration;

use apns_net::h2tap::{Frame, GoAway, Setting};
use bytes::BytesMut;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// Streams at once of a provider that has shown who it is [H-04].
pub(super) const STREAMS_MAX: u32 = 1_000;
/// And of one that has not.
pub(super) const STREAMS_MAX_UNKNOWN: u32 = 1;
/// Bytes of a request's headers, as HTTP/2 counts them [H-04].
pub(super) const HEADER_LIST_LEN_MAX: u32 = 8_000;

/// What APNs announces first [H-04].
pub(super) fn settings(streams_max: u32) -> Vec<(Setting, u32)> {
    vec![
        (Setting::HEADER_TABLE_SIZE, 4_096),
        (Setting::MAX_CONCURRENT_STREAMS, streams_max),
        (Setting::INITIAL_WINDOW_SIZE, 65_535),
        (Setting::MAX_FRAME_SIZE, 16_384),
        (Setting::MAX_HEADER_LIST_SIZE, HEADER_LIST_LEN_MAX),
    ]
}

/// All that a server says to whom it will not serve.
pub(super) async fn farewell(
    stream: &mut (impl AsyncWrite + Unpin),
    goaway: GoAway,
    within: Duration,
) -> io::Result<()> {
    let mut bytes = BytesMut::new();
    Frame::Settings(settings(STREAMS_MAX_UNKNOWN)).encode(&mut bytes);
    Frame::GoAway(goaway).encode(&mut bytes);
    let saying = async {
        stream.write_all(&bytes).await?;
        stream.flush().await
    };
    timeout(within, saying).await?
}
