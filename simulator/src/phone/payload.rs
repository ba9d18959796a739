//! What a phone reads in a payload: `aps` with its alert, badge and sound, or a device management wake-up.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess};

use super::lenient::{Lenient, Value, pass_over, value};

/// A payload as a phone understands it. What is written without escapes is not copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload<'a> {
    /// For an app: it has an `aps` dictionary.
    App(Aps<'a>),
    /// `{"mdm": "…"}`: wakes the phone's device management; there is no `aps` and nothing to show.
    DeviceManagement,
}

/// The `aps` dictionary. What it does not say is `None`; keys this phone does not know are passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aps<'a> {
    /// What to show.
    pub alert: Option<Alert<'a>>,
    /// The number on the app's icon. 0 clears it, absent leaves it unchanged.
    pub badge: Option<u32>,
    /// The sound to play.
    pub sound: Option<Cow<'a, str>>,
    /// `content-available`: wakes the app in the background.
    pub content_available: bool,
}

/// The text of an alert, with localised strings put together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alert<'a> {
    /// The bold first line.
    pub title: Option<Cow<'a, str>>,
    /// The line under it.
    pub subtitle: Option<Cow<'a, str>>,
    /// The message.
    pub body: Option<Cow<'a, str>>,
}

impl Alert<'_> {
    /// The same, for whoever outlives the payload.
    #[must_use]
    pub fn into_owned(self) -> Alert<'static> {
        let owned = |line: Option<Cow<'_, str>>| line.map(|line| line.into_owned().into());
        Alert {
            title: owned(self.title),
            subtitle: owned(self.subtitle),
            body: owned(self.body),
        }
    }
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

impl<'a> Payload<'a> {
    /// Reads the JSON of a notification.
    ///
    /// # Errors
    ///
    /// When a phone could do nothing with it: no JSON object, or one without an `aps` dictionary. APNs itself takes such a payload, since it never
    /// looks inside.
    pub fn parse(json: &'a [u8]) -> Result<Self, Unreadable> {
        let json = str::from_utf8(json).map_err(|error| Unreadable::NotJson(error.to_string()))?;
        let Lenient(root) =
            serde_json::from_str(json).map_err(|error| Unreadable::NotJson(error.to_string()))?;
        match root {
            Root::Other => Err(Unreadable::NotAnObject),
            Root::Object {
                aps: Some(Some(aps)),
                ..
            } => Ok(Self::App(aps)),
            Root::Object {
                aps: None,
                mdm: true,
            } => Ok(Self::DeviceManagement),
            Root::Object { .. } => Err(Unreadable::NoAps),
        }
    }
}

/// The whole payload.
#[derive(Default)]
enum Root<'a> {
    #[default]
    Other,
    Object {
        /// What `aps` is, if it is there; `Some(None)` where that is no dictionary.
        aps: Option<Option<Aps<'a>>>,
        mdm: bool,
    },
}

impl<'de> Value<'de> for Root<'de> {
    fn object<M: MapAccess<'de>>(mut members: M) -> Result<Self, M::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Member {
            Aps,
            Mdm,
            #[serde(other)]
            Other,
        }
        let (mut aps, mut mdm) = (None, false);
        while let Some(member) = members.next_key()? {
            match member {
                Member::Aps => aps = Some(value(&mut members)?),
                Member::Mdm => mdm = pass_over(&mut members).map(|()| true)?,
                Member::Other => pass_over(&mut members)?,
            }
        }
        Ok(Self::Object { aps, mdm })
    }
}

impl<'de> Value<'de> for Option<Aps<'de>> {
    fn object<M: MapAccess<'de>>(mut members: M) -> Result<Self, M::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        enum Member {
            Alert,
            Badge,
            Sound,
            ContentAvailable,
            #[serde(other)]
            Other,
        }
        let mut aps = Aps::default();
        while let Some(member) = members.next_key()? {
            match member {
                Member::Alert => aps.alert = value(&mut members)?,
                Member::Badge => aps.badge = value(&mut members)?,
                Member::Sound => Sound(aps.sound) = value(&mut members)?,
                Member::ContentAvailable => Flag(aps.content_available) = value(&mut members)?,
                Member::Other => pass_over(&mut members)?,
            }
        }
        Ok(Some(aps))
    }
}

/// `None` when there is no text in it.
impl<'de> Value<'de> for Option<Alert<'de>> {
    fn text(body: Cow<'de, str>) -> Self {
        let body = text(Some(body))?;
        Some(Alert {
            body: Some(body),
            ..Alert::default()
        })
    }

    fn object<M: MapAccess<'de>>(mut members: M) -> Result<Self, M::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        enum Member {
            Title,
            TitleLocKey,
            TitleLocArgs,
            Subtitle,
            SubtitleLocKey,
            SubtitleLocArgs,
            Body,
            LocKey,
            LocArgs,
            #[serde(other)]
            Other,
        }
        let (mut title, mut subtitle, mut body): (Line<'_>, Line<'_>, Line<'_>) =
            Default::default();
        while let Some(member) = members.next_key()? {
            match member {
                Member::Title => title.plain = value(&mut members)?,
                Member::TitleLocKey => title.key = value(&mut members)?,
                Member::TitleLocArgs => title.arguments = value(&mut members)?,
                Member::Subtitle => subtitle.plain = value(&mut members)?,
                Member::SubtitleLocKey => subtitle.key = value(&mut members)?,
                Member::SubtitleLocArgs => subtitle.arguments = value(&mut members)?,
                Member::Body => body.plain = value(&mut members)?,
                Member::LocKey => body.key = value(&mut members)?,
                Member::LocArgs => body.arguments = value(&mut members)?,
                Member::Other => pass_over(&mut members)?,
            }
        }
        let alert = Alert {
            title: title.text(),
            subtitle: subtitle.text(),
            body: body.text(),
        };
        Ok((alert != Alert::default()).then_some(alert))
    }
}

/// What an alert says about one of its lines.
#[derive(Default)]
struct Line<'a> {
    plain: Option<Cow<'a, str>>,
    key: Option<Cow<'a, str>>,
    arguments: Vec<String>,
}

impl<'a> Line<'a> {
    /// The plain text, or where there is none, a localised string.
    fn text(self) -> Option<Cow<'a, str>> {
        text(self.plain).or_else(|| text(Some(localised(&self.key?, &self.arguments).into())))
    }
}

/// A badge; one that is a string or negative is passed over, as iOS does.
impl Value<'_> for Option<u32> {
    fn number(number: u64) -> Self {
        number.try_into().ok()
    }
}

/// A sound's file name; the dictionary form carries it as `name`.
#[derive(Default)]
struct Sound<'a>(Option<Cow<'a, str>>);

impl<'de> Value<'de> for Sound<'de> {
    fn text(name: Cow<'de, str>) -> Self {
        Self(text(Some(name)))
    }

    fn object<M: MapAccess<'de>>(mut members: M) -> Result<Self, M::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Member {
            Name,
            #[serde(other)]
            Other,
        }
        let mut name = None;
        while let Some(member) = members.next_key()? {
            match member {
                Member::Name => name = value(&mut members)?,
                Member::Other => pass_over(&mut members)?,
            }
        }
        Ok(Self(text(name)))
    }
}

/// 1 or true.
#[derive(Default)]
struct Flag(bool);

impl Value<'_> for Flag {
    fn number(number: u64) -> Self {
        Self(number == 1)
    }

    fn boolean(yes: bool) -> Self {
        Self(yes)
    }
}

impl<'de> Value<'de> for Option<Cow<'de, str>> {
    fn text(text: Cow<'de, str>) -> Self {
        Some(text)
    }
}

/// Arguments of a localised string, each as it is shown.
impl<'de> Value<'de> for Vec<String> {
    fn array<S: SeqAccess<'de>>(mut elements: S) -> Result<Self, S::Error> {
        let mut arguments = Self::new();
        while let Some(argument) = elements.next_element()? {
            arguments.push(match argument {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            });
        }
        Ok(arguments)
    }
}

/// An empty text is none.
fn text(text: Option<Cow<'_, str>>) -> Option<Cow<'_, str>> {
    text.filter(|text| !text.is_empty())
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

    fn aps(json: &str) -> Aps<'_> {
        match Payload::parse(json.as_bytes()) {
            Ok(Payload::App(aps)) => aps,
            other => panic!("{json} was read as {other:?}"),
        }
    }

    fn body(json: &str) -> Option<Cow<'_, str>> {
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
    fn a_value_of_the_wrong_type_spoils_nothing_around_it() {
        let read = aps(
            r#"{"x":[1,{"y":null}],"aps":{"badge":{},"sound":{"name":[]},"z":-1.5e3,"alert":{"title":7,"body":"b","loc-args":"no"}}}"#,
        );
        let alert = Alert {
            body: Some("b".into()),
            ..Alert::default()
        };
        let expected = Aps {
            alert: Some(alert),
            ..Aps::default()
        };
        assert_eq!(read, expected);
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
