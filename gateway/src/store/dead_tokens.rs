//! The durable half of the dead-token table. Which entry goes and which one answers is decided in the contract; this
//! half only keeps what it is told.

use apns_proto::{Status, Token};
use bytes::Bytes;
use rusqlite::params;

use super::engine::Engine;
use super::ids::AppId;
use super::records::{DeadToken, DeadTokenChange};

impl Engine {
    /// Applies changes in order.
    pub(super) fn change_dead_tokens(
        &self,
        app: AppId,
        changes: &[DeadTokenChange],
    ) -> rusqlite::Result<()> {
        for change in changes {
            match change {
                DeadTokenChange::Put(entry) => self.put_dead_token(app, entry)?,
                DeadTokenChange::Delete(token) => self.delete_dead_token(app, token)?,
                DeadTokenChange::DeleteWaiting { vouched } => {
                    self.connection.execute(
                        "DELETE FROM dead_token WHERE app = ?1 AND mark >= ?2",
                        params![app.0, vouched],
                    )?;
                }
            }
        }
        Ok(())
    }

    fn put_dead_token(&self, app: AppId, entry: &DeadToken) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO dead_token (app, token, status, inserted_at, expires_at, mark, used)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                app.0,
                entry.token.as_bytes(),
                entry.status.0,
                entry.inserted_at,
                entry.expires_at,
                entry.mark,
                entry.used
            ])?;
        Ok(())
    }

    /// Removes one, if it is there.
    pub(super) fn delete_dead_token(&self, app: AppId, token: &Token) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("DELETE FROM dead_token WHERE app = ?1 AND token = ?2")?
            .execute(params![app.0, token.as_bytes()])?;
        Ok(())
    }

    /// Every entry still worth something, least recently used first. The others are swept out.
    pub(super) fn load_dead_tokens(
        &self,
        app: AppId,
        now: u64,
    ) -> rusqlite::Result<Vec<DeadToken>> {
        self.connection.execute(
            "DELETE FROM dead_token WHERE app = ?1 AND expires_at <= ?2",
            params![app.0, now],
        )?;
        let mut select = self.connection.prepare(
            "SELECT token, status, inserted_at, expires_at, mark, used FROM dead_token WHERE app = ?1 ORDER BY used",
        )?;
        let entries = select.query_map([app.0], |row| {
            Ok(DeadToken {
                token: Token::new(Bytes::copy_from_slice(row.get_ref(0)?.as_blob()?)),
                status: Status(row.get(1)?),
                inserted_at: row.get(2)?,
                expires_at: row.get(3)?,
                mark: row.get(4)?,
                used: row.get(5)?,
            })
        })?;
        entries.collect()
    }
}
