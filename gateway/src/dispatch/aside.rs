//! Notifications set aside for a while, and those that wait behind them: pure.
//!
//! A notification that cost a connection, or that upstream could not process, is charged an attempt and tried again later.
//! Until then the later ones to its token wait behind it (order contract, rule 12), and everything else passes.
//!
//! What is kept here is no more than a view of the store: [`Aside::rewind`] forgets the rows, and paging brings them back.
//! Only the charges stay.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use apns_proto::Token;

use crate::store::{Row, RowId};
use crate::upstream::schedule::jittered;

/// Attempts a notification may be charged before it is given up.
pub(crate) const ATTEMPTS_MAX: u32 = 10;

/// Rows kept at most; above that nothing more is paged until some are due.
const ROWS_MAX: usize = 1_000;

/// What a notification is charged for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offence {
    /// Upstream closed without a word when it was sent, alone, on a connection that was quiet before. From now on it is
    /// always sent so, because what is sent along with it would be shown twice.
    Close,
    /// Upstream answered that it could not process it: nothing else was harmed.
    Answer,
}

/// What follows from a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charged {
    /// It will be tried again.
    Again {
        /// How many it has been charged.
        attempts: u32,
    },
    /// It has had its attempts.
    Spent,
}

/// A notification whose time has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) row: Row,
    /// Whether it has to be sent alone.
    pub(crate) alone: bool,
}

#[derive(Debug)]
struct Charge {
    attempts: u32,
    not_before: Instant,
    alone: bool,
}

/// The notifications set aside.
#[derive(Debug)]
pub(crate) struct Aside {
    base: Duration,
    max: Duration,
    charges: HashMap<RowId, Charge>,
    /// The charged rows that were paged, each followed by the later ones to its token.
    lines: HashMap<Token, VecDeque<Row>>,
    rows_len: usize,
    /// An instant that has passed.
    born: Instant,
}

impl Aside {
    /// Pauses between attempts are like those between connections.
    pub(crate) fn new(base: Duration, max: Duration, now: Instant) -> Self {
        Self {
            base,
            max,
            charges: HashMap::new(),
            lines: HashMap::new(),
            rows_len: 0,
            born: now,
        }
    }

    /// Charges a notification; `random` is from 0 to 1.
    pub(crate) fn charge(
        &mut self,
        row: RowId,
        offence: Offence,
        now: Instant,
        random: f64,
    ) -> Charged {
        let charge = self.charges.entry(row).or_insert(Charge {
            attempts: 0,
            not_before: now,
            alone: false,
        });
        charge.attempts += 1;
        charge.alone |= offence == Offence::Close;
        charge.not_before = now + jittered(self.base, self.max, charge.attempts, random);
        if charge.attempts < ATTEMPTS_MAX {
            Charged::Again {
                attempts: charge.attempts,
            }
        } else {
            Charged::Spent
        }
    }

    /// A notification just paged: given back if it may go, kept if it is set aside or behind one that is.
    pub(crate) fn pass(&mut self, row: Row) -> Option<Row> {
        if !self.charges.contains_key(&row.id) && !self.lines.contains_key(&row.token) {
            return Some(row);
        }
        self.rows_len += 1;
        self.lines
            .entry(row.token.clone())
            .or_default()
            .push_back(row);
        None
    }

    /// A notification whose time has come, if there is one. Those that have to be sent alone are passed over unless
    /// `alone` is theirs to have.
    pub(crate) fn due(&mut self, now: Instant, alone: bool) -> Option<Due> {
        let (_, row) = self.heads(alone).find(|&(at, _)| at <= now)?;
        let token = row.token.clone();
        let line = self.lines.get_mut(&token)?;
        let row = line.pop_front()?;
        if line.is_empty() {
            self.lines.remove(&token);
        }
        self.rows_len -= 1;
        let alone = self.charges.get(&row.id).is_some_and(|charge| charge.alone);
        Some(Due { row, alone })
    }

    /// When the next one's time comes.
    pub(crate) fn next_due(&self, alone: bool) -> Option<Instant> {
        self.heads(alone).map(|(at, _)| at).min()
    }

    /// The head of each line, and when its time comes.
    fn heads(&self, alone: bool) -> impl Iterator<Item = (Instant, &Row)> {
        self.lines.values().filter_map(move |line| {
            let row = line.front()?;
            match self.charges.get(&row.id) {
                Some(charge) => (alone || !charge.alone).then_some((charge.not_before, row)),
                // It only waited behind one that was charged.
                None => Some((self.born, row)),
            }
        })
    }

    /// A notification reached its end.
    pub(crate) fn settled(&mut self, row: RowId) {
        self.charges.remove(&row);
    }

    /// Forgets the rows: they are about to be paged again.
    pub(crate) fn rewind(&mut self) {
        self.lines.clear();
        self.rows_len = 0;
    }

    /// Whether paging has to wait.
    pub(crate) const fn is_full(&self) -> bool {
        self.rows_len >= ROWS_MAX
    }
}
