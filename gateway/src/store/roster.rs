//! Who waits in an app's queue, and what its one reader has read of it: pure, in memory, made anew at every start.
//!
//! Backends are read in turn, each in its own order, so that nobody waits behind another's million. Two things have to be known for
//! that without asking the disk: where in the queue a backend's rows are, and whether an older row to the same token is still
//! unread, in whosever queue: that one has to be read first (order contract, rule 12). Tokens are known by 32 bits of a hash;
//! where two share them a row is read early, together with those before it, and nothing worse.
//!
//! A queued row costs some twenty bytes here; twice that where every row is another backend's than the one before.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::lines::{LaneNumber, Lines, Place, TokenHash};

/// Backends told apart at most; those beyond share the last one's turns.
const LANES_MAX: usize = 1 << 16;

/// The queued rows of one app.
#[derive(Debug, Default)]
pub(super) struct Roster {
    lanes: Vec<Lane>,
    numbers: HashMap<Arc<str>, LaneNumber>,
    lines: Lines,
    /// Tokens of which more was read than their backends' turns had come to: all up to this serial.
    ahead: HashMap<TokenHash, u64>,
    /// Whose row was added last.
    newest: Option<LaneNumber>,
}

/// One backend's rows. An empty lane is the next newcomer's.
#[derive(Debug)]
struct Lane {
    backend: Arc<str>,
    /// By their first serials.
    runs: BTreeMap<u64, Run>,
    /// Everything up to this serial was read.
    read: u64,
}

/// Rows without another backend's between.
#[derive(Debug)]
struct Run {
    /// Serials, whether still queued or not.
    len: u32,
    queued: u32,
}

impl Roster {
    /// The lane of a backend that is about to add a row.
    pub(super) fn lane(&mut self, backend: &Arc<str>) -> LaneNumber {
        if let Some(number) = self.numbers.get(backend) {
            return *number;
        }
        let new = Lane {
            backend: Arc::clone(backend),
            runs: BTreeMap::new(),
            read: 0,
        };
        let free = self.lanes.iter().position(|lane| lane.runs.is_empty());
        let at = free.unwrap_or(self.lanes.len()).min(LANES_MAX - 1);
        match self.lanes.get_mut(at) {
            None => self.lanes.push(new),
            Some(lane) if lane.runs.is_empty() => {
                self.numbers.remove(&lane.backend);
                *lane = new;
            }
            // There are too many: it shares this one, and is not known by its name.
            Some(_) => return LaneNumber(number(at)),
        }
        let number = LaneNumber(number(at));
        self.numbers.insert(Arc::clone(backend), number);
        number
    }

    /// A row is queued. Serials only grow.
    pub(super) fn add(&mut self, number: LaneNumber, serial: u64, token: TokenHash) {
        self.lines.push(token, Place::new(serial, number));
        let lane = &mut self.lanes[usize::from(number.0)];
        // Serials between that are nobody's queued row do no harm.
        let last = lane
            .runs
            .last_entry()
            .filter(|_| self.newest == Some(number));
        self.newest = Some(number);
        if let Some(mut run) = last
            && let Ok(len) = u32::try_from(serial - run.key() + 1)
        {
            let run = run.get_mut();
            run.len = len;
            run.queued += 1;
        } else {
            lane.runs.insert(serial, Run { len: 1, queued: 1 });
        }
    }

    /// A row is queued no longer. Says whether it was.
    pub(super) fn remove(&mut self, serial: u64, token: TokenHash) -> bool {
        let Some(place) = self.lines.remove(token, serial) else {
            return false;
        };
        let runs = &mut self.lanes[usize::from(place.lane().0)].runs;
        if let Some((&first, run)) = runs.range_mut(..=serial).next_back() {
            run.queued -= 1;
            if run.queued == 0 {
                runs.remove(&first);
                // The one before it may end far behind.
                self.newest = None;
            }
        }
        if let Some(&up_to) = self.ahead.get(&token)
            && self.line(token, 0, up_to).next().is_none()
        {
            self.ahead.remove(&token);
        }
        true
    }

    /// The queued rows of a token, and of those that share its hash, behind one serial and up to another, in order.
    pub(super) fn line(
        &self,
        token: TokenHash,
        after: u64,
        up_to: u64,
    ) -> impl Iterator<Item = u64> {
        self.lines
            .between(token, after, up_to + 1)
            .map(Place::serial)
    }

    /// Nothing of it was read.
    pub(super) fn rewind(&mut self) {
        self.ahead.clear();
        for lane in &mut self.lanes {
            lane.read = 0;
        }
    }

    /// The backends of which something is unread.
    pub(super) fn unread(&self) -> Vec<(LaneNumber, Arc<str>)> {
        let lanes = (0..=u16::MAX).map(LaneNumber).zip(&self.lanes);
        let unread = lanes.filter(|(_, lane)| lane.next().is_some());
        unread
            .map(|(number, lane)| (number, Arc::clone(&lane.backend)))
            .collect()
    }

    /// Where the next unread rows of a backend are: first and last serial. Some between may be settled.
    pub(super) fn next(&self, number: LaneNumber) -> Option<(u64, u64)> {
        self.lanes[usize::from(number.0)].next()
    }

    /// A backend's turn has come to this row.
    pub(super) fn meet(&self, serial: u64, token: TokenHash) -> Met {
        let ahead = self.ahead.get(&token).copied().unwrap_or(0);
        if serial <= ahead {
            return Met::Read;
        }
        let mut older = self.lines.between(token, 0, serial);
        let newest = older.next_back();
        if newest.is_none_or(|place| self.is_read(token, place)) {
            return Met::First;
        }
        // A token's rows are read in order: what was read of them ends somewhere.
        let (mut read, mut unread) = (ahead, serial);
        loop {
            let middle = read + (unread - read - 1) / 2;
            match self.lines.between(token, middle, unread).next() {
                Some(place) if self.is_read(token, place) => read = place.serial(),
                _ if middle > read => unread = middle + 1,
                _ => break,
            }
        }
        Met::Behind { after: read }
    }

    /// All of a backend's rows up to this one were read.
    pub(super) fn read(&mut self, number: LaneNumber, up_to: u64) {
        let lane = &mut self.lanes[usize::from(number.0)];
        lane.read = lane.read.max(up_to);
    }

    /// All rows to a token up to this one were read, whosever they are.
    pub(super) fn read_ahead(&mut self, token: TokenHash, up_to: u64) {
        self.ahead.insert(token, up_to);
    }

    fn is_read(&self, token: TokenHash, place: Place) -> bool {
        let serial = place.serial();
        serial <= self.lanes[usize::from(place.lane().0)].read
            || self.ahead.get(&token).is_some_and(|up_to| serial <= *up_to)
    }
}

impl Lane {
    fn next(&self) -> Option<(u64, u64)> {
        let begun = self.runs.range(..=self.read).next_back();
        let begun = begun.filter(|(first, run)| run.last(**first) > self.read);
        let (&first, run) = begun.or_else(|| self.runs.range(self.read + 1..).next())?;
        Some((first.max(self.read + 1), run.last(first)))
    }
}

impl Run {
    fn last(&self, first: u64) -> u64 {
        first + u64::from(self.len) - 1
    }
}

/// What is known of a row when its backend's turn has come to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// It was read before.
    Read,
    /// Nothing unread is before it to its token.
    First,
    /// Something is, whosever it is: that has to be read first.
    Behind {
        /// It is what follows this serial.
        after: u64,
    },
}

fn number(at: usize) -> u16 {
    u16::try_from(at).expect("there are no more lanes than numbers")
}
