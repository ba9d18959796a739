//! What was read from the store and not yet sent, and the reading.

use std::future::pending;
use std::sync::Arc;

use tokio::sync::watch;

use super::lanes::Lanes;
use crate::app::App;
use crate::call::Call;
use crate::store::{Committed, Line, Portion, Read, Row, RowId, Store, StoreDown};

/// Bytes of one reading at most, about.
const READ_BYTES_MAX: usize = 1 << 20;

/// The part of an app's backlog that is in memory.
pub(crate) struct Stock {
    app: Arc<App>,
    store: Store,
    committed: watch::Receiver<Committed>,
    lanes: Lanes,
    /// What is newer than this may be of a backend that is not known to have something.
    seen: Option<RowId>,
    /// Nothing was read since the last [`Stock::rewind`].
    rewound: bool,
    call: Call<Result<Answer, StoreDown>>,
}

/// Rows to a token that had been passed over, read again.
pub(crate) struct Again {
    /// What was asked for.
    pub(crate) line: Line,
    /// As many of those as are queued.
    pub(crate) rows: Vec<Row>,
}

enum Answer {
    Read {
        portions: Vec<Portion>,
        newest: Option<RowId>,
    },
    Again(Again),
}

impl Stock {
    pub(crate) fn new(app: Arc<App>, store: Store) -> Self {
        Self {
            committed: app.committed.clone(),
            app,
            store,
            lanes: Lanes::default(),
            seen: None,
            rewound: true,
            call: Call::none(),
        }
    }

    /// The next backend in turn after `last` that may have a row to take.
    pub(super) fn next(&self, last: &str) -> Option<&Arc<str>> {
        self.lanes.next(last)
    }

    /// The row to go in a backend's turn.
    pub(super) fn take(&mut self, backend: &Arc<str>) -> Option<Row> {
        self.lanes.take(backend)
    }

    /// Whether there is nothing to take now nor on its way here.
    pub(crate) fn is_dry(&self) -> bool {
        self.lanes.is_dry()
            && !self.call.is_under_way()
            && self.seen >= self.committed.borrow().newest
    }

    /// Whether nothing was read since the last [`Stock::rewind`].
    pub(crate) const fn is_rewound(&self) -> bool {
        self.rewound
    }

    /// Asks for more, if it is time; nothing of those backends that have no room elsewhere.
    pub(super) fn fetch(&mut self, has_room: impl Fn(&str) -> bool) {
        if self.call.is_under_way() {
            return;
        }
        let newest = self.committed.borrow_and_update().newest;
        let mut room = self.lanes.room();
        for (backend, room) in &mut room {
            if !has_room(backend) {
                *room = 0;
            }
        }
        let wanting =
            |(backend, room): (&Arc<str>, &usize)| *room > 0 && self.lanes.has_more(backend);
        if self.seen >= newest && !room.iter().any(wanting) {
            return;
        }
        let read = Read {
            app: self.app.id,
            rewind: self.rewound,
            room,
            room_of_others: self.lanes.share(),
            bytes_max: READ_BYTES_MAX / self.lanes.len().max(1),
        };
        let store = self.store.clone();
        self.call.start(async move {
            let portions = store.read(read).await?;
            Ok(Answer::Read { portions, newest })
        });
    }

    /// Asks for rows to one token, if nothing else is asked for; [`Stock::arrival`] gives them out.
    pub(super) fn fetch_again(&mut self, line: Line) {
        if self.call.is_under_way() {
            return;
        }
        let store = self.store.clone();
        self.call.start(async move {
            let rows = store.line(line.clone()).await?;
            Ok(Answer::Again(Again { line, rows }))
        });
    }

    /// Waits until [`Stock::fetch`] or [`Stock::take`] may have more to do. Can be dropped and called again.
    pub(crate) async fn arrival(&mut self) -> Result<Option<Again>, StoreDown> {
        tokio::select! {
            answer = self.call.answer() => match answer? {
                Answer::Again(again) => return Ok(Some(again)),
                Answer::Read { portions, newest } => {
                    self.rewound = false;
                    self.seen = newest.max(self.seen);
                    self.lanes.forget_more();
                    portions.into_iter().for_each(|portion| self.lanes.put(portion));
                }
            },
            changed = self.committed.changed() => if changed.is_err() {
                // The store has stopped; whoever asks it next is told.
                return pending().await;
            }
        }
        Ok(None)
    }

    /// Starts again with the oldest unsettled rows.
    pub(crate) fn rewind(&mut self) {
        self.lanes.clear();
        self.call.forget();
        self.seen = None;
        self.rewound = true;
    }
}
