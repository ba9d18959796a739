//! What kind of push a payload is, as far as that has to be known.

use serde::de::{Deserializer, IgnoredAny};
use serde::{Deserialize, de};

/// What makes a push a background push.
const AVAILABLE: &str = "content-available";

/// The kinds a header tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// For the user; and whatever cannot be read.
    Alert,
    /// For the app alone: it may be woken, and shows nothing.
    Background,
}

/// The part that is looked at. Everything else is skipped and kept nowhere; a payload is some kilobytes long at most.
#[derive(Deserialize)]
struct Payload {
    aps: Aps,
}

#[derive(Deserialize)]
struct Aps {
    alert: Option<IgnoredAny>,
    badge: Option<IgnoredAny>,
    sound: Option<IgnoredAny>,
    #[serde(default, rename = "content-available", deserialize_with = "is_one")]
    content_available: bool,
}

impl Content {
    /// Looks at a payload. What is no JSON, or not as it should be, is an alert: APNs will say what it thinks of it.
    pub(super) fn of(payload: &[u8]) -> Self {
        // Most do not even have the word, be it in escapes: no need to take them apart.
        if str::from_utf8(payload)
            .is_ok_and(|text| !text.contains(AVAILABLE) && !text.contains("\\u"))
        {
            return Self::Alert;
        }
        match serde_json::from_slice(payload) {
            Ok(Payload {
                aps:
                    Aps {
                        alert: None,
                        badge: None,
                        sound: None,
                        content_available: true,
                    },
            }) => Self::Background,
            _ => Self::Alert,
        }
    }
}

/// 1, as Apple wrote it, or `true`, or a string of it, as some backends do.
fn is_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    struct One;
    impl de::Visitor<'_> for One {
        type Value = bool;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("1")
        }
        fn visit_bool<E>(self, value: bool) -> Result<bool, E> {
            Ok(value)
        }
        fn visit_u64<E>(self, value: u64) -> Result<bool, E> {
            Ok(value == 1)
        }
        fn visit_str<E>(self, value: &str) -> Result<bool, E> {
            Ok(value == "1")
        }
    }
    deserializer.deserialize_any(One)
}
