//! How much of the store's room is taken, and when no more is accepted.
//!
//! The room is what the operator allows, or what the file system still has if that is less. The last eighth of it is not for backends, nor
//! is what all their connections may have read by the time it counts as full, if that is more: settling, dead letters and feedback go on
//! there, so that deliveries make room again. Only when that is used up, too, does the database refuse a commit, which stops the store for
//! good.

use std::path::Path;

use super::engine::Engine;

/// What is left of the file system for the write-ahead log: twice what makes a checkpoint due.
const LOG_LEN: u64 = 32 << 20;

/// How full the store is, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Taken by what is kept.
    pub used: u64,
    /// What may be.
    pub max: u64,
    /// No more is to be accepted until deliveries have made room.
    pub is_full: bool,
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
struct Measured {
    /// Pages in use.
    used: u64,
    /// The file, with the pages that are free for use again.
    file: u64,
    /// What the file system would still give; unknown where it does not say.
    disk: Option<u64>,
}

impl Space {
    /// How things stand now. Accepting ends at the reserve, or at seven eighths, and begins again at six sevenths of that.
    fn next(self, size_max: u64, reserve: u64, measured: Measured) -> Self {
        let Measured { used, file, disk } = measured;
        let max = disk.map_or(size_max, |disk| {
            size_max.min(file.saturating_add(disk.saturating_sub(LOG_LEN)))
        });
        let full = max.saturating_sub(reserve).min(max / 8 * 7);
        let enough = if self.is_full { full / 7 * 6 } else { full };
        Self {
            used,
            max,
            is_full: used >= enough,
        }
    }
}

impl Engine {
    /// Looks how full the store is, and says so when that changes.
    pub(super) fn measure(&self) -> rusqlite::Result<()> {
        let pages = |sql| {
            self.connection
                .prepare_cached(sql)?
                .query_row([], |row| row.get::<_, u64>(0))
        };
        let (all, free) = (pages("PRAGMA page_count")?, pages("PRAGMA freelist_count")?);
        let measured = Measured {
            used: all.saturating_sub(free) * self.page_len,
            file: all * self.page_len,
            disk: disk_free(&self.path),
        };
        let before = *self.shared.space.borrow();
        let now = before.next(self.options.size_max, self.options.reserve, measured);
        let Space { used, max, is_full } = now;
        match (before.is_full, is_full) {
            (false, true) => tracing::error!(
                used,
                max,
                "the store is full: backends are not read until deliveries have made room. See to the upstream, to the disk, or \
                 raise store.size_max"
            ),
            (true, false) => tracing::info!(used, max, "the store has room again"),
            _ => {}
        }
        self.shared.space.send_if_modified(|seen| {
            let differs = *seen != now;
            *seen = now;
            differs
        });
        Ok(())
    }
}

fn disk_free(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn measured(used: u64) -> Measured {
        Measured {
            used: used * MIB,
            file: 80 * MIB,
            disk: Some(1_000 * MIB),
        }
    }

    fn next(space: Space, measured: Measured) -> Space {
        space.next(80 * MIB, 5 * MIB, measured)
    }

    #[test]
    fn accepting_ends_at_seven_eighths_and_begins_again_at_three_quarters() {
        let mut space = Space::default();
        for (used, is_full) in [
            (0, false),
            (69, false),
            (70, true),
            (69, true),
            (60, true),
            (59, false),
            (69, false),
            (90, true),
        ] {
            space = next(space, measured(used));
            assert_eq!(space.is_full, is_full, "{used}");
            assert_eq!((space.used, space.max), (used * MIB, 80 * MIB));
        }
    }

    #[test]
    fn what_connections_may_still_bring_is_kept_free_where_that_is_more_than_an_eighth() {
        let next = |space: Space, used| space.next(80 * MIB, 24 * MIB, measured(used));
        let mut space = Space::default();
        for (used, is_full) in [(55, false), (56, true), (48, true), (47, false)] {
            space = next(space, used);
            assert_eq!(space.is_full, is_full, "{used}");
        }
        let all = Space::default().next(80 * MIB, 90 * MIB, measured(0));
        assert!(all.is_full, "a disk with less than that takes nothing");
    }

    #[test]
    fn a_disk_that_has_less_is_the_limit_and_pages_free_inside_the_file_count_as_room() {
        let on_disk = |used: u64, file: u64, disk: u64| {
            let measured = Measured {
                used: used * MIB,
                file: file * MIB,
                disk: Some(disk * MIB),
            };
            next(Space::default(), measured)
        };
        assert_eq!(on_disk(10, 16, 56).max, 40 * MIB, "but for the log");
        assert!(!on_disk(34, 40, 32).is_full);
        assert!(on_disk(35, 40, 32).is_full);
        assert!(!on_disk(10, 40, 0).is_full, "the file has room itself");
        assert!(on_disk(10, 10, 0).is_full);
    }

    #[test]
    fn a_file_system_that_does_not_say_is_no_limit() {
        let unknown = Measured {
            disk: None,
            ..measured(10)
        };
        assert_eq!(next(Space::default(), unknown).max, 80 * MIB);
    }
}
