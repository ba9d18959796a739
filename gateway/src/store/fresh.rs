//! The newest rows of an app, kept from their commit until they are read: pure.
//!
//! A reader that keeps up has every row from here and none from the disk. One that does not, because upstream is down or slow, reads from the
//! disk, and nothing is kept for it until it has caught up.

use std::collections::BTreeMap;

use super::lines::TokenHash;
use super::records::Row;

/// Bytes kept at most, about.
const LEN_MAX: usize = 4 << 20;

/// All unread rows, unless the reader is behind.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    keeps_up: bool,
    /// By serial.
    rows: BTreeMap<u64, (TokenHash, Row)>,
    len: usize,
}

impl Fresh {
    /// The reader has read everything.
    pub(super) fn caught_up(&mut self) {
        self.forget();
        self.keeps_up = true;
    }

    /// It has to read what there is from the disk.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// A row was queued, the newest.
    pub(super) fn put(&mut self, token: TokenHash, row: Row) {
        if !self.keeps_up {
            return;
        }
        self.len += row.weight();
        if self.len > LEN_MAX {
            return self.forget();
        }
        self.rows.insert(row.id.serial(), (token, row));
    }

    /// Whether all that is unread is here.
    pub(super) const fn keeps_up(&self) -> bool {
        self.keeps_up
    }

    /// The next one here from one serial up to another.
    pub(super) fn next(&self, first: u64, last: u64) -> Option<(u64, TokenHash)> {
        let (serial, (token, _)) = self.rows.range(first..=last).next()?;
        Some((*serial, *token))
    }

    /// It is read, or queued no longer.
    pub(super) fn take(&mut self, serial: u64) -> Option<Row> {
        let (_, row) = self.rows.remove(&serial)?;
        self.len -= row.weight();
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use apns_proto::Token;

    use super::*;

    fn put(fresh: &mut Fresh, serial: u64) {
        let token = Token::new([1; 32]);
        let hash = TokenHash::of(token.as_bytes());
        fresh.put(hash, Row::fake(serial, token));
    }

    #[test]
    fn a_reader_that_keeps_up_has_every_row_from_here() {
        let mut fresh = Fresh::default();
        fresh.caught_up();
        put(&mut fresh, 8);
        put(&mut fresh, 10);
        assert!(fresh.keeps_up());
        let next = |fresh: &Fresh, first| fresh.next(first, 10).map(|(serial, _)| serial);
        assert_eq!([next(&fresh, 8), next(&fresh, 9)], [Some(8), Some(10)]);
        assert_eq!(fresh.take(8).map(|row| row.id.serial()), Some(8));
        assert_eq!(fresh.take(8), None);
        assert_eq!(next(&fresh, 8), Some(10));
    }

    #[test]
    fn nothing_is_kept_for_one_that_is_behind_until_it_has_caught_up() {
        let mut fresh = Fresh::default();
        fresh.caught_up();
        let mut serial = 0;
        while fresh.keeps_up() {
            serial += 1;
            put(&mut fresh, serial);
            assert!(serial < 100_000, "there is a bound");
        }
        put(&mut fresh, serial + 1);
        assert_eq!((fresh.rows.len(), fresh.len), (0, 0));
        fresh.caught_up();
        put(&mut fresh, serial + 2);
        assert_eq!(fresh.rows.len(), 1);
        let row = fresh.take(serial + 2);
        assert_eq!((row.is_some(), fresh.len), (true, 0));
    }
}
