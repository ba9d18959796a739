//! A TCP socket under TLS that keeps the records apart: no read goes beyond the end of one, so whatever TLS hands up came in one record;
//! and writes can be cut into TCP segments.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Type (1), version (2) and length (2) of a TLS record.
const HEADER: usize = 5;

/// The socket.
#[derive(Debug)]
pub(crate) struct Records {
    socket: TcpStream,
    /// As much of the header of the record under way as was read.
    header: [u8; HEADER],
    header_len: usize,
    /// How much of its body is still to come.
    body_left: usize,
    /// A record is complete: whoever reads is handed what was in it before the next one is begun.
    complete: bool,
    /// Bytes handed to the kernel at once at most.
    segment: usize,
}

impl Records {
    pub(crate) fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            header: [0; HEADER],
            header_len: 0,
            body_left: 0,
            complete: false,
            segment: usize::MAX,
        }
    }

    /// From now on every write to the kernel has so many bytes at most; with `TCP_NODELAY` each is a segment of its own.
    pub(crate) fn cut_into_segments_of(&mut self, segment: usize) {
        self.segment = segment.max(1);
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// How much of a read belongs to the record under way.
    fn wanted(&self) -> usize {
        if self.body_left > 0 {
            self.body_left
        } else {
            HEADER - self.header_len
        }
    }

    fn took(&mut self, bytes: &[u8]) {
        if self.body_left > 0 {
            self.body_left -= bytes.len();
            self.complete = self.body_left == 0;
            return;
        }
        self.header[self.header_len..self.header_len + bytes.len()].copy_from_slice(bytes);
        self.header_len += bytes.len();
        if self.header_len == HEADER {
            self.header_len = 0;
            self.body_left = usize::from(u16::from_be_bytes([self.header[3], self.header[4]]));
        }
    }
}

impl AsyncRead for Records {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.complete) {
            // TLS reads on as long as it can, and would hand up several records as one.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let wanted = self.wanted().min(buffer.remaining());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(wanted));
        ready!(Pin::new(&mut self.socket).poll_read(context, &mut part))?;
        let len = part.filled().len();
        self.took(part.filled());
        buffer.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Records {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let first = &bytes[..bytes.len().min(self.segment)];
        Pin::new(&mut self.socket).poll_write(context, first)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
