//! A socket that is read no faster than a fault allows.

use std::io::{self, IoSlice};
use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::face::breakage::pace;

/// Passes everything on; with a rate, reading pauses for as long as what was read last should have taken.
#[derive(Debug)]
pub(super) struct Paced<S> {
    io: S,
    bytes_per_second: Option<NonZeroU32>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<S> Paced<S> {
    pub(super) const fn new(io: S, bytes_per_second: Option<NonZeroU32>) -> Self {
        Self {
            io,
            bytes_per_second,
            pause: None,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(pause) = &mut this.pause {
            ready!(pause.as_mut().poll(cx));
            this.pause = None;
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        if let Some(rate) = this.bytes_per_second {
            let len = buf.filled().len() - before;
            this.pause = Some(Box::pin(sleep(pace(len, rate))));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_comes_next_is_read_when_the_last_has_taken_its_time() {
        let (near, mut far) = tokio::io::duplex(1024);
        let mut near = Paced::new(near, NonZeroU32::new(100));
        let begun = Instant::now();
        far.write_all(&[7; 50]).await.unwrap();
        near.read_exact(&mut [0; 50]).await.unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
        far.write_all(&[7]).await.unwrap();
        near.read_u8().await.unwrap();
        let half = begun.elapsed();
        assert!(half >= Duration::from_millis(500), "{half:?}");
    }
}
