//! One connection to a binary upstream: the driver around [`client::Session`].
//!
//! Rows are put in with [`Link::send`] while there is [`Link::room`]; everything else is one future, [`Link::next`], which
//! writes and reads at the same time, because the upstream's six bytes may come while it no longer takes ours. It can be
//! dropped at any await and called again.

use std::future::pending;
use std::io;
use std::time::Duration;

use apns_proto::client::{self, Outcome};
use apns_proto::{ErrorPacket, Push, TooLong};
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::client::TlsStream;
use tracing::{debug, warn};

use crate::store::Row;
use crate::upstream::connect::refusal;

/// Encoded frames from which on no more are taken. What is taken during a write is the next one.
const OUTBOX_LEN: usize = 64 * 1024;

/// An error packet is six bytes, and the upstream says nothing else.
const READ_LEN: usize = 64;

/// How long an error packet is looked for after the connection broke while we were writing.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long the rest of an answer may take once its first byte is there.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long our close_notify may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How a connection finds out what became of what was sent on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Confirmation {
    /// Silence that confirms.
    pub(super) quiet: Duration,
    /// Where the upstream is asked instead: after so long without anything to send. Silence confirms only when it does not answer.
    pub(super) ask_after: Option<Duration>,
}

/// A live connection and what is on it.
pub(super) struct Link {
    reader: ReadHalf<TlsStream<TcpStream>>,
    writer: WriteHalf<TlsStream<TcpStream>>,
    session: client::Session<Row>,
    confirmation: Confirmation,
    write_timeout: Duration,
    inbox: BytesMut,
    /// Encoded, and in no write yet.
    outbox: BytesMut,
    /// What the write under way has not written yet.
    writing: BytesMut,
    wire: Wire,
    /// When a write last got further, or the connection was made.
    touched: Instant,
    /// When a row was last put in line,
    sent_at: Instant,
    /// and when that was done with the oldest that is not confirmed.
    unconfirmed_since: Instant,
    opened: Instant,
    /// Until when the rest of an answer has to be there.
    answer_by: Option<Instant>,
}

/// Where the write is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire {
    Idle,
    Writing,
    /// TLS has it all; the kernel has not.
    Flushing,
    /// Writing failed; until then something may still be read.
    Broken {
        until: Instant,
    },
}

/// What happened on the connection.
#[derive(Debug)]
pub(super) enum Event {
    /// What was sent is written: there is room.
    Written,
    /// These are confirmed by the upstream's silence.
    Confirmed(Vec<Row>),
    /// It is over.
    Ended(End),
}

/// How a connection ended.
#[derive(Debug)]
pub(crate) enum End {
    /// With an answer.
    Packet(ErrorPacket),
    /// Without one that can be understood.
    Bare(Bare),
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Bare {
    #[error("the upstream closed the connection without a word")]
    Closed,
    #[error("the upstream took nothing for {0:?}")]
    Stalled(Duration),
    #[error("the upstream refuses our certificate (alert {0:?})")]
    Refused(tokio_rustls::rustls::AlertDescription),
    #[error("the upstream said something that is no error packet")]
    Gibberish,
    #[error("the upstream did not answer our farewell")]
    Unanswered,
    #[error("the connection broke")]
    Broken(#[source] io::Error),
}

impl Link {
    pub(super) fn new(
        stream: TlsStream<TcpStream>,
        confirmation: Confirmation,
        window: usize,
        write_timeout: Duration,
    ) -> Self {
        let (reader, writer) = split(stream);
        let now = Instant::now();
        let session = match confirmation.ask_after {
            Some(_) => client::Session::asking(confirmation.quiet, window),
            None => client::Session::new(confirmation.quiet, window),
        };
        Self {
            reader,
            writer,
            session,
            confirmation,
            write_timeout,
            inbox: BytesMut::with_capacity(READ_LEN),
            outbox: BytesMut::new(),
            writing: BytesMut::new(),
            wire: Wire::Idle,
            touched: now,
            sent_at: now,
            unconfirmed_since: now,
            opened: now,
            answer_by: None,
        }
    }

    /// Whether another row may be sent now.
    pub(super) fn room(&self) -> bool {
        let broken = matches!(self.wire, Wire::Broken { .. });
        !broken && self.outbox.len() < OUTBOX_LEN && self.session.room() > 0
    }

    /// Rows sent and not yet confirmed.
    pub(super) fn pending_len(&self) -> usize {
        self.session.pending_len()
    }

    /// Since when nothing at all has been on its way, if so.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let idle = self.wire == Wire::Idle && self.outbox.is_empty() && self.pending_len() == 0;
        (idle && !self.session.is_leaving()).then_some(self.touched)
    }

    /// Whether it has lasted a quiet period.
    pub(super) fn survived(&self) -> bool {
        self.opened.elapsed() >= self.confirmation.quiet
    }

    /// Puts a row in line to be written.
    pub(super) fn send(&mut self, row: Row) -> Result<(), TooLong> {
        let (token, payload) = (row.token.clone(), row.payload.clone());
        let push = Push {
            token: token.as_bytes(),
            payload: &payload,
            expiry: row.expiry,
            priority: row.priority,
        };
        let was_empty = self.pending_len() == 0;
        self.session.push(&push, row, &mut self.outbox)?;
        self.sent_at = Instant::now();
        if was_empty {
            self.unconfirmed_since = self.sent_at;
        }
        Ok(())
    }

    /// When the upstream is to be asked what became of what is on the connection, if it is to be: at once when no more may be sent before
    /// that is known, else when nothing more was sent for a while, and a quiet period after the oldest at the latest.
    pub(super) fn ask_at(&self) -> Option<Instant> {
        let after = self.confirmation.ask_after?;
        if self.pending_len() == 0 || self.session.is_leaving() {
            return None;
        }
        let idle = self.sent_at + after;
        let latest = self.unconfirmed_since + self.confirmation.quiet;
        Some(match self.session.room() {
            0 => self.sent_at,
            _ => idle.min(latest),
        })
    }

    /// Asks, if that is what is done here and there is something to ask for. Nothing is sent after that.
    pub(super) fn ask(&mut self) {
        if self.ask_at().is_some() {
            self.session.farewell(&mut self.outbox);
        }
    }

    /// Whether it has asked.
    pub(super) fn has_asked(&self) -> bool {
        self.session.is_leaving()
    }

    /// Drives the connection to the next event.
    pub(super) async fn next(&mut self) -> Event {
        loop {
            let now = Instant::now();
            if self.has_asked() && self.pending_len() == 0 {
                return Event::Ended(End::Bare(Bare::Unanswered));
            }
            let mut confirmation = self.session.next_confirmation().map(Instant::from_std);
            let is_due = confirmation.is_some_and(|at| at <= now);
            if self.wire == Wire::Idle && !self.outbox.is_empty() && !is_due {
                self.writing = self.outbox.split();
                self.session.write_started(now.into_std());
                self.wire = Wire::Writing;
                self.touched = now;
                confirmation = None;
            }
            let give_up = match self.wire {
                Wire::Idle => None,
                Wire::Writing | Wire::Flushing => Some(self.touched + self.write_timeout),
                Wire::Broken { until } => Some(until),
            };
            let give_up = give_up.into_iter().chain(self.answer_by).min();
            // What the upstream says comes first: it decides what everything else means, and whether there was silence at all, should
            // this process have been away for a while.
            tokio::select! {
                biased;
                read = self.reader.read_buf(&mut self.inbox) => {
                    if let Some(end) = self.heard(read) {
                        return Event::Ended(end);
                    }
                }
                written = write(self.wire, &mut self.writer, &mut self.writing) => match written {
                    Ok(()) => if self.wrote() {
                        return Event::Written;
                    },
                    Err(error) => self.broke(&error),
                },
                () = sleep_until(confirmation.unwrap_or(now)), if confirmation.is_some() => {
                    let confirmed = self.session.confirmed(Instant::now().into_std());
                    if !confirmed.is_empty() {
                        return Event::Confirmed(confirmed);
                    }
                }
                () = sleep_until(give_up.unwrap_or(now)), if give_up.is_some() => {
                    return Event::Ended(End::Bare(match self.wire {
                        Wire::Broken { .. } => Bare::Closed,
                        _ if self.answer_by.is_some() => Bare::Gibberish,
                        _ => Bare::Stalled(self.write_timeout),
                    }));
                }
            }
        }
    }

    /// One step of the write is done. Says whether all of it is.
    fn wrote(&mut self) -> bool {
        let now = Instant::now();
        self.touched = now;
        match self.wire {
            Wire::Writing if self.writing.is_empty() => self.wire = Wire::Flushing,
            Wire::Flushing => {
                self.session.write_finished(now.into_std());
                self.wire = Wire::Idle;
                return true;
            }
            _ => {}
        }
        false
    }

    fn broke(&mut self, error: &io::Error) {
        debug!(%error, "writing failed; listening for the reason");
        self.wire = Wire::Broken {
            until: Instant::now() + LAST_WORDS,
        };
    }

    /// Makes sense of a read; `None`: not yet.
    fn heard(&mut self, read: io::Result<usize>) -> Option<End> {
        match read {
            // Without a close_notify the end is as good: rustls reports it as an error.
            Ok(0) => Some(End::Bare(Bare::Closed)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Some(End::Bare(Bare::Closed))
            }
            Err(error) => Some(End::Bare(match refusal(&error) {
                Some(alert) => Bare::Refused(alert),
                None => Bare::Broken(error),
            })),
            Ok(_) => match self.session.receive(&mut self.inbox) {
                None => {
                    self.answer_by
                        .get_or_insert_with(|| Instant::now() + ANSWER_TIMEOUT);
                    None
                }
                Some(Ok(packet)) => Some(End::Packet(packet)),
                Some(Err(error)) => {
                    warn!(%error, "the upstream does not speak the binary protocol");
                    Some(End::Bare(Bare::Gibberish))
                }
            },
        }
    }

    /// What became of everything that was on it.
    pub(super) fn finish(self, end: &End) -> Outcome<Row> {
        let packet = match end {
            End::Packet(packet) => Some(*packet),
            End::Bare(_) => None,
        };
        self.session.finish(packet)
    }

    /// Ends it from our side, in good order.
    pub(super) async fn close(mut self) -> Outcome<Row> {
        if timeout(CLOSE_TIMEOUT, self.writer.shutdown())
            .await
            .is_err()
        {
            debug!("the upstream did not take our close in time");
        }
        self.session.finish(None)
    }
}

/// One step of a write; never, while there is none. Can be dropped at any await.
async fn write(
    wire: Wire,
    writer: &mut WriteHalf<TlsStream<TcpStream>>,
    writing: &mut BytesMut,
) -> io::Result<()> {
    match wire {
        Wire::Writing => writer.write_buf(writing).await.map(drop),
        Wire::Flushing => writer.flush().await,
        Wire::Idle | Wire::Broken { .. } => pending().await,
    }
}
