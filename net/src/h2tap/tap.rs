//! The tap itself: an `AsyncRead` and `AsyncWrite` around another.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::cutter::{Cutter, Piece};
use super::frame::{DEBUG_DATA_LEN_MAX, Frame, GoAway, HEAD_LEN, Head, Kind, Setting};

/// Bytes that may wait to be put in; the HTTP/2 library has to be stuck for there to be so many.
pub const INJECTED_LEN_MAX: usize = 16 * 1024;

/// Stands between an HTTP/2 library and its socket. Bytes pass through unchanged and are not copied, except as a [`TapHandle`] asks.
#[derive(Debug)]
pub struct Tap<S> {
    io: S,
    shared: Arc<Mutex<Shared>>,
    /// Which place the bytes read have reached.
    inbound: Cutter,
    /// Which place the bytes written have reached.
    outbound: Cutter,
    /// The library's first frame, its SETTINGS, is left out.
    leave_out: bool,
    /// What was put in has not been flushed.
    unflushed: bool,
    /// A head that is read apart, because it may have to stay here.
    apart: Apart,
    /// The payload of a GOAWAY that is arriving.
    goaway: Option<Vec<u8>>,
    /// The peer's first frame has begun.
    begun: bool,
}

/// Talks to the [`Tap`] that the HTTP/2 library has swallowed.
#[derive(Clone, Debug)]
pub struct TapHandle {
    shared: Arc<Mutex<Shared>>,
}

/// More waits to be put in than [`INJECTED_LEN_MAX`]: the peer takes nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many frames wait to be put between those of the connection")]
pub struct TapFull;

#[derive(Debug, Default)]
struct Shared {
    /// Waits to be put in.
    injected: BytesMut,
    /// How many SETTINGS are in it, not counting the first of a connection.
    injected_settings: usize,
    /// Whose SETTINGS are not acknowledged, oldest first.
    unacknowledged: VecDeque<Author>,
    goaway: Option<GoAway>,
    /// The peer's first frame was its SETTINGS.
    greeted: bool,
    /// What the socket said when it could not be read any more.
    broken: Option<io::Error>,
    /// Whoever drives the connection.
    waker: Option<Waker>,
    /// Bytes the socket has taken, ours and the library's.
    written_len: u64,
    /// The socket did not take what it was offered last.
    blocked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Author {
    Library,
    Tap,
}

impl<S> Tap<S> {
    /// A server's: `first` are the settings it announces, in place of the library's own.
    ///
    /// The library must be able to live with them: they say what the peer may do, while the library goes by what it was built with.
    pub fn server(io: S, first: Vec<(Setting, u32)>) -> (Self, TapHandle) {
        let mut shared = Shared::default();
        Frame::Settings(first).encode(&mut shared.injected);
        // Stands for the library's, whose place it takes; so the library may see its acknowledgement.
        shared.unacknowledged.push_back(Author::Library);
        let cutters = (Cutter::of_client(), Cutter::of_server());
        Self::new(io, shared, cutters, true)
    }

    /// A client's.
    pub fn client(io: S) -> (Self, TapHandle) {
        let cutters = (Cutter::of_server(), Cutter::of_client());
        Self::new(io, Shared::default(), cutters, false)
    }

    fn new(
        io: S,
        shared: Shared,
        (inbound, outbound): (Cutter, Cutter),
        leave_out: bool,
    ) -> (Self, TapHandle) {
        let shared = Arc::new(Mutex::new(shared));
        let handle = TapHandle {
            shared: Arc::clone(&shared),
        };
        let tap = Self {
            io,
            shared,
            inbound,
            outbound,
            leave_out,
            unflushed: false,
            apart: Apart::default(),
            goaway: None,
            begun: false,
        };
        (tap, handle)
    }

    /// Looks at bytes on their way to the library.
    fn received(&mut self, mut bytes: &[u8]) {
        while let Some(piece) = self.inbound.next(&mut bytes) {
            if let Piece::Head(head) = &piece
                && !std::mem::replace(&mut self.begun, true)
            {
                lock(&self.shared).greeted = head.announces_settings();
            }
            match piece {
                Piece::Head(head) if head.kind == Kind::GOAWAY => self.goaway = Some(Vec::new()),
                Piece::Head(head) if head.acknowledges_settings() => {
                    lock(&self.shared).unacknowledged.pop_front();
                }
                Piece::Head(_) => {}
                Piece::Payload(part) => {
                    if let Some(payload) = &mut self.goaway {
                        let room = (8 + DEBUG_DATA_LEN_MAX).saturating_sub(payload.len());
                        payload.extend_from_slice(&part[..part.len().min(room)]);
                    }
                }
            }
            if self.inbound.is_frame_whole()
                && let Some(payload) = self.goaway.take()
                && let Some(goaway) = GoAway::decode(&payload)
            {
                lock(&self.shared).goaway = Some(goaway);
            }
        }
    }

    /// Takes bytes of the library's first frame and writes them nowhere; says how many those were.
    fn leave_out_some(&mut self, bytes: &[u8]) -> usize {
        let len = self.outbound.until_between_frames(bytes);
        let mut part = &bytes[..len];
        while self.outbound.next(&mut part).is_some() {}
        self.leave_out = len == 0 || !self.outbound.is_frame_whole();
        len
    }

    /// Looks at bytes the library has written.
    fn sent(&mut self, mut bytes: &[u8]) {
        while let Some(piece) = self.outbound.next(&mut bytes) {
            if let Piece::Head(head) = piece
                && head.announces_settings()
            {
                lock(&self.shared).unacknowledged.push_back(Author::Library);
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Tap<S> {
    /// Puts in what waits for it, where that may be. Ready when nothing waits, or where nothing may be put in now.
    fn poll_inject(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.outbound.is_between_frames() {
            let mut shared = lock(&self.shared);
            for _ in 0..std::mem::take(&mut shared.injected_settings) {
                shared.unacknowledged.push_back(Author::Tap);
            }
            while !shared.injected.is_empty() {
                let written = Pin::new(&mut self.io).poll_write(cx, &shared.injected);
                let len = ready!(shared.note(written))?;
                if len == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                shared.injected.advance(len);
                self.unflushed = true;
            }
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl Shared {
    /// Notes how writing went.
    fn note(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.blocked = written.is_pending();
        if let Poll::Ready(Ok(len)) = &written {
            self.written_len += *len as u64;
        }
        written
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = this.poll_read_between(cx, buf);
        read.map_err(|error| {
            let words = io::Error::new(error.kind(), error.to_string());
            lock(&this.shared).broken = Some(error);
            words
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Tap<S> {
    /// Reads; before that, and while that takes, puts in what waits for it.
    fn poll_read_between(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self;
        // Whoever reads drives the connection: what is put in while it is idle goes out from here. If that has to wait, reading has not.
        if let Poll::Ready(Err(error)) = this.poll_inject(cx) {
            return Poll::Ready(Err(error));
        }
        let mut awaits_ack = {
            let mut shared = lock(&this.shared);
            match &mut shared.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            shared.unacknowledged.contains(&Author::Tap)
        };
        loop {
            if this.apart.give(buf) {
                return Poll::Ready(Ok(()));
            }
            if !awaits_ack && this.apart.is_empty() {
                let before = buf.filled().len();
                ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
                this.received(&buf.filled()[before..]);
                return Poll::Ready(Ok(()));
            }
            // A head of which a part has been passed on cannot be the acknowledgement: that began after what it acknowledges.
            let left = this.inbound.left_of_this();
            if left > 0 {
                let len = left.min(buf.remaining());
                let mut part = ReadBuf::new(buf.initialize_unfilled_to(len));
                ready!(Pin::new(&mut this.io).poll_read(cx, &mut part))?;
                this.received(part.filled());
                let len = part.filled().len();
                buf.advance(len);
                return Poll::Ready(Ok(()));
            }
            let Some(head) = ready!(this.apart.poll_fill(cx, &mut this.io))? else {
                continue;
            };
            let mut shared = lock(&this.shared);
            if head.acknowledges_settings() && shared.unacknowledged.front() == Some(&Author::Tap) {
                shared.unacknowledged.pop_front();
                this.apart = Apart::default();
                awaits_ack = shared.unacknowledged.contains(&Author::Tap);
            } else {
                drop(shared);
                let head = this.apart.bytes;
                this.received(&head);
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_inject(cx))?;
        if this.leave_out {
            return Poll::Ready(Ok(this.leave_out_some(bytes)));
        }
        let mut shared = lock(&this.shared);
        let len = if shared.injected.is_empty() {
            bytes.len()
        } else {
            this.outbound.until_between_frames(bytes)
        };
        let written = Pin::new(&mut this.io).poll_write(cx, &bytes[..len]);
        let len = ready!(shared.note(written))?;
        drop(shared);
        this.sent(&bytes[..len]);
        Poll::Ready(Ok(len))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_inject(cx))?;
        let mut shared = lock(&this.shared);
        if this.leave_out || !shared.injected.is_empty() {
            drop(shared);
            let first = slices.iter().find(|slice| !slice.is_empty());
            return Pin::new(this).poll_write(cx, first.map_or(&[][..], |slice| slice));
        }
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, slices);
        let len = ready!(shared.note(written))?;
        drop(shared);
        let mut left = len;
        for slice in slices {
            let part = &slice[..slice.len().min(left)];
            this.sent(part);
            left -= part.len();
        }
        Poll::Ready(Ok(len))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_inject(cx))?;
        let flushed = Pin::new(&mut this.io).poll_flush(cx);
        lock(&this.shared).blocked = flushed.is_pending();
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_inject(cx))?;
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}

impl TapHandle {
    /// Puts `frame` between two of the library's, as soon as it may be, and behind those put in before.
    ///
    /// # Errors
    ///
    /// When too much waits already.
    pub fn inject(&self, frame: &Frame) -> Result<(), TapFull> {
        let mut shared = lock(&self.shared);
        let before = shared.injected.len();
        frame.encode(&mut shared.injected);
        if before > 0 && shared.injected.len() > INJECTED_LEN_MAX {
            shared.injected.truncate(before);
            return Err(TapFull);
        }
        if matches!(frame, Frame::Settings(_)) {
            shared.injected_settings += 1;
        }
        let waker = shared.waker.take();
        drop(shared);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// What the peer said last when it ended the connection.
    #[must_use]
    pub fn goaway(&self) -> Option<GoAway> {
        lock(&self.shared).goaway.clone()
    }

    /// Whether the peer has begun as HTTP/2 wants it, with its SETTINGS (RFC 9113, section 3.4).
    #[must_use]
    pub fn has_greeted(&self) -> bool {
        lock(&self.shared).greeted
    }

    /// The error that ended reading, once, as the socket gave it: the library keeps no more than its words.
    #[must_use]
    pub fn take_error(&self) -> Option<io::Error> {
        lock(&self.shared).broken.take()
    }

    /// Whether the peer goes by the settings announced to it: it has acknowledged all that were sent, and none waits to be.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let shared = lock(&self.shared);
        shared.unacknowledged.is_empty() && shared.injected_settings == 0
    }

    /// `None` unless the socket has refused to take more; then how much it had taken. As long as that figure stays, the peer takes nothing.
    #[must_use]
    pub fn blocked_at(&self) -> Option<u64> {
        let shared = lock(&self.shared);
        shared.blocked.then_some(shared.written_len)
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A head read for the tap's eyes first.
#[derive(Debug, Default)]
struct Apart {
    bytes: [u8; HEAD_LEN],
    /// How much has been read.
    len: usize,
    /// It is to be passed on, and this much of it has been.
    given: Option<usize>,
}

impl Apart {
    fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads more of the head. Whole, or cut off by the end of the stream, it will be given to the reader; `None` in the second case.
    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut (impl AsyncRead + Unpin),
    ) -> Poll<io::Result<Option<Head>>> {
        while self.len < HEAD_LEN {
            let mut part = ReadBuf::new(&mut self.bytes[self.len..]);
            ready!(Pin::new(&mut *io).poll_read(cx, &mut part))?;
            let len = part.filled().len();
            if len == 0 {
                self.given = Some(0);
                return Poll::Ready(Ok(None));
            }
            self.len += len;
        }
        self.given = Some(0);
        Poll::Ready(Ok(Some(Head::decode(self.bytes))))
    }

    /// Gives what is to be passed on; says whether there was anything, be it the end of the stream.
    fn give(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let Some(given) = self.given else {
            return false;
        };
        let rest = &self.bytes[given..self.len];
        let len = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..len]);
        if given + len < self.len {
            self.given = Some(given + len);
        } else {
            *self = Self::default();
        }
        true
    }
}
