//! The driver of an HTTP/2 upstream: many pushes under way at once, one at a time to a token.
//!
//! A push that is under way is kept until there is a verdict on it. One that has to be tried again goes back before the later ones to its
//! token, so nothing has to be paged again when a connection ends. While the app is on hold nothing is kept: the rows are paged anew after it.

mod login;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Request;
use http::header::AUTHORIZATION;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use self::login::Login;
use super::aside::Due;
use super::backlog::Backlog;
use crate::config::Http2Upstream;
use crate::contract::Pushed;
use crate::reload::Current;
use crate::store::{Row, StoreDown};
use crate::translate::Envelope;
use crate::upstream::connect::{ConnectError, Connector};
use crate::upstream::http2::connection::Ended;
use crate::upstream::http2::pool::{Event, Pool};
use crate::upstream::http2::pushes::{Done, Sent};
use crate::upstream::http2::token::ProviderToken;
use crate::verdict::{Misconfiguration, Outcome, Place, Retry, Verdict, When};

/// How long a stop waits for the answers to what is under way.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Pushes sent in one go; then it is other tasks' turn, those of other apps and of backends, which nothing interrupts this one for.
const SENT_AT_ONCE: usize = 100;

/// Drives the connections of an app.
pub(super) struct Http2 {
    backlog: Backlog,
    pool: Pool,
    login: Login,
    envelope: Envelope,
    window: usize,
    lone: Option<Lone>,
}

/// A notification that waits for a connection of its own.
struct Lone {
    row: Row,
    probe: bool,
}

impl Http2 {
    pub(super) fn new(
        backlog: Backlog,
        upstream: &Http2Upstream,
        connector: Connector,
        envelope: Envelope,
        key: Option<Current<ProviderToken>>,
    ) -> Self {
        let counters = Arc::clone(&backlog.counters);
        let pool = Pool::new(upstream, connector, counters, &backlog.app.traffic);
        Self {
            backlog,
            pool,
            login: Login::new(key),
            envelope,
            window: upstream.window,
            lone: None,
        }
    }

    /// Sends until told to stop; then waits for what is under way.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), StoreDown> {
        let mut stop_by = None;
        loop {
            let now = Instant::now();
            self.backlog.settling.advance();
            let more = match stop_by {
                Some(by) if self.pool.in_flight() == 0 || by <= now => break,
                Some(_) => false,
                None => self.feed(now),
            };
            let wake = self.wake(now, stop_by);
            tokio::select! {
                event = self.pool.next() => self.happened(event, stop_by.is_some()).await?,
                drawn = self.backlog.turn() => if let Some(row) = drawn? {
                    self.lone = Some(Lone { row, probe: true });
                },
                () = self.login.turn() => {}
                () = sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
                () = yield_now(), if more => {}
                () = stop.cancelled(), if stop_by.is_none() => stop_by = Some(now + STOP_TIMEOUT),
            }
        }
        let unanswered = self.pool.close().await;
        info!(unanswered, "closed");
        self.backlog
            .counters
            .unknown_outcomes
            .add(unanswered as u64);
        self.backlog.settling.finish().await
    }

    /// Sends what may be sent now, and asks for what is missing for that. Says whether there may be more of it.
    fn feed(&mut self, now: Instant) -> bool {
        if self.login.has_new_key() {
            // A connection keeps to the first token's team, and its token changes seldom [H-22].
            self.pool.retire_all();
        }
        if !self.login.is_ready(now, SystemTime::now()) {
            self.pool.grow(false, now);
            return false;
        }
        if self.backlog.is_held() {
            self.forget();
            if !self.backlog.app.rules().probes() {
                // An operator's hold stops probes too.
                self.lone = None;
            }
            if self.lone.is_none() && self.pool.in_flight() == 0 {
                self.backlog.draw(now);
            }
            self.send_lone(now);
            self.pool.grow(self.lone.is_some(), now);
            return false;
        }
        self.lone.take_if(|lone| lone.probe);
        let today = self.backlog.clock.now();
        self.send_lone(now);
        let in_flight_max = self.pool.in_flight_max().min(self.window);
        let (mut crowded, mut left) = (false, SENT_AT_ONCE);
        while self.pool.in_flight() < in_flight_max && left > 0 {
            left -= 1;
            let Some(room) = self.pool.room() else {
                crowded = true;
                break;
            };
            let Some(Due { row, alone }) = self.backlog.next(now, today, self.lone.is_none())
            else {
                break;
            };
            self.backlog.aside.departed(&row.token);
            if alone || in_flight_max == 1 {
                self.lone = Some(Lone { row, probe: false });
                self.send_lone(now);
                if self.lone.is_some() {
                    break;
                }
            } else {
                let (request, sent) = self.prepared(row, false, today);
                self.pool.send(room, request, sent, now);
            }
        }
        self.backlog.fetch(self.pool.in_flight());
        let alone = self.lone.is_none();
        let waiting = !alone || (crowded && self.backlog.has_more(now, alone));
        self.pool.grow(waiting, now);
        left == 0
    }

    /// Keeps no row: they are paged again when the hold is over, and so are those that are under way, which come back to nothing.
    fn forget(&mut self) {
        self.backlog.rewind();
        if let Some(lone) = self.lone.take_if(|lone| !lone.probe) {
            self.backlog.aside.arrived(&lone.row.token);
        }
    }

    fn send_lone(&mut self, now: Instant) {
        if self.lone.is_none() {
            return self.pool.keep_none_free();
        }
        if let Some(room) = self.pool.room_alone()
            && let Some(Lone { row, probe }) = self.lone.take()
        {
            if probe {
                self.backlog.aside.departed(&row.token);
            }
            let (request, sent) = self.prepared(row, probe, self.backlog.clock.now());
            self.pool.send(room, request, sent, now);
        }
    }

    fn prepared(&self, row: Row, probe: bool, today: SystemTime) -> (Request<()>, Sent) {
        let mut request = self.envelope.request(&row, today);
        let bearer = self.login.bearer();
        if let Some(bearer) = bearer {
            let headers = request.headers_mut();
            headers.insert(AUTHORIZATION, bearer.value.clone());
        }
        let token = self.login.token();
        (request, Sent { row, probe, token })
    }

    /// When something is to be done although nothing happens.
    fn wake(&self, now: Instant, stop_by: Option<Instant>) -> Option<Instant> {
        let due = self.backlog.aside.next_due(self.lone.is_none());
        let due = due.map(Instant::from_std);
        // What is due already waits for something else.
        [due, self.backlog.probe_at(), self.pool.wake(), stop_by]
            .into_iter()
            .flatten()
            .filter(|&at| at > now)
            .min()
    }

    async fn happened(&mut self, event: Event, stopping: bool) -> Result<(), StoreDown> {
        match event {
            Event::Done(done) => {
                let (now, today) = (Instant::now(), self.backlog.clock.now());
                for done in done {
                    self.done(done, now, today, stopping);
                }
                Ok(())
            }
            Event::Connected => Ok(()),
            Event::Unreachable(ConnectError::Refused(alert))
            | Event::Ended(Ended::Refused(alert)) => {
                warn!(?alert, "the upstream refuses our certificate");
                let reason =
                    format!("the upstream refuses the app's certificate (alert {alert:?})");
                self.backlog.hold(reason).await
            }
            Event::Unreachable(problem) => {
                let source = std::error::Error::source(&problem);
                if problem.needs_someone() {
                    error!(%problem, source, "not connected: someone must act");
                } else {
                    warn!(%problem, source, "not connected");
                }
                Ok(())
            }
            Event::Ended(Ended::Closed) => {
                debug!("a connection was closed");
                Ok(())
            }
            Event::Ended(end @ (Ended::Gibberish(_) | Ended::NoPreface)) => {
                let source = std::error::Error::source(&end);
                warn!(%end, source, "a connection ended: is app.upstream.address APNs?");
                Ok(())
            }
            Event::Ended(end) => match self.ended(&end) {
                Some(reason) => self.backlog.hold(reason).await,
                None => Ok(()),
            },
        }
    }

    /// A connection ended. What was on it has been judged, but the end itself may say what is wrong with the configuration.
    fn ended(&self, end: &Ended) -> Option<String> {
        let source = std::error::Error::source(end);
        info!(%end, source, "a connection ended");
        let Ended::Goodbye(goaway) = end else {
            return None;
        };
        let token = self.login.token();
        let auth = self.login.auth(token, Instant::now());
        let outcome = goaway.unprocessed();
        match Verdict::of_http2(&outcome, auth) {
            Verdict::Misconfigured(why) => Some(format!("upstream says {outcome}: {why}")),
            _ => None,
        }
    }

    /// Applies the verdict on what became of a push.
    fn done(&mut self, done: Done, now: Instant, today: SystemTime, stopping: bool) {
        let Done {
            sent: Sent { row, probe, token },
            outcome,
            member,
        } = done;
        let verdict = Verdict::of_http2(&outcome, self.login.auth(token, now));
        if outcome.is_unknown() {
            self.backlog.counters.unknown_outcomes.add(1);
        }
        if let Verdict::Misconfigured(Misconfiguration::Clock | Misconfiguration::Key) = verdict {
            // Another one will be made as soon as that may be, should the clock have been what was wrong.
            self.login.refused(token);
        }
        let pushed = Pushed::from(&row);
        let settling = &mut self.backlog.settling;
        let verdict = match outcome {
            Outcome::Answered(_) => settling.weigh(&pushed, verdict),
            // What is said to a connection is said of no push.
            _ => verdict,
        };
        let mut settled = settling.judge(&pushed, verdict, &outcome, today);
        if let Verdict::Retry(Retry { when, place }) = verdict {
            match place {
                Place::Same => {}
                Place::NewConnection => self.pool.retire(member),
                Place::FreshToken => {
                    self.login.refused(token);
                    self.pool.retire(member);
                }
            }
            match when {
                When::AtOnce => {}
                When::After(pause) => self.backlog.aside.delay(row.id, (now + pause).into_std()),
                When::BackOff(_) if probe => {}
                When::BackOff(class) => {
                    settled = self.backlog.charge(&pushed, class, &outcome);
                }
            }
        }
        if settled {
            self.pool.progress(member);
            self.backlog.aside.settled(row.id);
        } else if self.backlog.is_held() {
            // Before anything can end the hold: otherwise this one would not be paged again.
            self.forget();
        }
        if settled || stopping || self.backlog.stock.is_rewound() {
            self.backlog.aside.arrived(&pushed.token);
        } else {
            self.backlog.aside.back(row);
        }
    }
}
