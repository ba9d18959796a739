//! The silence of each backend, over its connections (order contract, rule 13).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::contract::{AnsweredEnd, Silence};

/// One per backend that was ever answered.
#[derive(Debug, Default)]
pub(crate) struct Silences(Mutex<HashMap<Arc<str>, Silence>>);

impl Silences {
    /// Notes how an answered connection ended; true once, when it is time to warn.
    pub(crate) fn ended(&self, backend: &Arc<str>, end: AnsweredEnd) -> bool {
        let mut silences = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        silences.entry(Arc::clone(backend)).or_default().ended(end)
    }
}
