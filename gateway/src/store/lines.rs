//! Where the rows to each token are: pure, and small, because there may be millions.
//!
//! Most tokens have one queued row, which is kept in the table itself: thirteen bytes. Those with more have a list elsewhere.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, DefaultHasher, Hasher};

use slab::Slab;

/// What is known of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TokenHash(u32);

impl TokenHash {
    pub(super) fn of(token: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(token);
        #[expect(clippy::cast_possible_truncation, reason = "half of it is enough")]
        Self(hasher.finish() as u32)
    }
}

/// Where a backend's rows are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LaneNumber(pub(super) u16);

/// A queued row: its serial, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u64);

/// Bits of a [`Place`] that are the lane.
const LANE_BITS: u32 = 16;

impl Place {
    pub(super) fn new(serial: u64, lane: LaneNumber) -> Self {
        Self(serial << LANE_BITS | u64::from(lane.0))
    }

    /// The first there could be with this serial.
    const fn least(serial: u64) -> Self {
        Self(serial << LANE_BITS)
    }

    pub(super) const fn serial(self) -> u64 {
        self.0 >> LANE_BITS
    }

    pub(super) const fn lane(self) -> LaneNumber {
        #[expect(clippy::cast_possible_truncation, reason = "its lowest 16 bits")]
        LaneNumber(self.0 as u16)
    }
}

/// The rows of one token: the only one, or where the list of all is. In two halves, so that it takes no more than its eight bytes.
#[derive(Clone, Copy, Debug)]
struct Line(u32, u32);

enum Kind {
    One(Place),
    List(usize),
}

/// Serials have 47 bits, so a place has 63.
const IS_LIST: u64 = 1 << 63;

impl Line {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of it")]
    const fn from_bits(bits: u64) -> Self {
        Self((bits >> 32) as u32, bits as u32)
    }

    const fn one(place: Place) -> Self {
        Self::from_bits(place.0)
    }

    const fn list(list: usize) -> Self {
        Self::from_bits(IS_LIST | list as u64)
    }

    fn kind(self) -> Kind {
        let bits = u64::from(self.0) << 32 | u64::from(self.1);
        match bits & IS_LIST {
            0 => Kind::One(Place(bits)),
            _ => Kind::List(usize::try_from(bits & !IS_LIST).expect("it was one")),
        }
    }
}

/// The queued rows by token, those of one token in the order accepted.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: HashMap<TokenHash, Line, BuildHasherDefault<Mixed>>,
    lists: Slab<VecDeque<Place>>,
}

impl Lines {
    /// One more, behind all others.
    pub(super) fn push(&mut self, token: TokenHash, place: Place) {
        let Some(line) = self.lines.get_mut(&token) else {
            self.lines.insert(token, Line::one(place));
            return;
        };
        match line.kind() {
            Kind::One(first) => *line = Line::list(self.lists.insert([first, place].into())),
            Kind::List(list) => self.lists[list].push_back(place),
        }
    }

    /// One less; says where it was, if it was.
    pub(super) fn remove(&mut self, token: TokenHash, serial: u64) -> Option<Place> {
        let line = self.lines.get_mut(&token)?;
        match line.kind() {
            Kind::One(place) => {
                if place.serial() != serial {
                    return None;
                }
                self.lines.remove(&token);
                Some(place)
            }
            Kind::List(at) => {
                let list = &mut self.lists[at];
                let place = list.binary_search_by_key(&serial, |place| place.serial());
                let place = list.remove(place.ok()?)?;
                if list.len() == 1 {
                    *line = Line::one(list[0]);
                    self.lists.remove(at);
                }
                Some(place)
            }
        }
    }

    /// The rows of a token behind one serial and before another.
    pub(super) fn between(
        &self,
        token: TokenHash,
        after: u64,
        before: u64,
    ) -> impl DoubleEndedIterator<Item = Place> {
        let line = self.lines.get(&token).map(|line| line.kind());
        let (one, list) = match line {
            None => (None, None),
            Some(Kind::One(place)) => (Some(place), None),
            Some(Kind::List(list)) => (None, Some(&self.lists[list])),
        };
        let (first, end) = (Place::least(after + 1), Place::least(before));
        let one = one.filter(|one| (first..end).contains(one));
        let list = list.map(|list| {
            let from = list.partition_point(|place| *place < first);
            let to = list.partition_point(|place| *place < end);
            list.range(from..to.max(from)).copied()
        });
        one.into_iter().chain(list.into_iter().flatten())
    }
}

/// The hash of what is a hash already: mixed, since the table looks at its highest bits.
#[derive(Debug, Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a token's hash is a number");
    }

    fn write_u32(&mut self, hash: u32) {
        self.0 = u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_knows_what_a_sorted_set_of_all_rows_knows(
            steps in prop::collection::vec((0u32..4, 0u64..40, any::<bool>()), 1..120),
            spans in prop::collection::vec((0u32..4, 0u64..60, 0u64..60), 10),
        ) {
            let mut lines = Lines::default();
            let mut model = BTreeSet::new();
            for (serial, (token, other, adds)) in (1u64..).zip(steps) {
                if adds {
                    lines.push(TokenHash(token), Place::new(serial, LaneNumber(7)));
                    model.insert((token, serial));
                } else {
                    let removed = lines.remove(TokenHash(token), other);
                    let expected = model.remove(&(token, other));
                    prop_assert_eq!(removed.map(Place::serial), expected.then_some(other));
                }
                for &(token, after, before) in &spans {
                    let found: Vec<_> = lines.between(TokenHash(token), after, before).collect();
                    let expected: Vec<_> = model
                        .iter()
                        .filter(|(of, serial)| *of == token && *serial > after && *serial < before)
                        .map(|(_, serial)| Place::new(*serial, LaneNumber(7)))
                        .collect();
                    prop_assert_eq!(found, expected);
                }
            }
            let tokens: BTreeSet<_> = model.iter().map(|(token, _)| token).collect();
            prop_assert_eq!(lines.lines.len(), tokens.len(), "nothing is kept of the others");
            let several = tokens.iter().filter(|of| model.iter().filter(|(token, _)| token == **of).count() > 1);
            prop_assert_eq!(lines.lists.len(), several.count());
        }
    }

    #[test]
    fn a_place_is_a_serial_and_a_lane() {
        let place = Place::new((1 << 47) - 1, LaneNumber(u16::MAX));
        assert_eq!(place.serial(), (1 << 47) - 1);
        assert_eq!(place.lane(), LaneNumber(u16::MAX));
        assert!(matches!(Line::one(place).kind(), Kind::One(same) if same == place));
    }

    #[test]
    fn a_token_with_one_row_takes_twelve_bytes() {
        assert_eq!(size_of::<(TokenHash, Line)>(), 12);
    }
}
