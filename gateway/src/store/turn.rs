//! Reading the queue: each backend in its turn, each token in its order, each row once.

use rusqlite::{Connection, params};

use super::engine::Engine;
use super::fresh::Fresh;
use super::ids::{AppId, key};
use super::lines::{LaneNumber, TokenHash};
use super::queue::{ROWS_BETWEEN, limit, one_row, read_row};
use super::records::{Portion, Read, Row};
use super::roster::{Met, Roster};

impl Engine {
    /// The next rows of each backend that nobody has read yet, in the order of its turns: a row to a token of which older ones are unread
    /// comes behind those, whosever they are. As many of each as there is room for, one at least if there is room.
    pub(super) fn read(&mut self, read: &Read) -> rusqlite::Result<Vec<Portion>> {
        let ledger = self
            .ledgers
            .get_mut(&read.app)
            .expect("an AppId comes from this store's app()");
        if read.rewind {
            ledger.roster.rewind();
            ledger.fresh.forget();
        }
        let mut portions = Vec::new();
        for (lane, backend) in ledger.roster.unread() {
            let room = read.room.get(&backend).copied();
            let mut turn = Turn {
                connection: &self.connection,
                roster: &mut ledger.roster,
                fresh: &mut ledger.fresh,
                app: read.app,
                lane,
                rows_max: room.unwrap_or(read.room_of_others),
                bytes_max: read.bytes_max,
                rows: Vec::new(),
                bytes: 0,
            };
            turn.read()?;
            portions.push(Portion {
                backend,
                rows: turn.rows,
                more: ledger.roster.next(lane).is_some(),
            });
        }
        if portions.iter().all(|portion| !portion.more) {
            ledger.fresh.caught_up();
        }
        Ok(portions)
    }
}

/// One backend's turn to be read.
struct Turn<'a> {
    connection: &'a Connection,
    roster: &'a mut Roster,
    fresh: &'a mut Fresh,
    app: AppId,
    lane: LaneNumber,
    rows_max: usize,
    bytes_max: usize,
    rows: Vec<Row>,
    bytes: usize,
}

/// What comes of a row whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It is read now.
    Take,
    /// It was read before.
    Pass,
    /// There is no room for it.
    Wait,
}

impl Turn<'_> {
    fn read(&mut self) -> rusqlite::Result<()> {
        while !self.is_full()
            && let Some((first, last)) = self.roster.next(self.lane)
        {
            if self.fresh.keeps_up() {
                self.read_fresh(first, last)?;
            } else {
                self.read_disk(first, last)?;
            }
        }
        Ok(())
    }

    fn read_fresh(&mut self, first: u64, last: u64) -> rusqlite::Result<()> {
        let mut from = first;
        while !self.is_full() && from <= last {
            let Some((serial, token)) = self.fresh.next(from, last) else {
                self.roster.read(self.lane, last);
                break;
            };
            let step = self.meet(serial, token)?;
            if step == Step::Wait {
                break;
            }
            let row = self.fresh.take(serial);
            self.take(row.filter(|_| step == Step::Take));
            self.roster.read(self.lane, serial);
            from = serial + 1;
        }
        Ok(())
    }

    fn read_disk(&mut self, first: u64, last: u64) -> rusqlite::Result<()> {
        let (before, up_to) = (key(self.app, first) - 1, key(self.app, last));
        let mut select = self.connection.prepare_cached(ROWS_BETWEEN)?;
        let mut found = select.query(params![before, up_to, limit(usize::MAX)])?;
        while !self.is_full() {
            let Some(row) = found.next()? else {
                // Whatever was there is settled.
                self.roster.read(self.lane, last);
                break;
            };
            let row = read_row(row)?;
            let serial = row.id.serial();
            let step = self.meet(serial, TokenHash::of(row.token.as_bytes()))?;
            if step == Step::Wait {
                break;
            }
            self.take(Some(row).filter(|_| step == Step::Take));
            self.roster.read(self.lane, serial);
        }
        Ok(())
    }

    /// Reads what has to be read before a row.
    fn meet(&mut self, serial: u64, token: TokenHash) -> rusqlite::Result<Step> {
        let after = match self.roster.meet(serial, token) {
            Met::Read => return Ok(Step::Pass),
            Met::First => return Ok(Step::Take),
            Met::Behind { after } => after,
        };
        let room = self.rows_max - self.rows.len();
        let older = self.roster.line(token, after, serial - 1);
        for serial in older.take(room).collect::<Vec<_>>() {
            if self.is_full() {
                return Ok(Step::Wait);
            }
            self.roster.read_ahead(token, serial);
            let row = match self.fresh.take(serial) {
                Some(row) => Some(row),
                None => one_row(self.connection, key(self.app, serial))?,
            };
            self.take(row);
        }
        Ok(match self.is_full() {
            true => Step::Wait,
            false => Step::Take,
        })
    }

    fn take(&mut self, row: Option<Row>) {
        self.bytes += row.as_ref().map_or(0, Row::weight);
        self.rows.extend(row);
    }

    fn is_full(&self) -> bool {
        self.rows.len() >= self.rows_max || self.bytes >= self.bytes_max
    }
}
