//! Waiting for something to be seen, with a deadline.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// What was waited for did not happen in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} did not happen within {deadline:?}")]
pub struct NotInTime {
    /// What was waited for.
    pub what: String,
    /// How long.
    pub deadline: Duration,
}

/// Looks now and after every change until something is seen.
pub(crate) async fn wait_for<T, V>(
    mut changes: watch::Receiver<V>,
    what: &str,
    deadline: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> Result<T, NotInTime> {
    let looking = async {
        loop {
            changes.mark_unchanged();
            if let Some(seen) = look() {
                return seen;
            }
            if changes.changed().await.is_err() {
                // Nothing will change any more.
                std::future::pending::<()>().await;
            }
        }
    };
    timeout(deadline, looking).await.map_err(|_| NotInTime {
        what: what.to_owned(),
        deadline,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_there_or_comes_is_seen_and_what_does_not_come_is_named() {
        let changes = watch::Sender::new(1);
        let wait = |wanted| {
            let seen = changes.clone();
            wait_for(
                changes.subscribe(),
                "the number",
                Duration::from_secs(5),
                move || (*seen.borrow() >= wanted).then_some(wanted),
            )
        };
        assert_eq!(wait(1).await, Ok(1));
        let (seen, _) = tokio::join!(wait(2), async { changes.send_replace(2) });
        assert_eq!(seen, Ok(2));
        assert_eq!(
            wait(3).await.unwrap_err().to_string(),
            "the number did not happen within 5s"
        );
    }
}
