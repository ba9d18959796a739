//! Times in words, and text that is safe on a terminal.

use std::time::{Duration, SystemTime};

use apns_net::credentials::CertificateInfo;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A certificate whose validity ends sooner than this is worth a warning: Apple and its clients write a month before.
const ENDS_SOON: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Where a moment lies in a certificate's validity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Before its first second.
    NotYetValid,
    /// Inside, for 30 days or longer.
    Valid,
    /// Inside, for less than 30 days.
    EndsSoon,
    /// After its last second.
    Expired,
}

/// A certificate's validity, seen from a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Validity {
    /// Where that moment lies.
    pub state: State,
    /// The same in words: "valid for 364 days".
    pub words: String,
    /// The first second, after RFC 3339.
    pub not_before: String,
    /// The last second, after RFC 3339.
    pub not_after: String,
}

impl Validity {
    pub(super) fn of(certificate: &CertificateInfo, now: SystemTime) -> Self {
        let (not_before, not_after) = (certificate.not_before, certificate.not_after);
        let (state, words) = if let Ok(ago) = now.duration_since(not_after)
            && !ago.is_zero()
        {
            (State::Expired, format!("expired {} ago", span(ago)))
        } else if let Ok(until) = not_before.duration_since(now)
            && !until.is_zero()
        {
            (State::NotYetValid, format!("begins in {}", span(until)))
        } else {
            let left = not_after.duration_since(now).unwrap_or_default();
            if left < ENDS_SOON {
                (State::EndsSoon, format!("ends in {}", span(left)))
            } else {
                (State::Valid, format!("valid for {}", span(left)))
            }
        };
        Self {
            state,
            words,
            not_before: timestamp(not_before),
            not_after: timestamp(not_after),
        }
    }
}

/// A span in the unit one would say it in, rounded down.
fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let days = seconds / DAY.as_secs();
    let (number, unit) = if seconds < 60 {
        return "less than a minute".to_owned();
    } else if seconds < 2 * 60 * 60 {
        (seconds / 60, "minute")
    } else if days < 2 {
        (seconds / (60 * 60), "hour")
    } else if days < 731 {
        (days, "day")
    } else {
        // 365.25 days, in quarters of a day.
        (days * 4 / 1461, "year")
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

fn timestamp(time: SystemTime) -> String {
    let seconds = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).ok(),
        Err(before) => i64::try_from(before.duration().as_secs())
            .ok()
            .map(i64::wrapping_neg),
    };
    seconds
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| "beyond the calendar".to_owned())
}

/// The day of a timestamp.
pub(super) fn date(timestamp: &str) -> &str {
    timestamp.split('T').next().unwrap_or(timestamp)
}

/// Text out of somebody's file: what would move a terminal's cursor, or hide, is spelled out.
pub(super) fn printable(text: &str) -> String {
    const OVERRIDES: [char; 12] = [
        '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}',
        '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}', '\u{feff}',
    ];
    text.chars()
        .flat_map(|c| {
            let hidden = c.is_control() || OVERRIDES.contains(&c);
            let escaped = hidden.then(|| c.escape_unicode());
            let plain = (!hidden).then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_said_in_the_unit_one_would_use() {
        const HOUR: u64 = 60 * 60;
        const DAY: u64 = 24 * HOUR;
        for (seconds, said) in [
            (0, "less than a minute"),
            (60, "1 minute"),
            (2 * HOUR - 1, "119 minutes"),
            (2 * HOUR, "2 hours"),
            (2 * DAY - 1, "47 hours"),
            (11 * DAY + HOUR, "11 days"),
            (364 * DAY, "364 days"),
            (3 * 365 * DAY + DAY, "3 years"),
            (10 * 365 * DAY + 3 * DAY, "10 years"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), said);
        }
    }

    #[test]
    fn times_before_1970_and_beyond_the_calendar_are_written_too() {
        assert_eq!(timestamp(SystemTime::UNIX_EPOCH), "1970-01-01T00:00:00Z");
        assert_eq!(
            timestamp(SystemTime::UNIX_EPOCH - DAY),
            "1969-12-31T00:00:00Z"
        );
        let far = SystemTime::UNIX_EPOCH + DAY * 365 * 20_000;
        assert_eq!(timestamp(far), "beyond the calendar");
    }

    #[test]
    fn what_would_move_the_cursor_is_spelled_out() {
        assert_eq!(printable("Zoë & 株式会社"), "Zoë & 株式会社");
        assert_eq!(printable("a\u{1b}[2Jb"), r"a\u{1b}[2Jb");
        assert_eq!(printable("a\u{202e}b\n"), r"a\u{202e}b\u{a}");
    }
}
