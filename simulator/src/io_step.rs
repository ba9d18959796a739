//! Steps of reading and writing for `select!` loops. Each is safe to cancel: nothing is lost when another branch wins.

use std::future::{pending, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::Poll;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, sleep_until};

/// One read of a TLS stream gives at most one record.
const CHUNK_LEN: usize = 16 * 1024;
/// A batch: what has arrived by now, up to this.
const BATCH_LEN: usize = 64 * 1024;

/// Reads everything that is already there, up to a batch, behind what `buf` holds; waits while there is nothing. 0 at the end of
/// the stream. Safe to cancel.
///
/// No buffer is held while it waits, so that an idle connection costs its TLS state and little else.
pub(crate) async fn read_batch(
    stream: &mut (impl AsyncRead + Unpin),
    buf: &mut BytesMut,
) -> io::Result<usize> {
    if buf.is_empty() {
        *buf = BytesMut::new();
    }
    poll_fn(|cx| {
        let mut chunk = [MaybeUninit::uninit(); CHUNK_LEN];
        let mut len = 0;
        while len < BATCH_LEN {
            let mut read = ReadBuf::uninit(&mut chunk);
            match Pin::new(&mut *stream).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                    buf.extend_from_slice(read.filled());
                    len += read.filled().len();
                }
                // What came before the end is given out first; the end is still there at the next call.
                Poll::Ready(_) | Poll::Pending if len > 0 => break,
                Poll::Ready(end) => return Poll::Ready(end.map(|()| 0)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(len))
    })
    .await
}

/// One step of writing all of `output` and flushing it; says whether that is done.
pub(crate) async fn write_some(
    writer: &mut (impl AsyncWrite + Unpin),
    output: &mut BytesMut,
) -> io::Result<bool> {
    if output.is_empty() {
        writer.flush().await?;
        return Ok(true);
    }
    writer.write_buf(output).await?;
    Ok(false)
}

/// Waits for `deadline`, for ever where there is none.
pub(crate) async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn a_batch_is_what_has_arrived_and_the_end_comes_after_it() {
        let (mut near, mut far) = tokio::io::duplex(1024);
        far.write_all(b"one").await.unwrap();
        far.write_all(b"two").await.unwrap();
        drop(far);
        let mut buf = BytesMut::from(&b"zero"[..]);
        assert_eq!(read_batch(&mut near, &mut buf).await.unwrap(), 6);
        assert_eq!(&buf[..], b"zeroonetwo");
        assert_eq!(read_batch(&mut near, &mut buf).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_batch_is_bounded() {
        let (mut near, mut far) = tokio::io::duplex(1024 * 1024);
        far.write_all(&vec![7; 200_000]).await.unwrap();
        let mut buf = BytesMut::new();
        let len = read_batch(&mut near, &mut buf).await.unwrap();
        assert!((BATCH_LEN..BATCH_LEN + CHUNK_LEN).contains(&len), "{len}");
    }
}
