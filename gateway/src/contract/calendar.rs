//! The time that notifications are accepted and expire by (rule 9): the wall clock's, but for a jump ahead. Pure.
//!
//! An expiry is for good, and a clock can be wrong for a moment: a virtual machine that wakes up, a bad time server, a hand that slips. So a
//! wall clock that is suddenly ahead of what has passed is not believed until it has said so for [`BELIEVED_AFTER`]; till then time goes on
//! from where it was. One that is behind is believed at once: what expires too late is only late.

use std::time::{Duration, Instant, SystemTime};

/// A wall clock that is further ahead than that has jumped; less is what clocks do.
pub const JUMP: Duration = Duration::from_secs(60);

/// How long a jump has to last.
pub const BELIEVED_AFTER: Duration = Duration::from_secs(5 * 60);

/// Compares the wall clock with the one that never jumps. Whoever looks seldom learns late of a jump, and waits from then on.
#[derive(Clone, Copy, Debug)]
pub struct Calendar {
    /// What was believed last,
    believed: SystemTime,
    /// and when that was.
    at: Instant,
    jump: Option<Jump>,
}

/// The wall clock is ahead, and not believed.
#[derive(Clone, Copy, Debug)]
struct Jump {
    since: Instant,
    ahead: Duration,
}

/// What a look at the clocks shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The time to go by; never ahead of the wall clock.
    pub now: SystemTime,
    /// Something a person should know; each once.
    pub noticed: Option<Noticed>,
}

/// What the wall clock did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noticed {
    /// It is so far ahead, and not believed.
    Ahead(Duration),
    /// It was so far ahead for so long that it is believed.
    Believed(Duration),
    /// It was set back so far, and is believed; or to where it was before it jumped ahead.
    Back(Duration),
}

impl Calendar {
    /// Believes the wall clock; there is nothing to compare it with yet.
    pub const fn new(wall: SystemTime, monotonic: Instant) -> Self {
        Self {
            believed: wall,
            at: monotonic,
            jump: None,
        }
    }

    /// What time it is, now that the clocks say so.
    pub fn look(&mut self, wall: SystemTime, monotonic: Instant) -> Look {
        let expected = self.believed + monotonic.saturating_duration_since(self.at);
        let noticed = match wall.duration_since(expected) {
            Ok(ahead) if ahead > JUMP => {
                let known = self.jump.filter(|jump| jump.ahead.abs_diff(ahead) <= JUMP);
                let since = known.map_or(monotonic, |jump| jump.since);
                if monotonic.saturating_duration_since(since) < BELIEVED_AFTER {
                    self.jump = Some(Jump { since, ahead });
                    return Look {
                        now: expected,
                        noticed: known.is_none().then_some(Noticed::Ahead(ahead)),
                    };
                }
                Some(Noticed::Believed(ahead))
            }
            Ok(_) => self.jump.map(|jump| Noticed::Back(jump.ahead)),
            Err(behind) => {
                let behind =
                    behind.duration() + self.jump.map_or(Duration::ZERO, |jump| jump.ahead);
                (behind > JUMP).then_some(Noticed::Back(behind))
            }
        };
        *self = Self::new(wall, monotonic);
        Look { now: wall, noticed }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_secs(3_600);

    /// Both clocks, the wall's so many seconds off.
    struct Clocks {
        calendar: Calendar,
        start: (SystemTime, Instant),
        passed: Duration,
        off: i64,
    }

    impl Clocks {
        fn new() -> Self {
            let start = (SystemTime::UNIX_EPOCH + 500_000 * HOUR, Instant::now());
            Self {
                calendar: Calendar::new(start.0, start.1),
                start,
                passed: Duration::ZERO,
                off: 0,
            }
        }

        /// The time it really is.
        fn right(&self) -> SystemTime {
            self.start.0 + self.passed
        }

        fn wall(&self) -> SystemTime {
            let off = Duration::from_secs(self.off.unsigned_abs());
            match self.off {
                ..0 => self.right() - off,
                _ => self.right() + off,
            }
        }

        fn after(&mut self, passed: Duration) -> Look {
            self.passed += passed;
            self.calendar.look(self.wall(), self.start.1 + self.passed)
        }
    }

    #[test]
    fn a_jump_ahead_is_believed_once_it_has_lasted_and_time_goes_on_till_then() {
        let mut clocks = Clocks::new();
        clocks.off = 7_200;
        let ahead = 2 * HOUR;
        let look = clocks.after(SECOND);
        assert_eq!(look.now, clocks.right());
        assert_eq!(look.noticed, Some(Noticed::Ahead(ahead)));
        let look = clocks.after(BELIEVED_AFTER - SECOND);
        assert_eq!((look.now, look.noticed), (clocks.right(), None));
        let look = clocks.after(SECOND);
        assert_eq!(look.now, clocks.wall());
        assert_eq!(look.noticed, Some(Noticed::Believed(ahead)));
        let look = clocks.after(SECOND);
        assert_eq!((look.now, look.noticed), (clocks.wall(), None));
    }

    #[test]
    fn a_jump_ahead_that_is_taken_back_in_time_has_never_been() {
        let mut clocks = Clocks::new();
        for _ in 0..3 {
            clocks.off = 86_400;
            assert_eq!(clocks.after(SECOND).now, clocks.right());
            assert_eq!(clocks.after(BELIEVED_AFTER - SECOND).now, clocks.right());
            clocks.off = 0;
            let look = clocks.after(SECOND);
            let back = Noticed::Back(24 * HOUR);
            assert_eq!((look.now, look.noticed), (clocks.right(), Some(back)));
        }
    }

    #[test]
    fn a_second_jump_ahead_is_another_one() {
        let mut clocks = Clocks::new();
        clocks.off = 7_200;
        clocks.after(BELIEVED_AFTER);
        clocks.off = 14_400;
        assert_eq!(clocks.after(SECOND).noticed, Some(Noticed::Ahead(4 * HOUR)));
        assert_eq!(clocks.after(BELIEVED_AFTER - SECOND).now, clocks.right());
        assert_eq!(clocks.after(SECOND).now, clocks.wall());
    }

    #[test]
    fn a_clock_that_is_set_back_is_believed_at_once_and_again_when_it_returned_for_long_enough() {
        let mut clocks = Clocks::new();
        clocks.off = -7_200;
        let look = clocks.after(SECOND);
        assert_eq!(look.now, clocks.wall());
        assert_eq!(look.noticed, Some(Noticed::Back(2 * HOUR)));
        clocks.off = 0;
        assert_eq!(clocks.after(SECOND).now, clocks.right() - 2 * HOUR);
        assert_eq!(clocks.after(BELIEVED_AFTER).now, clocks.right());
    }

    #[test]
    fn a_clock_that_is_a_minute_off_is_nothing_to_speak_of() {
        let mut clocks = Clocks::new();
        for off in [60, 0, 59, -1] {
            clocks.off = off;
            let look = clocks.after(HOUR);
            assert_eq!((look.now, look.noticed), (clocks.wall(), None), "{off}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_wall_clock_does_nothing_is_ahead_of_it_and_no_short_jump_counts(
            steps in prop::collection::vec((0_u64..400, prop_oneof![Just(0), -5_i64..90_000]), 1..60),
        ) {
            let mut clocks = Clocks::new();
            for (passed, off) in steps {
                // Right for a while, off for less than a jump has to last, and right again.
                clocks.after(Duration::from_secs(passed));
                clocks.off = off;
                let mut during = Duration::ZERO;
                while during < BELIEVED_AFTER {
                    let look = clocks.after(30 * SECOND);
                    prop_assert!(look.now <= clocks.wall());
                    prop_assert!(look.now <= clocks.right() + JUMP, "{off} too early");
                    during += 30 * SECOND;
                }
                clocks.off = 0;
                let look = clocks.after(SECOND);
                prop_assert_eq!(look.now, clocks.right());
            }
        }
    }
}
