//! Durations as people write them: `"250ms"`, `"10s"`, `"5m"`, `"1h"`, `"2d"`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

/// Largest unit first, so that printing picks the one that reads best.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// `None` unless `text` is a whole number followed by one of the units.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let digits_len = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits_len);
    let &(_, millis) = UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
    let number: u64 = number.parse().ok()?;
    Some(Duration::from_millis(number.checked_mul(millis)?))
}

fn print(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let &(name, unit) = UNITS
        .iter()
        .find(|(_, unit)| millis != 0 && millis % unit == 0)
        .unwrap_or(&UNITS[4]);
    format!("{}{name}", millis / unit)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| {
        D::Error::custom(format_args!(
            "\"{text}\" is not a duration: write for example \"250ms\", \"10s\", \"5m\", \"1h\" or \"2d\""
        ))
    })
}

pub(super) fn serialize<S: Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&print(*duration))
}

/// The same for a key that may be left out.
pub(super) mod option {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        #[derive(Deserialize)]
        #[serde(transparent)]
        struct Text(#[serde(deserialize_with = "super::deserialize")] Duration);

        let text = Option::<Text>::deserialize(deserializer)?;
        Ok(text.map(|Text(duration)| duration))
    }

    pub(in crate::config) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_that_may_be_left_out_is_read_as_it_is_written() {
        #[derive(Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
        struct Key(#[serde(with = "option")] Option<Duration>);

        for (key, text) in [
            (Key(Some(Duration::from_secs(10))), r#""10s""#),
            (Key(None), "null"),
        ] {
            assert_eq!(serde_json::to_string(&key).unwrap(), text);
            assert_eq!(serde_json::from_str::<Key>(text).unwrap(), key);
        }
    }

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        for (text, millis) in [
            ("250ms", 250),
            ("10s", 10_000),
            ("10 s", 10_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("2d", 172_800_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "s",
            "10",
            "1.5s",
            "-1s",
            "10 minutes",
            "s10",
            "99999999999999999d",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_printed_reads_back_as_the_same_duration() {
        for millis in [
            0,
            1,
            250,
            1_000,
            1_500,
            60_000,
            90_000,
            3_600_000,
            172_800_000,
        ] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse(&print(duration)), Some(duration));
        }
        assert_eq!(print(Duration::from_secs(3_600)), "1h");
    }
}
