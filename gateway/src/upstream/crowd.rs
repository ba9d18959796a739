//! When one more connection is worth making: when what could be sent finds no room for a while. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// How long there has to be no room.
const CROWDED_FOR: Duration = Duration::from_millis(200);

/// Since when there has been none.
#[derive(Debug, Default)]
pub(crate) struct Crowd(Option<Instant>);

impl Crowd {
    /// Takes note of whether something waits for room. Says whether that has gone on for long enough.
    pub(crate) fn waits(&mut self, waits: bool, now: Instant) -> bool {
        if !waits {
            self.0 = None;
            return false;
        }
        *self.0.get_or_insert(now) + CROWDED_FOR <= now
    }

    /// Begins to count anew: there is, or is about to be, one more.
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }

    /// When it will have gone on for long enough.
    pub(crate) fn wake(&self) -> Option<Instant> {
        self.0.map(|since| since + CROWDED_FOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_more_is_worth_it_when_there_was_no_room_all_the_time() {
        let mut crowd = Crowd::default();
        let start = Instant::now();
        assert!(!crowd.waits(true, start));
        assert_eq!(crowd.wake(), Some(start + CROWDED_FOR));
        assert!(!crowd.waits(false, start + CROWDED_FOR / 2));
        assert_eq!(crowd.wake(), None);
        let again = start + CROWDED_FOR;
        assert!(!crowd.waits(true, again), "there was room in between");
        assert!(crowd.waits(true, again + CROWDED_FOR));
        crowd.clear();
        assert!(!crowd.waits(true, again + CROWDED_FOR));
    }
}
