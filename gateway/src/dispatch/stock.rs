//! What was paged from the store and not yet sent.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;

use tokio::sync::watch;

use crate::app::App;
use crate::call::Call;
use crate::store::{Committed, Row, RowId, Store, StoreDown};

/// Rows of one page at most, and the stock from which on the next one is asked for.
const PAGE_ROWS_MAX: usize = 1_000;

/// Payload bytes of one page at most.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// The part of an app's backlog that is in memory.
pub(crate) struct Stock {
    app: Arc<App>,
    store: Store,
    committed: watch::Receiver<Committed>,
    rows: VecDeque<Row>,
    /// Everything up to here was paged since the last [`Stock::rewind`].
    cursor: Option<RowId>,
    page: Call<Result<Page, StoreDown>>,
}

/// Rows that had been passed over, read again.
pub(crate) struct Again {
    /// Those behind this one,
    pub(crate) after: RowId,
    /// as many as there are or fit into a page.
    pub(crate) rows: Vec<Row>,
}

struct Page {
    /// It is read again, and no part of the stock.
    again: Option<RowId>,
    rows: Vec<Row>,
    /// Nothing up to here is missing from it, unless it is full.
    newest: Option<RowId>,
}

impl Stock {
    pub(crate) fn new(app: Arc<App>, store: Store) -> Self {
        Self {
            committed: app.committed.clone(),
            app,
            store,
            rows: VecDeque::new(),
            cursor: None,
            page: Call::none(),
        }
    }

    /// The next row in order.
    pub(crate) fn take(&mut self) -> Option<Row> {
        self.rows.pop_front()
    }

    /// Whether there is nothing to take now nor on its way here.
    pub(crate) fn is_dry(&self) -> bool {
        self.rows.is_empty()
            && !self.page.is_under_way()
            && self.cursor >= self.committed.borrow().newest
    }

    /// Whether nothing was paged since the last [`Stock::rewind`].
    pub(crate) fn is_rewound(&self) -> bool {
        self.cursor.is_none()
    }

    /// Asks for the next page, if it is time.
    pub(crate) fn fetch(&mut self) {
        let newest = self.committed.borrow_and_update().newest;
        if self.page.is_under_way() || self.rows.len() >= PAGE_ROWS_MAX || self.cursor >= newest {
            return;
        }
        let (store, app, after) = (self.store.clone(), self.app.id, self.cursor);
        self.page.start(async move {
            let rows = store
                .page(app, after, PAGE_ROWS_MAX, PAGE_BYTES_MAX)
                .await?;
            Ok(Page {
                again: None,
                rows,
                newest,
            })
        });
    }

    /// Asks for a page that is no part of the stock, if nothing else is asked for; [`Stock::arrival`] gives it out.
    pub(crate) fn fetch_again(&mut self, after: RowId) {
        if self.page.is_under_way() {
            return;
        }
        let (store, app) = (self.store.clone(), self.app.id);
        self.page.start(async move {
            let rows = store
                .page(app, Some(after), PAGE_ROWS_MAX, PAGE_BYTES_MAX)
                .await?;
            Ok(Page {
                again: Some(after),
                rows,
                newest: None,
            })
        });
    }

    /// Waits until [`Stock::fetch`] or [`Stock::take`] may have more to do. Can be dropped and called again.
    pub(crate) async fn arrival(&mut self) -> Result<Option<Again>, StoreDown> {
        tokio::select! {
            page = self.page.answer() => {
                let Page { again, rows, newest } = page?;
                if let Some(after) = again {
                    return Ok(Some(Again { after, rows }));
                }
                self.cursor = rows.last().map(|row| row.id).or(newest).max(self.cursor);
                self.rows.extend(rows);
            }
            changed = self.committed.changed() => if changed.is_err() {
                // The store has stopped; whoever asks it next is told.
                return pending().await;
            }
        }
        Ok(None)
    }

    /// Starts again with the oldest unsettled row.
    pub(crate) fn rewind(&mut self) {
        self.rows.clear();
        self.page.forget();
        self.cursor = None;
    }
}
