//! Which of several connections a notification goes to: pure.
//!
//! A token's hash says where it belongs, and where it goes when there is no room there. Once something is on a connection, what comes
//! after it to the same token follows it there: two connections keep no order between them.

use std::collections::hash_map::{DefaultHasher, Entry};
use std::hash::{Hash, Hasher};

use apns_proto::Token;
use foldhash::HashMap;

/// What of which token is on which connection; they are numbered from 0.
#[derive(Debug)]
pub(super) struct Spread {
    connections: usize,
    ties: HashMap<Token, Tie>,
}

/// Notifications to one token, on one connection.
#[derive(Debug)]
struct Tie {
    connection: usize,
    len: usize,
}

/// Where a notification can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// To this connection, now.
    On(usize),
    /// To this one, once there is room: earlier ones to its token are there.
    Behind(usize),
    /// There is no room anywhere.
    Nowhere,
}

impl Spread {
    pub(super) fn new(connections: usize) -> Self {
        Self {
            connections,
            ties: HashMap::default(),
        }
    }

    /// Where the next notification to `token` can go, as far as there is `room`.
    pub(super) fn place(&self, token: &Token, room: impl Fn(usize) -> bool) -> Place {
        if let Some(Tie { connection, .. }) = self.ties.get(token) {
            return if room(*connection) {
                Place::On(*connection)
            } else {
                Place::Behind(*connection)
            };
        }
        let mut hasher = DefaultHasher::new();
        token.hash(&mut hasher);
        let first = usize::try_from(hasher.finish() % self.connections as u64)
            .expect("it is less than a usize");
        (first..self.connections)
            .chain(0..first)
            .find(|&connection| room(connection))
            .map_or(Place::Nowhere, Place::On)
    }

    /// A notification to `token` is on this connection now.
    pub(super) fn arrived(&mut self, token: &Token, connection: usize) {
        let tie = self
            .ties
            .entry(token.clone())
            .or_insert(Tie { connection, len: 0 });
        debug_assert_eq!(tie.connection, connection, "a token is on one connection");
        tie.len += 1;
    }

    /// One that was is no longer.
    pub(super) fn left(&mut self, token: &Token) {
        if let Entry::Occupied(mut tie) = self.ties.entry(token.clone()) {
            tie.get_mut().len -= 1;
            if tie.get().len == 0 {
                tie.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(number: u8) -> Token {
        Token::new([number; 32])
    }

    #[test]
    fn tokens_are_spread_over_all_connections_and_each_belongs_to_one() {
        let spread = Spread::new(4);
        let mut counts = [0; 4];
        for number in 0..=255 {
            let place = spread.place(&token(number), |_| true);
            assert_eq!(spread.place(&token(number), |_| true), place);
            let Place::On(connection) = place else {
                panic!("{place:?}");
            };
            counts[connection] += 1;
        }
        assert!(counts.iter().all(|&count| count > 32), "{counts:?}");
    }

    #[test]
    fn a_token_of_which_something_is_on_a_connection_stays_there_and_waits_for_room_if_it_must() {
        let mut spread = Spread::new(3);
        spread.arrived(&token(1), 2);
        spread.arrived(&token(1), 2);
        for _ in 0..2 {
            assert_eq!(spread.place(&token(1), |_| true), Place::On(2));
            assert_eq!(spread.place(&token(1), |at| at != 2), Place::Behind(2));
            spread.left(&token(1));
        }
        assert_eq!(spread.place(&token(1), |at| at == 0), Place::On(0));
        assert!(spread.ties.is_empty(), "nothing is kept of it");
    }

    #[test]
    fn one_that_finds_no_room_where_it_belongs_goes_elsewhere() {
        let spread = Spread::new(3);
        for number in 0..20 {
            for only in 0..3 {
                assert_eq!(
                    spread.place(&token(number), |at| at == only),
                    Place::On(only)
                );
            }
            assert_eq!(spread.place(&token(number), |_| false), Place::Nowhere);
        }
    }
}
