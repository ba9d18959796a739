//! One call at a time, to the store or elsewhere, beside other things.

use std::future::pending;
use std::pin::Pin;

/// A call under way, or none.
pub(crate) struct Call<T>(Option<Pin<Box<dyn Future<Output = T> + Send>>>);

impl<T> Call<T> {
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    pub(crate) const fn is_under_way(&self) -> bool {
        self.0.is_some()
    }

    /// Starts it; it gets further only in [`Call::answer`].
    pub(crate) fn start(&mut self, call: impl Future<Output = T> + Send + 'static) {
        debug_assert!(self.0.is_none(), "one at a time");
        self.0 = Some(Box::pin(call));
    }

    /// Its answer; never, while there is none under way. Can be dropped and called again.
    pub(crate) async fn answer(&mut self) -> T {
        let Some(call) = &mut self.0 else {
            return pending().await;
        };
        let answer = call.await;
        self.0 = None;
        answer
    }

    /// Forgets it.
    pub(crate) fn forget(&mut self) {
        self.0 = None;
    }
}
