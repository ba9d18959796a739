//! The pushes of an app that wait for their answers, whatever connections they are on, each as long as any other.

use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::connection::Exchange;
use super::token::TokenId;
use crate::call::Call;
use crate::store::Row;
use crate::verdict::Outcome;

/// What became of pushes is given out in batches of at most so many.
const BATCH_LEN_MAX: usize = 100;

/// A push on its way.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) row: Row,
    /// For an app on hold: the outcome is not held against the notification.
    pub(crate) probe: bool,
    /// The provider token it was sent with, if that was its login.
    pub(crate) token: Option<TokenId>,
}

/// What became of it.
pub(crate) struct Done {
    pub(crate) sent: Sent,
    pub(crate) outcome: Outcome,
    /// The connection it was on.
    pub(crate) member: u64,
}

/// Those under way.
pub(super) struct Pushes {
    waiting: FuturesUnordered<Push>,
    answer_timeout: Duration,
    /// Until the first may be overdue: one timer for all.
    patience: Call<()>,
}

impl Pushes {
    pub(super) fn new(answer_timeout: Duration) -> Self {
        Self {
            waiting: FuturesUnordered::new(),
            answer_timeout,
            patience: Call::none(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Waits for one more.
    pub(super) fn add(&mut self, exchange: Exchange, sent: Sent, member: u64, now: Instant) {
        let answer_by = now + self.answer_timeout;
        if !self.patience.is_under_way() {
            self.patience.start(sleep_until(answer_by));
        }
        self.waiting.push(Push {
            exchange,
            sent: Some(sent),
            member,
            answer_by,
        });
    }

    /// Those that have come to something, at least one. Can be dropped and called again.
    pub(super) async fn next(&mut self) -> Vec<Done> {
        loop {
            tokio::select! {
                biased;
                done = batch(&mut self.waiting) => return done,
                () = self.patience.answer() => {
                    let overdue = self.overdue(Instant::now());
                    if !overdue.is_empty() {
                        return overdue;
                    }
                }
            }
        }
    }

    /// Gives up those that were not answered in time. Seldom there are any: all are looked at.
    fn overdue(&mut self, now: Instant) -> Vec<Done> {
        let all = mem::take(&mut self.waiting).into_iter();
        let (overdue, waiting): (Vec<_>, Vec<_>) = all.partition(|push| push.answer_by <= now);
        if let Some(first) = waiting.iter().map(|push| push.answer_by).min() {
            self.patience.start(sleep_until(first));
        }
        self.waiting.extend(waiting);
        let given_up = overdue.into_iter().map(|mut push| {
            let outcome = push.exchange.overdue();
            push.done(outcome)
        });
        given_up.collect()
    }

    /// Forgets them, which resets their streams.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }
}

/// One that waits for its answer.
struct Push {
    exchange: Exchange,
    /// Until there is one.
    sent: Option<Sent>,
    member: u64,
    answer_by: Instant,
}

impl Push {
    fn done(&mut self, outcome: Outcome) -> Done {
        Done {
            sent: self.sent.take().expect("it is done once"),
            outcome,
            member: self.member,
        }
    }
}

impl Future for Push {
    type Output = Done;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Done> {
        let outcome = ready!(Pin::new(&mut self.exchange).poll(cx));
        Poll::Ready(self.done(outcome))
    }
}

/// Everything that was answered, at least one.
async fn batch(waiting: &mut FuturesUnordered<Push>) -> Vec<Done> {
    let mut done = Vec::new();
    poll_fn(|cx| {
        while done.len() < BATCH_LEN_MAX
            && let Poll::Ready(Some(one)) = waiting.poll_next_unpin(cx)
        {
            done.push(one);
        }
        if done.is_empty() {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
    done
}

#[cfg(test)]
mod tests {
    use apns_proto::Token;
    use tokio::io::duplex;
    use tokio::time::{advance, timeout};

    use super::super::driven::Driven;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_push_is_waited_for_as_long_as_any_other() {
        let mut silent = Vec::new();
        let mut pushes = Pushes::new(Duration::from_secs(30));
        let began = Instant::now();
        for serial in 1..=5 {
            let sent = Sent {
                row: Row::fake(serial, Token::new([1; 32])),
                probe: false,
                token: None,
            };
            let (near, far) = duplex(1024);
            let connection = Driven::start(near).await;
            pushes.add(connection.send("{}"), sent, serial, Instant::now());
            silent.push((connection, far));
            advance(Duration::from_secs(4)).await;
        }
        for serial in 1..=5 {
            let done = timeout(Duration::from_secs(60), pushes.next()).await;
            let done = done.expect("one is overdue");
            assert_eq!(began.elapsed().as_secs(), 30 + 4 * (serial - 1));
            let [done] = &done[..] else {
                panic!("only one of them is");
            };
            assert_eq!((done.sent.row.id.serial(), done.member), (serial, serial));
            assert_eq!(done.outcome, Outcome::NoPreface);
        }
        assert_eq!(pushes.len(), 0);
    }
}
