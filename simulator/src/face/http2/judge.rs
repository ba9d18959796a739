//! From whole requests to answers: the provider token first, then one call on the world for all that have arrived. A push that is in order is shown to
//! the faults before it is shown to the phones.

use std::collections::VecDeque;
use std::time::SystemTime;

use apns_net::credentials::Environment;
use h2::{Reason as Http2Reason, StreamId};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::answer::Answer;
use super::breakage::{Breakage, Course, End};
use super::exchange::Exchange;
use crate::config::Timeouts;
use crate::faults::Injection;
use crate::project::Projects;
use crate::provider_api::{ApnsId, Caller, Push, Reason, TokenFault, Unverified, Verified};
use crate::shared::Shared;
use crate::world::{DeviceId, Posted, World};

/// The requests of a connection that are whole and not answered.
pub(super) struct Requests {
    /// The connection, as faults count it.
    pub(super) connection: u64,
    /// Nobody has looked at these.
    pub(super) whole: VecDeque<Exchange>,
    waiting: Vec<Waiting>,
    /// A fault leaves these without an answer. Dropped, they would be reset.
    unanswered: Vec<Exchange>,
    pub(super) breakage: Breakage,
    /// Pushes accepted since somebody asked.
    carried: u64,
}

/// A push that cannot be answered yet.
struct Waiting {
    exchange: Exchange,
    id: ApnsId,
    push: Push,
    course: Course,
    /// A fault holds it back until then.
    held_until: Option<Instant>,
    /// Its phone's outbox may be full so long.
    until: Instant,
}

/// What has been decided and not been said, and phones that had no room for too long.
#[derive(Default)]
struct Outcome {
    replies: Vec<(Exchange, Reply)>,
    waiting: Vec<Waiting>,
    injected: Vec<(StreamId, Injection)>,
    gave_up: Vec<DeviceId>,
}

/// What is said on a stream.
enum Reply {
    Answer(Answer),
    Reset(Http2Reason),
    Nothing,
}

impl Requests {
    pub(super) fn new(connection: u64) -> Self {
        Self {
            connection,
            whole: VecDeque::new(),
            waiting: Vec::new(),
            unanswered: Vec::new(),
            breakage: Breakage::default(),
            carried: 0,
        }
    }

    /// How many pushes were accepted since the last time.
    pub(super) const fn take_carried(&mut self) -> u64 {
        std::mem::replace(&mut self.carried, 0)
    }

    pub(super) fn len(&self) -> usize {
        self.whole.len() + self.waiting.len() + self.unanswered.len()
    }

    /// Whether some push cannot be answered yet.
    pub(super) const fn wait(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// When to [try again](Self::try_again), at the latest.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let waiting = self.waiting.iter();
        waiting
            .map(|waits| waits.held_until.unwrap_or(waits.until))
            .min()
    }

    /// Judges and answers everything that has arrived whole, as long as the connection holds. `projects` are where keys of other teams are.
    pub(super) fn judge(
        &mut self,
        shared: &Shared,
        projects: Option<&Projects>,
        timeouts: Timeouts,
        caller: &mut Caller,
    ) {
        let clock = Instant::now();
        while self.breakage.broken().is_none()
            && let Some(first) = self.whole.front_mut()
        {
            // Verifying takes a while: not under the lock. Most requests come with the token that is in use, which was verified.
            let unverified = caller.unverified(first.request.authorization());
            // Who is known keeps to this project, and is told so where the token is a good one of another [H-22].
            let others = projects.filter(|_| caller.is_known());
            first.request.verified = unverified.map(|text| verify(shared, others, text));
            let environment = caller.environment();
            let outcome = Judge::with(shared, environment, clock, &mut self.breakage, |judge| {
                while let Some(exchange) = self.whole.pop_front() {
                    judge.request(exchange, caller, self.connection, timeouts);
                    let next = self.whole.front();
                    if judge.breakage.broken().is_some()
                        || next.is_some_and(|next| needs_verifying(next, caller))
                    {
                        break;
                    }
                }
            });
            self.settle(outcome, timeouts);
        }
    }

    /// Some phone has room, or the time of some push is up: asks again for everything that waits.
    pub(super) fn try_again(&mut self, shared: &Shared, timeouts: Timeouts, caller: &Caller) {
        let (environment, clock) = (caller.environment(), Instant::now());
        let waiting = std::mem::take(&mut self.waiting);
        let outcome = Judge::with(shared, environment, clock, &mut self.breakage, |judge| {
            for waits in waiting {
                judge.proceed(waits);
            }
        });
        self.settle(outcome, timeouts);
    }

    /// Refuses everything; what was to stay without an answer is let go.
    pub(super) fn refuse(
        &mut self,
        shared: &Shared,
        timeouts: Timeouts,
        caller: &Caller,
        reason: Reason,
    ) {
        self.unanswered.clear();
        let waiting = self.waiting.drain(..).map(|waits| waits.exchange);
        let all: Vec<_> = waiting.chain(self.whole.drain(..)).collect();
        let (environment, clock) = (caller.environment(), Instant::now());
        let outcome = Judge::with(shared, environment, clock, &mut self.breakage, |judge| {
            for exchange in all {
                judge.refuse(exchange, reason);
            }
        });
        self.settle(outcome, timeouts);
    }

    /// Says what was decided and writes the log: not while the world is locked.
    fn settle(&mut self, outcome: Outcome, timeouts: Timeouts) {
        for device in outcome.gave_up {
            warn!(%device, after = ?timeouts.room, "a phone acknowledges nothing: it counts as offline");
        }
        for (stream, Injection { fault, action }) in outcome.injected {
            info!(
                ?stream,
                fault = &*fault,
                action = action.name(),
                "a fault acts on a push"
            );
        }
        for (exchange, reply) in outcome.replies {
            match reply {
                Reply::Answer(answer) => {
                    if let Some(reason) = answer.reason() {
                        info!(stream = ?exchange.stream(), reason, "refused a push");
                    } else {
                        debug!(stream = ?exchange.stream(), "accepted a push");
                        self.carried += 1;
                    }
                    exchange.reply(&answer);
                }
                Reply::Reset(reason) => exchange.reset(reason),
                Reply::Nothing => self.unanswered.push(exchange),
            }
        }
        self.waiting.extend(outcome.waiting);
    }
}

fn needs_verifying(exchange: &Exchange, caller: &Caller) -> bool {
    caller
        .unverified(exchange.request.authorization())
        .is_some()
}

/// Reads a provider token and holds it against the key it names, of this project or of its team's among `others`.
fn verify(shared: &Shared, others: Option<&Projects>, text: &str) -> Result<Verified, TokenFault> {
    let token = Unverified::parse(text)?;
    let key = |world: &mut World, _| world.provider_key(token.key_id()).cloned();
    let known = shared.with(key).or_else(|| {
        let project = others?.known(Some(token.team()))?;
        project.world(key)
    });
    token.verify(known)
}

/// The world, locked, and what has been decided.
struct Judge<'a> {
    world: &'a mut World,
    now: SystemTime,
    /// The real time, by which pushes wait.
    clock: Instant,
    environment: Environment,
    breakage: &'a mut Breakage,
    outcome: Outcome,
}

impl Judge<'_> {
    /// Judges a batch, whole under one lock.
    fn with(
        shared: &Shared,
        environment: Environment,
        clock: Instant,
        breakage: &mut Breakage,
        batch: impl FnOnce(&mut Judge<'_>),
    ) -> Outcome {
        shared.with(|world, now| {
            let mut judge = Judge {
                world,
                now,
                clock,
                environment,
                breakage,
                outcome: Outcome::default(),
            };
            batch(&mut judge);
            judge.outcome
        })
    }

    fn request(
        &mut self,
        mut exchange: Exchange,
        caller: &mut Caller,
        connection: u64,
        timeouts: Timeouts,
    ) {
        let stream = exchange.stream();
        if !self.breakage.answers(stream.into()) {
            return self.outcome.replies.push((exchange, Reply::Nothing));
        }
        let push = match exchange.request.judge(self.now, caller) {
            Ok(push) => push,
            Err(reason) => return self.refuse(exchange, reason),
        };
        let id = *exchange.id.get_or_insert_with(|| self.world.new_apns_id());
        let injection = self.world.inject_post(
            self.now,
            self.environment,
            connection,
            stream.into(),
            id,
            &push,
        );
        let course = match injection {
            None => Course::TRUTH,
            Some(injection) => {
                let course = self.breakage.course(&injection.action, stream.into());
                self.outcome.injected.push((stream, injection));
                course
            }
        };
        let shown_at = self.clock + course.delay;
        self.proceed(Waiting {
            exchange,
            id,
            push,
            held_until: (!course.delay.is_zero()).then_some(shown_at),
            until: shown_at + timeouts.room,
            course,
        });
    }

    /// Goes on with a push, as far as that is possible now.
    fn proceed(&mut self, mut waits: Waiting) {
        if waits.held_until.is_some_and(|until| self.clock < until) {
            return self.outcome.waiting.push(waits);
        }
        waits.held_until = None;
        let refusal = match waits.course.shown.then(|| self.show(&waits)) {
            Some(Posted::Wait(_)) => return self.outcome.waiting.push(waits),
            Some(Posted::Refused(refusal)) => Some(refusal),
            Some(Posted::Accepted) | None => None,
        };
        let reply = match waits.course.end {
            End::Answer => {
                let answer = Answer::new(waits.id, self.environment, self.world);
                Reply::Answer(match refusal {
                    Some(refusal) => answer.refused(refusal),
                    None => answer,
                })
            }
            End::Reason { status, reason } => {
                let answer = Answer::new(waits.id, self.environment, self.world);
                Reply::Answer(answer.in_words(status, reason, self.now))
            }
            End::Reset(reason) => Reply::Reset(reason),
            End::Silence => Reply::Nothing,
            End::Break(how) => {
                self.breakage.breaks(how);
                Reply::Nothing
            }
        };
        self.outcome.replies.push((waits.exchange, reply));
    }

    fn show(&mut self, waits: &Waiting) -> Posted {
        loop {
            match self
                .world
                .post(self.now, self.environment, waits.id, &waits.push)
            {
                Posted::Wait(device) if waits.until <= self.clock => {
                    self.outcome.gave_up.push(device);
                    self.world.give_up(self.now, device);
                }
                posted => return posted,
            }
        }
    }

    fn refuse(&mut self, exchange: Exchange, reason: Reason) {
        let id = exchange.id.unwrap_or_else(|| self.world.new_apns_id());
        self.world
            .refuse(self.now, self.environment, id, &exchange.request, reason);
        let answer = Answer::new(id, self.environment, self.world).refused(reason.into());
        self.outcome.replies.push((exchange, Reply::Answer(answer)));
    }
}
