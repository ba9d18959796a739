//! What a backend is told about a bad notification (rule 8).

use std::time::Duration;

/// How an app's backends are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// What upstream refuses is answered the next time, from the dead-token table; nothing accepted is called back.
    #[default]
    NextTime,
    /// No bad notification is ever answered, and nothing behind one is lost: for backends that do not read answers. Only a
    /// frame whose end cannot be found, and a goodbye, end the connection.
    Continue,
    /// As Apple did: nothing is accepted behind a notification before upstream's word on it is settled.
    Exact {
        /// How long what is behind it waits at most. Then it counts as accepted, and its rejection is a late one.
        answer_wait: Duration,
    },
}
