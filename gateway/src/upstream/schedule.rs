//! When to connect, and how cautiously: pure.
//!
//! Every pause is a random part of a span that doubles from `base` to `max` ("full jitter"), so that a thousand gateways
//! do not come back in step, and Apple's rule against rapid reconnecting is kept. A connection that was ended by an answer
//! and settled something is followed by the next at once: that is how the protocol works.
//!
//! Three connections in a row that ended with notifications in flight and settled none put the upstream on probation: the
//! next notification goes alone, on a connection that was quiet before, so that a close can be held against it.

use std::time::Duration;

/// Barren connections in a row after which the upstream is on probation.
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
    /// Notifications were on their way.
    pub(crate) in_flight: bool,
    /// It lasted a quiet period.
    pub(crate) survived: bool,
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
    at_once: bool,
}

impl Schedule {
    pub(crate) const fn new(base: Duration, max: Duration) -> Self {
        Self {
            base,
            max,
            failures: 0,
            barren: 0,
            at_once: true,
        }
    }

    /// Takes note of an end. [`Self::pause`] is due before the next attempt.
    pub(crate) const fn ended(&mut self, ended: Ended) {
        self.at_once = false;
        match ended {
            Ended::Unreachable => self.failures = self.failures.saturating_add(1),
            Ended::Closed(closed) if closed.progress => {
                self.progress();
                self.at_once = closed.answered;
            }
            Ended::Closed(closed) if closed.in_flight => {
                self.failures = self.failures.saturating_add(1);
                self.barren = self.barren.saturating_add(1);
            }
            // An upstream that ends a connection nothing is sent on is entitled to.
            Ended::Closed(closed) if closed.survived => self.failures = 0,
            Ended::Closed(_) => self.failures = self.failures.saturating_add(1),
        }
    }

    /// A notification reached its end: the upstream works.
    pub(crate) const fn progress(&mut self) {
        self.failures = 0;
        self.barren = 0;
    }

    /// Whether notifications go one at a time, each on a connection that was quiet before.
    pub(crate) const fn on_probation(&self) -> bool {
        self.barren >= BARREN_MAX
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
        in_flight: true,
        survived: false,
    };
    const IDLE: Closed = Closed {
        in_flight: false,
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
        assert!(
            !schedule.on_probation(),
            "an idle close is held against nobody"
        );
    }

    #[test]
    fn three_barren_connections_in_a_row_mean_probation_until_something_is_settled() {
        let mut schedule = schedule();
        schedule.ended(Ended::Closed(BARREN));
        schedule.ended(Ended::Closed(BARREN));
        schedule.ended(Ended::Unreachable);
        schedule.ended(Ended::Closed(IDLE));
        assert!(
            !schedule.on_probation(),
            "only what had notifications in flight counts"
        );
        schedule.ended(Ended::Closed(Closed {
            survived: true,
            ..BARREN
        }));
        assert!(schedule.on_probation());
        assert_eq!(
            schedule.pause(1.0),
            BASE * 16,
            "on probation it gets slower all the same"
        );
        schedule.progress();
        assert!(!schedule.on_probation());
    }
}
