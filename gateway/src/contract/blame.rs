//! Whose fault it is when upstream says that the configuration is wrong: the app's, or that of one push (rule 7).
//!
//! At first sight it is the app's, which is held. When upstream says it again of the same push, and has taken others of the app in between, it is
//! that push's. From then on the word is in doubt, whichever push it is said of, until it is said many times in a row.

use std::collections::{BTreeMap, HashSet};

use apns_proto::Token;

use crate::store::RowId;
use crate::verdict::Misconfiguration;

/// Pushes remembered at most. One that is not is as good as new.
const PUSHES_MAX: usize = 1_000;

/// What was said of which push, and how far it may be believed.
#[derive(Debug, Default)]
pub(super) struct Blame {
    pushes: BTreeMap<RowId, Blamed>,
    doubted: HashSet<Misconfiguration>,
}

#[derive(Debug)]
struct Blamed {
    token: Token,
    /// How often upstream had vouched for the app when it was last said.
    vouched: u64,
}

impl Blame {
    /// It was said of this push. Says whether it is in doubt.
    pub(super) fn put(
        &mut self,
        row: RowId,
        token: &Token,
        why: Misconfiguration,
        vouched: u64,
    ) -> bool {
        let token = token.clone();
        let before = self.pushes.insert(row, Blamed { token, vouched });
        if before.is_some_and(|before| before.vouched < vouched) {
            self.doubted.insert(why);
        }
        while self.pushes.len() > PUSHES_MAX {
            self.pushes.pop_first();
        }
        self.doubted.contains(&why)
    }

    /// It was said so often that it is true after all.
    pub(super) fn believe(&mut self, why: Misconfiguration) {
        self.doubted.remove(&why);
    }

    /// This push has come to its end.
    pub(super) fn settled(&mut self, row: RowId) {
        self.pushes.remove(&row);
    }

    /// To whom the pushes are that it was said of.
    pub(super) fn tokens(&self) -> impl Iterator<Item = &Token> {
        self.pushes.values().map(|blamed| &blamed.token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Row;

    fn token(n: u8) -> Token {
        Token::new([n; 32])
    }

    fn row(serial: u64) -> RowId {
        Row::fake(serial, token(1)).id
    }

    #[test]
    fn it_is_in_doubt_once_it_was_said_again_of_a_push_after_others_were_taken() {
        let mut blame = Blame::default();
        let [one, two] = [1, 2].map(row);
        let mut put = |row, why, vouched| blame.put(row, &token(1), why, vouched);
        assert!(!put(one, Misconfiguration::Topic, 5));
        assert!(!put(one, Misconfiguration::Topic, 5), "nothing was taken");
        assert!(!put(two, Misconfiguration::Topic, 6), "of another one");
        assert!(put(one, Misconfiguration::Topic, 6));
        assert!(put(two, Misconfiguration::Topic, 6), "of whichever");
        assert!(!put(two, Misconfiguration::Key, 6), "that is another word");
        blame.believe(Misconfiguration::Topic);
        assert!(!blame.put(one, &token(1), Misconfiguration::Topic, 6));
    }

    #[test]
    fn what_is_remembered_has_a_bound_and_an_end() {
        let mut blame = Blame::default();
        for serial in 0..=PUSHES_MAX as u64 {
            blame.put(row(serial), &token(1), Misconfiguration::Topic, 0);
        }
        assert_eq!(blame.tokens().count(), PUSHES_MAX);
        blame.settled(row(1));
        assert_eq!(blame.tokens().count(), PUSHES_MAX - 1);
    }
}
