//! Random lives of a backlog of several backends: whose row goes next, and that no token's order is broken by it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use apns_proto::Token;
use proptest::prelude::*;

use super::aside::{Aside, Charged};
use super::lanes::Lanes;
use super::turns;
use crate::store::{Portion, Row, RowId};
use crate::verdict::Class;

const BACKENDS: u8 = 3;

fn row(serial: u64, backend: u8, token: u8) -> Row {
    Row {
        backend: name(backend),
        ..Row::fake(serial, Token::new([token; 32]))
    }
}

fn name(backend: u8) -> Arc<str> {
    Arc::from(format!("backend {backend}"))
}

/// What drives it, as little as there may be.
struct Life {
    lanes: Lanes,
    aside: Aside,
    last: Arc<str>,
    now: Instant,
    /// Unsettled rows, as the store has them.
    store: BTreeMap<RowId, Row>,
    serial: u64,
    read: BTreeSet<RowId>,
    under_way: Vec<Row>,
}

impl Life {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            lanes: Lanes::default(),
            aside: Aside::new(Duration::from_secs(1), Duration::from_secs(60), now),
            last: Arc::from(""),
            now,
            store: BTreeMap::new(),
            serial: 0,
            read: BTreeSet::new(),
            under_way: Vec::new(),
        }
    }

    fn append(&mut self, backend: u8, token: u8) {
        self.serial += 1;
        let row = row(self.serial, backend, token);
        self.store.insert(row.id, row);
    }

    /// The store's part, in the plainest words: of each backend so many, each behind the older ones to its token.
    fn fill(&mut self, room: usize) {
        self.lanes.forget_more();
        for backend in (0..BACKENDS).map(name) {
            let mut rows: Vec<Row> = Vec::new();
            let own = self.store.values().filter(|row| row.backend == backend);
            for row in own {
                if rows.len() >= room {
                    break;
                }
                let line = self.store.range(..=row.id).map(|(_, row)| row);
                for older in line.filter(|older| older.token == row.token) {
                    if self.read.insert(older.id) {
                        rows.push(older.clone());
                    }
                }
            }
            let mut unread = self
                .store
                .values()
                .filter(|row| !self.read.contains(&row.id));
            let more = unread.any(|row| row.backend == backend);
            if more || !rows.is_empty() {
                self.lanes.put(Portion {
                    backend,
                    rows,
                    more,
                });
            }
        }
    }

    /// As [`Backlog::next`](super::backlog::Backlog::next).
    fn next(&mut self) -> Option<(Arc<str>, Row)> {
        if let Some(line) = self.aside.hungry() {
            let rows = self.store.values().filter(|row| {
                row.token == line.token && row.id > line.after && row.id <= line.up_to
            });
            let rows = rows.take(line.rows_max).cloned().collect();
            self.aside.read_again(&line, rows);
        }
        loop {
            let due = self.aside.next(&self.last, self.now, true);
            let fresh = self.lanes.next(&self.last);
            let backend = Arc::clone(turns::nearer(&self.last, due, fresh)?);
            let row = if due == Some(&backend) {
                self.aside.due(&backend, self.now, true)?.row
            } else {
                let row = self.lanes.take(&backend);
                let Some(row) = row.and_then(|row| self.aside.pass(row)) else {
                    continue;
                };
                row
            };
            self.last = Arc::clone(&backend);
            return Some((backend, row));
        }
    }

    fn send(&mut self) -> Option<Arc<str>> {
        let (turn, row) = self.next()?;
        let oldest = self.store.values().find(|other| other.token == row.token);
        assert_eq!(oldest, Some(&row), "it overtook another");
        self.aside.departed(&row.token);
        self.under_way.push(row);
        Some(turn)
    }

    fn ends(&mut self, at: usize, settled: bool) {
        let row = self.under_way.swap_remove(at);
        if !settled && self.aside.charge(row.id, Class::Failed, self.now, 0.5) != Charged::Spent {
            return self.aside.back(row);
        }
        self.store.remove(&row.id);
        self.aside.settled(row.id);
        self.aside.arrived(&row.token);
    }
}

proptest! {
    #[test]
    fn whoever_has_the_turn_each_tokens_rows_go_in_order_and_none_is_left_behind(
        steps in prop::collection::vec((0_u8..8, 0..BACKENDS, 0_u8..5, 1_usize..6), 0..300),
    ) {
        let mut life = Life::new();
        for (what, backend, token, number) in steps {
            match what {
                0..=3 => life.append(backend, token),
                4 => life.fill(number),
                5 => drop(life.send()),
                6 if number <= life.under_way.len() => life.ends(number - 1, backend > 0),
                _ => life.now += Duration::from_secs(1),
            }
        }
        for _ in 0..10_000 {
            if life.store.is_empty() {
                break;
            }
            life.fill(5);
            while life.send().is_some() {}
            while !life.under_way.is_empty() {
                life.ends(0, true);
            }
            life.now += Duration::from_secs(60);
        }
        prop_assert!(life.store.is_empty(), "left behind: {:?}", life.store);
    }

    /// One after the other, as over one stream: whoever comes late to others' backlogs waits for one of each, and no more.
    #[test]
    fn between_two_rows_of_a_backend_every_other_has_one_turn(
        before in prop::collection::vec((0..BACKENDS - 1, 0_u8..100), 1..200),
        mine in 1_u8..20,
        retried in 0_u8..100,
    ) {
        let mut life = Life::new();
        for (backend, token) in before {
            life.append(backend, token);
        }
        life.fill(usize::MAX);
        // A few have gone, and some of those have to go again.
        for _ in 0..5 {
            if life.send().is_some() {
                let settled = life.under_way[0].token != row(0, 0, retried).token;
                life.ends(0, settled);
                life.now += Duration::from_secs(1);
            }
        }
        for token in 0..mine {
            life.append(BACKENDS - 1, 100 + token);
        }
        life.fill(usize::MAX);
        let late = name(BACKENDS - 1);
        let mut turns = Vec::new();
        while turns.iter().filter(|turn| **turn == late).count() < usize::from(mine) {
            turns.push(life.send().unwrap());
            life.ends(0, true);
        }
        for between in turns.split(|turn| *turn == late) {
            prop_assert!(between.len() < usize::from(BACKENDS), "{turns:?}");
        }
    }
}
