//! The connections of one app: one that stays open, and more while what waits finds no room.
//!
//! Each has its own pauses, its own suspects and what has to be sent again on it ([`Slot`]), so that what breaks one leaves the others
//! alone. What an upstream threw away is nobody's; what it may have taken stays where it was, since what broke the connection may be
//! among it.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use apns_proto::client::Outcome;
use apns_proto::{Token, TooLong};
use futures_util::future::{join_all, select_all};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::link::{self, Confirmation, Link};
use super::slot::{Alone, Happened, Slot, State};
use super::spread::Spread;
use crate::call::Call;
use crate::config::BinaryUpstream;
use crate::contract::Pushed;
use crate::counters::Counters;
use crate::store::{Row, RowId};
use crate::traffic::{Part, Traffic};
use crate::upstream::connect::{ConnectError, Connector};
use crate::upstream::crowd::Crowd;
use crate::upstream::schedule::{self, Closed, Schedule};

pub(crate) use super::link::{Bare, End};
pub(crate) use super::slot::Lone;
pub(crate) use super::spread::Place;

/// Farewells in a row without an answer after which none is sent any more: this upstream does not know them.
const UNANSWERED_MAX: u32 = 2;

/// An app's connections and what is on them.
pub(crate) struct Pool {
    connector: Connector,
    confirmation: Confirmation,
    window: usize,
    counters: Arc<Counters>,
    connections: Part,
    in_flight: Part,
    slots: Vec<Slot>,
    spread: Spread,
    crowd: Crowd,
    /// Farewells in a row that had no answer.
    unanswered: u32,
    /// Whose turn it is to be looked at first.
    turn: usize,
    /// The connection or attempt that ended last.
    last: usize,
}

/// What happened, and on which connection.
pub(crate) enum Event {
    /// There is room, or another connection.
    Room,
    /// The upstream's silence confirms these.
    Confirmed(Vec<Row>),
    /// There is no connection. What was to be sent again on it can go elsewhere, if there is an elsewhere.
    Unreachable(ConnectError, Vec<Row>),
    /// It is over.
    Ended(Box<Ended>),
}

/// What is left of a connection.
pub(crate) struct Ended {
    pub(crate) end: End,
    pub(crate) outcome: Outcome<Row>,
    /// What it was that had been sent alone on it, if that was it, and whether as a probe.
    pub(crate) alone: Option<(RowId, bool)>,
    /// What had not been sent yet, in order: what was to be sent again on it,
    pub(crate) again: Vec<Row>,
    /// and what was to be sent alone.
    pub(crate) lone: Option<Lone>,
    closed: Closed,
}

impl Pool {
    pub(crate) fn new(
        config: &BinaryUpstream,
        connector: Connector,
        counters: Arc<Counters>,
        traffic: &Traffic,
    ) -> Self {
        let slot = || Slot::new(Schedule::new(config.backoff_base, config.backoff_max));
        Self {
            connector,
            confirmation: Confirmation {
                quiet: config.quiet_period,
                ask_after: config.flush_after,
            },
            window: config.window,
            counters,
            connections: traffic.connections.part(),
            in_flight: traffic.in_flight.part(),
            slots: (0..config.connections_max).map(|_| slot()).collect(),
            spread: Spread::new(config.connections_max),
            crowd: Crowd::default(),
            unanswered: 0,
            turn: 0,
            last: 0,
        }
    }

    /// Notifications that are with a connection: sent, to be sent again, or to be sent alone.
    pub(crate) fn len(&self) -> usize {
        self.slots.iter().map(Slot::len).sum()
    }

    /// Whether anything new can be sent.
    pub(crate) fn has_room(&self) -> bool {
        self.slots.iter().any(Slot::takes_new)
    }

    /// Where the next notification to this token can go; one that is to be sent alone, if it is `lone`.
    pub(crate) fn place(&self, token: &Token, lone: bool) -> Place {
        self.spread.place(token, |at| match lone {
            true => self.slots[at].takes_lone(),
            false => self.slots[at].takes_new(),
        })
    }

    /// Whether there is a connection that something can have for itself. One at a time, so that there are others for all else.
    pub(crate) fn takes_lone(&self) -> bool {
        let lone = self.slots.iter().any(|slot| slot.alone.is_some());
        !lone && self.slots.iter().any(Slot::takes_lone)
    }

    /// Sends a notification where [`Pool::place`] said; alone, when it is all that may be on its way there.
    pub(crate) fn send(&mut self, at: usize, row: Row) -> Result<(), (Pushed, TooLong)> {
        if self.slots[at].schedule.in_flight_max() == 1 {
            self.send_alone(at, Lone { row, probe: false });
            return Ok(());
        }
        self.put(at, row)
    }

    /// Sends it alone, when the connection has been quiet for long enough.
    pub(crate) fn send_alone(&mut self, at: usize, lone: Lone) {
        self.spread.arrived(&lone.row.token, at);
        self.slots[at].alone = Some(Alone::Waiting(lone));
    }

    fn put(&mut self, at: usize, row: Row) -> Result<(), (Pushed, TooLong)> {
        let Some(link) = self.slots[at].link_mut() else {
            unreachable!("a place is on a connection");
        };
        let pushed = Pushed::from(&row);
        if let Err(problem) = link.send(row) {
            return Err((pushed, problem));
        }
        self.slots[at].wanted = true;
        self.spread.arrived(&pushed.token, at);
        Ok(())
    }

    /// Something to this token waits for room on a connection, and is told by [`Pool::woken`].
    pub(crate) fn wait(&mut self, at: usize, token: Token) {
        self.slots[at].waiting.push(token);
    }

    /// Tokens of which something waited for room on a connection where something has happened since.
    pub(crate) fn woken(&mut self, at: usize) -> Vec<Token> {
        mem::take(&mut self.slots[at].waiting)
    }

    /// Gives out what is to be sent again and can be sent now, and where.
    pub(crate) fn take_again(&mut self) -> Option<(usize, Row)> {
        let ready = |slot: &Slot| !slot.again.is_empty() && slot.has_room();
        let at = self.slots.iter().position(ready)?;
        let row = self.slots[at].again.pop_front()?;
        self.spread.left(&row.token);
        Some((at, row))
    }

    /// Gives out what is to be sent alone and can be sent now, and where.
    pub(crate) fn take_lone(&mut self, now: Instant) -> Option<(usize, Lone)> {
        let confirmation = self.confirmation;
        let ready = |slot: &Slot| slot.lone_at(confirmation).is_some_and(|at| at <= now);
        let at = self.slots.iter().position(ready)?;
        let lone = self.slots[at].take_lone()?;
        self.spread.left(&lone.row.token);
        Some((at, lone))
    }

    /// Sends what [`Pool::take_lone`] gave out.
    pub(crate) fn send_lone(&mut self, at: usize, lone: Lone) -> Result<(), (Pushed, TooLong)> {
        let Lone { row, probe } = lone;
        let id = row.id;
        self.put(at, row)?;
        self.slots[at].alone = Some(Alone::Sent { row: id, probe });
        Ok(())
    }

    /// Keeps nothing that is not on its way; of what is to be sent alone not even a probe, unless `probes`. Gives out the tokens of which
    /// something waited for room.
    pub(crate) fn forget(&mut self, probes: bool) -> Vec<Token> {
        let Self { slots, spread, .. } = self;
        let mut woken = Vec::new();
        for slot in slots {
            for row in slot.again.drain(..) {
                spread.left(&row.token);
            }
            woken.append(&mut slot.waiting);
            match slot.take_lone() {
                Some(lone) if lone.probe && probes => slot.alone = Some(Alone::Waiting(lone)),
                Some(lone) => spread.left(&lone.row.token),
                None => {}
            }
        }
        woken
    }

    /// These are to be sent again on this connection, in this order.
    pub(crate) fn again(&mut self, at: usize, rows: Vec<Row>) {
        for row in &rows {
            self.spread.arrived(&row.token, at);
        }
        self.slots[at].again.extend(rows);
    }

    /// Asks the upstream what became of what is sent, where it is time to; `now`: everywhere.
    pub(crate) fn ask(&mut self, now: Option<Instant>) {
        for link in self.slots.iter_mut().filter_map(Slot::link_mut) {
            if link
                .ask_at()
                .is_some_and(|at| now.is_none_or(|now| at <= now))
            {
                link.ask();
            }
        }
    }

    /// Begins to connect where it is time to. `waiting`: there is something that could be sent if there were room.
    pub(crate) fn grow(&mut self, waiting: bool, now: Instant) {
        let waits = waiting && !self.has_room();
        let crowded = self.crowd.waits(waits, now);
        let is_idle = self.slots[self.last].schedule.is_idle();
        if self.slots.iter().all(Slot::is_down) && (waiting || !is_idle) {
            self.connect(self.last, waiting);
        }
        let has_work = |slot: &Slot| slot.is_down() && slot.len() > 0;
        for at in 0..self.slots.len() {
            if has_work(&self.slots[at]) {
                self.connect(at, true);
            }
        }
        // While there is trouble more attempts make more of it.
        let trouble = self.slots.iter().any(Slot::is_in_trouble);
        if crowded
            && !trouble
            && let Some(at) = self.slots.iter().position(Slot::is_down)
        {
            self.connect(at, true);
        }
    }

    fn connect(&mut self, at: usize, wanted: bool) {
        self.crowd.clear();
        let pause = self.slots[at].schedule.pause(fastrand::f64());
        let (connector, confirmation) = (self.connector.clone(), self.confirmation);
        let window = self.window;
        let mut call = Call::none();
        call.start(async move {
            sleep(pause).await;
            let stream = connector.connect().await?;
            let link = Link::new(stream, confirmation, window, connector.write_timeout);
            Ok(Box::new(link))
        });
        self.slots[at].state = State::Connecting(call);
        self.slots[at].wanted = wanted;
    }

    /// When there may be something to do although nothing happens.
    pub(crate) fn wake(&self) -> impl Iterator<Item = Instant> {
        let lones = self.slots.iter();
        let lones = lones.filter_map(|slot| slot.lone_at(self.confirmation));
        let asks = self.slots.iter().filter_map(Slot::link);
        let asks = asks.filter_map(Link::ask_at);
        lones.chain(asks).chain(self.crowd.wake())
    }

    /// For the metrics.
    fn show(&mut self) {
        let links = || self.slots.iter().filter_map(Slot::link);
        self.connections.set(links().count());
        self.in_flight.set(links().map(Link::pending_len).sum());
    }

    /// What happens next, and on which connection. Can be dropped and called again.
    pub(crate) async fn next(&mut self) -> (usize, Event) {
        self.show();
        let (behind, front) = self.slots.split_at_mut(self.turn);
        let slots = front.iter_mut().chain(behind);
        let (happened, at, _) = select_all(slots.map(|slot| Box::pin(slot.next()))).await;
        let at = (self.turn + at) % self.slots.len();
        self.turn = (at + 1) % self.slots.len();
        let event = match happened {
            Happened::Attempted(Ok(link)) => self.connected(at, link),
            Happened::Attempted(Err(error)) => self.unreachable(at, error),
            Happened::On(link::Event::Written) => Event::Room,
            Happened::On(link::Event::Confirmed(rows)) => self.confirmed(at, rows),
            Happened::On(link::Event::Ended(end)) => self.ended(at, end),
        };
        (at, event)
    }

    fn connected(&mut self, at: usize, link: Box<Link>) -> Event {
        info!(connection = at, "connected");
        self.counters.upstream_connections.add(1);
        self.slots[at].progress = false;
        self.slots[at].state = State::Up(link);
        Event::Room
    }

    fn unreachable(&mut self, at: usize, error: ConnectError) -> Event {
        self.counters.unreachable(&error);
        let slot = &mut self.slots[at];
        slot.state = State::Down;
        slot.schedule.ended(schedule::Ended::Unreachable);
        self.last = at;
        let mut rows = Vec::new();
        if self.slots.iter().any(|slot| slot.link().is_some()) {
            rows.extend(self.slots[at].again.drain(..));
            rows.iter().for_each(|row| self.spread.left(&row.token));
        }
        Event::Unreachable(error, rows)
    }

    fn confirmed(&mut self, at: usize, rows: Vec<Row>) -> Event {
        let slot = &mut self.slots[at];
        slot.progress = true;
        slot.schedule.progress(rows.len());
        // It was alone.
        if let Some(Alone::Sent { .. }) = slot.alone {
            slot.alone = None;
        }
        rows.iter().for_each(|row| self.spread.left(&row.token));
        Event::Confirmed(rows)
    }

    fn ended(&mut self, at: usize, end: End) -> Event {
        let slot = &mut self.slots[at];
        let State::Up(link) = mem::replace(&mut slot.state, State::Down) else {
            unreachable!("only what is up can end");
        };
        self.last = at;
        if matches!(end, End::Bare(Bare::Gibberish)) {
            self.counters.upstream_protocol_errors.add(1);
        }
        let closed = Closed {
            answered: matches!(end, End::Packet(_)),
            progress: slot.progress,
            in_flight: link.pending_len(),
            survived: link.survived(),
            wanted: slot.wanted,
        };
        let has_asked = link.has_asked();
        let outcome = link.finish(&end);
        let lone = slot.take_lone();
        let alone = match slot.alone.take() {
            Some(Alone::Sent { row, probe }) => Some((row, probe)),
            _ => None,
        };
        let again: Vec<Row> = slot.again.drain(..).collect();
        let Outcome {
            confirmed,
            rejected,
            resend,
            ..
        } = &outcome;
        let rows = confirmed.iter().chain(resend).chain(&again);
        let rows = rows.chain(rejected.iter().map(|(row, _)| row));
        let rows = rows.chain(lone.iter().map(|lone| &lone.row));
        rows.for_each(|row| self.spread.left(&row.token));
        if has_asked {
            let answered = closed.answered && rejected.is_none() && resend.is_empty();
            self.asked(answered, &end);
        }
        Event::Ended(Box::new(Ended {
            end,
            outcome,
            alone,
            again,
            lone,
            closed,
        }))
    }

    /// Takes note of what came of a farewell.
    fn asked(&mut self, answered: bool, end: &End) {
        if answered {
            self.counters.flushes.add(1);
            self.unanswered = 0;
        }
        let End::Bare(bare) = end else {
            return;
        };
        self.unanswered += 1;
        if self.unanswered == UNANSWERED_MAX {
            warn!(
                %bare,
                "the upstream does not answer farewells: none is sent any more, and silence confirms; take \
                 app.upstream.flush_after out"
            );
            self.confirmation.ask_after = None;
        }
    }

    /// A connection is over, and so many notifications came to their end by it.
    pub(crate) fn over(&mut self, at: usize, ended: &Ended, settled: usize) {
        let schedule = &mut self.slots[at].schedule;
        let mut closed = ended.closed;
        if settled > 0 {
            closed.progress = true;
            schedule.progress(settled);
        }
        schedule.ended(schedule::Ended::Closed(closed));
    }

    /// Ends everything in good order. Returns how many notifications may have been taken without our knowing.
    pub(crate) async fn close(self) -> usize {
        let links = self.slots.into_iter().filter_map(|slot| match slot.state {
            State::Up(link) => Some(link.close()),
            State::Down | State::Connecting(_) => None,
        });
        let outcomes = join_all(links).await;
        outcomes.iter().map(|outcome| outcome.doubtful).sum()
    }

    /// How long nothing may be said after a write until silence confirms it.
    pub(crate) const fn quiet(&self) -> Duration {
        self.confirmation.quiet
    }
}
