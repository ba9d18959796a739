//! Notifications that ended badly, kept for people to look at and to put back.

use std::collections::HashSet;
use std::sync::Arc;

use apns_proto::{Status, Token};
use rusqlite::params;

use super::engine::Engine;
use super::ids::{AppId, LetterId, RowId, range};
use super::lines::TokenHash;
use super::queue::{limit, read_row};
use super::records::{DeadLetter, DeadLetterEnd, Requeue, Requeued};

impl Engine {
    /// Dead letters in the order of their deaths.
    pub(super) fn dead_letters(
        &self,
        app: AppId,
        after: Option<LetterId>,
        letters_max: usize,
    ) -> rusqlite::Result<Vec<DeadLetter>> {
        let (first, last) = range(app);
        let mut select = self.connection.prepare_cached(
            "SELECT origin, origin, backend, connection, seq, command, identifier, expiry, priority, token, payload, accepted_at,
              id, status, reason, malformed, died_at
             FROM dead_letter WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3",
        )?;
        let letters = select.query_map(
            params![after.map_or(first, |id| id.0), last, limit(letters_max)],
            |row| {
                Ok(DeadLetter {
                    row: read_row(row)?,
                    id: LetterId(row.get(12)?),
                    end: row
                        .get::<_, Option<u8>>(13)?
                        .map_or(DeadLetterEnd::GivenUp, |status| {
                            DeadLetterEnd::Rejected(Status(status))
                        }),
                    reason: row.get(14)?,
                    malformed: row.get(15)?,
                    died_at: row.get(16)?,
                })
            },
        )?;
        letters.collect()
    }

    /// Makes dead letters queued rows again, at the end of the queue, and forgets that their tokens were bad (order contract, rule 7).
    pub(super) fn requeue(&mut self, app: AppId, which: Requeue) -> rusqlite::Result<Requeued> {
        let (first, last) = match which {
            Requeue::One(letter) if letter.app() == app => (letter.0, letter.0),
            Requeue::One(_) => return Ok(Requeued::default()),
            Requeue::All => range(app),
        };
        let mut requeued = Requeued::default();
        let mut seen = HashSet::new();
        let ledger = self
            .ledgers
            .get_mut(&app)
            .expect("an AppId comes from this store's app()");
        let mut select = self
            .connection
            .prepare_cached("SELECT id, token, status, backend FROM dead_letter WHERE id BETWEEN ?1 AND ?2 AND NOT malformed ORDER BY id")?;
        let letters = select
            .query_map([first, last], |row| {
                Ok((
                    row.get::<_, i64>(0)?,
                    row.get::<_, Vec<u8>>(1)?,
                    row.get::<_, Option<u8>>(2)?,
                    row.get::<_, Arc<str>>(3)?,
                ))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        for (letter, token, status, backend) in letters {
            let row = ledger.next_key();
            // No connection: whatever its backend might still have been told about it, it was told already.
            self.connection
                .prepare_cached(
                    "INSERT INTO notification
                     (id, origin, backend, connection, seq, command, identifier, expiry, priority, token, payload, accepted_at)
                     SELECT ?2, origin, backend, 0, seq, command, identifier, expiry, priority, token, payload, accepted_at
                     FROM dead_letter WHERE id = ?1",
                )?
                .execute([letter, row])?;
            self.connection
                .prepare_cached("DELETE FROM dead_letter WHERE id = ?1")?
                .execute([letter])?;
            match status {
                Some(_) => ledger.counts.rejected -= 1,
                None => ledger.counts.given_up -= 1,
            }
            ledger.counts.queued += 1;
            ledger.counts.requeued += 1;
            ledger.counts.dead_letters -= 1;
            ledger.newest = Some(RowId(row));
            let lane = ledger.roster.lane(&backend);
            ledger
                .roster
                .add(lane, RowId(row).serial(), TokenHash::of(&token));
            requeued.rows += 1;
            if !seen.contains(&token) {
                requeued.tokens.push(Token::new(token.clone()));
                seen.insert(token);
            }
        }
        drop(select);
        ledger.fresh.forget();
        for token in &requeued.tokens {
            self.delete_dead_token(app, token)?;
        }
        Ok(requeued)
    }

    /// Makes room: the oldest go, and are counted. They stay rejected or given up; only the letter is gone.
    pub(super) fn drop_oldest_dead_letters(&mut self, app: AppId) -> rusqlite::Result<()> {
        let ledger = self.ledgers.get_mut(&app).expect("the caller found it");
        let excess = ledger
            .counts
            .dead_letters
            .saturating_sub(self.options.dead_letters_max);
        if excess == 0 {
            return Ok(());
        }
        let (first, last) = range(app);
        let dropped = self
            .connection
            .prepare_cached(
                "DELETE FROM dead_letter WHERE id IN
                 (SELECT id FROM dead_letter WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3)",
            )?
            .execute(params![first, last, excess])?;
        ledger.counts.dead_letters -= dropped as u64;
        ledger.counts.dead_letters_dropped += dropped as u64;
        Ok(())
    }
}
