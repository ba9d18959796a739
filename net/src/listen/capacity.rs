//! How many connections a listener takes, and what it does when the system will not give it another.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::warn;

/// The permits of one listener: as many as it may have connections.
pub(super) struct Permits {
    semaphore: Arc<Semaphore>,
    connections_max: usize,
    exhausted: bool,
}

impl Permits {
    pub(super) fn new(connections_max: usize) -> Self {
        Self {
            semaphore: Arc::new(Semaphore::new(connections_max)),
            connections_max,
            exhausted: false,
        }
    }

    /// Waits for a permit; the first one to wait after a time of plenty says so.
    pub(super) async fn acquire(&mut self) -> OwnedSemaphorePermit {
        if let Ok(permit) = Arc::clone(&self.semaphore).try_acquire_owned() {
            self.exhausted = false;
            return permit;
        }
        if !self.exhausted {
            self.exhausted = true;
            warn!(
                connections_max = self.connections_max,
                "every connection is taken: further ones wait until one ends"
            );
        }
        Arc::clone(&self.semaphore)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed")
    }
}

/// How long to wait after the system could not accept: 10 ms, doubling to 640 ms.
#[derive(Debug, Default)]
pub(super) struct Pause {
    failures: u32,
}

impl Pause {
    pub(super) fn next(&mut self) -> Duration {
        let pause = Duration::from_millis(10 << self.failures);
        self.failures = (self.failures + 1).min(6);
        pause
    }
}

/// Whether an accept failed because of the connection that was waiting, which says nothing about the next one.
pub(super) fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted,
        NetworkDown, NetworkUnreachable, TimedOut,
    };
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | TimedOut
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_from_ten_milliseconds_to_two_thirds_of_a_second() {
        let mut pause = Pause::default();
        let millis: Vec<_> = (0..9).map(|_| pause.next().as_millis()).collect();
        assert_eq!(millis, [10, 20, 40, 80, 160, 320, 640, 640, 640]);
    }

    #[test]
    fn a_broken_connection_is_no_reason_to_pause_but_want_of_descriptors_is() {
        const ECONNABORTED: io::ErrorKind = io::ErrorKind::ConnectionAborted;
        assert!(is_about_one_connection(&ECONNABORTED.into()));
        for error in [
            io::ErrorKind::OutOfMemory.into(),
            io::Error::other("too many open files"),
        ] {
            assert!(!is_about_one_connection(&error), "{error}");
        }
    }
}
