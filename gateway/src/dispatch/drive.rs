//! One connection, from its first notification to what became of the last.

use std::cmp;
use std::time::{Duration, SystemTime};

use apns_proto::Status;
use apns_proto::client::{Fate, Outcome, Surprise};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::aside::{ATTEMPTS_MAX, Charged, Due, Offence};
use super::{Dispatcher, Lone};
use crate::contract::{Pushed, expired};
use crate::store::{End as RowEnd, Row, StoreDown};
use crate::upstream::binary::{Bare, End, Event, Link};
use crate::upstream::schedule::{Closed, Ended};
use crate::verdict::Verdict;

/// What a stop may take beyond a quiet period.
const STOP_MARGIN: Duration = Duration::from_secs(2);

impl Dispatcher {
    /// Sends on a connection until it ends, and settles what became of it.
    pub(super) async fn drive(
        &mut self,
        mut link: Link,
        stop: &CancellationToken,
    ) -> Result<(), StoreDown> {
        let mut progress = false;
        let mut stop_by = None;
        let end = loop {
            let now = Instant::now();
            self.settling.advance();
            match stop_by {
                Some(by) if link.pending_len() == 0 || by <= now => break None,
                Some(_) => {}
                None => self.feed(&mut link, now),
            }
            let wake = self.wake(&link, now, stop_by);
            tokio::select! {
                event = link.next() => match event {
                    Event::Written => {}
                    Event::Confirmed(confirmed) => {
                        progress = true;
                        self.schedule.progress();
                        confirmed.iter().for_each(|pushed| self.delivered(pushed));
                    }
                    Event::Ended(end) => break Some(end),
                },
                settled = self.settling.committed() => settled?,
                arrived = self.stock.arrival() => arrived?,
                row = self.probe.answer() => self.probe_with(row?),
                () = sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
                () = stop.cancelled(), if stop_by.is_none() => stop_by = Some(now + self.quiet + STOP_MARGIN),
            }
        };
        match end {
            Some(end) => self.ended(link, &end, progress).await?,
            None => {
                let unconfirmed = link.close().await.resend.len();
                info!(unconfirmed, "closed");
                self.counters.unknown_outcomes.add(unconfirmed as u64);
            }
        }
        self.settling.finish().await?;
        self.lone = None;
        self.probe.forget();
        self.stock.rewind();
        self.aside.rewind();
        Ok(())
    }

    /// Sends what may be sent now, and asks for what is missing for that.
    fn feed(&mut self, link: &mut Link, now: Instant) {
        if let Some(lone) = &mut self.lone {
            if !lone.sent
                && link
                    .idle_since()
                    .is_some_and(|since| since + self.quiet <= now)
            {
                lone.sent = true;
                if let Err(error) = link.send(&lone.row) {
                    let row = lone.row.id;
                    self.lone = None;
                    self.unsendable(row, &error);
                }
            }
            return;
        }
        if self.is_held() {
            let at = *self.probe_at.get_or_insert(now + self.probe_interval);
            if at <= now && !self.probe.is_under_way() {
                self.probe_at = Some(now + self.probe_interval);
                let (store, app) = (self.store.clone(), self.app.id);
                self.probe.start(async move { store.random_row(app).await });
            }
            return;
        }
        self.probe_at = None;
        let cautious = self.schedule.on_probation();
        while link.room() && self.settling.len() < self.window {
            let Some(Due { row, alone }) = self.next_row(now) else {
                break;
            };
            if alone || cautious {
                self.lone = Some(Lone {
                    row,
                    probe: false,
                    sent: false,
                });
                return self.feed(link, now);
            }
            if let Err(error) = link.send(&row) {
                self.unsendable(row.id, &error);
            }
        }
        // A page from the oldest row on has to see every settlement: what a probe delivered would be in it otherwise.
        let is_late = self.stock.is_rewound() && self.settling.len() > 0;
        if !is_late && !self.aside.is_full() {
            self.stock.fetch();
        }
    }

    /// The next notification whose turn it is. Those whose time is over are settled on the way [order contract, rule 9].
    fn next_row(&mut self, now: Instant) -> Option<Due> {
        let today = SystemTime::now();
        loop {
            let due = match self.aside.due(now.into_std(), self.may_send_alone()) {
                Some(due) => due,
                None => {
                    let row = self.stock.take()?;
                    let Some(row) = self.aside.pass(row) else {
                        continue;
                    };
                    Due { row, alone: false }
                }
            };
            if !expired(&due.row, today) {
                return Some(due);
            }
            self.expire(&due.row);
        }
    }

    fn may_send_alone(&self) -> bool {
        self.lone_turn || self.stock.is_dry() || self.aside.is_full()
    }

    /// A row for an app on hold.
    fn probe_with(&mut self, row: Option<Row>) {
        let Some(row) = row else { return };
        if expired(&row, SystemTime::now()) {
            return self.expire(&row);
        }
        info!(row = %row.id, token = %row.token, "probing");
        self.counters.probes.add(1);
        self.lone = Some(Lone {
            row,
            probe: true,
            sent: false,
        });
    }

    /// When something is to be done although nothing happens.
    fn wake(&self, link: &Link, now: Instant, stop_by: Option<Instant>) -> Option<Instant> {
        let lone_waits = self.lone.as_ref().is_some_and(|lone| !lone.sent);
        let lone = link
            .idle_since()
            .filter(|_| lone_waits)
            .map(|since| since + self.quiet);
        let due = self
            .aside
            .next_due(self.may_send_alone())
            .map(Instant::from_std);
        // What is due already waits for something else: for room, or for its turn.
        [lone, due, self.probe_at, stop_by]
            .into_iter()
            .flatten()
            .filter(|&at| at > now)
            .min()
    }

    fn delivered(&mut self, pushed: &Pushed) {
        self.settling.judge(pushed, Verdict::Delivered);
        self.aside.settled(pushed.row);
        self.lone.take_if(|lone| lone.row.id == pushed.row);
        self.lone_turn = true;
    }

    fn expire(&mut self, row: &Row) {
        self.aside.settled(row.id);
        self.settling.end(row.id, RowEnd::Expired);
    }

    /// Nothing that was accepted is too long for a frame; should it be, nothing can mend it.
    fn unsendable(&mut self, row: crate::store::RowId, error: &apns_proto::TooLong) {
        error!(%row, %error, "a notification does not fit into a frame");
        let reason = format!("it does not fit into a frame: {error}");
        self.settling.end(row, RowEnd::GivenUp { reason });
    }

    /// Settles what became of everything on a connection that ended.
    async fn ended(&mut self, link: Link, end: &End, mut progress: bool) -> Result<(), StoreDown> {
        let in_flight = link.pending_len() > 0;
        let survived = link.survived();
        let Outcome {
            confirmed,
            rejected,
            resend,
            fate,
            surprise,
        } = link.finish(end);
        report(end, confirmed.len(), rejected.as_ref(), resend.len());
        progress |= !confirmed.is_empty();
        confirmed.iter().for_each(|pushed| self.delivered(pushed));
        if let Some((pushed, status)) = &rejected {
            progress |= self.rejected(pushed, *status);
        }
        if let Some(surprise) = surprise {
            self.surprised(surprise);
        }
        if fate == Fate::Unknown {
            self.counters.unknown_outcomes.add(resend.len() as u64);
            progress |= self.charge_the_lone_one(end);
        }
        self.schedule.ended(Ended::Closed(Closed {
            answered: matches!(end, End::Packet(_)),
            progress,
            in_flight,
            survived,
        }));
        if let End::Bare(Bare::Refused(alert)) = end {
            self.refused(*alert).await?;
        }
        Ok(())
    }

    /// Applies the verdict on the notification an error packet names. Says whether that was its end.
    fn rejected(&mut self, pushed: &Pushed, status: Status) -> bool {
        let verdict = Verdict::of_binary(status);
        if self.settling.judge(pushed, verdict) {
            self.aside.settled(pushed.row);
            return true;
        }
        match verdict {
            Verdict::Retry { .. } => {
                let reason = format!("upstream answered status {status} {ATTEMPTS_MAX} times");
                self.charge(pushed, Offence::Answer, reason)
            }
            _ => false,
        }
    }

    /// A bare close is held against a notification that was sent alone, on a connection that was quiet before. Says whether
    /// that was its end.
    fn charge_the_lone_one(&mut self, end: &End) -> bool {
        let at_fault = matches!(
            end,
            End::Bare(Bare::Closed | Bare::Broken(_) | Bare::Gibberish)
        );
        let Some(lone) = self
            .lone
            .take_if(|lone| lone.sent && !lone.probe && at_fault)
        else {
            return false;
        };
        self.lone_turn = false;
        let reason =
            "the upstream closes the connection whenever this notification is sent".to_owned();
        self.charge(&Pushed::from(&lone.row), Offence::Close, reason)
    }

    fn charge(&mut self, pushed: &Pushed, offence: Offence, reason: String) -> bool {
        let now = Instant::now().into_std();
        match self.aside.charge(pushed.row, offence, now, fastrand::f64()) {
            Charged::Again { attempts } => {
                debug!(row = %pushed.row, token = %pushed.token, attempts, ?offence, "to be tried again later");
                false
            }
            Charged::Spent => {
                warn!(row = %pushed.row, token = %pushed.token, reason, "given up");
                self.aside.settled(pushed.row);
                self.settling.end(pushed.row, RowEnd::GivenUp { reason });
                true
            }
        }
    }

    fn surprised(&self, surprise: Surprise) {
        self.counters.surprises.add(1);
        match surprise {
            Surprise::AlreadyConfirmed { behind } => error!(
                behind,
                quiet_period = ?self.quiet,
                "the upstream refused a notification that counted as delivered, and discarded those behind it: raise \
                 app.upstream.quiet_period above its slowest answer"
            ),
            Surprise::NeverSent => {
                warn!("the upstream refused a notification that was never sent to it")
            }
        }
    }
}

fn report(end: &End, confirmed: usize, rejected: Option<&(Pushed, Status)>, again: usize) {
    match end {
        End::Packet(packet) => {
            let token = rejected.map(|(pushed, _)| tracing::field::display(&pushed.token));
            info!(status = %packet.status, token, confirmed, again, "the upstream answered and closed");
        }
        End::Bare(bare) if cmp::max(confirmed, again) == 0 => {
            debug!(%bare, "the idle connection ended")
        }
        End::Bare(bare) => {
            warn!(%bare, again, "the connection ended: what was on it is sent again")
        }
    }
}
