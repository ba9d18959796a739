//! What became of each push, token by token.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use apns_proto::{Status, Token};
use serde::Serialize;
use tokio::sync::watch;

/// What became of a push to one token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(super) enum Outcome {
    /// Not yet known.
    Pending,
    /// Written, and no answer for the quiet period: success is silence [P-30].
    Sent,
    /// Answered by an error packet [P-31].
    Rejected {
        /// The status as a number.
        status: u8,
        /// The status in words.
        meaning: String,
    },
    /// Never reached APNs, or nobody knows whether it did.
    Failed {
        /// Why.
        why: String,
    },
}

impl Outcome {
    pub(super) fn rejected(status: Status) -> Self {
        Self::Rejected {
            status: status.0,
            meaning: status.to_string(),
        }
    }
}

/// One push: a payload on its way to every token of an app.
#[derive(Debug)]
pub(super) struct Push {
    number: u64,
    at: SystemTime,
    tokens: Vec<Token>,
    outcomes: Mutex<Vec<Outcome>>,
    pending: watch::Sender<usize>,
}

impl Push {
    pub(super) fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    pub(super) const fn at(&self) -> SystemTime {
        self.at
    }

    /// Notes what became of the push to the token at `index`. The first outcome of a token stands.
    pub(super) fn settle(&self, index: usize, outcome: Outcome) {
        let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = outcomes
            .get_mut(index)
            .filter(|place| **place == Outcome::Pending)
        {
            *place = outcome;
            drop(outcomes);
            self.pending.send_modify(|pending| *pending -= 1);
        }
    }

    /// Waits until every token has its outcome, `deadline` at most.
    pub(super) async fn settled(&self, deadline: Duration) {
        let mut pending = self.pending.subscribe();
        // Late ones stay `pending` in the report.
        let _ = tokio::time::timeout(deadline, pending.wait_for(|pending| *pending == 0)).await;
    }

    pub(super) fn report(&self) -> Report {
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |wanted: fn(&Outcome) -> bool| {
            outcomes.iter().filter(|outcome| wanted(outcome)).count()
        };
        Report {
            push: self.number,
            at: self
                .at
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            sent: count(|outcome| matches!(outcome, Outcome::Sent)),
            rejected: count(|outcome| matches!(outcome, Outcome::Rejected { .. })),
            failed: count(|outcome| matches!(outcome, Outcome::Failed { .. })),
            pending: count(|outcome| matches!(outcome, Outcome::Pending)),
            results: self
                .tokens
                .iter()
                .zip(outcomes.iter())
                .map(|(token, outcome)| TokenReport {
                    token: token.to_hex(),
                    outcome: outcome.clone(),
                })
                .collect(),
        }
    }
}

/// A push as the API shows it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    push: u64,
    /// UNIX seconds.
    at: u64,
    sent: usize,
    rejected: usize,
    failed: usize,
    pending: usize,
    results: Vec<TokenReport>,
}

#[derive(Debug, Serialize)]
struct TokenReport {
    token: String,
    #[serde(flatten)]
    outcome: Outcome,
}

/// The latest pushes of one app, oldest out.
#[derive(Debug)]
pub(super) struct Pushes {
    latest: VecDeque<Arc<Push>>,
    made: u64,
    len_max: usize,
}

impl Pushes {
    pub(super) const fn new(len_max: usize) -> Self {
        Self {
            latest: VecDeque::new(),
            made: 0,
            len_max,
        }
    }

    /// Opens the record of a push to `tokens`; they are numbered from 1.
    pub(super) fn open(&mut self, tokens: Vec<Token>, now: SystemTime) -> Arc<Push> {
        self.made += 1;
        let push = Arc::new(Push {
            number: self.made,
            at: now,
            outcomes: Mutex::new(vec![Outcome::Pending; tokens.len()]),
            pending: watch::Sender::new(tokens.len()),
            tokens,
        });
        if self.latest.len() >= self.len_max {
            self.latest.pop_front();
        }
        self.latest.push_back(push.clone());
        push
    }

    pub(super) fn reports(&self) -> Vec<Report> {
        self.latest.iter().map(|push| push.report()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(len: u8) -> Vec<Token> {
        (0..len).map(|byte| Token::new(vec![byte; 32])).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_push_is_settled_once_every_token_has_its_outcome() {
        let mut pushes = Pushes::new(5);
        let push = pushes.open(tokens(3), UNIX_EPOCH);
        push.settle(0, Outcome::Sent);
        push.settle(1, Outcome::rejected(Status::INVALID_TOKEN));
        push.settle(1, Outcome::Sent);
        push.settled(Duration::from_secs(5)).await;
        let report = push.report();
        assert_eq!(
            (report.sent, report.rejected, report.failed, report.pending),
            (1, 1, 0, 1)
        );
        push.settle(
            2,
            Outcome::Failed {
                why: "no connection".to_owned(),
            },
        );
        let started = tokio::time::Instant::now();
        push.settled(Duration::from_secs(5)).await;
        assert_eq!(started.elapsed(), Duration::ZERO);
        assert_eq!(push.report().pending, 0);
    }

    #[test]
    fn a_result_names_its_outcome_and_status() {
        let push = Pushes::new(1).open(tokens(1), UNIX_EPOCH);
        push.settle(0, Outcome::rejected(Status::INVALID_TOKEN));
        let json = serde_json::to_value(push.report()).unwrap();
        assert_eq!(json["results"][0]["outcome"], "rejected");
        assert_eq!(json["results"][0]["status"], 8);
        assert_eq!(json["results"][0]["meaning"], "8 (invalid token)");
    }

    #[test]
    fn only_the_latest_pushes_are_remembered() {
        let mut pushes = Pushes::new(2);
        for _ in 0..3 {
            pushes.open(tokens(1), UNIX_EPOCH);
        }
        assert_eq!(
            pushes
                .reports()
                .iter()
                .map(|report| report.push)
                .collect::<Vec<_>>(),
            [2, 3]
        );
    }
}
