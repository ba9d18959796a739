//! An app's backlog on its way upstream, whatever protocol is spoken there: what is paged, what is set aside, what is settled,
//! and the probes of an app on hold.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::aside::{Aside, Charged, Due};
use super::settling::Settling;
use super::stock::{Again, Stock};
use super::turns;
use crate::app::App;
use crate::call::Call;
use crate::clock::Clock;
use crate::config::AppConfig;
use crate::contract::{Pushed, expired};
use crate::counters::Counters;
use crate::shared::Shared;
use crate::store::{End, Row, Store, StoreDown};
use crate::verdict::Class;

/// One app's.
pub(super) struct Backlog {
    pub(super) app: Arc<App>,
    pub(super) counters: Arc<Counters>,
    pub(super) stock: Stock,
    pub(super) aside: Aside,
    pub(super) settling: Settling,
    store: Store,
    pub(super) clock: Clock,
    window: usize,
    /// The backend whose turn was the last.
    last: Arc<str>,
    probe_interval: Duration,
    probe: Call<Result<Option<Row>, StoreDown>>,
    /// When the next one is due, while the app is on hold.
    probe_at: Option<Instant>,
}

impl Backlog {
    pub(super) fn new(app: Arc<App>, config: &AppConfig, shared: &Shared) -> Self {
        let upstream = config.upstream.common();
        let now = Instant::now();
        let store = shared.store.clone();
        // An app that was on hold before the restart is tried at once: somebody may have seen to it.
        let probe_at = app.rules().probes().then_some(now);
        Self {
            stock: Stock::new(Arc::clone(&app), store.clone()),
            aside: Aside::new(upstream.backoff_base, upstream.backoff_max, now.into_std()),
            settling: Settling::new(
                Arc::clone(&app),
                store.clone(),
                shared.open.clone(),
                Arc::clone(&shared.counters),
            ),
            app,
            counters: Arc::clone(&shared.counters),
            store,
            clock: shared.clock.clone(),
            window: upstream.window,
            last: Arc::from(""),
            probe_interval: config.probe_interval,
            probe: Call::none(),
            probe_at,
        }
    }

    /// Goes on with what the store was asked. Gives out the row that was drawn for a probe, if its time is not over. Can be dropped and
    /// called again.
    pub(super) async fn turn(&mut self) -> Result<Option<Row>, StoreDown> {
        tokio::select! {
            settled = self.settling.committed() => settled?,
            arrived = self.stock.arrival() => if let Some(Again { line, rows }) = arrived? {
                self.aside.read_again(&line, rows);
            },
            () = self.app.ordered() => self.ordered(),
            row = self.probe.answer() => return Ok(row?.and_then(|row| self.drawn(row))),
        }
        Ok(None)
    }

    /// Whether nothing may be sent but probes.
    pub(super) fn is_held(&self) -> bool {
        self.app.rules().held().is_some()
    }

    /// The next notification whose turn it is; for an app that is not on hold. Those whose time is over are settled on the way [order contract, rule 9].
    pub(super) fn next(
        &mut self,
        now: Instant,
        today: SystemTime,
        may_send_alone: bool,
    ) -> Option<Due> {
        self.probe_at = None;
        if self.settling.len() >= self.window {
            return None;
        }
        loop {
            let due = self.aside.next(&self.last, now.into_std(), may_send_alone);
            let fresh = self.stock.next(&self.last);
            let backend = Arc::clone(turns::nearer(&self.last, due, fresh)?);
            let due = if due == Some(&backend) {
                self.aside.due(&backend, now.into_std(), may_send_alone)?
            } else {
                let row = self.stock.take(&backend);
                let Some(row) = row.and_then(|row| self.aside.pass(row)) else {
                    continue;
                };
                Due { row, alone: false }
            };
            if !expired(&due.row, today) {
                self.last = backend;
                return Some(due);
            }
            self.expire(&due.row);
        }
    }

    /// Whether there is something that could be sent now, were there room.
    pub(super) fn has_more(&self, now: Instant, may_send_alone: bool) -> bool {
        let due = self.aside.next_due(may_send_alone);
        !self.stock.is_dry() || due.is_some_and(|due| due <= now.into_std())
    }

    /// Asks for the next page, if it is time; `in_flight` rows are on their way that a page from the oldest row on would have.
    pub(super) fn fetch(&mut self, in_flight: usize) {
        // For the same reason it has to see every settlement: what a probe delivered would be in it otherwise.
        let is_late = self.stock.is_rewound() && self.settling.len() + in_flight > 0;
        if is_late {
            return;
        }
        if let Some(line) = self.aside.hungry() {
            self.stock.fetch_again(line);
        } else {
            self.stock.fetch(|backend| self.aside.has_room(backend));
        }
    }

    /// Draws a row to probe with, if it is time; [`Backlog::turn`] gives it out.
    pub(super) fn draw(&mut self, now: Instant) {
        if !self.app.rules().probes() {
            // An operator's hold is not found out about.
            self.probe_at = None;
            return;
        }
        let at = *self.probe_at.get_or_insert(now + self.probe_interval);
        if at <= now && !self.probe.is_under_way() {
            self.probe_at = Some(now + self.probe_interval);
            let (store, app) = (self.store.clone(), self.app.id);
            let blamed = self.app.rules().blamed();
            self.probe
                .start(async move { store.random_row(app, blamed).await });
        }
    }

    /// When the next probe is due.
    pub(super) const fn probe_at(&self) -> Option<Instant> {
        self.probe_at
    }

    fn drawn(&mut self, row: Row) -> Option<Row> {
        if expired(&row, self.clock.now()) {
            self.expire(&row);
            return None;
        }
        info!(row = %row.id, token = %row.token, "probing");
        self.counters.probes.add(1);
        Some(row)
    }

    /// Its time is over.
    pub(super) fn expire(&mut self, row: &Row) {
        self.aside.settled(row.id);
        self.settling.end(row.id, &row.token, End::Expired);
    }

    /// Nothing that was accepted is too long for upstream; should it be, nothing can mend it.
    pub(super) fn unsendable(&mut self, pushed: &Pushed, problem: &dyn std::error::Error) {
        error!(row = %pushed.row, token = %pushed.token, %problem, "a notification cannot be sent");
        let reason = format!("it cannot be sent: {problem}");
        let end = End::GivenUp { reason };
        self.settling.end(pushed.row, &pushed.token, end);
    }

    /// Charges a notification an attempt for what upstream `said`; says whether that was its last, and it is given up.
    pub(super) fn charge(
        &mut self,
        pushed: &Pushed,
        class: Class,
        said: &dyn fmt::Display,
    ) -> bool {
        let now = Instant::now().into_std();
        match self.aside.charge(pushed.row, class, now, fastrand::f64()) {
            Charged::Again { attempts } => {
                debug!(row = %pushed.row, token = %pushed.token, attempts, ?class, "to be tried again later");
                false
            }
            Charged::Spent => {
                let reason = format!("tried {} times: {said}", class.attempts_max());
                warn!(row = %pushed.row, token = %pushed.token, reason, "given up");
                self.aside.settled(pushed.row);
                let end = End::GivenUp { reason };
                self.settling.end(pushed.row, &pushed.token, end);
                true
            }
        }
    }

    /// Puts the app on hold for what is no notification's fault. Someone must act.
    pub(super) async fn hold(&mut self, reason: String) -> Result<(), StoreDown> {
        if self.settling.hold(reason) {
            // The first connection that is let in again is tried at once.
            self.probe_at = Some(Instant::now());
        }
        self.settling.finish().await
    }

    /// An operator has put the app on hold, or ended that; or its login is another one.
    pub(super) fn ordered(&mut self) {
        match self.app.rules().held() {
            Some(reason) => warn!(reason, "the app is on hold, as an operator says"),
            None => {
                info!("the app is not on hold: an operator says so, or its login is another one")
            }
        }
        self.probe.forget();
        self.settling.ordered();
    }

    /// Forgets the rows: they will be paged again, from the oldest.
    pub(super) fn rewind(&mut self) {
        self.stock.rewind();
        self.aside.rewind();
    }
}
