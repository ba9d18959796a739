//! A clock that can be stopped and set: what time it is in a project. No face of the simulator asks another one; only the deadlines of
//! sockets are real.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second of the year 9999, as far as certificates can say.
const LAST: Duration = Duration::from_secs(253_402_300_799);

/// What a project's time is, as a function of the real one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// It is the real one.
    #[default]
    Real,
    /// It runs, this much ahead.
    Ahead(Duration),
    /// It runs, this much behind.
    Behind(Duration),
    /// It stands.
    Frozen(SystemTime),
}

/// A time no clock shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a project's clock shows times from 1970 to 9999: choose one of these")]
pub struct OutOfRange;

impl Clock {
    /// What it shows.
    #[must_use]
    pub fn now(self, real: SystemTime) -> SystemTime {
        let shown = match self {
            Self::Real => Some(real),
            Self::Ahead(by) => real.checked_add(by),
            Self::Behind(by) => real.checked_sub(by),
            Self::Frozen(at) => Some(at),
        };
        // Only the real time running on can leave the range that was checked when the clock was set.
        shown.unwrap_or(real)
    }

    /// Whether it stands.
    #[must_use]
    pub const fn is_frozen(self) -> bool {
        matches!(self, Self::Frozen(_))
    }

    /// Stops it.
    pub fn freeze(&mut self, real: SystemTime) {
        *self = Self::Frozen(self.now(real));
    }

    /// Moves it forward. One that stands goes on standing.
    ///
    /// # Errors
    ///
    /// When that is beyond the year 9999; it stays as it was.
    pub fn advance(&mut self, real: SystemTime, by: Duration) -> Result<(), OutOfRange> {
        let to = self.now(real).checked_add(by).ok_or(OutOfRange)?;
        self.jump(real, to)
    }

    /// Sets it, forward or back. One that stands goes on standing.
    ///
    /// # Errors
    ///
    /// When that is before 1970 or beyond the year 9999; it stays as it was.
    pub fn jump(&mut self, real: SystemTime, to: SystemTime) -> Result<(), OutOfRange> {
        match to.duration_since(UNIX_EPOCH) {
            Ok(since) if since <= LAST => {}
            _ => return Err(OutOfRange),
        }
        *self = if self.is_frozen() {
            Self::Frozen(to)
        } else {
            Self::running(real, to)
        };
        Ok(())
    }

    /// Has it run on from what it shows.
    pub fn run(&mut self, real: SystemTime) {
        *self = Self::running(real, self.now(real));
    }

    fn running(real: SystemTime, shown: SystemTime) -> Self {
        match shown.duration_since(real) {
            Ok(ahead) => Self::Ahead(ahead),
            Err(behind) => Self::Behind(behind.duration()),
        }
    }

    /// Has it show the real time again.
    pub fn follow(&mut self) {
        *self = Self::Real;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    fn noon() -> SystemTime {
        UNIX_EPOCH + 500_000 * HOUR
    }

    #[test]
    fn a_clock_that_stood_runs_on_from_where_it_stood() {
        let mut clock = Clock::default();
        clock.freeze(noon());
        clock.run(noon() + HOUR);
        assert_eq!(clock, Clock::Behind(HOUR));
        assert_eq!(clock.now(noon() + 3 * HOUR), noon() + 2 * HOUR);
        clock.follow();
        clock.run(noon());
        assert_eq!(clock.now(noon() + HOUR), noon() + HOUR);
    }

    #[test]
    fn a_clock_shows_the_real_time_until_it_is_set_and_after() {
        let mut clock = Clock::default();
        assert_eq!(clock.now(noon()), noon());
        clock.advance(noon(), 3 * HOUR).unwrap();
        assert_eq!(clock.now(noon() + HOUR), noon() + 4 * HOUR);
        clock.advance(noon() + HOUR, HOUR).unwrap();
        assert_eq!(clock.now(noon() + HOUR), noon() + 5 * HOUR);
        clock.jump(noon(), noon() - 2 * HOUR).unwrap();
        assert_eq!(clock.now(noon() + HOUR), noon() - HOUR);
        clock.follow();
        assert_eq!(clock.now(noon()), noon());
    }

    #[test]
    fn a_frozen_clock_moves_only_when_it_is_moved() {
        let mut clock = Clock::default();
        clock.advance(noon(), HOUR).unwrap();
        clock.freeze(noon());
        assert_eq!(clock.now(noon() + 9 * HOUR), noon() + HOUR);
        clock.advance(noon() + 9 * HOUR, HOUR).unwrap();
        clock.freeze(noon() + 9 * HOUR);
        assert_eq!(clock.now(noon() + 99 * HOUR), noon() + 2 * HOUR);
        clock.jump(noon(), UNIX_EPOCH).unwrap();
        assert_eq!(clock.now(noon()), UNIX_EPOCH);
        assert!(clock.is_frozen());
    }

    #[test]
    fn a_time_no_clock_shows_is_refused_and_changes_nothing() {
        let mut clock = Clock::default();
        assert_eq!(clock.advance(noon(), Duration::MAX), Err(OutOfRange));
        assert_eq!(clock.advance(noon(), LAST), Err(OutOfRange));
        let before_1970 = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(clock.jump(noon(), before_1970), Err(OutOfRange));
        assert_eq!(clock, Clock::Real);
        assert_eq!(clock.jump(noon(), UNIX_EPOCH + LAST), Ok(()));
    }
}
