//! Reading without a buffer per connection.
//!
//! Ten thousand idle connections that each hold a read buffer over the await are hundreds of megabytes. So bytes are read
//! into a buffer of the thread, in one go, and only what has come is copied to the connection.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};

/// What is read in one go is one connection's part of a commit. All of them together have so much, about,
const READ_LEN: usize = 1024 * 1024;
/// and each at least this,
const READ_LEN_MIN: usize = 16 * 1024;
/// and at most this: some three hundred notifications, so that what a commit costs is little for each, and nobody else's few wait long for it.
const READ_LEN_MAX: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_LEN_MAX]);
}

/// What one of so many connections may read in one go, in bytes.
pub(crate) fn share(connections: usize) -> usize {
    (READ_LEN / connections.max(1)).clamp(READ_LEN_MIN, READ_LEN_MAX)
}

/// What so many connections may have read before any of them is told to stop, in bytes, each when there was one more than before.
pub(crate) fn shares(connections: usize) -> usize {
    let (large, least) = (READ_LEN / READ_LEN_MIN, READ_LEN_MIN);
    let of_large: usize = (1..=connections.min(large)).map(share).sum();
    of_large.saturating_add(connections.saturating_sub(large).saturating_mul(least))
}

/// Appends to `buf` what can be read without waiting, at least one byte and at most a [`share`]; 0 is the end of the stream. Can
/// be dropped while it waits: then nothing was read.
///
/// What was read before an error is there, and the error comes with the next call.
pub(crate) async fn read_some(
    stream: &mut (impl AsyncRead + Unpin),
    buf: &mut BytesMut,
    share: usize,
) -> io::Result<usize> {
    poll_fn(|cx| {
        SCRATCH.with_borrow_mut(|scratch| {
            poll_read(Pin::new(&mut *stream), cx, &mut scratch[..share], buf)
        })
    })
    .await
}

fn poll_read(
    mut stream: Pin<&mut (impl AsyncRead + Unpin)>,
    cx: &mut Context<'_>,
    scratch: &mut [u8],
    buf: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    let mut read = ReadBuf::new(scratch);
    let outcome = loop {
        let before = read.filled().len();
        match stream.as_mut().poll_read(cx, &mut read) {
            Poll::Ready(Ok(())) if read.filled().len() == before || read.remaining() == 0 => {
                break Poll::Ready(Ok(()));
            }
            Poll::Ready(Ok(())) => {}
            other => break other,
        }
    };
    let len = read.filled().len();
    if len > 0 {
        buf.extend_from_slice(read.filled());
        return Poll::Ready(Ok(len));
    }
    outcome.map_ok(|()| 0)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn all_that_has_come_is_read_in_one_go_and_then_the_end() {
        let (mut near, mut far) = duplex(1_024);
        let mut buf = BytesMut::new();
        far.write_all(b"one").await.unwrap();
        far.write_all(b"two").await.unwrap();
        assert_eq!(
            read_some(&mut near, &mut buf, READ_LEN_MIN).await.unwrap(),
            6
        );
        assert_eq!(&buf[..], b"onetwo");
        drop(far);
        assert_eq!(
            read_some(&mut near, &mut buf, READ_LEN_MIN).await.unwrap(),
            0
        );
        assert_eq!(&buf[..], b"onetwo");
    }

    #[test]
    fn the_more_connections_there_are_the_less_each_reads_in_one_go() {
        assert_eq!([0, 1, 4].map(share), [READ_LEN_MAX; 3]);
        assert_eq!(share(16), 64 * 1024);
        assert_eq!([64, 10_000].map(share), [READ_LEN_MIN; 2]);
        assert_eq!([0, 1, 4].map(shares), [0, 64 * 1024, 256 * 1024]);
        for connections in [5, 64, 65, 2_000] {
            let one_by_one: usize = (1..=connections).map(share).sum();
            assert_eq!(shares(connections), one_by_one);
        }
    }

    #[tokio::test]
    async fn no_more_than_a_share_is_read() {
        let (mut near, mut far) = duplex(1_024);
        let mut buf = BytesMut::new();
        far.write_all(b"sixsix").await.unwrap();
        for total in [4, 6] {
            read_some(&mut near, &mut buf, 4).await.unwrap();
            assert_eq!(buf.len(), total);
        }
    }

    #[tokio::test]
    async fn waiting_holds_no_buffer_and_can_be_dropped() {
        let (mut near, mut far) = duplex(1_024);
        let mut buf = BytesMut::new();
        tokio::select! {
            biased;
            _ = read_some(&mut near, &mut buf, READ_LEN_MIN) => panic!("there is nothing to read"),
            () = yield_now() => {}
        }
        assert_eq!(buf.capacity(), 0);
        far.write_all(b"later").await.unwrap();
        assert_eq!(
            read_some(&mut near, &mut buf, READ_LEN_MIN).await.unwrap(),
            5
        );
    }

    #[tokio::test]
    async fn what_came_before_an_error_is_not_lost() {
        let mut stream = last_words();
        let mut buf = BytesMut::new();
        assert_eq!(
            read_some(&mut stream, &mut buf, READ_LEN_MIN)
                .await
                .unwrap(),
            4
        );
        assert_eq!(&buf[..], b"last");
        let error = read_some(&mut stream, &mut buf, READ_LEN_MIN)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    /// Four bytes, then a reset for ever.
    fn last_words() -> impl AsyncRead + Unpin {
        struct Reset(bool);
        impl AsyncRead for Reset {
            fn poll_read(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                if !std::mem::replace(&mut self.0, true) {
                    buf.put_slice(b"last");
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            }
        }
        Reset(false)
    }
}
