//! What the store does not count.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::upstream::connect::ConnectError;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// What it stands at.
    pub fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }
}

/// Since the start of this process, over all apps and backends.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections that passed the handshake and were closed for who they are or how many they were.
    pub refused: Counter,
    /// Error packets and bare closes given to backends as an answer to a notification.
    pub answers: Counter,
    /// Those of them that upstream's verdict on the newest notification of an open connection led to.
    pub late_answers: Counter,
    /// Bad notifications whose backend could not be told: it had closed, or sent command 0.
    pub untold: Counter,
    /// Backends found never to read an answer.
    pub never_readers: Counter,
    /// Connections told with status 10, or closed for want of an identifier, because the daemon stopped.
    pub shut_down: Counter,
    /// Connections made to upstreams.
    pub upstream_connections: Counter,
    /// Attempts to connect upstream that failed.
    pub upstream_failures: Counter,
    /// Those of them that ended because the upstream's certificate was not to be trusted.
    pub upstream_untrusted: Counter,
    /// Connections on which an upstream did not speak its protocol, and answers that were none of it.
    pub upstream_protocol_errors: Counter,
    /// Notifications sent again although the upstream may have taken them: their connection ended without a word.
    pub unknown_outcomes: Counter,
    /// Farewells that the upstream answered: everything before them was taken.
    pub flushes: Counter,
    /// Notifications the upstream named after its silence had confirmed them: the quiet period is too short.
    pub surprises: Counter,
    /// Notifications the upstream refused for what this gateway made of them, or for a reason nobody knows.
    pub gateway_faults: Counter,
    /// Notifications tried while their app was on hold.
    pub probes: Counter,
    /// Feedback lists read to their end.
    pub feedback_polls: Counter,
    /// Feedback lists served to backends that took them to the end.
    pub feedback_served: Counter,
}

impl Counters {
    /// An attempt to connect upstream came to nothing.
    pub(crate) fn unreachable(&self, problem: &ConnectError) {
        self.upstream_failures.add(1);
        if let ConnectError::Untrusted { .. } = problem {
            self.upstream_untrusted.add(1);
        }
    }

    /// Each with the name it has in metrics.
    pub fn all(&self) -> [(&'static str, &Counter); 17] {
        let Self {
            refused,
            answers,
            late_answers,
            untold,
            never_readers,
            shut_down,
            upstream_connections,
            upstream_failures,
            upstream_untrusted,
            upstream_protocol_errors,
            unknown_outcomes,
            flushes,
            surprises,
            probes,
            feedback_polls,
            feedback_served,
            gateway_faults,
        } = self;
        [
            ("refused", refused),
            ("answers", answers),
            ("late_answers", late_answers),
            ("untold", untold),
            ("never_readers", never_readers),
            ("shut_down", shut_down),
            ("upstream_connections", upstream_connections),
            ("upstream_failures", upstream_failures),
            ("upstream_untrusted", upstream_untrusted),
            ("upstream_protocol_errors", upstream_protocol_errors),
            ("unknown_outcomes", unknown_outcomes),
            ("flushes", flushes),
            ("surprises", surprises),
            ("probes", probes),
            ("feedback_polls", feedback_polls),
            ("feedback_served", feedback_served),
            ("gateway_faults", gateway_faults),
        ]
    }
}
