//! From ends to commits: what became of notifications is judged, settled in groups, and told to whom it concerns.
//!
//! Judging, and making the one commit of what was judged, happen here and nowhere else, so that no older state of an app
//! overtakes a newer one in the store.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::SystemTime;

use apns_proto::Token;
use tracing::{debug, error, info, warn};

use crate::app::App;
use crate::call::Call;
use crate::contract::{Alarm, Late, Pushed};
use crate::counters::Counters;
use crate::late::OpenConnections;
use crate::store::{Counts, End, RowId, Settlement, Store, StoreDown};
use crate::verdict::Verdict;

/// The ends of one app's notifications that are not yet committed.
pub(crate) struct Settling {
    app: Arc<App>,
    store: Store,
    open: OpenConnections,
    counters: Arc<Counters>,
    /// Ends that wait for the commit under way.
    ends: Vec<Settlement>,
    /// Whom to tell once they are committed.
    late: Vec<Late>,
    /// The app itself changed.
    changed: bool,
    call: Call<Result<Counts, StoreDown>>,
    /// How many ends are in it.
    called_len: usize,
    /// Whom to tell when it is.
    called_late: Vec<Late>,
}

impl Settling {
    pub(crate) fn new(
        app: Arc<App>,
        store: Store,
        open: OpenConnections,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            app,
            store,
            open,
            counters,
            ends: Vec::new(),
            late: Vec::new(),
            changed: false,
            call: Call::none(),
            called_len: 0,
            called_late: Vec::new(),
        }
    }

    /// Ends that are not committed.
    pub(crate) fn len(&self) -> usize {
        self.ends.len() + self.called_len
    }

    /// What upstream's word is worth, before it is [judged](Self::judge).
    pub(crate) fn weigh(&self, pushed: &Pushed, verdict: Verdict) -> Verdict {
        self.app.rules().weigh(pushed, verdict)
    }

    /// Applies the contract to upstream's verdict, and says what follows: whether that was the row's end. In the order of the
    /// rows; `said` is upstream's words.
    pub(crate) fn judge(
        &mut self,
        pushed: &Pushed,
        verdict: Verdict,
        said: &dyn fmt::Display,
        now: SystemTime,
    ) -> bool {
        let judged = self.app.rules().judge(pushed, verdict, said, now);
        debug!(row = %pushed.row, token = %pushed.token, ?verdict, %said, "judged");
        self.app.traffic.judged(verdict.into());
        self.changed = true;
        self.late.extend(judged.late);
        if let Some(alarm) = judged.alarm {
            self.raise(&alarm, Some(pushed));
        }
        let ended = judged.settlement.is_some();
        self.ends.extend(judged.settlement);
        ended
    }

    /// Gives a row an end that is no verdict.
    pub(crate) fn end(&mut self, row: RowId, token: &Token, end: End) {
        debug!(%row, %token, ?end, "ended");
        let token = token.clone();
        self.ends.push(Settlement { row, token, end });
    }

    /// Puts the app on hold for what is nobody's fault but the configuration's. Says whether it was not yet.
    pub(crate) fn hold(&mut self, reason: String) -> bool {
        let alarm = self.app.rules().hold(reason);
        self.changed = true;
        if let Some(alarm) = &alarm {
            self.raise(alarm, None);
        }
        alarm.is_some()
    }

    /// An operator has changed the app: it is to be stored.
    pub(crate) const fn ordered(&mut self) {
        self.changed = true;
    }

    /// Starts the next commit, if there is something for it and the last one is done.
    pub(crate) fn advance(&mut self) {
        if self.call.is_under_way() || (self.ends.is_empty() && !self.changed) {
            return;
        }
        self.changed = false;
        self.called_len = self.ends.len();
        self.called_late = mem::take(&mut self.late);
        let settle = self.app.rules().settle(mem::take(&mut self.ends));
        let (store, app) = (self.store.clone(), self.app.id);
        self.call
            .start(async move { store.settle(app, settle).await });
    }

    /// The end of the commit under way; never, while there is none. Can be dropped and called again.
    pub(crate) async fn committed(&mut self) -> Result<(), StoreDown> {
        self.call.answer().await?;
        self.called_len = 0;
        for late in self.called_late.drain(..) {
            self.open.tell(late);
        }
        Ok(())
    }

    /// Commits all there is.
    pub(crate) async fn finish(&mut self) -> Result<(), StoreDown> {
        self.advance();
        while self.call.is_under_way() {
            self.committed().await?;
            self.advance();
        }
        Ok(())
    }

    fn raise(&self, alarm: &Alarm, pushed: Option<&Pushed>) {
        let token = pushed.map(|pushed| tracing::field::display(&pushed.token));
        match alarm {
            Alarm::Fault(said) => {
                self.counters.gateway_faults.add(1);
                error!(
                    said,
                    token,
                    "the upstream refuses a request as this gateway made it: someone must look at the dead letter"
                );
            }
            Alarm::Held(reason) => {
                self.app.traffic.holds.add(1);
                error!(reason, token, "the app is on hold: someone must act");
            }
            Alarm::Released => info!("a delivery or a 410 ended the hold"),
            Alarm::NotBelieved(why) => warn!(%why, token, "a verdict on a token is not believed"),
        }
    }
}
