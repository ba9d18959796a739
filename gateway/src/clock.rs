//! The clock that notifications are accepted and expire by: the wall clock's word, as far as the [`Calendar`] believes it. One for the
//! whole daemon, so that both are by the same time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use tracing::{info, warn};

use crate::contract::{BELIEVED_AFTER, Calendar, Noticed};

/// Tells the time, and the log what is odd about it.
#[derive(Clone, Debug)]
pub(crate) struct Clock(Arc<Mutex<Calendar>>);

impl Clock {
    pub(crate) fn start() -> Self {
        let calendar = Calendar::new(SystemTime::now(), Instant::now());
        Self(Arc::new(Mutex::new(calendar)))
    }

    pub(crate) fn now(&self) -> SystemTime {
        let look = {
            let mut calendar = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Under the lock: looks follow each other as the clocks do.
            calendar.look(SystemTime::now(), Instant::now())
        };
        match look.noticed {
            None => {}
            Some(Noticed::Ahead(by)) => warn!(
                ?by,
                believed_after = ?BELIEVED_AFTER,
                "the clock has jumped ahead: until it has stayed there, nothing expires by it"
            ),
            Some(Noticed::Believed(by)) => warn!(
                ?by,
                "the clock that had jumped ahead is believed now: what should have expired by it does"
            ),
            Some(Noticed::Back(by)) => info!(?by, "the clock was set back"),
        }
        look.now
    }
}
