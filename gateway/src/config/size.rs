//! Sizes as people write them: `"512MiB"`, `"16GiB"`.

use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

/// Largest unit first, so that printing picks the one that reads best.
const UNITS: [(&str, u64); 4] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
];

/// Bytes; `None` unless `text` is a whole number followed by one of the units.
fn parse(text: &str) -> Option<u64> {
    let digits_len = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits_len);
    let &(_, unit) = UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// In whole KiB: what was not written with a unit is rounded down.
pub(super) fn print(bytes: u64) -> String {
    let &(name, unit) = UNITS
        .iter()
        .find(|(_, unit)| bytes != 0 && bytes.is_multiple_of(*unit))
        .unwrap_or(&UNITS[3]);
    format!("{}{name}", bytes / unit)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| {
        D::Error::custom(format_args!(
            "\"{text}\" is not a size: write for example \"512MiB\" or \"16GiB\""
        ))
    })
}

pub(super) fn serialize<S: Serializer>(bytes: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&print(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_whole_number_and_a_unit_and_is_printed_as_such() {
        for (text, bytes) in [
            ("16KiB", 16_384),
            ("512MiB", 536_870_912),
            ("16GiB", 17_179_869_184),
            ("2TiB", 2_199_023_255_552),
        ] {
            assert_eq!(parse(text), Some(bytes), "{text}");
            assert_eq!(print(bytes), text);
        }
        assert_eq!(parse("1 GiB"), parse("1024MiB"));
        for text in [
            "",
            "GiB",
            "10",
            "1.5GiB",
            "-1GiB",
            "10GB",
            "10 gib",
            "99999999999TiB",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
