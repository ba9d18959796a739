//! Whose turn is next: each backend that has something to send has one turn in a round, in the order of their names.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// The next backend that is ready, after the one whose turn was the last.
pub(super) fn next<'a, T>(
    backends: &'a BTreeMap<Arc<str>, T>,
    last: &str,
    is_ready: impl Fn(&T) -> bool,
) -> Option<&'a Arc<str>> {
    let behind = backends.range::<str, _>((Bound::Excluded(last), Bound::Unbounded));
    let before = backends.range::<str, _>((Bound::Unbounded, Bound::Included(last)));
    let mut ready = behind.chain(before).filter(|(_, value)| is_ready(value));
    ready.next().map(|(backend, _)| backend)
}

/// Which of two is the next.
pub(super) fn nearer<'a>(
    last: &str,
    one: Option<&'a Arc<str>>,
    other: Option<&'a Arc<str>>,
) -> Option<&'a Arc<str>> {
    let both = one.into_iter().chain(other);
    both.min_by_key(|backend| (***backend <= *last, *backend))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_who_is_ready_has_a_turn_before_anybody_has_a_second() {
        let backends: BTreeMap<Arc<str>, bool> =
            [("a", true), ("b", false), ("c", true), ("d", true)]
                .map(|(name, ready)| (Arc::from(name), ready))
                .into();
        let mut last = "";
        for expected in ["a", "c", "d", "a", "c"] {
            last = next(&backends, last, |ready| *ready).unwrap();
            assert_eq!(last, expected);
        }
        assert_eq!(next(&backends, "x", |ready| *ready).unwrap().as_ref(), "a");
        assert_eq!(next(&backends, "a", |_| false), None);
    }

    #[test]
    fn of_two_the_one_behind_the_last_comes_first() {
        let (a, c): (Arc<str>, Arc<str>) = ("a".into(), "c".into());
        for (last, expected) in [("", &a), ("a", &c), ("b", &c), ("c", &a), ("d", &a)] {
            assert_eq!(nearer(last, Some(&a), Some(&c)), Some(expected), "{last}");
            assert_eq!(nearer(last, Some(&c), Some(&a)), Some(expected), "{last}");
        }
        assert_eq!(nearer("a", None, Some(&a)), Some(&a));
    }
}
