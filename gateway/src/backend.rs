//! One connection of a backend: the driver around [`Receipt`].
//!
//! ```text
//! read ─▶ take ─▶ append, wait for the commit ─▶ answer due? ──no──▶ read
//! ```
//!
//! Nothing is read while a commit is awaited, the backlog is full, or what was accepted has to be settled first (mode `exact`):
//! TCP slows the backend down. Nothing is written before
//! everything received ahead of it is durable.

use std::sync::Arc;
use std::time::Duration;

use apns_net::linger::{Linger, LingerEnd, linger};
use apns_proto::Limits;
use apns_proto::server::{End, Reply};
use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_rustls::server::TlsStream;
use tracing::{debug, info, trace, warn};

use crate::app::App;
use crate::contract::{AnsweredEnd, Late, Receipt, Stop, Why};
use crate::late::Registered;
use crate::read::{read_some, share};
use crate::shared::Shared;
use crate::store::{Append, AtOnce, NewRow, StoreDown};

/// How long, and over how many bytes, the peer's close is looked for before an answer (order contract, rule 3).
const READ_AHEAD: Duration = Duration::from_millis(20);
const READ_AHEAD_LEN: usize = 1 << 20;

/// How long six bytes or a close_notify may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a daemon that stops waits for peers to read what it said last.
const LAST_LINGER: Linger = Linger {
    idle: Duration::from_secs(1),
    total: Duration::from_secs(2),
};

/// Serves one connection to its end.
pub(crate) async fn serve(
    stream: Box<TlsStream<TcpStream>>,
    app: &App,
    backend: Arc<str>,
    voip: bool,
    shared: &Shared,
) -> Result<(), StoreDown> {
    let limits = if voip { Limits::VOIP } else { Limits::BINARY };
    let connection = shared.store.next_connection();
    let backend = Backend {
        stream,
        app,
        name: backend,
        shared,
        connection,
        receipt: Receipt::new(app.mode, limits, shared.frame_timeout),
        buf: BytesMut::new(),
        registered: shared.open.register(connection),
        peer_closed: false,
    };
    backend.run().await
}

struct Backend<'a> {
    stream: Box<TlsStream<TcpStream>>,
    app: &'a App,
    name: Arc<str>,
    shared: &'a Shared,
    connection: u64,
    receipt: Receipt,
    /// What was read and not yet taken: less than a frame, between two reads.
    buf: BytesMut,
    registered: Registered,
    peer_closed: bool,
}

/// What the connection waits for between two reads.
enum Event {
    /// Bytes have come.
    Read,
    /// No more will.
    Closed,
    /// The backlog had no room and has now.
    Room,
    /// Something became of a notification.
    Late(Late),
    /// What had to be settled first has had its time.
    Waited,
    /// A frame begun is not complete in time [P-19].
    Overdue,
    /// The daemon stops.
    Drain,
    /// It stops, and nothing has come for long enough.
    Idle,
    /// It stops, and the connection has had its time.
    TimeUp,
}

impl Backend<'_> {
    async fn run(mut self) -> Result<(), StoreDown> {
        let mut drain_by = None;
        let mut touched = Instant::now();
        loop {
            match self.event(touched, drain_by).await {
                Event::Read => touched = Instant::now(),
                Event::Closed => {
                    self.peer_closed = true;
                    return self.close().await;
                }
                Event::Room => self.receipt.resumed(Instant::now().into_std()),
                Event::Late(Late { seq, status, .. }) => {
                    let now = Instant::now().into_std();
                    if let Some(reply) = self.receipt.late(seq, status, now) {
                        let status = status.map(tracing::field::display);
                        info!(seq, status, "the newest notification was refused upstream");
                        self.shared.counters.late_answers.add(1);
                        return self.answer(reply, None).await;
                    }
                }
                Event::Waited => self.receipt.waited(Instant::now().into_std()),
                Event::Overdue => {
                    if let Some(overdue) = self.receipt.tick(Instant::now().into_std()) {
                        warn!(%overdue, clause = "P-19", "closed");
                        return self.close().await;
                    }
                }
                Event::Drain => {
                    drain_by = Some(Instant::now() + self.shared.shutdown.drain_timeout)
                }
                Event::Idle => {
                    debug!("closed while idle, because the daemon stops");
                    return self.close().await;
                }
                Event::TimeUp => return self.shut_down().await,
            }
            if let Some((reply, why)) = self.take().await? {
                return self.answer(reply, why).await;
            }
            if self.peer_closed {
                return self.close().await;
            }
        }
    }

    /// Waits for what comes next. Can be dropped at any await: what was read is in the buffer.
    async fn event(&mut self, touched: Instant, drain_by: Option<Instant>) -> Event {
        let has_room = self.app.has_room();
        let share = share(self.shared.open.len());
        let waits_until = self.receipt.waits_until().map(Instant::from_std);
        let reads = has_room && waits_until.is_none();
        let overdue = self
            .receipt
            .deadline()
            .map(Instant::from_std)
            .filter(|_| reads);
        // Whoever is in the middle of a frame, or kept waiting by us, is not idle.
        let idle = drain_by
            .filter(|_| reads && self.buf.is_empty())
            .map(|_| touched + self.shared.shutdown.idle);
        tokio::select! {
            biased;
            late = self.registered.late() => Event::Late(late),
            read = read_some(&mut self.stream, &mut self.buf, share), if reads => match read {
                Ok(0) => Event::Closed,
                Ok(_) => Event::Read,
                Err(error) => {
                    debug!(%error, "the connection broke");
                    Event::Closed
                }
            },
            () = self.app.room(), if !has_room => Event::Room,
            () = at(waits_until), if waits_until.is_some() => Event::Waited,
            () = at(overdue), if overdue.is_some() => Event::Overdue,
            () = self.shared.drain.cancelled(), if drain_by.is_none() => Event::Drain,
            () = at(idle), if idle.is_some() => Event::Idle,
            () = at(drain_by), if drain_by.is_some() => Event::TimeUp,
        }
    }

    /// Takes everything in the buffer, as far as it may be taken, and makes it durable. The answer that is due then, if one
    /// is and somebody is there to be told.
    async fn take(&mut self) -> Result<Option<(Reply, Option<Why>)>, StoreDown> {
        loop {
            let now = Instant::now().into_std();
            let today = self.shared.clock.now();
            let batch = self
                .receipt
                .take(&mut self.buf, now, today, &mut self.app.rules());
            if self.buf.is_empty() {
                // An idle connection keeps no buffer.
                self.buf = BytesMut::new();
            }
            if let Some(fault) = batch.lost {
                warn!(reason = %fault, clause = fault.clause(), "what came last cannot be read");
            }
            let mut untold = batch.rows.iter().filter(|row| row.end.is_some()).count();
            if !batch.rows.is_empty() {
                self.append(batch.rows).await?;
            }
            let told = match batch.stop {
                None => None,
                Some(_) if self.receipt.reads_ahead() && self.has_closed().await => {
                    self.receipt.peer_closed();
                    None
                }
                Some(stop) => Some(stop),
            };
            if told.is_some_and(|stop| matches!(stop.why, Why::DeadToken | Why::Malformed(_))) {
                untold -= 1;
            }
            self.shared.counters.untold.add(untold as u64);
            match (batch.stop, told) {
                (None, _) => return Ok(None),
                (Some(stop), None) => debug!(reason = %stop.why, "nobody is there to be told"),
                (Some(_), Some(stop)) => return Ok(Some((self.reply(stop), Some(stop.why)))),
            }
        }
    }

    fn reply(&mut self, stop: Stop) -> Reply {
        let Stop { seq, status, why } = stop;
        let status = status.map(tracing::field::display);
        info!(seq, reason = %why, clause = why.clause(), status, "answered");
        self.receipt.answer(stop)
    }

    /// Returns when the rows are durable: the barrier.
    async fn append(&mut self, rows: Vec<NewRow>) -> Result<(), StoreDown> {
        let rejected: Vec<_> = rows.iter().filter_map(refusal).collect();
        let rows_len = rows.len();
        let append = Append {
            app: self.app.id,
            backend: Arc::clone(&self.name),
            connection: self.connection,
            rows,
        };
        self.shared.store.append(append).await?;
        trace!(rows_len, "committed");
        for Refusal {
            seq,
            token,
            reason,
            malformed,
        } in rejected
        {
            if malformed {
                warn!(seq, %token, reason, "a malformed notification is in the dead letters");
            } else {
                info!(seq, %token, reason, "a notification to a bad token is in the dead letters");
            }
        }
        self.receipt.resumed(Instant::now().into_std());
        Ok(())
    }

    /// Reads ahead for the peer's close: a page that writes and closes at once will not read an answer, and losing what is
    /// behind it would be for nothing (order contract, rule 3).
    async fn has_closed(&mut self) -> bool {
        let until = Instant::now() + READ_AHEAD;
        let share = share(self.shared.open.len());
        while !self.peer_closed && self.buf.len() < READ_AHEAD_LEN {
            match timeout_at(until, read_some(&mut self.stream, &mut self.buf, share)).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) => self.peer_closed = true,
                Err(_) => break,
            }
        }
        self.peer_closed
    }

    /// Says the last word, sees to it that it can be read, and notices who never does.
    async fn answer(mut self, reply: Reply, why: Option<Why>) -> Result<(), StoreDown> {
        self.shared.counters.answers.add(1);
        self.buf = BytesMut::new();
        let is_packet = matches!(reply, Reply::Packet(_));
        if !self.write(reply).await {
            return Ok(());
        }
        // Its place among the open ones is free: it hears nothing any more.
        let Self {
            mut stream,
            name,
            shared,
            registered,
            ..
        } = self;
        drop(registered);
        let lingered = tokio::select! {
            lingered = linger(&mut stream, Linger::default()) => lingered,
            () = async {
                shared.drain.cancelled().await;
                sleep(LAST_LINGER.total).await;
            } => return Ok(()),
        };
        debug!(end = ?lingered.end, dropped_len = lingered.dropped_len, "gone after the answer");
        let end = match lingered.end {
            LingerEnd::PeerClosed | LingerEnd::Reset => AnsweredEnd::Peer,
            LingerEnd::Idle | LingerEnd::Total => AnsweredEnd::Deadline,
        };
        // A goodbye is answered for whoever waits for it; nobody has to.
        if is_packet && why != Some(Why::Farewell) && shared.silences.ended(&name, end) {
            shared.counters.never_readers.add(1);
            warn!(
                "this backend does not read answers: what it sends behind a bad notification is lost. The remedy is \
                 on_reject = \"continue\""
            );
        }
        Ok(())
    }

    /// The last word of a daemon that stops (order contract, rule 11).
    async fn shut_down(mut self) -> Result<(), StoreDown> {
        let reply = self.receipt.shutdown();
        info!(?reply, "closed while busy, because the daemon stops");
        self.shared.counters.shut_down.add(1);
        if self.write(reply).await {
            linger(&mut self.stream, LAST_LINGER).await;
        }
        Ok(())
    }

    /// In one write, and so in one TLS record [P-31].
    async fn write(&mut self, reply: Reply) -> bool {
        let Reply::Packet(packet) = reply else {
            return true;
        };
        let written = timeout(WRITE_TIMEOUT, async {
            self.stream.write_all(&packet.encode()).await?;
            self.stream.flush().await
        })
        .await;
        match written {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                debug!(%error, "the answer could not be written");
                false
            }
            Err(_) => {
                debug!("the answer was not taken in time");
                false
            }
        }
    }

    /// Closes in good order, without a word.
    async fn close(mut self) -> Result<(), StoreDown> {
        match self.receipt.end(&self.buf) {
            End::Clean => debug!("the connection ended"),
            End::Truncated { len } if self.peer_closed => {
                warn!(
                    len,
                    "the backend closed in the middle of a frame, which is lost"
                );
            }
            End::Truncated { .. } => {}
        }
        if self.peer_closed {
            // Whoever has gone does not mind; whoever half-closed gets his close_notify.
            drop(timeout(WRITE_TIMEOUT, self.stream.shutdown()).await);
        } else {
            linger(&mut self.stream, LAST_LINGER).await;
        }
        Ok(())
    }
}

/// What is logged about a row that was rejected in the commit that accepted it.
struct Refusal {
    seq: u64,
    token: apns_proto::Token,
    reason: String,
    malformed: bool,
}

fn refusal(row: &NewRow) -> Option<Refusal> {
    let end = row.end.as_ref()?;
    Some(Refusal {
        seq: row.seq,
        token: row.token.clone(),
        reason: end.reason.clone(),
        malformed: end.cause == AtOnce::Malformed,
    })
}

/// Waits until then; there is no need to be reached without one.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
