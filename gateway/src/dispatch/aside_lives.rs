//! Random lives of what is set aside, with many notifications under way: order contract, rule 12, on simulated time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use apns_proto::Token;
use proptest::prelude::*;

use super::aside::{Aside, Charged, Due};
use crate::store::Row;
use crate::verdict::Class;

#[derive(Clone, Debug)]
enum Action {
    /// Up to so many are paged, and sent where they may be.
    Page(usize),
    /// Whatever is due is sent; those that have to go alone only if that is possible now.
    Due {
        alone: bool,
    },
    /// One of those under way comes to something.
    Ends(usize, End),
    Wait(u64),
    /// The rows are forgotten, to be paged again.
    Rewind,
}

/// What a push comes to.
#[derive(Clone, Copy, Debug)]
enum End {
    Settled,
    AtOnce,
    After(u64),
    BackOff(Class),
}

fn action() -> impl Strategy<Value = Action> {
    let end = prop_oneof![
        3 => Just(End::Settled),
        2 => Just(End::AtOnce),
        1 => (1_u64..200).prop_map(End::After),
        2 => prop::sample::select(&Class::ALL).prop_map(End::BackOff),
    ];
    prop_oneof![
        4 => (1_usize..12).prop_map(Action::Page),
        4 => any::<bool>().prop_map(|alone| Action::Due { alone }),
        8 => (0_usize..8, end).prop_map(|(which, end)| Action::Ends(which, end)),
        2 => (1_u64..100).prop_map(Action::Wait),
        1 => Just(Action::Rewind),
    ]
}

/// What drives it, as little as there may be.
struct Life {
    aside: Aside,
    now: Instant,
    /// Unsettled rows by their place, as the store has them: the number of the token.
    store: BTreeMap<u64, u8>,
    /// Paged up to here.
    cursor: u64,
    under_way: BTreeMap<u64, u8>,
    /// Nothing was paged since the last rewind.
    rewound: bool,
    random: f64,
}

fn row(serial: u64, token: u8) -> Row {
    Row::fake(serial, Token::new([token; 32]))
}

impl Life {
    /// With rows to these tokens, in this order.
    fn new(tokens: Vec<u8>, random: f64) -> Self {
        let now = Instant::now();
        Self {
            aside: Aside::new(Duration::from_secs(1), Duration::from_secs(60), now),
            now,
            store: (1..).zip(tokens).collect(),
            cursor: 0,
            under_way: BTreeMap::new(),
            rewound: true,
            random,
        }
    }

    fn act(&mut self, action: &Action) {
        match *action {
            Action::Page(rows) => self.page(rows),
            Action::Due { alone } => self.send_due(alone),
            Action::Ends(which, end) => {
                let serial = self.under_way.keys().nth(which).copied();
                serial.into_iter().for_each(|serial| self.ends(serial, end));
            }
            Action::Wait(seconds) => self.now += Duration::from_secs(seconds),
            Action::Rewind => {
                self.aside.rewind();
                self.cursor = 0;
                self.rewound = true;
            }
        }
    }

    fn page(&mut self, rows: usize) {
        // A page from the oldest on would have those that are under way.
        if self.rewound && !self.under_way.is_empty() {
            return;
        }
        for _ in 0..rows {
            let next = self.store.range(self.cursor + 1..).next();
            let Some((&serial, &token)) = next else { break };
            if self.aside.is_full() {
                break;
            }
            self.rewound = false;
            self.cursor = serial;
            if let Some(row) = self.aside.pass(row(serial, token)) {
                self.departs(&row);
            }
        }
    }

    fn send_due(&mut self, alone: bool) {
        while let Some(backend) = self.aside.next("", self.now, alone).cloned()
            && let Some(Due { row, .. }) = self.aside.due(&backend, self.now, alone)
        {
            self.departs(&row);
        }
    }

    /// Order: the oldest of its token, and none to the same token is under way.
    fn departs(&mut self, row: &Row) {
        let serial = row.id.serial();
        let token = self.store[&serial];
        let oldest = self.store.iter().find(|(_, other)| **other == token);
        assert_eq!(oldest, Some((&serial, &token)), "{serial} overtook");
        assert!(!self.under_way.values().any(|other| *other == token));
        self.aside.departed(&row.token);
        self.under_way.insert(serial, token);
    }

    fn ends(&mut self, serial: u64, end: End) {
        let token = self.under_way.remove(&serial).unwrap();
        let row = row(serial, token);
        let settled = match end {
            End::Settled => true,
            End::AtOnce => false,
            End::After(seconds) => {
                let at = self.now + Duration::from_secs(seconds);
                self.aside.delay(row.id, at);
                false
            }
            End::BackOff(class) => {
                let charged = self.aside.charge(row.id, class, self.now, self.random);
                charged == Charged::Spent
            }
        };
        if settled {
            self.aside.settled(row.id);
            self.store.remove(&serial);
        }
        if settled || self.rewound {
            self.aside.arrived(&row.token);
        } else {
            self.aside.back(row);
        }
    }

    /// Nothing is lost: with time and a connection everything gets its turn.
    fn end(&mut self) {
        for _ in 0..10_000 {
            if self.store.is_empty() {
                return;
            }
            let under_way: Vec<_> = self.under_way.keys().copied().collect();
            for serial in under_way {
                self.ends(serial, End::Settled);
            }
            if let Some(at) = self.aside.next_due(true) {
                self.now = self.now.max(at);
            }
            self.send_due(true);
            self.page(5);
        }
        panic!("left behind: {:?}", self.store);
    }
}

proptest! {
    #[test]
    fn pushes_to_one_token_start_in_order_one_at_a_time_and_none_is_left_behind(
        tokens in prop::collection::vec(0_u8..5, 1..60),
        random in 0.0..=1.0,
        actions in prop::collection::vec(action(), 0..200),
    ) {
        let mut life = Life::new(tokens, random);
        for action in &actions {
            life.act(action);
        }
        life.end();
    }

    /// One token that is tried again and again holds back only itself: all others go at their first turn.
    #[test]
    fn a_retry_holds_back_its_own_token_and_no_other(
        tokens in prop::collection::vec(0_u8..5, 1..60),
        class in prop::sample::select(&Class::ALL),
    ) {
        let mut life = Life::new(tokens, 1.0);
        while life.cursor < *life.store.keys().next_back().unwrap_or(&0) || !life.under_way.is_empty() {
            life.page(1);
            life.send_due(true);
            let under_way: Vec<_> = life.under_way.clone().into_iter().collect();
            for (serial, token) in under_way {
                life.ends(serial, if token == 0 { End::BackOff(class) } else { End::Settled });
            }
        }
        prop_assert!(life.store.values().all(|token| *token == 0));
    }
}
