//! How long commits take, as a histogram.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds, in seconds: from a fast disk's fsync to one that is in trouble.
pub(super) const BOUNDS: [f64; 11] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0,
];

/// Counts, written by the store's thread, read by anybody.
#[derive(Debug, Default)]
pub(super) struct Latency {
    /// One for each bound, and one for what is beyond the last.
    counts: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

/// What the counts were at one look.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CommitTimes {
    /// So many took at most so many seconds and longer than the bound before; the last bound is infinity.
    pub buckets: [(f64, u64); BOUNDS.len() + 1],
    /// Seconds they took together.
    pub seconds: f64,
}

impl Latency {
    /// One more.
    pub(super) fn add(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let place = BOUNDS.partition_point(|bound| *bound < seconds);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// All of them.
    pub(super) fn read(&self) -> CommitTimes {
        let mut buckets = [(f64::INFINITY, 0); BOUNDS.len() + 1];
        for (bucket, count) in buckets.iter_mut().zip(&self.counts) {
            bucket.1 = count.load(Ordering::Relaxed);
        }
        for (bucket, bound) in buckets.iter_mut().zip(BOUNDS) {
            bucket.0 = bound;
        }
        CommitTimes {
            buckets,
            seconds: Duration::from_nanos(self.nanos.load(Ordering::Relaxed)).as_secs_f64(),
        }
    }
}

impl CommitTimes {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_commit_is_in_the_first_bucket_it_fits_into() {
        let latency = Latency::default();
        for micros in [100, 500, 501, 60_000_000] {
            latency.add(Duration::from_micros(micros));
        }
        let commits = latency.read();
        assert_eq!(commits.buckets[0], (0.000_5, 2));
        assert_eq!(commits.buckets[1], (0.001, 1));
        assert_eq!(commits.buckets[11], (f64::INFINITY, 1));
        assert_eq!(commits.count(), 4);
        assert!((commits.seconds - 60.001_101).abs() < 1e-9);
    }
}
