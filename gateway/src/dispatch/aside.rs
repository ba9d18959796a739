//! Notifications set aside for a while, and those that wait behind them: pure.
//!
//! A notification that cost a connection, or that upstream could not process, is charged an attempt and tried again later.
//! Until then the later ones to its token wait behind it (order contract, rule 12), and everything else passes. Where many
//! are under way at once, those to a token that has one under way wait too.
//!
//! Of each token no more than a few rows are kept. The rest is passed over and read from the store again ([`Aside::hungry`],
//! [`Aside::read_again`]) when those have gone, so that a token with thousands of rows holds back no other.
//!
//! Whose time has come waits for its backend's turn; a token's rows go in the turn of the one at their head.
//!
//! What is kept here is no more than a view of the store: [`Aside::rewind`] forgets the rows, and paging brings them back.
//! Only the charges stay, and what is under way.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use apns_proto::Token;
use foldhash::{HashMap, HashSet};

use super::turns;
use crate::store::{Line, Row, RowId};
use crate::upstream::schedule::jittered;
use crate::verdict::Class;

/// Rows kept at most; above that nothing more is read of the backends that have their share of them, until some are due.
const ROWS_MAX: usize = 4_000;

/// Rows kept of one token at most.
const LINE_ROWS_MAX: usize = 100;

/// What follows from a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charged {
    /// It will be tried again.
    Again {
        /// How many of this class it has been charged.
        attempts: u32,
    },
    /// It has had its attempts of this class.
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
    /// By class.
    attempts: [u32; Class::ALL.len()],
    not_before: Instant,
    alone: bool,
}

impl Charge {
    const fn none(not_before: Instant) -> Self {
        Self {
            attempts: [0; Class::ALL.len()],
            not_before,
            alone: false,
        }
    }
}

/// Rows of a token that were passed over.
#[derive(Clone, Copy, Debug)]
struct More {
    /// They are behind this one,
    after: RowId,
    /// up to this one.
    last: RowId,
}

/// The notifications set aside.
#[derive(Debug)]
pub(crate) struct Aside {
    base: Duration,
    max: Duration,
    charges: HashMap<RowId, Charge>,
    /// The charged rows that were paged, each followed by the later ones to its token.
    lines: HashMap<Token, VecDeque<Row>>,
    /// By the backends of the rows.
    sides: BTreeMap<Arc<str>, Side>,
    /// The tokens of which there is more than is in their line.
    more: HashMap<Token, More>,
    /// Tokens with a notification under way, or one that waits to be.
    under_way: HashSet<Token>,
    rows_len: usize,
    /// An instant that has passed.
    born: Instant,
}

/// What is set aside of one backend.
#[derive(Debug, Default)]
struct Side {
    /// The lines whose turn comes by itself: when, and the row at their head, which is this backend's.
    agenda: Agenda,
    /// The same for those whose head has to be sent alone.
    alone: Agenda,
    rows_len: usize,
}

type Agenda = BTreeMap<(Instant, RowId), Token>;

impl Side {
    /// The first of those whose head may go: when, which, and its token.
    fn first(&self, alone: bool) -> Option<((Instant, RowId), &Token)> {
        let agendas = [Some(&self.agenda), Some(&self.alone).filter(|_| alone)];
        let first = agendas
            .into_iter()
            .flatten()
            .filter_map(|agenda| agenda.first_key_value());
        first
            .map(|(key, token)| (*key, token))
            .min_by_key(|(key, _)| *key)
    }
}

impl Aside {
    /// Pauses between attempts are like those between connections.
    pub(crate) fn new(base: Duration, max: Duration, now: Instant) -> Self {
        Self {
            base,
            max,
            charges: HashMap::default(),
            lines: HashMap::default(),
            sides: BTreeMap::new(),
            more: HashMap::default(),
            under_way: HashSet::default(),
            rows_len: 0,
            born: now,
        }
    }

    /// Charges a notification; `random` is from 0 to 1.
    pub(crate) fn charge(
        &mut self,
        row: RowId,
        class: Class,
        now: Instant,
        random: f64,
    ) -> Charged {
        let charge = self.charges.entry(row).or_insert_with(|| Charge::none(now));
        let attempts = &mut charge.attempts[class as usize];
        *attempts += 1;
        charge.alone |= class == Class::Broke;
        charge.not_before = now + jittered(self.base, self.max, *attempts, random);
        if *attempts < class.attempts_max() {
            Charged::Again {
                attempts: *attempts,
            }
        } else {
            Charged::Spent
        }
    }

    /// A notification is not tried again before `not_before`, which costs it nothing.
    pub(crate) fn delay(&mut self, row: RowId, not_before: Instant) {
        self.charges
            .entry(row)
            .or_insert_with(|| Charge::none(not_before))
            .not_before = not_before;
    }

    /// A notification just paged: given back if it may go, kept if it is set aside or behind one that is.
    pub(crate) fn pass(&mut self, row: Row) -> Option<Row> {
        let token = &row.token;
        let is_behind = self.lines.contains_key(token)
            || self.under_way.contains(token)
            || self.more.contains_key(token);
        if !is_behind && !self.charges.contains_key(&row.id) {
            return Some(row);
        }
        if let Some(more) = self.more.get_mut(token) {
            more.last = row.id.max(more.last);
        } else if let Some(kept) = self.lines.get(token).and_then(VecDeque::back)
            && self.is_line_full(token)
        {
            let (after, last) = (kept.id, row.id);
            self.more.insert(token.clone(), More { after, last });
        } else {
            self.append(row);
        }
        None
    }

    /// Some of a token that has none here any more, though they were passed over: they have to be read from the store again.
    pub(crate) fn hungry(&self) -> Option<Line> {
        let mut hungry = self
            .more
            .iter()
            .filter(|(token, _)| !self.lines.contains_key(*token));
        hungry.next().map(|(token, more)| Line {
            token: token.clone(),
            after: more.after,
            up_to: more.last,
            rows_max: LINE_ROWS_MAX,
        })
    }

    /// As many of the rows asked for as are queued.
    pub(crate) fn read_again(&mut self, line: &Line, rows: Vec<Row>) {
        let is_all = rows.len() < line.rows_max;
        let last = rows.last().map(|row| row.id).filter(|_| !is_all);
        let read = last.unwrap_or(line.up_to);
        // More may have been passed over since.
        if self
            .more
            .get(&line.token)
            .is_some_and(|more| more.last <= read)
        {
            self.more.remove(&line.token);
        } else if let Some(more) = self.more.get_mut(&line.token) {
            more.after = read;
        }
        rows.into_iter().for_each(|row| self.append(row));
    }

    /// One more at the end of a line.
    fn append(&mut self, row: Row) {
        let token = row.token.clone();
        self.count(&row.backend);
        let line = self.lines.entry(token.clone()).or_default();
        line.push_back(row);
        if line.len() == 1 && !self.under_way.contains(&token) {
            self.enter(&token);
        }
    }

    /// One more row of a backend.
    fn count(&mut self, backend: &Arc<str>) {
        self.rows_len += 1;
        self.sides.entry(Arc::clone(backend)).or_default().rows_len += 1;
    }

    fn is_line_full(&self, token: &Token) -> bool {
        let len = self.lines.get(token).map_or(0, VecDeque::len);
        len >= LINE_ROWS_MAX || (len > 0 && self.is_full())
    }

    /// A notification of those given out is under way: those to its token wait for [`Aside::arrived`].
    pub(crate) fn departed(&mut self, token: &Token) {
        self.leave(token);
        self.under_way.insert(token.clone());
    }

    /// One that was given out cannot go yet: it and the later ones to its token wait for [`Aside::arrived`].
    pub(crate) fn wait(&mut self, row: Row) {
        self.departed(&row.token);
        self.count(&row.backend);
        let line = self.lines.entry(row.token.clone()).or_default();
        line.push_front(row);
    }

    /// It is no longer, or can go now.
    pub(crate) fn arrived(&mut self, token: &Token) {
        self.under_way.remove(token);
        self.enter(token);
    }

    /// One that was given out is to be tried again, before the later ones to its token.
    pub(crate) fn back(&mut self, row: Row) {
        let token = row.token.clone();
        self.wait(row);
        self.arrived(&token);
    }

    /// The next backend in turn after `last` with a notification whose time has come. Those that have to be sent alone are passed over
    /// unless `alone` is theirs to have.
    pub(crate) fn next(&self, last: &str, now: Instant, alone: bool) -> Option<&Arc<str>> {
        let is_due = |side: &Side| side.first(alone).is_some_and(|((at, _), _)| at <= now);
        turns::next(&self.sides, last, is_due)
    }

    /// Of a backend's notifications whose time has come the one that has waited longest, or the oldest.
    pub(crate) fn due(&mut self, backend: &Arc<str>, now: Instant, alone: bool) -> Option<Due> {
        let ((at, _), token) = self.sides.get(backend)?.first(alone)?;
        if at > now {
            return None;
        }
        let token = token.clone();
        self.leave(&token);
        let line = self.lines.get_mut(&token)?;
        let row = line.pop_front()?;
        if line.is_empty() {
            self.lines.remove(&token);
        }
        self.rows_len -= 1;
        if let Some(side) = self.sides.get_mut(backend) {
            side.rows_len -= 1;
            if side.rows_len == 0 {
                self.sides.remove(backend);
            }
        }
        self.enter(&token);
        let alone = self.charges.get(&row.id).is_some_and(|charge| charge.alone);
        Some(Due { row, alone })
    }

    /// When the next one's time comes.
    pub(crate) fn next_due(&self, alone: bool) -> Option<Instant> {
        let first = self.sides.values().filter_map(|side| side.first(alone));
        first.map(|((at, _), _)| at).min()
    }

    /// A line, if there is one for this token, gets its place in the agenda.
    fn enter(&mut self, token: &Token) {
        if let Some((agenda, key)) = self.place(token) {
            agenda.insert(key, token.clone());
        }
    }

    /// It loses it.
    fn leave(&mut self, token: &Token) {
        if let Some((agenda, key)) = self.place(token) {
            agenda.remove(&key);
        }
    }

    /// Where a line belongs.
    fn place(&mut self, token: &Token) -> Option<(&mut Agenda, (Instant, RowId))> {
        let head = self.lines.get(token)?.front()?;
        let side = self.sides.get_mut(&head.backend)?;
        Some(match self.charges.get(&head.id) {
            Some(charge) if charge.alone => (&mut side.alone, (charge.not_before, head.id)),
            Some(charge) => (&mut side.agenda, (charge.not_before, head.id)),
            // It only waited behind one that was charged.
            None => (&mut side.agenda, (self.born, head.id)),
        })
    }

    /// A notification reached its end.
    pub(crate) fn settled(&mut self, row: RowId) {
        self.charges.remove(&row);
    }

    /// Forgets the rows: they are about to be paged again.
    pub(crate) fn rewind(&mut self) {
        self.lines.clear();
        self.sides.clear();
        self.more.clear();
        self.rows_len = 0;
    }

    /// Whether there is no more room.
    pub(crate) const fn is_full(&self) -> bool {
        self.rows_len >= ROWS_MAX
    }

    /// Whether there is room for a backend's rows: always, as long as it has less than its share.
    pub(crate) fn has_room(&self, backend: &str) -> bool {
        let rows_len = self.sides.get(backend).map_or(0, |side| side.rows_len);
        !self.is_full() || rows_len * self.sides.len() < ROWS_MAX
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BASE: Duration = Duration::from_secs(1);
    const MAX: Duration = Duration::from_secs(60);

    /// The whole span: what the pause is at most.
    const LONGEST: f64 = 1.0;

    fn row(serial: u64, token: u8) -> Row {
        Row::fake(serial, Token::new([token; 32]))
    }

    fn aside() -> (Aside, Instant) {
        let now = Instant::now();
        (Aside::new(BASE, MAX, now), now)
    }

    /// The one whose turn it is.
    fn take_due(aside: &mut Aside, now: Instant, alone: bool) -> Option<Due> {
        let backend = Arc::clone(aside.next("", now, alone)?);
        aside.due(&backend, now, alone)
    }

    /// Everything that is due, in order.
    fn drain(aside: &mut Aside, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| take_due(aside, now, true))
            .map(|due| due.row.id.serial())
            .collect()
    }

    #[test]
    fn what_was_never_charged_passes() {
        let (mut aside, now) = aside();
        assert_eq!(aside.pass(row(1, 1)), Some(row(1, 1)));
        assert_eq!(aside.next_due(true), None);
        assert_eq!(take_due(&mut aside, now, true), None);
    }

    #[test]
    fn a_charged_one_waits_its_pause_and_the_later_ones_to_its_token_wait_behind_it_in_order() {
        let (mut aside, now) = aside();
        let charged = aside.charge(RowId::fake(1), Class::Failed, now, LONGEST);
        assert_eq!(charged, Charged::Again { attempts: 1 });
        for serial in [1, 3, 4] {
            assert_eq!(aside.pass(row(serial, 1)), None, "{serial}");
        }
        assert_eq!(aside.pass(row(2, 2)), Some(row(2, 2)), "another token");

        let due = aside.next_due(true).unwrap();
        assert_eq!(due, now + BASE * 2);
        assert!(drain(&mut aside, due - Duration::from_millis(1)).is_empty());
        assert_eq!(drain(&mut aside, due), [1, 3, 4]);
        assert_eq!(
            aside.pass(row(5, 1)),
            Some(row(5, 1)),
            "nobody is before it any more"
        );
    }

    #[test]
    fn one_that_cost_a_connection_is_sent_alone_when_it_is_its_turn_and_others_are_not_kept_by_it()
    {
        let (mut aside, now) = aside();
        aside.charge(RowId::fake(1), Class::Broke, now, 0.0);
        aside.charge(RowId::fake(2), Class::Failed, now, 0.0);
        assert_eq!(aside.pass(row(1, 1)), None);
        assert_eq!(aside.pass(row(2, 2)), None);
        let due = take_due(&mut aside, now, false).unwrap();
        assert_eq!((due.row.id.serial(), due.alone), (2, false));
        assert_eq!(take_due(&mut aside, now, false), None);
        assert_eq!(
            aside.next_due(false),
            None,
            "or waiting would be a hot loop"
        );
        let due = take_due(&mut aside, now, true).unwrap();
        assert_eq!((due.row.id.serial(), due.alone), (1, true));
        // Once it cost a connection, a later answer does not change that.
        aside.charge(RowId::fake(1), Class::Failed, now, 0.0);
        aside.pass(row(1, 1));
        assert!(take_due(&mut aside, now, true).unwrap().alone);
    }

    #[test]
    fn pauses_grow_and_the_tenth_charge_is_the_last() {
        let (mut aside, now) = aside();
        for attempts in 1..10 {
            let charged = aside.charge(RowId::fake(1), Class::Broke, now, LONGEST);
            assert_eq!(charged, Charged::Again { attempts });
            aside.rewind();
            aside.pass(row(1, 1));
            let pause = aside.next_due(true).unwrap() - now;
            assert_eq!(pause, (BASE * 2_u32.pow(attempts)).min(MAX));
        }
        let charged = aside.charge(RowId::fake(1), Class::Broke, now, LONGEST);
        assert_eq!(charged, Charged::Spent);
        aside.settled(RowId::fake(1));
        aside.rewind();
        assert_eq!(
            aside.pass(row(1, 1)),
            Some(row(1, 1)),
            "settled is forgotten"
        );
    }

    #[test]
    fn each_class_has_a_budget_of_its_own() {
        let (mut aside, now) = aside();
        for class in Class::ALL {
            for attempts in 1..class.attempts_max() {
                let charged = aside.charge(RowId::fake(1), class, now, 0.0);
                assert_eq!(charged, Charged::Again { attempts }, "{class:?}");
            }
        }
        for class in Class::ALL {
            let charged = aside.charge(RowId::fake(1), class, now, 0.0);
            assert_eq!(charged, Charged::Spent, "{class:?}");
        }
    }

    #[test]
    fn a_rewind_forgets_the_rows_and_keeps_the_charges() {
        let (mut aside, now) = aside();
        aside.charge(RowId::fake(1), Class::Failed, now, LONGEST);
        aside.pass(row(1, 1));
        aside.pass(row(2, 1));
        aside.rewind();
        assert_eq!(aside.next_due(true), None);
        assert_eq!(aside.pass(row(1, 1)), None);
        assert_eq!(aside.pass(row(2, 1)), None);
        assert_eq!(drain(&mut aside, now + MAX), [1, 2]);
    }

    #[test]
    fn the_later_ones_to_a_token_that_has_one_under_way_wait_for_it_and_no_others_do() {
        let (mut aside, now) = aside();
        let first = aside.pass(row(1, 1)).unwrap();
        aside.departed(&first.token);
        assert_eq!(aside.pass(row(2, 1)), None);
        assert_eq!(aside.pass(row(3, 2)), Some(row(3, 2)), "another token");
        assert_eq!(aside.pass(row(4, 1)), None);
        assert_eq!(
            (take_due(&mut aside, now, true), aside.next_due(true)),
            (None, None)
        );

        aside.arrived(&first.token);
        let second = take_due(&mut aside, now, false).unwrap().row;
        assert_eq!(second, row(2, 1));
        aside.departed(&second.token);
        assert_eq!(take_due(&mut aside, now, true), None, "one at a time");
        aside.arrived(&second.token);
        assert_eq!(drain(&mut aside, now), [4]);
        assert_eq!(aside.pass(row(5, 1)), Some(row(5, 1)));
    }

    #[test]
    fn one_that_comes_back_goes_before_the_later_ones_to_its_token_when_its_pause_is_over() {
        let (mut aside, now) = aside();
        for serial in [1, 2] {
            let sent = aside.pass(row(serial, serial as u8)).unwrap();
            aside.departed(&sent.token);
        }
        assert_eq!(aside.pass(row(3, 1)), None);
        aside.delay(RowId::fake(1), now + BASE);
        aside.back(row(1, 1));
        aside.back(row(2, 2));
        assert_eq!(aside.pass(row(4, 1)), None);
        assert_eq!(drain(&mut aside, now), [2]);
        assert_eq!(aside.next_due(false), Some(now + BASE));
        assert_eq!(drain(&mut aside, now + BASE), [1, 3, 4]);
    }

    #[test]
    fn what_is_under_way_is_not_forgotten_with_the_rows() {
        let (mut aside, now) = aside();
        let sent = aside.pass(row(1, 1)).unwrap();
        aside.departed(&sent.token);
        aside.pass(row(2, 1));
        aside.rewind();
        assert_eq!(aside.pass(row(2, 1)), None);
        assert_eq!(take_due(&mut aside, now, true), None);
        aside.arrived(&sent.token);
        assert_eq!(drain(&mut aside, now), [2]);
    }

    #[test]
    fn of_those_that_are_due_the_oldest_goes_first() {
        let (mut aside, now) = aside();
        for serial in [3, 1, 2] {
            aside.delay(RowId::fake(serial), now);
            aside.pass(row(serial, serial as u8));
        }
        assert_eq!(drain(&mut aside, now), [1, 2, 3]);
    }

    #[test]
    fn it_is_full_at_so_many_rows_and_has_room_again_when_some_were_due() {
        let (mut aside, now) = aside();
        let mut serials = 0..;
        for token in 0..40 {
            aside.departed(&row(0, token).token);
            for serial in serials.by_ref().take(LINE_ROWS_MAX) {
                assert!(!aside.is_full());
                assert_eq!(aside.pass(row(serial, token)), None);
            }
        }
        assert!(aside.is_full());
        aside.arrived(&row(0, 7).token);
        assert!(take_due(&mut aside, now, true).is_some());
        assert!(!aside.is_full());
    }

    #[test]
    fn a_token_with_more_rows_than_are_kept_holds_back_no_other_and_keeps_its_order() {
        let (mut aside, now) = aside();
        let store: Vec<_> = (1..=250).map(|serial| row(serial, 1)).collect();
        aside.departed(&store[0].token);
        for row in &store {
            assert_eq!(aside.pass(row.clone()), None);
        }
        assert!(!aside.is_full());
        assert_eq!(aside.pass(row(251, 2)), Some(row(251, 2)));
        assert_eq!(aside.hungry(), None, "it has what it needs");

        aside.arrived(&store[0].token);
        assert_eq!(drain(&mut aside, now), (1..=100).collect::<Vec<_>>());
        assert_eq!(
            aside.pass(row(252, 1)),
            None,
            "those passed over come first"
        );
        let line = aside.hungry().unwrap();
        assert_eq!(line.token, store[0].token);
        assert_eq!(
            (line.after, line.up_to),
            (RowId::fake(100), RowId::fake(252))
        );
        assert_eq!(aside.pass(row(253, 1)), None);
        aside.read_again(&line, store[100..200].to_vec());
        assert_eq!(aside.hungry(), None);
        assert_eq!(drain(&mut aside, now), (101..=200).collect::<Vec<_>>());
        let line = aside.hungry().unwrap();
        assert_eq!(
            (line.after, line.up_to),
            (RowId::fake(200), RowId::fake(253))
        );
        let mut rest = store[200..].to_vec();
        rest.extend([row(252, 1), row(253, 1)]);
        aside.read_again(&line, rest);
        let mut expected: Vec<_> = (201..=250).collect();
        expected.extend([252, 253]);
        assert_eq!(drain(&mut aside, now), expected);
        assert_eq!(aside.hungry(), None);
        assert_eq!(aside.pass(row(254, 1)), Some(row(254, 1)));
    }

    proptest! {
        /// A store of rows of three tokens, of which some are under way for a while; the pages are as long as it comes.
        #[test]
        fn every_row_goes_once_and_each_tokens_in_order(
            tokens in prop::collection::vec(0..3_u8, 1..900),
            steps in prop::collection::vec((0..4_u8, 0..3_u8, 1..200_usize), 0..400),
        ) {
            let (mut aside, now) = aside();
            let store: Vec<_> = (1..).zip(&tokens).map(|(serial, token)| row(serial, *token)).collect();
            let mut unread = store.iter().cloned();
            let mut sent: Vec<Row> = Vec::new();
            let mut under_way: HashSet<Token> = HashSet::default();
            let last = [(0, 0, 1_000), (1, 0, 1_000), (1, 1, 1_000), (1, 2, 1_000), (2, 0, 1_000), (3, 0, 1_000)];
            let ending = last.into_iter().cycle().take(6 * 30);
            for (what, token, len) in steps.into_iter().chain(ending) {
                let go = |row: Row, aside: &mut Aside, under_way: &mut HashSet<Token>, sent: &mut Vec<Row>| {
                    aside.departed(&row.token);
                    prop_assert!(under_way.insert(row.token.clone()), "one at a time");
                    sent.push(row);
                    Ok(())
                };
                match what {
                    0 => for _ in 0..len {
                        let Some(row) = unread.next() else { break };
                        if let Some(row) = aside.pass(row) {
                            go(row, &mut aside, &mut under_way, &mut sent)?;
                        }
                    },
                    1 => {
                        let token = row(0, token).token;
                        if under_way.remove(&token) {
                            aside.arrived(&token);
                        }
                    }
                    2 => for _ in 0..len {
                        under_way.drain().for_each(|token| aside.arrived(&token));
                        let Some(due) = take_due(&mut aside, now, true) else { break };
                        go(due.row, &mut aside, &mut under_way, &mut sent)?;
                    },
                    _ => if let Some(line) = aside.hungry() {
                        let range = |row: &&Row| row.id > line.after && row.id <= line.up_to;
                        let queued = store.iter().filter(|row| row.token == line.token && !sent.contains(row));
                        aside.read_again(&line, queued.filter(range).take(line.rows_max).cloned().collect());
                    },
                }
            }
            for token in 0..3 {
                let of = |rows: &[Row]| -> Vec<u64> {
                    let mine = rows.iter().filter(|r| r.token == row(0, token).token);
                    mine.map(|row| row.seq).collect()
                };
                prop_assert_eq!(of(&sent), of(&store));
            }
        }
    }
}
