//! When to connect, and how cautiously: pure.
//!
//! Every pause is a random part of a span that doubles from `base` to `max` ("full jitter"), so that a thousand gateways
//! do not come back in step, and Apple's rule against rapid reconnecting is kept. A connection that was ended by an answer
//! and settled something is followed by the next at once: that is how the protocol works. One that was made for nothing in particular, on
//! which nothing was sent and which did not last, is no failure: the next one is made when there is something to send, and then at once.
//!
//! Three connections in a row that ended with notifications in flight and settled none: the upstream may break on one of
//! them. It is looked for by halves, because what is sent along with it is shown again and again: half of the suspects go at
//! a time; what the upstream's silence confirms is cleared; when the connection breaks, what was on it are the suspects left.
//! The last one goes alone, on a connection that was quiet before, so that the close can be held against it.

use std::time::Duration;

/// Barren connections in a row after which what was on the last is suspected.
const BARREN_MAX: u32 = 3;

/// How an attempt or a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// There was no connection: no such name, no answer, no handshake.
    Unreachable,
    /// There was one.
    Closed(Closed),
}

/// What is known of a connection that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    /// By an error packet, rather than without a word.
    pub(crate) answered: bool,
    /// At least one notification reached its end.
    pub(crate) progress: bool,
    /// Notifications that were on their way at the end.
    pub(crate) in_flight: usize,
    /// It lasted a quiet period.
    pub(crate) survived: bool,
    /// It was made because something waited to be sent, or something was sent on it.
    pub(crate) wanted: bool,
}

/// Counts what happened, and says what follows.
#[derive(Debug)]
pub(crate) struct Schedule {
    base: Duration,
    max: Duration,
    /// Ends in a row that give reason to wait longer.
    failures: u32,
    /// Connections in a row that had notifications in flight and settled none.
    barren: u32,
    /// So many of the oldest notifications are suspected: the upstream may break on one of them.
    suspects: usize,
    at_once: bool,
    /// The last connection ended, and nobody wanted it.
    idle: bool,
}

impl Schedule {
    pub(crate) const fn new(base: Duration, max: Duration) -> Self {
        Self {
            base,
            max,
            failures: 0,
            barren: 0,
            suspects: 0,
            at_once: true,
            idle: false,
        }
    }

    /// Takes note of an end. [`Self::pause`] is due before the next attempt.
    pub(crate) const fn ended(&mut self, ended: Ended) {
        self.at_once = false;
        self.idle = false;
        match ended {
            Ended::Unreachable => self.failures = self.failures.saturating_add(1),
            Ended::Closed(closed) if closed.progress => {
                self.progress(0);
                self.at_once = closed.answered || closed.in_flight == 0;
                if !closed.answered && closed.in_flight < self.suspects {
                    self.suspects = closed.in_flight;
                }
            }
            Ended::Closed(closed) if closed.in_flight > 0 => {
                self.failures = self.failures.saturating_add(1);
                self.barren = self.barren.saturating_add(1);
                if self.suspects > 0 || self.barren >= BARREN_MAX {
                    self.suspects = closed.in_flight;
                }
            }
            // An upstream that ends a connection nothing is sent on is entitled to.
            Ended::Closed(closed) if closed.survived => self.failures = 0,
            Ended::Closed(closed) if !closed.wanted => {
                self.idle = true;
                self.at_once = self.failures == 0;
            }
            Ended::Closed(_) => self.failures = self.failures.saturating_add(1),
        }
    }

    /// So many notifications reached their end: the upstream works.
    pub(crate) const fn progress(&mut self, settled: usize) {
        self.failures = 0;
        self.barren = 0;
        self.suspects = self.suspects.saturating_sub(settled);
    }

    /// Whether the next connection is to be made only when there is something to send.
    pub(crate) const fn is_idle(&self) -> bool {
        self.idle
    }

    /// Whether the last end gave reason to wait longer.
    pub(crate) const fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// How many notifications may be in flight. Where it is one, it goes alone, on a connection that was quiet before.
    pub(crate) const fn in_flight_max(&self) -> usize {
        match self.suspects {
            0 => usize::MAX,
            suspects => suspects.div_ceil(2),
        }
    }

    /// How long to wait before the next attempt; `random` is from 0 to 1.
    pub(crate) fn pause(&self, random: f64) -> Duration {
        if self.at_once {
            return Duration::ZERO;
        }
        jittered(self.base, self.max, self.failures.saturating_sub(1), random)
    }
}

/// A random part of `base` doubled `doublings` times, `max` at most.
pub(crate) fn jittered(base: Duration, max: Duration, doublings: u32, random: f64) -> Duration {
    let span = base
        .saturating_mul(2_u32.saturating_pow(doublings))
        .min(max);
    span.mul_f64(random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_millis(100);
    const MAX: Duration = Duration::from_secs(60);

    fn schedule() -> Schedule {
        Schedule::new(BASE, MAX)
    }

    /// Ended without a word, with notifications in flight, none settled.
    const BARREN: Closed = Closed {
        answered: false,
        progress: false,
        in_flight: 100,
        survived: false,
        wanted: true,
    };
    const IDLE: Closed = Closed {
        in_flight: 0,
        ..BARREN
    };

    #[test]
    fn the_pause_is_a_random_part_of_a_span_that_doubles_up_to_a_limit() {
        let mut schedule = schedule();
        let mut spans = Vec::new();
        for _ in 0..12 {
            schedule.ended(Ended::Unreachable);
            assert_eq!(schedule.pause(0.0), Duration::ZERO);
            assert_eq!(schedule.pause(0.5), schedule.pause(1.0) / 2);
            spans.push(schedule.pause(1.0).as_millis());
        }
        assert_eq!(
            spans,
            [
                100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 60_000, 60_000
            ]
        );
        for _ in 0..100 {
            schedule.ended(Ended::Unreachable);
        }
        assert_eq!(schedule.pause(1.0), MAX);
    }

    #[test]
    fn an_answer_that_settled_something_is_followed_by_the_next_connection_at_once() {
        let mut schedule = schedule();
        schedule.ended(Ended::Unreachable);
        schedule.ended(Ended::Closed(Closed {
            answered: true,
            progress: true,
            ..BARREN
        }));
        assert_eq!(schedule.pause(1.0), Duration::ZERO);
        schedule.ended(Ended::Unreachable);
        assert_eq!(
            schedule.pause(1.0),
            BASE,
            "progress forgives what was before"
        );
    }

    #[test]
    fn an_answer_that_settled_nothing_is_followed_by_a_growing_pause() {
        let mut schedule = schedule();
        let useless = Closed {
            answered: true,
            ..BARREN
        };
        for doublings in 0..5 {
            schedule.ended(Ended::Closed(useless));
            assert_eq!(schedule.pause(1.0), BASE * 2_u32.pow(doublings));
        }
    }

    #[test]
    fn a_bare_close_after_progress_is_followed_by_a_short_pause() {
        let mut schedule = schedule();
        schedule.ended(Ended::Closed(Closed {
            progress: true,
            ..BARREN
        }));
        assert_eq!(schedule.pause(1.0), BASE);
        schedule.ended(Ended::Closed(Closed {
            progress: true,
            ..IDLE
        }));
        assert_eq!(
            schedule.pause(1.0),
            Duration::ZERO,
            "everything was settled"
        );
    }

    #[test]
    fn one_that_nobody_wanted_is_no_failure_and_the_next_is_made_at_once_when_it_is_wanted() {
        let mut schedule = schedule();
        let unwanted = Ended::Closed(Closed {
            wanted: false,
            ..IDLE
        });
        for _ in 0..10 {
            schedule.ended(unwanted);
            assert!(schedule.is_idle() && !schedule.is_failing());
            assert_eq!(schedule.pause(1.0), Duration::ZERO);
        }
        schedule.ended(Ended::Closed(IDLE));
        assert!(!schedule.is_idle(), "that one was made for something");
        schedule.ended(Ended::Closed(IDLE));
        assert_eq!(schedule.pause(1.0), BASE * 2);
        schedule.ended(unwanted);
        assert_eq!(schedule.pause(1.0), BASE * 2, "nothing is forgiven either");
        schedule.ended(Ended::Unreachable);
        assert!(!schedule.is_idle());
    }

    #[test]
    fn an_idle_connection_that_lasted_starts_the_pauses_anew_and_one_that_did_not_lengthens_them() {
        let mut schedule = schedule();
        for _ in 0..4 {
            schedule.ended(Ended::Closed(IDLE));
        }
        assert_eq!(schedule.pause(1.0), BASE * 8);
        schedule.ended(Ended::Closed(Closed {
            survived: true,
            ..IDLE
        }));
        assert_eq!(schedule.pause(1.0), BASE);
        assert_eq!(
            schedule.in_flight_max(),
            usize::MAX,
            "an idle close is held against nobody"
        );
    }

    #[test]
    fn three_barren_connections_in_a_row_make_suspects_until_they_are_settled() {
        let mut schedule = schedule();
        schedule.ended(Ended::Closed(BARREN));
        schedule.ended(Ended::Closed(BARREN));
        schedule.ended(Ended::Unreachable);
        schedule.ended(Ended::Closed(IDLE));
        assert_eq!(
            schedule.in_flight_max(),
            usize::MAX,
            "only what had notifications in flight counts"
        );
        schedule.ended(Ended::Closed(Closed {
            survived: true,
            ..BARREN
        }));
        assert_eq!(schedule.in_flight_max(), 50);
        assert_eq!(
            schedule.pause(1.0),
            BASE * 16,
            "it gets slower all the same"
        );
        schedule.progress(50);
        assert_eq!(schedule.in_flight_max(), 25);
        schedule.progress(50);
        assert_eq!(schedule.in_flight_max(), usize::MAX);
    }

    /// Sends notifications in order until none is left but `poison`, which the upstream breaks on. How often each was sent until that
    /// one went alone.
    fn sent_until_found(notifications_len: usize, poison: usize) -> Vec<u32> {
        let mut schedule = schedule();
        let mut sent = vec![0; notifications_len];
        let (mut front, mut on_this_one) = (0_usize, 0);
        loop {
            let end = notifications_len.min(front.saturating_add(schedule.in_flight_max()));
            sent[front..end].iter_mut().for_each(|times| *times += 1);
            if schedule.in_flight_max() == 1 && front == poison {
                return sent;
            }
            if (front..end).contains(&poison) {
                schedule.ended(Ended::Closed(Closed {
                    progress: on_this_one > 0,
                    in_flight: end - front,
                    ..BARREN
                }));
                on_this_one = 0;
            } else {
                schedule.progress(end - front);
                on_this_one += end - front;
                front = end;
            }
        }
    }

    #[test]
    fn one_that_the_upstream_breaks_on_is_found_by_halves_wherever_it_is() {
        for (notifications_len, times_max) in [(1_usize, 4), (2, 5), (50, 9), (5_000, 16)] {
            for poison in (0..notifications_len).step_by(notifications_len.div_ceil(60)) {
                let sent = sent_until_found(notifications_len, poison);
                let most = sent.iter().max().unwrap();
                assert!(
                    *most <= times_max,
                    "number {poison} of {notifications_len}: {most} times"
                );
            }
        }
    }
}
