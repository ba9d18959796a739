//! The queue: accepted notifications without an end.

use std::sync::Arc;
use std::time::SystemTime;

use apns_proto::{Command, Expiry, Identifier, Priority, Status, Token};
use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};

use super::engine::Engine;
use super::ids::{AppId, RowId, key, range};
use super::lines::TokenHash;
use super::records::{
    Append, Appended, AtOnce, Counts, DeadLetterEnd, End, Line, NewRow, RejectedAtOnce, Row, Settle,
};
use super::unix_seconds;

/// How much is looked at for a row to another token.
const OTHERS_ROWS_MAX: usize = 1_000;
const OTHERS_BYTES_MAX: usize = 1 << 20;

/// Queued rows behind one key and up to another.
pub(super) const ROWS_BETWEEN: &str =
    "SELECT id, coalesce(origin, id), backend, connection, seq, command, identifier, expiry, priority, token, payload, accepted_at
     FROM notification WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3";

impl Engine {
    /// Accepts a batch.
    pub(super) fn append(&mut self, append: Append) -> rusqlite::Result<Appended> {
        let Append {
            app,
            backend,
            connection,
            rows,
        } = append;
        let ledger = self
            .ledgers
            .get_mut(&app)
            .expect("an AppId comes from this store's app()");
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO notification
             (id, backend, connection, seq, command, identifier, expiry, priority, token, payload, accepted_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?;
        let lane = ledger.roster.lane(&backend);
        let (accepted, mut last, mut at_once) = (rows.len() as u64, None, 0);
        for row in rows {
            let id = RowId(ledger.next_key());
            if let Some(end) = &row.end {
                at_once += 1;
                let origin = (app, &*backend, connection);
                reject_at_once(&self.connection, origin, &row, id, end)?;
                continue;
            }
            insert.execute(params![
                id.0,
                backend,
                connection,
                row.seq,
                row.command.0,
                row.identifier.map(Identifier::to_u32),
                row.expiry.map(|expiry| expiry.0),
                row.priority.map(|priority| priority.0),
                row.token.as_bytes(),
                &row.payload[..],
                row.accepted_at,
            ])?;
            let token = TokenHash::of(row.token.as_bytes());
            ledger.roster.add(lane, id.serial(), token);
            let row = row.queued(id, Arc::clone(&backend), connection);
            ledger.fresh.put(token, row);
            last = Some(id);
        }
        ledger.counts.accepted += accepted;
        ledger.counts.queued += accepted - at_once;
        ledger.counts.rejected += at_once;
        ledger.counts.dead_letters += at_once;
        ledger.newest = last.or(ledger.newest);
        ledger.changed = true;
        Ok(Appended { last })
    }

    /// The next queued rows to a token, in order.
    pub(super) fn line(&self, line: &Line) -> rusqlite::Result<Vec<Row>> {
        let roster = &self.ledgers[&line.after.app()].roster;
        let hash = TokenHash::of(line.token.as_bytes());
        let mut rows = Vec::new();
        for serial in roster.line(hash, line.after.serial(), line.up_to.serial()) {
            if rows.len() == line.rows_max {
                break;
            }
            let row = one_row(&self.connection, key(line.after.app(), serial))?;
            rows.extend(row.filter(|row| row.token == line.token));
        }
        Ok(rows)
    }

    /// Unsettled rows in order, until one of the limits is reached; never none while there is one.
    pub(super) fn page(
        &self,
        app: AppId,
        after: Option<RowId>,
        rows_max: usize,
        bytes_max: usize,
    ) -> rusqlite::Result<Vec<Row>> {
        let (first, last) = range(app);
        let mut select = self.connection.prepare_cached(ROWS_BETWEEN)?;
        let mut found = select.query(params![
            after.map_or(first, |id| id.0),
            last,
            limit(rows_max)
        ])?;
        let mut rows = Vec::new();
        let mut bytes: usize = 0;
        while let Some(row) = found.next()? {
            let row = read_row(row)?;
            bytes += row.weight();
            if bytes > bytes_max && !rows.is_empty() {
                break;
            }
            rows.push(row);
        }
        Ok(rows)
    }

    /// The oldest unsettled row to any token; to none of these, if there is another one among the next thousand or the first thousand.
    pub(super) fn random_row(
        &self,
        app: AppId,
        rather_not: &[Token],
    ) -> rusqlite::Result<Option<Row>> {
        let (first, last) = range(app);
        let end = |sql| {
            self.connection
                .prepare_cached(sql)?
                .query_row([first, last], |row| row.get::<_, i64>(0))
                .optional()
        };
        let oldest =
            end("SELECT id FROM notification WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT 1")?;
        let newest =
            end("SELECT id FROM notification WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT 1")?;
        let (Some(oldest), Some(newest)) = (oldest, newest) else {
            return Ok(None);
        };
        let before = RowId(fastrand::i64(oldest..=newest) - 1);
        let Some(mut drawn) = self.page(app, Some(before), 1, usize::MAX)?.pop() else {
            return Ok(None);
        };
        if rather_not.contains(&drawn.token) {
            for after in [Some(drawn.id), None] {
                let rows = self.page(app, after, OTHERS_ROWS_MAX, OTHERS_BYTES_MAX)?;
                let mut others = rows.into_iter();
                if let Some(other) = others.find(|row| !rather_not.contains(&row.token)) {
                    drawn = other;
                    break;
                }
            }
        }
        let line = Line {
            token: drawn.token,
            after: RowId(first),
            up_to: drawn.id,
            rows_max: 1,
        };
        Ok(self.line(&line)?.pop())
    }

    /// Gives rows their end, and the app what was learned from them.
    pub(super) fn settle(&mut self, app: AppId, settle: Settle) -> rusqlite::Result<Counts> {
        let now = unix_seconds(SystemTime::now());
        let ledger = self
            .ledgers
            .get_mut(&app)
            .expect("an AppId comes from this store's app()");
        let mut gone = Vec::with_capacity(settle.rows.len());
        let mut unregistered = Vec::new();
        for settlement in settle.rows {
            debug_assert_eq!(
                settlement.row.app(),
                app,
                "a row is settled with its own app"
            );
            // The count follows the row: one that was settled before is not queued to be counted again.
            let token = TokenHash::of(settlement.token.as_bytes());
            if !ledger.roster.remove(settlement.row.serial(), token) {
                continue;
            }
            let RowId(row) = settlement.row;
            let buried = match &settlement.end {
                End::Delivered | End::Expired => None,
                End::Rejected { status, reason } => {
                    Some((DeadLetterEnd::Rejected(*status), reason))
                }
                End::Unregistered { reason, .. } => {
                    Some((DeadLetterEnd::Rejected(Status::INVALID_TOKEN), reason))
                }
                End::GivenUp { reason } => Some((DeadLetterEnd::GivenUp, reason)),
            };
            if let Some((end, reason)) = buried {
                bury(&self.connection, row, ledger.next_key(), end, reason, now)?;
                ledger.counts.dead_letters += 1;
            }
            ledger.fresh.take(settlement.row.serial());
            gone.push(row);
            ledger.counts.queued -= 1;
            match settlement.end {
                End::Delivered => ledger.counts.delivered += 1,
                End::Rejected { .. } => ledger.counts.rejected += 1,
                End::Unregistered { tuple, .. } => {
                    ledger.counts.rejected += 1;
                    unregistered.push(tuple);
                }
                End::Expired => ledger.counts.expired += 1,
                End::GivenUp { .. } => ledger.counts.given_up += 1,
            }
        }
        delete(&self.connection, gone)?;
        ledger.trust = settle.trust;
        ledger.held = settle.held;
        ledger.changed = true;
        self.feedback_append(app, &unregistered)?;
        self.change_dead_tokens(app, &settle.dead_tokens)?;
        Ok(self.ledger(app).counts)
    }
}

/// One queued row, if it still is.
pub(super) fn one_row(connection: &Connection, id: i64) -> rusqlite::Result<Option<Row>> {
    connection
        .prepare_cached(
            "SELECT id, coalesce(origin, id), backend, connection, seq, command, identifier, expiry, priority, token, payload, accepted_at
             FROM notification WHERE id = ?1",
        )?
        .query_row([id], read_row)
        .optional()
}

/// A limit as SQLite takes it: any `usize` will do.
pub(super) fn limit(rows_max: usize) -> i64 {
    i64::try_from(rows_max).unwrap_or(i64::MAX)
}

/// Writes the dead letter of a notification that was never queued.
fn reject_at_once(
    database: &Connection,
    (app, backend, connection): (AppId, &str, u64),
    row: &NewRow,
    id: RowId,
    end: &RejectedAtOnce,
) -> rusqlite::Result<()> {
    database
        .prepare_cached(
            "INSERT INTO dead_letter
             (id, origin, backend, connection, seq, command, identifier, expiry, priority, token, payload, accepted_at,
              status, reason, malformed, died_at)
             VALUES (?1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?11)",
        )?
        .execute(params![
            id.0,
            backend,
            connection,
            row.seq,
            row.command.0,
            row.identifier.map(Identifier::to_u32),
            row.expiry.map(|expiry| expiry.0),
            row.priority.map(|priority| priority.0),
            row.token.as_bytes(),
            &row.payload[..],
            row.accepted_at,
            end.status.0,
            end.reason,
            end.cause == AtOnce::Malformed,
        ])?;
    if let AtOnce::DeadToken { used } = end.cause {
        database
            .prepare_cached("UPDATE dead_token SET used = ?3 WHERE app = ?1 AND token = ?2")?
            .execute(params![app.0, row.token.as_bytes(), used])?;
    }
    Ok(())
}

/// Deletes queued rows, neighbours together: that is a third of the work.
fn delete(connection: &Connection, mut rows: Vec<i64>) -> rusqlite::Result<()> {
    let mut delete =
        connection.prepare_cached("DELETE FROM notification WHERE id BETWEEN ?1 AND ?2")?;
    rows.sort_unstable();
    for neighbours in rows.chunk_by(|one, next| one + 1 == *next) {
        let deleted = delete.execute([neighbours[0], neighbours[neighbours.len() - 1]])?;
        debug_assert_eq!(deleted, neighbours.len(), "the roster knows what is queued");
    }
    Ok(())
}

/// Copies a queued row to the dead letters.
fn bury(
    connection: &Connection,
    row: i64,
    letter: i64,
    end: DeadLetterEnd,
    reason: &str,
    now: u64,
) -> rusqlite::Result<()> {
    let status = match end {
        DeadLetterEnd::Rejected(status) => Some(status.0),
        DeadLetterEnd::GivenUp => None,
    };
    let copied = connection
        .prepare_cached(
            "INSERT INTO dead_letter
             (id, origin, backend, connection, seq, command, identifier, expiry, priority, token, payload, accepted_at,
              status, reason, malformed, died_at)
             SELECT ?2, coalesce(origin, id), backend, connection, seq, command, identifier, expiry, priority, token, payload, accepted_at,
              ?3, ?4, FALSE, ?5
             FROM notification WHERE id = ?1",
        )?
        .execute(params![row, letter, status, reason, now])?;
    debug_assert_eq!(copied, 1, "the roster knows what is queued");
    Ok(())
}

/// Reads the columns every notification has: `id, origin, backend, connection, seq, command, identifier, expiry, priority, token, payload,
/// accepted_at`, in this order and first.
pub(super) fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        id: RowId(row.get(0)?),
        origin: RowId(row.get(1)?),
        backend: Arc::from(row.get_ref(2)?.as_str()?),
        connection: row.get(3)?,
        seq: row.get(4)?,
        command: Command(row.get(5)?),
        identifier: row.get::<_, Option<u32>>(6)?.map(Identifier::from_u32),
        expiry: row.get::<_, Option<i32>>(7)?.map(Expiry),
        priority: row.get::<_, Option<u8>>(8)?.map(Priority),
        token: Token::new(Bytes::copy_from_slice(row.get_ref(9)?.as_blob()?)),
        payload: Bytes::copy_from_slice(row.get_ref(10)?.as_blob()?),
        accepted_at: row.get(11)?,
    })
}
