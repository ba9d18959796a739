//! One connection, from its first notification to what became of the last.

use std::cmp;
use std::time::Duration;

use apns_proto::Status;
use apns_proto::client::{Outcome, Surprise};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::{Binary, Lone};
use crate::contract::Pushed;
use crate::dispatch::aside::Due;
use crate::dispatch::backlog::Backlog;
use crate::store::StoreDown;
use crate::upstream::binary::{Bare, End, Event, Link};
use crate::upstream::schedule::{Closed, Ended};
use crate::verdict::{Class, Retry, Verdict, When};

/// What a stop may take beyond a quiet period.
const STOP_MARGIN: Duration = Duration::from_secs(2);

impl Binary {
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
            self.backlog.settling.advance();
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
                        self.schedule.progress(confirmed.len());
                        confirmed.iter().for_each(|pushed| self.delivered(pushed));
                    }
                    Event::Ended(end) => break Some(end),
                },
                drawn = self.backlog.turn() => if let Some(row) = drawn? {
                    self.lone = Some(Lone { row, probe: true, sent: false });
                },
                () = sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
                () = stop.cancelled(), if stop_by.is_none() => stop_by = Some(now + self.quiet + STOP_MARGIN),
            }
        };
        match end {
            Some(end) => self.ended(link, &end, progress).await?,
            None => {
                let unconfirmed = link.close().await.resend.len();
                info!(unconfirmed, "closed");
                self.backlog
                    .counters
                    .unknown_outcomes
                    .add(unconfirmed as u64);
            }
        }
        self.lone = None;
        self.backlog.start_again().await
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
                    self.backlog.unsendable(row, &error);
                }
            }
            return;
        }
        if self.backlog.is_held() {
            return self.backlog.draw(now);
        }
        let in_flight_max = self.schedule.in_flight_max();
        while link.room() && link.pending_len() < in_flight_max {
            let alone = self.may_send_alone();
            let Some(Due { row, alone }) = self.backlog.next(now, alone) else {
                break;
            };
            if alone || in_flight_max == 1 {
                self.lone = Some(Lone {
                    row,
                    probe: false,
                    sent: false,
                });
                return self.feed(link, now);
            }
            if let Err(error) = link.send(&row) {
                self.backlog.unsendable(row.id, &error);
            }
        }
        self.backlog.fetch(0);
    }

    fn may_send_alone(&self) -> bool {
        let Backlog { stock, aside, .. } = &self.backlog;
        self.lone_turn || stock.is_dry() || aside.is_full()
    }

    /// When something is to be done although nothing happens.
    fn wake(&self, link: &Link, now: Instant, stop_by: Option<Instant>) -> Option<Instant> {
        let lone_waits = self.lone.as_ref().is_some_and(|lone| !lone.sent);
        let lone = link
            .idle_since()
            .filter(|_| lone_waits)
            .map(|since| since + self.quiet);
        let due = self
            .backlog
            .aside
            .next_due(self.may_send_alone())
            .map(Instant::from_std);
        // What is due already waits for something else: for room, or for its turn.
        [lone, due, self.backlog.probe_at(), stop_by]
            .into_iter()
            .flatten()
            .filter(|&at| at > now)
            .min()
    }

    fn delivered(&mut self, pushed: &Pushed) {
        self.backlog
            .settling
            .judge(pushed, Verdict::Delivered, &"no objection");
        self.backlog.aside.settled(pushed.row);
        self.lone.take_if(|lone| lone.row.id == pushed.row);
        self.lone_turn = true;
    }

    /// Settles what became of everything on a connection that ended.
    async fn ended(&mut self, link: Link, end: &End, mut progress: bool) -> Result<(), StoreDown> {
        let in_flight = link.pending_len();
        let survived = link.survived();
        let Outcome {
            confirmed,
            rejected,
            resend,
            doubtful,
            surprise,
        } = link.finish(end);
        report(end, confirmed.len(), rejected.as_ref(), resend.len());
        confirmed.iter().for_each(|pushed| self.delivered(pushed));
        let mut settled = confirmed.len();
        if let Some((pushed, status)) = &rejected {
            settled += usize::from(self.rejected(pushed, *status));
        }
        if let Some(surprise) = surprise {
            self.surprised(surprise);
        }
        if doubtful > 0 {
            self.backlog.counters.unknown_outcomes.add(doubtful as u64);
            settled += usize::from(self.charge_the_lone_one(end));
        }
        if settled > 0 {
            progress = true;
            self.schedule.progress(settled);
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
        let said = format!("status {status}");
        if self.backlog.settling.judge(pushed, verdict, &said) {
            self.backlog.aside.settled(pushed.row);
            return true;
        }
        match verdict {
            Verdict::Retry(Retry {
                when: When::BackOff(class),
                ..
            }) => self.backlog.charge(pushed, class, &said),
            _ => false,
        }
    }

    /// An end without an answer that names it is held against a notification that was sent alone, on a connection that was
    /// quiet before. Says whether that was its end.
    fn charge_the_lone_one(&mut self, end: &End) -> bool {
        let at_fault = matches!(
            end,
            End::Packet(_) | End::Bare(Bare::Closed | Bare::Broken(_) | Bare::Gibberish)
        );
        let Some(lone) = self
            .lone
            .take_if(|lone| lone.sent && !lone.probe && at_fault)
        else {
            return false;
        };
        self.lone_turn = false;
        let said = "upstream closes the connection whenever it is sent";
        self.backlog
            .charge(&Pushed::from(&lone.row), Class::Broke, &said)
    }

    fn surprised(&self, surprise: Surprise) {
        self.backlog.counters.surprises.add(1);
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
