//! Feedback tuples, from upstream's list to each backend's.
//!
//! Apple kept one list per topic and cleared it once it was read [P-52] [P-53]. With several backends to a topic one reader would empty the
//! list of all, so each has a cursor of its own, moved only when its reader has taken everything.

use apns_proto::Token;
use apns_proto::feedback::Tuple;
use rusqlite::{OptionalExtension, params};

use super::engine::Engine;
use super::ids::{AppId, FeedbackId, range};
use super::queue::limit;
use super::records::FeedbackRow;

impl Engine {
    /// Adds tuples. One per token: a newer one replaces the older and is served again; one that is no newer changes nothing, so that a
    /// list read twice is served once.
    pub(super) fn feedback_append(&mut self, app: AppId, tuples: &[Tuple]) -> rusqlite::Result<()> {
        let ledger = self
            .ledgers
            .get_mut(&app)
            .expect("an AppId comes from this store's app()");
        for tuple in tuples {
            let token = tuple.token.as_bytes();
            let known: Option<u32> = self
                .connection
                .prepare_cached("SELECT timestamp FROM feedback WHERE app = ?1 AND token = ?2")?
                .query_row(params![app.0, token], |row| row.get(0))
                .optional()?;
            match known {
                Some(timestamp) if timestamp >= tuple.timestamp => continue,
                Some(_) => {}
                None => ledger.counts.feedback += 1,
            }
            self.connection
                .prepare_cached("INSERT OR REPLACE INTO feedback (id, app, token, timestamp) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![ledger.next_key(), app.0, token, tuple.timestamp])?;
        }
        Ok(())
    }

    /// How far a backend has read.
    pub(super) fn feedback_cursor(
        &self,
        app: AppId,
        backend: &str,
    ) -> rusqlite::Result<Option<FeedbackId>> {
        self.connection
            .prepare_cached("SELECT last FROM feedback_cursor WHERE app = ?1 AND backend = ?2")?
            .query_row(params![app.0, backend], |row| row.get(0).map(FeedbackId))
            .optional()
    }

    /// Tuples behind a cursor.
    pub(super) fn feedback_page(
        &self,
        app: AppId,
        after: Option<FeedbackId>,
        tuples_max: usize,
    ) -> rusqlite::Result<Vec<FeedbackRow>> {
        let (first, last) = range(app);
        let mut select = self
            .connection
            .prepare_cached("SELECT id, token, timestamp FROM feedback WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3")?;
        let rows = select.query_map(
            params![after.map_or(first, |id| id.0), last, limit(tuples_max)],
            |row| {
                let token = Token::new(row.get::<_, Vec<u8>>(1)?);
                Ok(FeedbackRow {
                    id: FeedbackId(row.get(0)?),
                    tuple: Tuple {
                        timestamp: row.get(2)?,
                        token,
                    },
                })
            },
        )?;
        rows.collect()
    }

    /// Moves a backend's cursor; never back.
    pub(super) fn feedback_advance(
        &self,
        app: AppId,
        backend: &str,
        to: FeedbackId,
    ) -> rusqlite::Result<()> {
        debug_assert_eq!(to.app(), app, "a cursor moves in its own app");
        self.connection
            .prepare_cached(
                "INSERT INTO feedback_cursor (app, backend, last) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET last = max(last, excluded.last)",
            )?
            .execute(params![app.0, backend, to.0])?;
        Ok(())
    }

    /// Makes room: the oldest go, and are counted.
    pub(super) fn drop_oldest_feedback(&mut self, app: AppId) -> rusqlite::Result<()> {
        let ledger = self.ledgers.get_mut(&app).expect("the caller found it");
        let excess = ledger
            .counts
            .feedback
            .saturating_sub(self.options.feedback_max);
        if excess == 0 {
            return Ok(());
        }
        let (first, last) = range(app);
        let dropped = self
            .connection
            .prepare_cached(
                "DELETE FROM feedback WHERE id IN (SELECT id FROM feedback WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3)",
            )?
            .execute(params![first, last, excess])?;
        ledger.counts.feedback -= dropped as u64;
        ledger.counts.feedback_dropped += dropped as u64;
        Ok(())
    }
}
