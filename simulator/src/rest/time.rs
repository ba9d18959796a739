//! Moments as the API writes them.

use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// RFC 3339 in UTC, to the millisecond. A clock may be set beyond the years this can write; then it says so.
pub(super) fn text(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    at.replace_millisecond(at.millisecond())
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_else(|| "after the year 9999".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_moment_is_written_to_the_millisecond_and_one_out_of_range_breaks_nothing() {
        let at = |secs, nanos| text(UNIX_EPOCH + Duration::new(secs, nanos));
        assert_eq!(at(0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(at(1_795_511_296, 120_456_789), "2026-11-24T09:08:16.12Z");
        assert_eq!(at(253_402_300_799, 0), "9999-12-31T23:59:59Z");
    }
}
