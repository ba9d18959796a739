//! The driver of a binary upstream: many notifications on their way on each connection, those to one token on one of them.
//!
//! What is on its way is kept until its end is known. When a connection ends, what the upstream threw away goes back before the later ones
//! to its tokens, and on wherever there is room; what it may have taken is sent again on a connection of its own place, in the same order.
//! The others are not disturbed. While the app is on hold nothing is kept: the rows are paged anew after it.
//!
//! Three cases send one notification alone, on a connection that was quiet before: it is the last that is suspected of
//! breaking the upstream, it has cost a connection before, or the app is on hold and probes. A bare close then says something
//! about it.

use std::sync::Arc;
use std::time::Duration;
use std::{cmp, mem};

use apns_proto::client::{Outcome, Surprise};
use apns_proto::{Status, TooLong};
use tokio::time::{Instant, sleep_until};
use tokio_rustls::rustls::AlertDescription;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::aside::Due;
use super::backlog::Backlog;
use crate::config::BinaryUpstream;
use crate::contract::{Pushed, expired};
use crate::store::{Row, StoreDown};
use crate::upstream::binary::pool::{Bare, End, Ended, Event, Lone, Place, Pool};
use crate::upstream::connect::{ConnectError, Connector};
use crate::verdict::{Class, Kind, Retry, Verdict, When};

/// What a stop may take beyond a quiet period.
const STOP_MARGIN: Duration = Duration::from_secs(2);

/// Drives the connections of an app.
pub(super) struct Binary {
    backlog: Backlog,
    pool: Pool,
    /// Drawn, and not yet with a connection.
    probe: Option<Row>,
    /// A notification that has to be sent alone gets its turn only when others had theirs in between.
    lone_turn: bool,
}

impl Binary {
    pub(super) fn new(backlog: Backlog, upstream: &BinaryUpstream, connector: Connector) -> Self {
        let counters = Arc::clone(&backlog.counters);
        let pool = Pool::new(upstream, connector, counters, &backlog.app.traffic);
        Self {
            backlog,
            pool,
            probe: None,
            lone_turn: true,
        }
    }

    /// Sends until told to stop; then waits for what is on its way.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), StoreDown> {
        let mut stop_by = None;
        loop {
            let now = Instant::now();
            self.backlog.settling.advance();
            match stop_by {
                Some(by) if self.pool.len() == 0 || by <= now => break,
                Some(_) => {}
                None => self.feed(now),
            }
            let wake = self.wake(now, stop_by);
            tokio::select! {
                (at, event) = self.pool.next() => self.happened(at, event, stop_by.is_some()).await?,
                drawn = self.backlog.turn() => if let Some(row) = drawn? {
                    self.probe = Some(row);
                },
                () = sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
                () = stop.cancelled(), if stop_by.is_none() => {
                    self.pool.forget(false);
                    self.pool.ask(None);
                    stop_by = Some(now + self.pool.quiet() + STOP_MARGIN);
                }
            }
        }
        let unconfirmed = self.pool.close().await;
        info!(unconfirmed, "closed");
        self.backlog
            .counters
            .unknown_outcomes
            .add(unconfirmed as u64);
        self.backlog.settling.finish().await
    }

    /// Sends what may be sent now, and asks for what is missing for that.
    fn feed(&mut self, now: Instant) {
        self.pool.ask(Some(now));
        let waiting = if self.backlog.is_held() {
            self.feed_a_probe(now);
            self.probe.is_some()
        } else {
            self.probe = None;
            self.feed_all(now)
        };
        while let Some((at, lone)) = self.pool.take_lone(now) {
            let sent = self.pool.send_lone(at, lone);
            self.unless_unsendable(sent);
        }
        self.pool.grow(waiting, now);
    }

    fn feed_a_probe(&mut self, now: Instant) {
        self.forget();
        if !self.backlog.app.rules().probes() {
            // An operator's hold stops probes too.
            self.probe = None;
        }
        if self.probe.is_none() && self.pool.len() == 0 {
            self.backlog.draw(now);
        }
        if let Some(row) = self.probe.take() {
            match self.pool.place(&row.token, true) {
                Place::On(at) => self.pool.send_alone(at, Lone { row, probe: true }),
                Place::Behind(_) | Place::Nowhere => self.probe = Some(row),
            }
        }
    }

    /// Says whether something that could be sent has to wait for room.
    fn feed_all(&mut self, now: Instant) -> bool {
        let today = self.backlog.clock.now();
        while let Some((at, row)) = self.pool.take_again() {
            if expired(&row, today) {
                self.backlog.expire(&row);
            } else {
                self.send(at, row);
            }
        }
        while self.pool.has_room() {
            let alone = self.may_send_alone();
            let Some(Due { row, alone }) = self.backlog.next(now, today, alone) else {
                if alone == self.may_send_alone() {
                    break;
                }
                // The last of those that are sent together was looked at just now.
                continue;
            };
            match self.pool.place(&row.token, alone) {
                Place::On(at) if alone => self.pool.send_alone(at, Lone { row, probe: false }),
                Place::On(at) => self.send(at, row),
                Place::Behind(at) => {
                    self.pool.wait(at, row.token.clone());
                    self.backlog.aside.wait(row);
                }
                Place::Nowhere => {
                    self.backlog.aside.back(row);
                    break;
                }
            }
        }
        self.backlog.fetch(self.pool.len());
        self.backlog.has_more(now, false)
    }

    fn send(&mut self, at: usize, row: Row) {
        let sent = self.pool.send(at, row);
        self.unless_unsendable(sent);
    }

    fn unless_unsendable(&mut self, sent: Result<(), (Pushed, TooLong)>) {
        if let Err((pushed, problem)) = sent {
            self.backlog.unsendable(&pushed, &problem);
        }
    }

    /// Keeps no row: they are paged again when the hold is over, and so are those that are on their way, which come back to nothing.
    fn forget(&mut self) {
        self.backlog.rewind();
        let probes = self.backlog.app.rules().probes();
        for token in self.pool.forget(probes) {
            self.backlog.aside.arrived(&token);
        }
    }

    fn may_send_alone(&self) -> bool {
        let Backlog { stock, aside, .. } = &self.backlog;
        self.pool.takes_lone() && (self.lone_turn || stock.is_dry() || aside.is_full())
    }

    /// When something is to be done although nothing happens.
    fn wake(&self, now: Instant, stop_by: Option<Instant>) -> Option<Instant> {
        let due = self.backlog.aside.next_due(self.may_send_alone());
        let due = due.map(Instant::from_std);
        // What is due already waits for something else: for room, or for its turn.
        [due, self.backlog.probe_at(), stop_by]
            .into_iter()
            .flatten()
            .chain(self.pool.wake())
            .filter(|&at| at > now)
            .min()
    }

    async fn happened(&mut self, at: usize, event: Event, stopping: bool) -> Result<(), StoreDown> {
        for token in self.pool.woken(at) {
            self.backlog.aside.arrived(&token);
        }
        match event {
            Event::Room => {}
            Event::Confirmed(rows) => self.delivered(&rows),
            Event::Unreachable(problem, rows) => {
                self.put_back(rows);
                let source = std::error::Error::source(&problem);
                match problem {
                    ConnectError::Refused(alert) => self.refused(alert).await?,
                    _ if problem.needs_someone() => {
                        error!(connection = at, %problem, source, "not connected: someone must act");
                    }
                    _ => warn!(connection = at, %problem, source, "not connected"),
                }
            }
            Event::Ended(ended) => self.ended(at, *ended, stopping).await?,
        }
        Ok(())
    }

    fn delivered(&mut self, rows: &[Row]) {
        let today = self.backlog.clock.now();
        for row in rows {
            let pushed = Pushed::from(row);
            let settling = &mut self.backlog.settling;
            settling.judge(&pushed, Verdict::Delivered, &"no objection", today);
            self.backlog.aside.settled(row.id);
            self.lone_turn = true;
        }
    }

    /// Settles what became of everything on a connection that ended; what has to be sent again finds its place.
    async fn ended(
        &mut self,
        at: usize,
        mut ended: Ended,
        stopping: bool,
    ) -> Result<(), StoreDown> {
        report(at, &ended);
        let Outcome {
            confirmed,
            rejected,
            resend,
            doubtful,
            surprise,
        } = &mut ended.outcome;
        let doubtful = *doubtful;
        let mut again = mem::take(resend);
        let rejected = rejected.take();
        let mut settled = confirmed.len();
        self.delivered(confirmed);
        // Tried again, before the later ones to its token, when its time comes.
        let mut later = None;
        if let Some((row, status)) = rejected {
            if self.rejected(&row, status) {
                settled += 1;
            } else {
                later = Some(row);
            }
        }
        if let Some(surprise) = *surprise {
            self.surprised(surprise);
        }
        self.backlog.counters.unknown_outcomes.add(doubtful as u64);
        if doubtful > 0 && is_at_fault(&ended) {
            let lone = again.remove(0);
            if self.broke(&lone) {
                settled += 1;
            } else {
                later = Some(lone);
            }
        }
        self.pool.over(at, &ended, settled);
        if let End::Bare(Bare::Refused(alert)) = ended.end {
            self.refused(alert).await?;
        }
        if self.backlog.is_held() {
            // Before anything can end the hold: otherwise these would not be paged again.
            self.forget();
        }
        again.append(&mut ended.again);
        if stopping || self.backlog.stock.is_rewound() {
            return Ok(());
        }
        if let Some(lone) = ended.lone.filter(|lone| !lone.probe) {
            self.put_back(vec![lone.row]);
        }
        // Where nothing came to its end, what ends the connections may be among them, answer or not.
        if later.is_none() && (doubtful > 0 || settled == 0) {
            self.pool.again(at, again);
        } else {
            self.put_back(again);
            self.put_back(later.into_iter().collect());
        }
        Ok(())
    }

    /// These go before the later ones to their tokens, wherever there is room for them.
    fn put_back(&mut self, rows: Vec<Row>) {
        for row in rows.into_iter().rev() {
            self.backlog.aside.back(row);
        }
    }

    /// Applies the verdict on the notification an error packet names. Says whether that was its end.
    fn rejected(&mut self, row: &Row, status: Status) -> bool {
        let pushed = Pushed::from(row);
        let verdict = Verdict::of_binary(status);
        let verdict = self.backlog.settling.weigh(&pushed, verdict);
        let said = format!("status {status}");
        let today = self.backlog.clock.now();
        let settling = &mut self.backlog.settling;
        if settling.judge(&pushed, verdict, &said, today) {
            self.backlog.aside.settled(row.id);
            return true;
        }
        match verdict {
            Verdict::Retry(Retry {
                when: When::BackOff(class),
                ..
            }) => self.backlog.charge(&pushed, class, &said),
            _ => false,
        }
    }

    /// Holds against a notification that it was alone on a connection that ended without a word. Says whether that was its end.
    fn broke(&mut self, row: &Row) -> bool {
        self.lone_turn = false;
        let traffic = &self.backlog.app.traffic;
        traffic.judged(Kind::Again(Some(Class::Broke)));
        let said = "upstream closes the connection whenever it is sent";
        self.backlog.charge(&Pushed::from(row), Class::Broke, &said)
    }

    /// Upstream does not take our certificate: that is no notification's fault, and someone must act.
    async fn refused(&mut self, alert: AlertDescription) -> Result<(), StoreDown> {
        warn!(?alert, "the upstream refuses our certificate");
        let reason = format!("the upstream refuses the app's certificate (alert {alert:?})");
        self.backlog.hold(reason).await
    }

    fn surprised(&self, surprise: Surprise) {
        self.backlog.counters.surprises.add(1);
        match surprise {
            Surprise::AlreadyConfirmed { behind } => error!(
                behind,
                quiet_period = ?self.pool.quiet(),
                "the upstream refused a notification that counted as delivered, and discarded those behind it: raise \
                 app.upstream.quiet_period above its slowest answer"
            ),
            Surprise::NeverSent => {
                warn!("the upstream refused a notification that was never sent to it")
            }
        }
    }
}

/// Whether an end without an answer that names one can be held against the one that was sent alone.
fn is_at_fault(ended: &Ended) -> bool {
    let by_itself = matches!(
        ended.end,
        End::Packet(_) | End::Bare(Bare::Closed | Bare::Broken(_) | Bare::Gibberish)
    );
    by_itself && ended.alone.is_some_and(|(_, probe)| !probe)
}

fn report(connection: usize, ended: &Ended) {
    let outcome = &ended.outcome;
    let (confirmed, again) = (outcome.confirmed.len(), outcome.resend.len());
    match &ended.end {
        End::Packet(packet) => {
            let rejected = outcome.rejected.as_ref();
            let token = rejected.map(|(row, _)| tracing::field::display(&row.token));
            info!(connection, status = %packet.status, token, confirmed, again, "the upstream answered and closed");
        }
        End::Bare(bare) if cmp::max(confirmed, again) == 0 => {
            debug!(connection, %bare, "the idle connection ended")
        }
        End::Bare(bare) => {
            warn!(connection, %bare, again, "the connection ended: what was on it is sent again")
        }
    }
}
