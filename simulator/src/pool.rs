//! What many hold alike, kept once.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// Values that are held elsewhere; one that nobody holds any more is forgotten in time.
#[derive(Debug)]
pub(crate) struct Pool<T>(HashSet<Arc<T>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(HashSet::new())
    }
}

impl<T: Eq + Hash> Pool<T> {
    /// The one value that all holders of an equal one share.
    pub(crate) fn share(&mut self, value: Arc<T>) -> Arc<T> {
        if let Some(known) = self.0.get(&value) {
            return known.clone();
        }
        if self.0.len() == self.0.capacity() {
            self.0.retain(|known| Arc::strong_count(known) > 1);
        }
        self.0.insert(value.clone());
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one() {
        let mut pool = Pool::default();
        let first = pool.share(Arc::new("Mail"));
        assert!(Arc::ptr_eq(&first, &pool.share(Arc::new("Mail"))));
        assert!(!Arc::ptr_eq(&first, &pool.share(Arc::new("Chat"))));
    }

    #[test]
    fn a_value_that_nobody_holds_is_forgotten_before_the_pool_grows() {
        let mut pool = Pool::default();
        let held = pool.share(Arc::new(0));
        let first = pool.0.capacity();
        for number in 1..1_000 {
            pool.share(Arc::new(number));
        }
        assert_eq!(pool.0.capacity(), first);
        assert!(Arc::ptr_eq(&held, &pool.share(Arc::new(0))));
    }
}
