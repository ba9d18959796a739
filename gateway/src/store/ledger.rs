//! An app's row in memory: counters, trust, hold. Written back once per commit.

use std::sync::Arc;
use std::time::SystemTime;

use apns_net::credentials::Environment;
use rusqlite::{OptionalExtension, named_params, params};
use tokio::sync::watch;

use super::engine::Engine;
use super::fresh::Fresh;
use super::ids::{AppId, RowId, key, range};
use super::lines::TokenHash;
use super::records::{AppState, Committed, Counts, Hold, Trust};
use super::roster::Roster;
use super::unix_seconds;

/// The newest state of an app, inside a transaction.
pub(super) struct Ledger {
    id: AppId,
    serial: u64,
    pub(super) newest: Option<RowId>,
    pub(super) counts: Counts,
    pub(super) trust: Trust,
    pub(super) held: Option<Hold>,
    /// Who waits in the queue.
    pub(super) roster: Roster,
    /// What of it need not be read from the disk.
    pub(super) fresh: Fresh,
    /// Differs from what is in the database.
    pub(super) changed: bool,
    committed: watch::Sender<Committed>,
}

impl Ledger {
    /// The app's next key.
    pub(super) fn next_key(&mut self) -> i64 {
        self.serial += 1;
        self.changed = true;
        key(self.id, self.serial)
    }

    /// Tells the watchers, after the commit.
    pub(super) fn publish(&mut self) {
        let now = Committed {
            newest: self.newest,
            counts: self.counts,
        };
        self.committed.send_if_modified(|seen| {
            let differs = *seen != now;
            *seen = now;
            differs
        });
    }
}

impl Engine {
    /// The ledger of an app.
    pub(super) fn ledger(&mut self, app: AppId) -> &mut Ledger {
        self.ledgers
            .get_mut(&app)
            .expect("an AppId comes from this store's app()")
    }

    /// Creates or loads an app. Under another scope everything upstream's verdicts have taught us is forgotten (order contract, rule 6).
    pub(super) fn app(
        &mut self,
        topic: &str,
        environment: Environment,
        scope: &str,
    ) -> rusqlite::Result<AppState> {
        let environment = environment.to_string();
        let found = self
            .connection
            .query_row(
                "SELECT id, scope FROM app WHERE topic = ?1 AND environment = ?2",
                params![topic, environment],
                |row| Ok((row.get::<_, u16>(0)?, row.get::<_, String>(1)?)),
            )
            .optional()?;
        let (id, reset) = match found {
            Some((id, known)) => (AppId(id), known != scope),
            None => (self.create(topic, &environment, scope)?, false),
        };
        if !self.ledgers.contains_key(&id) {
            let ledger = self.load(id)?;
            self.ledgers.insert(id, ledger);
        }
        if reset {
            self.connection.execute(
                "UPDATE app SET scope = ?2 WHERE id = ?1",
                params![id.0, scope],
            )?;
            self.connection
                .execute("DELETE FROM dead_token WHERE app = ?1", [id.0])?;
            let ledger = self.ledger(id);
            ledger.trust = Trust::default();
            // What an operator stopped is an operator's to go on with.
            ledger.held.take_if(|hold| !hold.by_operator);
            ledger.changed = true;
        }
        let dead_tokens = self.load_dead_tokens(id, unix_seconds(SystemTime::now()))?;
        let ledger = self.ledger(id);
        Ok(AppState {
            id,
            trust: ledger.trust,
            held: ledger.held.clone(),
            dead_tokens,
            reset,
            committed: ledger.committed.subscribe(),
        })
    }

    fn create(&self, topic: &str, environment: &str, scope: &str) -> rusqlite::Result<AppId> {
        self.connection.query_row(
            "INSERT INTO app (topic, environment, scope) VALUES (?1, ?2, ?3) RETURNING id",
            params![topic, environment, scope],
            |row| row.get(0).map(AppId),
        )
    }

    fn load(&self, id: AppId) -> rusqlite::Result<Ledger> {
        let (first, last) = range(id);
        let newest = self
            .connection
            .query_row(
                "SELECT id FROM notification WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT 1",
                [first, last],
                |row| row.get(0).map(RowId),
            )
            .optional()?;
        let roster = self.muster(id)?;
        self.connection
            .query_row("SELECT * FROM app WHERE id = ?1", [id.0], |row| {
                let counts = Counts {
                    accepted: row.get("accepted")?,
                    delivered: row.get("delivered")?,
                    rejected: row.get("rejected")?,
                    expired: row.get("expired")?,
                    given_up: row.get("given_up")?,
                    queued: row.get("queued")?,
                    dead_letters: row.get("dead_letters")?,
                    dead_letters_dropped: row.get("dead_letters_dropped")?,
                    requeued: row.get("requeued")?,
                    feedback: row.get("feedback")?,
                    feedback_dropped: row.get("feedback_dropped")?,
                };
                let trust = Trust {
                    vouched: row.get("vouched")?,
                    recent: row.get("recent")?,
                    bad_run: row.get("bad_run")?,
                };
                let (committed, _) = watch::channel(Committed { newest, counts });
                Ok(Ledger {
                    id,
                    serial: row.get("serial")?,
                    newest,
                    counts,
                    trust,
                    held: read_hold(row)?,
                    roster,
                    fresh: Fresh::default(),
                    changed: false,
                    committed,
                })
            })
    }

    /// Goes through the whole queue once, to know who waits in it.
    fn muster(&self, id: AppId) -> rusqlite::Result<Roster> {
        let (first, last) = range(id);
        let mut select = self.connection.prepare_cached(
            "SELECT id, backend, token FROM notification WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
        )?;
        let mut rows = select.query([first, last])?;
        let mut roster = Roster::default();
        let mut backend: Arc<str> = Arc::from("");
        while let Some(row) = rows.next()? {
            let name = row.get_ref(1)?.as_str()?;
            if *backend != *name {
                backend = Arc::from(name);
            }
            let lane = roster.lane(&backend);
            let token = TokenHash::of(row.get_ref(2)?.as_blob()?);
            roster.add(lane, RowId(row.get(0)?).serial(), token);
        }
        Ok(roster)
    }

    /// Brings the apps this transaction touched up to date. Last before the commit.
    pub(super) fn write_ledgers(&mut self) -> rusqlite::Result<()> {
        let changed: Vec<AppId> = self
            .ledgers
            .values()
            .filter(|ledger| ledger.changed)
            .map(|ledger| ledger.id)
            .collect();
        for app in changed {
            self.drop_oldest_dead_letters(app)?;
            self.drop_oldest_feedback(app)?;
            self.write_ledger(app)?;
        }
        Ok(())
    }

    fn write_ledger(&mut self, app: AppId) -> rusqlite::Result<()> {
        let ledger = self.ledgers.get_mut(&app).expect("the caller found it");
        let Ledger { counts, trust, .. } = ledger;
        debug_assert!(counts.balanced(), "app {app} does not add up: {counts:?}");
        self.connection
            .prepare_cached(
                "UPDATE app SET serial = :serial, accepted = :accepted, delivered = :delivered, rejected = :rejected,
                 expired = :expired, given_up = :given_up, queued = :queued, dead_letters = :dead_letters,
                 dead_letters_dropped = :dead_letters_dropped, requeued = :requeued, feedback = :feedback,
                 feedback_dropped = :feedback_dropped, vouched = :vouched, recent = :recent, bad_run = :bad_run, held = :held,
                 held_by_operator = :held_by_operator
                 WHERE id = :id",
            )?
            .execute(named_params! {
                ":serial": ledger.serial,
                ":accepted": counts.accepted,
                ":delivered": counts.delivered,
                ":rejected": counts.rejected,
                ":expired": counts.expired,
                ":given_up": counts.given_up,
                ":queued": counts.queued,
                ":dead_letters": counts.dead_letters,
                ":dead_letters_dropped": counts.dead_letters_dropped,
                ":requeued": counts.requeued,
                ":feedback": counts.feedback,
                ":feedback_dropped": counts.feedback_dropped,
                ":vouched": trust.vouched,
                ":recent": trust.recent,
                ":bad_run": trust.bad_run,
                ":held": ledger.held.as_ref().map(|hold| &hold.reason),
                ":held_by_operator": ledger.held.as_ref().is_some_and(|hold| hold.by_operator),
                ":id": app.0,
            })?;
        ledger.changed = false;
        Ok(())
    }
}

fn read_hold(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Hold>> {
    let reason: Option<String> = row.get("held")?;
    let by_operator = row.get("held_by_operator")?;
    Ok(reason.map(|reason| Hold {
        reason,
        by_operator,
    }))
}
