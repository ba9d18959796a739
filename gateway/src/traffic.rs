//! What is on its way to one app's upstream, and what was said of it there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::counters::Counter;
use crate::verdict::Kind;

/// An app's.
#[derive(Debug)]
pub(crate) struct Traffic {
    /// Every kind; a delivery is the first.
    verdicts: Vec<(Kind, Counter)>,
    /// Times the app was put on hold by what upstream said.
    pub(crate) holds: Counter,
    /// Connections that are open.
    pub(crate) connections: Gauge,
    /// Notifications on them.
    pub(crate) in_flight: Gauge,
    /// Streams that the peers of them take at once.
    pub(crate) streams_max: Gauge,
}

impl Default for Traffic {
    fn default() -> Self {
        let none = |kind| (kind, Counter::default());
        Self {
            verdicts: Kind::all().into_iter().map(none).collect(),
            holds: Counter::default(),
            connections: Gauge::default(),
            in_flight: Gauge::default(),
            streams_max: Gauge::default(),
        }
    }
}

impl Traffic {
    /// Counts a verdict.
    pub(crate) fn judged(&self, kind: Kind) {
        let mut verdicts = self.verdicts.iter();
        if let Some((_, count)) = verdicts.find(|(known, _)| *known == kind) {
            count.add(1);
        }
    }

    /// How often there was each kind of verdict.
    pub(crate) fn verdicts(&self) -> Vec<(Kind, u64)> {
        let verdicts = self.verdicts.iter();
        verdicts
            .map(|(kind, count)| (*kind, count.read()))
            .collect()
    }
}

/// A number that goes up and down: the sum of its parts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauge(Arc<AtomicU64>);

/// What somebody adds to a gauge, until it is dropped.
#[derive(Debug)]
pub(crate) struct Part {
    gauge: Gauge,
    value: u64,
}

impl Gauge {
    /// What it stands at.
    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// A part, of nothing yet.
    pub(crate) fn part(&self) -> Part {
        Part {
            gauge: self.clone(),
            value: 0,
        }
    }
}

impl Part {
    pub(crate) fn set(&mut self, value: usize) {
        let value = value as u64;
        let gauge = &self.gauge.0;
        if value >= self.value {
            gauge.fetch_add(value - self.value, Ordering::Relaxed);
        } else {
            gauge.fetch_sub(self.value - value, Ordering::Relaxed);
        }
        self.value = value;
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_is_the_sum_of_the_parts_there_are() {
        let gauge = Gauge::default();
        let (mut one, mut other) = (gauge.part(), gauge.part());
        assert_eq!(gauge.read(), 0);
        one.set(5);
        other.set(7);
        assert_eq!(gauge.read(), 12);
        one.set(1);
        assert_eq!(gauge.read(), 8);
        drop(other);
        assert_eq!(gauge.read(), 1);
    }
}
