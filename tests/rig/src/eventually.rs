//! The only place that waits for time to pass: a condition is looked at again and again until it holds or the deadline is over.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long anything may take that happens at once on an idle machine. Generous: the tests share a machine with other builds.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(5);

/// Waits until `condition` yields a value and gives it out.
///
/// # Panics
///
/// When the condition has not held within [`PATIENCE`], with `what` was awaited and what the condition said last.
#[track_caller]
pub fn eventually<T, S: Display>(
    what: &str,
    condition: impl AsyncFnMut() -> Result<T, S>,
) -> impl Future<Output = T> {
    eventually_within(PATIENCE, what, condition)
}

/// [`eventually`] with a deadline of its own.
///
/// # Panics
///
/// When the condition has not held within `deadline`.
#[track_caller]
pub fn eventually_within<T, S: Display>(
    deadline: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> Result<T, S>,
) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        let end = Instant::now() + deadline;
        loop {
            match condition().await {
                Ok(value) => return value,
                Err(seen) if Instant::now() >= end => {
                    panic!("{caller}: waited {deadline:?} for {what}; last seen: {seen}")
                }
                Err(_) => sleep(INTERVAL).await,
            }
        }
    }
}

/// Does something again and again, `interval` apart, until it says that it is done: a slow peer.
pub async fn paced<T>(interval: Duration, mut act: impl AsyncFnMut() -> Option<T>) -> T {
    loop {
        if let Some(done) = act().await {
            return done;
        }
        sleep(interval).await;
    }
}

/// Lets as many `times` of `period` pass: for what must *not* have happened by then.
pub async fn let_pass(times: u32, period: Duration) {
    sleep(times * period).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_condition_that_comes_true_ends_the_wait_at_once() {
        let start = Instant::now();
        let mut looks = 0;
        let value = eventually("the third look", async || {
            looks += 1;
            if looks == 3 { Ok(looks) } else { Err(looks) }
        })
        .await;
        assert_eq!(value, 3);
        assert_eq!(start.elapsed(), 2 * INTERVAL);
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "waited 1s for a miracle; last seen: nothing")]
    async fn a_condition_that_never_holds_says_what_was_seen_instead() {
        eventually_within(Duration::from_secs(1), "a miracle", async || {
            Err::<(), _>("nothing")
        })
        .await;
    }
}
