//! From whole requests to answers: the provider token first, then one call on the world for all that have arrived.

use std::collections::VecDeque;
use std::time::SystemTime;

use apns_net::credentials::Environment;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::answer::Answer;
use super::exchange::Exchange;
use crate::config::Timeouts;
use crate::provider_api::{Caller, Push, Reason, TokenFault, Unverified, Verified};
use crate::shared::Shared;
use crate::world::{DeviceId, Posted, World};

/// The requests of a connection that are whole and not answered.
#[derive(Default)]
pub(super) struct Requests {
    /// Nobody has looked at these.
    pub(super) whole: VecDeque<Exchange>,
    /// Pushes to phones that have no room, in their order.
    pub(super) waiting: Vec<Waiting>,
}

/// A push for a phone whose outbox is full, and until when it waits.
pub(super) struct Waiting {
    exchange: Exchange,
    push: Push,
    pub(super) until: Instant,
}

/// Answers that have not been sent, and phones that had no room for too long.
#[derive(Default)]
struct Outcome {
    answers: Vec<(Exchange, Answer)>,
    gave_up: Vec<DeviceId>,
}

impl Requests {
    pub(super) fn len(&self) -> usize {
        self.whole.len() + self.waiting.len()
    }

    /// Judges and answers everything that has arrived whole.
    pub(super) fn judge(&mut self, shared: &Shared, timeouts: Timeouts, caller: &mut Caller) {
        let until = Instant::now() + timeouts.room;
        while let Some(first) = self.whole.front_mut() {
            // Verifying takes a while: not under the lock. Most requests come with the token that is in use, which was verified.
            let unverified = caller.unverified(first.request.authorization());
            first.request.verified = unverified.map(|text| verify(shared, text));
            let outcome = shared.with(|world, now| {
                let mut judge = Judge {
                    world,
                    now,
                    environment: caller.environment(),
                    outcome: Outcome::default(),
                };
                while let Some(exchange) = self.whole.pop_front() {
                    if let Some((exchange, push)) = judge.request(exchange, caller) {
                        self.waiting.push(Waiting {
                            exchange,
                            push,
                            until,
                        });
                    }
                    let next = self.whole.front();
                    if next.is_some_and(|next| needs_verifying(next, caller)) {
                        break;
                    }
                }
                judge.outcome
            });
            outcome.settle(timeouts);
        }
    }

    /// Some phone has room, or the time of some push is up: asks again for everything that waits.
    pub(super) fn try_again(&mut self, shared: &Shared, timeouts: Timeouts, caller: &Caller) {
        let overdue = Instant::now();
        let waiting = std::mem::take(&mut self.waiting);
        let outcome = shared.with(|world, now| {
            let mut judge = Judge {
                world,
                now,
                environment: caller.environment(),
                outcome: Outcome::default(),
            };
            for waits in waiting {
                let Waiting {
                    mut exchange,
                    push,
                    until,
                } = waits;
                loop {
                    match judge.push(exchange, &push) {
                        None => break,
                        Some((back, device)) if until <= overdue => {
                            exchange = back;
                            judge.outcome.gave_up.push(device);
                            judge.world.give_up(now, device);
                        }
                        Some((exchange, _)) => {
                            self.waiting.push(Waiting {
                                exchange,
                                push,
                                until,
                            });
                            break;
                        }
                    }
                }
            }
            judge.outcome
        });
        outcome.settle(timeouts);
    }

    /// Refuses everything.
    pub(super) fn refuse(&mut self, shared: &Shared, caller: &Caller, reason: Reason) {
        let waiting = self.waiting.drain(..).map(|waits| waits.exchange);
        let all: Vec<_> = waiting.chain(self.whole.drain(..)).collect();
        let answers = shared.with(|world, now| {
            let mut judge = Judge {
                world,
                now,
                environment: caller.environment(),
                outcome: Outcome::default(),
            };
            for exchange in all {
                judge.refuse(exchange, reason);
            }
            judge.outcome.answers
        });
        for (exchange, answer) in answers {
            exchange.reply(&answer);
        }
    }
}

fn needs_verifying(exchange: &Exchange, caller: &Caller) -> bool {
    caller
        .unverified(exchange.request.authorization())
        .is_some()
}

/// Reads a provider token and holds it against the key it names.
fn verify(shared: &Shared, text: &str) -> Result<Verified, TokenFault> {
    let token = Unverified::parse(text)?;
    let key = shared.with(|world, _| world.provider_key(token.key_id()).cloned());
    token.verify(key)
}

impl Outcome {
    /// Sends the answers and writes the log: not while the world is locked.
    fn settle(self, timeouts: Timeouts) {
        for device in self.gave_up {
            warn!(%device, after = ?timeouts.room, "a phone acknowledges nothing: it counts as offline");
        }
        for (exchange, answer) in self.answers {
            if let Some(reason) = answer.reason() {
                info!(stream = ?exchange.stream(), %reason, "refused a push");
            } else {
                debug!(stream = ?exchange.stream(), "accepted a push");
            }
            exchange.reply(&answer);
        }
    }
}

/// The world, locked, and what has been decided.
struct Judge<'a> {
    world: &'a mut World,
    now: SystemTime,
    environment: Environment,
    outcome: Outcome,
}

impl Judge<'_> {
    /// Gives back what has to wait.
    fn request(&mut self, exchange: Exchange, caller: &mut Caller) -> Option<(Exchange, Push)> {
        match exchange.request.judge(self.now, caller) {
            Ok(push) => self
                .push(exchange, &push)
                .map(|(exchange, _)| (exchange, push)),
            Err(reason) => {
                self.refuse(exchange, reason);
                None
            }
        }
    }

    /// Gives back what has to wait, and for which phone.
    fn push(&mut self, mut exchange: Exchange, push: &Push) -> Option<(Exchange, DeviceId)> {
        let id = *exchange.id.get_or_insert_with(|| self.world.new_apns_id());
        match self.world.post(self.now, self.environment, id, push) {
            Posted::Accepted => {
                let answer = Answer::new(id, self.environment, self.world);
                self.outcome.answers.push((exchange, answer));
            }
            Posted::Refused(refusal) => {
                let answer = Answer::new(id, self.environment, self.world).refused(refusal);
                self.outcome.answers.push((exchange, answer));
            }
            Posted::Wait(device) => return Some((exchange, device)),
        }
        None
    }

    fn refuse(&mut self, exchange: Exchange, reason: Reason) {
        let id = exchange.id.unwrap_or_else(|| self.world.new_apns_id());
        self.world
            .refuse(self.now, self.environment, id, &exchange.request, reason);
        let answer = Answer::new(id, self.environment, self.world).refused(reason.into());
        self.outcome.answers.push((exchange, answer));
    }
}
