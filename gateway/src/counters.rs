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

/// Counters whose documentation is what the metrics say of them.
macro_rules! counters {
    ($($(#[doc = $help:literal])+ $name:ident,)+) => {
        /// Since the start of this process, over all apps and backends.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[doc = $help])+ pub $name: Counter,)+
        }

        impl Counters {
            /// Each with the name it has in metrics.
            pub fn all(&self) -> Vec<(&'static str, &Counter)> {
                vec![$((stringify!($name), &self.$name),)+]
            }

            /// What each is, in the same order.
            pub(crate) fn helps() -> Vec<&'static str> {
                vec![$(concat!($($help),+).trim(),)+]
            }
        }
    };
}

counters! {
    /// Connections of backends that passed the handshake and were closed for who they are or how many they were.
    refused,
    /// Error packets and bare closes given to backends as an answer to a notification.
    answers,
    /// Answers that upstream's verdict on the newest notification of an open connection led to.
    late_answers,
    /// Bad notifications whose backend could not be told: it had closed, or sent command 0.
    untold,
    /// Backends found never to read an answer.
    never_readers,
    /// Connections told with status 10, or closed for want of an identifier, because the daemon stopped.
    shut_down,
    /// Connections made to upstreams.
    upstream_connections,
    /// Attempts to connect upstream that failed.
    upstream_failures,
    /// Attempts to connect upstream that failed because the upstream's certificate was not to be trusted.
    upstream_untrusted,
    /// Connections on which an upstream did not speak its protocol, and answers that were none of it.
    upstream_protocol_errors,
    /// Notifications sent again although the upstream may have taken them: their connection ended without a word.
    unknown_outcomes,
    /// Farewells that the upstream answered: everything before them was taken.
    flushes,
    /// Notifications the upstream named after its silence had confirmed them: the quiet period is too short.
    surprises,
    /// Notifications tried while their app was on hold.
    probes,
    /// Feedback lists read to their end.
    feedback_polls,
    /// Feedback lists served to backends that took them to the end.
    feedback_served,
    /// Notifications the upstream refused for what this gateway made of them, or for a reason nobody knows.
    gateway_faults,
}

impl Counters {
    /// An attempt to connect upstream came to nothing.
    pub(crate) fn unreachable(&self, problem: &ConnectError) {
        self.upstream_failures.add(1);
        if let ConnectError::Untrusted { .. } = problem {
            self.upstream_untrusted.add(1);
        }
    }
}
