//! What a phone reads in a payload: `aps` with its alert, badge and sound, or a device management wake-up.

use std::fmt::Write as _;

use serde_json_borrow::{ObjectAsVec as Object, Value};

/// A payload as a phone understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// For an app: it has an `aps` dictionary.
    App(Aps),
    /// `{"mdm": "…"}`: wakes the phone's device management; there is no `aps` and nothing to show.
    DeviceManagement,
}

/// The `aps` dictionary. What it does not say is `None`; keys this phone does not know are passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aps {
    /// What to show.
    pub alert: Option<Alert>,
    /// The number on the app's icon. 0 clears it, absent leaves it unchanged.
    pub badge: Option<u32>,
    /// The sound to play.
    pub sound: Option<String>,
    /// `content-available`: wakes the app in the background.
    pub content_available: bool,
}

/// The text of an alert, with localised strings put together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alert {
    /// The bold first line.
    pub title: Option<String>,
    /// The line under it.
    pub subtitle: Option<String>,
    /// The message.
    pub body: Option<String>,
}

/// Why a payload cannot be shown anywhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not JSON, or not UTF-8.
    #[error("the payload is not valid JSON ({0})")]
    NotJson(String),
    /// JSON, but an array, a string or a number.
    #[error("the payload is not a JSON object")]
    NotAnObject,
    /// Neither `aps` nor `mdm`, or an `aps` that is no dictionary.
    #[error("the payload has no aps dictionary")]
    NoAps,
}

impl Payload {
    /// Reads the JSON of a notification.
    ///
    /// # Errors
    ///
    /// When a phone could do nothing with it: no JSON object, or one without an `aps` dictionary. APNs itself takes such a payload, since it never
    /// looks inside.
    pub fn parse(json: &[u8]) -> Result<Self, Unreadable> {
        let value =
            serde_json::from_slice(json).map_err(|error| Unreadable::NotJson(error.to_string()))?;
        let Value::Object(object) = value else {
            return Err(Unreadable::NotAnObject);
        };
        match member(&object, "aps") {
            Some(Value::Object(aps)) => Ok(Self::App(Aps::read(aps))),
            None if member(&object, "mdm").is_some() => Ok(Self::DeviceManagement),
            _ => Err(Unreadable::NoAps),
        }
    }
}

impl Aps {
    fn read(aps: &Object<'_>) -> Self {
        Self {
            alert: member(aps, "alert").and_then(Alert::read),
            // A badge that is a string or negative is passed over, as iOS does.
            badge: member(aps, "badge")
                .and_then(Value::as_u64)
                .and_then(|badge| u32::try_from(badge).ok()),
            sound: member(aps, "sound").and_then(sound),
            content_available: match member(aps, "content-available") {
                Some(Value::Number(number)) => number.as_i64() == Some(1),
                Some(Value::Bool(yes)) => *yes,
                _ => false,
            },
        }
    }
}

impl Alert {
    /// `None` when there is no text in it.
    fn read(value: &Value<'_>) -> Option<Self> {
        let alert = match value {
            Value::Str(body) => Self {
                body: text(body),
                ..Self::default()
            },
            Value::Object(alert) => Self {
                title: line(alert, "title", "title-loc-key", "title-loc-args"),
                subtitle: line(alert, "subtitle", "subtitle-loc-key", "subtitle-loc-args"),
                body: line(alert, "body", "loc-key", "loc-args"),
            },
            _ => return None,
        };
        (alert != Self::default()).then_some(alert)
    }
}

/// What a key stands for: the last time it is there, as Foundation reads it.
fn member<'a, 'json>(object: &'a Object<'json>, key: &str) -> Option<&'a Value<'json>> {
    let mut members = object.as_vec().iter().rev();
    members
        .find(|(name, _)| *name == key)
        .map(|(_, value)| value)
}

/// A plain text, or where there is none, a localised string.
fn line(alert: &Object<'_>, plain: &str, key: &str, arguments: &str) -> Option<String> {
    if let Some(plain) = member(alert, plain).and_then(Value::as_str).and_then(text) {
        return Some(plain);
    }
    let key = member(alert, key).and_then(Value::as_str)?;
    let arguments: Vec<String> = match member(alert, arguments) {
        Some(Value::Array(arguments)) => arguments.iter().map(argument).collect(),
        _ => Vec::new(),
    };
    text(&localised(key, &arguments))
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn argument(value: &Value<'_>) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// A sound's file name; the dictionary form carries it as `name`.
fn sound(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Str(name) => text(name),
        Value::Object(sound) => member(sound, "name").and_then(Value::as_str).and_then(text),
        _ => None,
    }
}

/// What iOS shows for a key that the app has no string for: the key itself as the format, `%@` and `%1$@` filled in. This phone has no app's strings
/// at all, so arguments the key has no place for follow in brackets rather than vanish.
fn localised(key: &str, arguments: &[String]) -> String {
    let mut out = String::with_capacity(key.len());
    let mut used = 0;
    let mut rest = key;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let spec = &rest[at + 1..];
        if let Some(after) = spec.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let digits = spec.len() - spec.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (position, kind) = match (
            spec[..digits].parse::<usize>(),
            spec[digits..].strip_prefix('$'),
        ) {
            (Ok(position), Some(kind)) => (position.checked_sub(1), kind),
            _ => (Some(used), spec),
        };
        match (
            kind.strip_prefix(['@', 'd', 'i', 's', 'u']),
            position.and_then(|position| arguments.get(position)),
        ) {
            (Some(after), Some(argument)) => {
                out.push_str(argument);
                used += 1;
                rest = after;
            }
            _ => {
                out.push('%');
                rest = spec;
            }
        }
    }
    out.push_str(rest);
    if used == 0 && !arguments.is_empty() {
        // Writing to a string cannot fail.
        let _ = write!(out, " ({})", arguments.join(", "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aps(json: &str) -> Aps {
        match Payload::parse(json.as_bytes()) {
            Ok(Payload::App(aps)) => aps,
            other => panic!("{json} was read as {other:?}"),
        }
    }

    fn body(json: &str) -> Option<String> {
        aps(json).alert.and_then(|alert| alert.body)
    }

    #[test]
    fn an_alert_is_a_string_or_a_dictionary() {
        assert_eq!(body(r#"{"aps":{"alert":"hi"}}"#).as_deref(), Some("hi"));
        let alert =
            aps(r#"{"aps":{"alert":{"title":"Jenna","subtitle":"Dinner","body":"At eight?"}}}"#)
                .alert
                .unwrap();
        assert_eq!(
            (
                alert.title.as_deref(),
                alert.subtitle.as_deref(),
                alert.body.as_deref()
            ),
            (Some("Jenna"), Some("Dinner"), Some("At eight?"))
        );
    }

    #[test]
    fn of_a_key_that_is_there_twice_the_last_counts() {
        let read = aps(
            r#"{"aps":{"alert":"no"},"aps":{"badge":1,"alert":{"body":"no","body":"yes"},"badge":2}}"#,
        );
        assert_eq!(read.badge, Some(2));
        assert_eq!(
            read.alert.and_then(|alert| alert.body).as_deref(),
            Some("yes")
        );
    }

    #[test]
    fn an_alert_without_text_is_no_alert() {
        for json in [
            r#"{"aps":{"alert":""}}"#,
            r#"{"aps":{"alert":{}}}"#,
            r#"{"aps":{"alert":{"action-loc-key":null}}}"#,
            r#"{"aps":{"alert":7}}"#,
        ] {
            assert_eq!(aps(json).alert, None, "{json}");
        }
    }

    #[test]
    fn a_localised_string_is_put_together_from_its_key_and_arguments() {
        for (alert, shown) in [
            (
                r#"{"loc-key":"%@ wants to play %@","loc-args":["Jenna","chess"]}"#,
                "Jenna wants to play chess",
            ),
            (
                r#"{"loc-key":"%2$@ from %1$@","loc-args":["Jenna","Hello"]}"#,
                "Hello from Jenna",
            ),
            (
                r#"{"loc-key":"GAME_PLAY_REQUEST_FORMAT","loc-args":["Jenna","Frank"]}"#,
                "GAME_PLAY_REQUEST_FORMAT (Jenna, Frank)",
            ),
            (r#"{"loc-key":"%d new","loc-args":[3]}"#, "3 new"),
            (
                r#"{"loc-key":"100%% of %@","loc-args":["it"]}"#,
                "100% of it",
            ),
            (
                r#"{"loc-key":"%@ and %@","loc-args":["one"]}"#,
                "one and %@",
            ),
            (r#"{"loc-key":"50%"}"#, "50%"),
            (
                r#"{"loc-key":"%99999999999999999999$@ %0$@","loc-args":["x"]}"#,
                "%99999999999999999999$@ %0$@ (x)",
            ),
            (r#"{"body":"plain","loc-key":"KEY"}"#, "plain"),
        ] {
            assert_eq!(
                body(&format!(r#"{{"aps":{{"alert":{alert}}}}}"#)).as_deref(),
                Some(shown),
                "{alert}"
            );
        }
    }

    #[test]
    fn a_badge_is_a_number_and_anything_else_leaves_it_unchanged() {
        for (badge, read) in [
            ("3", Some(3)),
            ("0", Some(0)),
            ("\"3\"", None),
            ("-1", None),
            ("1.5", None),
            ("null", None),
            ("99999999999", None),
        ] {
            assert_eq!(
                aps(&format!(r#"{{"aps":{{"badge":{badge}}}}}"#)).badge,
                read,
                "{badge}"
            );
        }
        assert_eq!(aps(r#"{"aps":{}}"#).badge, None);
    }

    #[test]
    fn a_sound_is_a_name_or_a_dictionary_with_one() {
        assert_eq!(
            aps(r#"{"aps":{"sound":"default"}}"#).sound.as_deref(),
            Some("default")
        );
        assert_eq!(
            aps(r#"{"aps":{"sound":{"critical":1,"name":"bell.caf","volume":0.5}}}"#)
                .sound
                .as_deref(),
            Some("bell.caf")
        );
        assert_eq!(aps(r#"{"aps":{"sound":""}}"#).sound, None);
    }

    #[test]
    fn content_available_is_one_or_true() {
        for (value, read) in [
            ("1", true),
            ("true", true),
            ("0", false),
            ("false", false),
            ("\"1\"", false),
        ] {
            assert_eq!(
                aps(&format!(r#"{{"aps":{{"content-available":{value}}}}}"#)).content_available,
                read,
                "{value}"
            );
        }
    }

    #[test]
    fn a_device_management_payload_needs_no_aps() {
        assert_eq!(
            Payload::parse(br#"{"mdm":"00000000-1111-3333-4444-555555555555"}"#),
            Ok(Payload::DeviceManagement)
        );
    }

    #[test]
    fn what_cannot_be_shown_says_why() {
        assert!(matches!(Payload::parse(b"{"), Err(Unreadable::NotJson(_))));
        assert!(matches!(Payload::parse(b""), Err(Unreadable::NotJson(_))));
        assert!(matches!(
            Payload::parse(b"{\"aps\":{\"alert\":\"\xff\"}}"),
            Err(Unreadable::NotJson(_))
        ));
        assert_eq!(Payload::parse(b"[1]"), Err(Unreadable::NotAnObject));
        assert_eq!(Payload::parse(b"{}"), Err(Unreadable::NoAps));
        assert_eq!(Payload::parse(br#"{"aps":[]}"#), Err(Unreadable::NoAps));
    }
}
