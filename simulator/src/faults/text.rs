//! Rules as text: one set of keys for the file, the command line and JSON.

use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ACTIONS, Entry, Face, Key, Match, Moment, Rule, RuleError, TokenPrefix, When};

/// The longest a face stalls for a fault.
pub const STALL_MAX: Duration = Duration::from_secs(10 * 60);

/// What a file says: `magic_tokens` and any number of `[[rule]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Whether magic tokens are known; they are, unless it says otherwise.
    #[serde(default = "known")]
    pub magic_tokens: bool,
    /// The rules, in the order they are asked.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
}

const fn known() -> bool {
    true
}

impl Default for Plan {
    /// No rules; magic tokens are known.
    fn default() -> Self {
        Self {
            magic_tokens: known(),
            rules: Vec::new(),
        }
    }
}

/// A rule as it is written: flat, and everything but `action` may be absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleText {
    pub(super) action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) face: Option<Face>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connection: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payload: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) alert: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) nth: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) every: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) probability: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) jitter_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes_per_second: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) identifier: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_code: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_stream_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) debug: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) streams: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) taken: Option<bool>,
}

impl RuleText {
    /// The action's keys that are given.
    fn given(&self) -> impl Iterator<Item = &'static str> {
        [
            ("ms", self.ms.is_some()),
            ("jitter_ms", self.jitter_ms.is_some()),
            ("bytes", self.bytes.is_some()),
            ("bytes_per_second", self.bytes_per_second.is_some()),
            ("status", self.status.is_some()),
            ("identifier", self.identifier.is_some()),
            ("reason", self.reason.is_some()),
            ("error_code", self.error_code.is_some()),
            ("last_stream_id", self.last_stream_id.is_some()),
            ("debug", self.debug.is_some()),
            ("streams", self.streams.is_some()),
            ("taken", self.taken.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, given)| given.then_some(key))
    }

    fn entry(&self) -> Result<&'static Entry, RuleError> {
        let entry = ACTIONS.iter().find(|entry| entry.name == self.action);
        let entry = entry.ok_or_else(|| RuleError::UnknownAction {
            action: self.action.clone(),
        })?;
        for key in entry.needs {
            if !self.given().any(|given| given == *key) {
                return Err(RuleError::Missing {
                    key,
                    action: entry.name,
                });
            }
        }
        let taken = |key: &&str| entry.needs.contains(key) || entry.takes.contains(key);
        if let Some(key) = self.given().find(|key| !taken(key)) {
            return Err(RuleError::NotTaken { key, action: entry });
        }
        if let Some(face) = self.face.filter(|face| !entry.faces.contains(face)) {
            return Err(RuleError::Face {
                face,
                action: entry,
            });
        }
        if let Some(moment) = self.at.filter(|moment| !entry.moments.contains(moment)) {
            return Err(RuleError::Moment {
                moment,
                action: entry,
            });
        }
        Ok(entry)
    }

    fn when(&self) -> Result<When, RuleError> {
        Ok(match (self.nth, self.every, self.probability) {
            (None, None, None) => When::Always,
            (Some(nth), None, None) => When::Nth(count("nth", nth)?),
            (None, Some(every), None) => When::Every(count("every", every)?),
            (None, None, Some(probability)) if (0.0..=1.0).contains(&probability) => {
                When::Probability(probability)
            }
            (None, None, Some(_)) => {
                return Err(RuleError::Range {
                    key: "probability",
                    range: "from 0 to 1",
                });
            }
            _ => return Err(RuleError::When),
        })
    }

    fn matches(&self) -> Result<Match, RuleError> {
        let token = self
            .token
            .as_ref()
            .map(|text| TokenPrefix::parse(text).ok_or_else(|| RuleError::Token(text.clone())));
        Ok(Match {
            face: self.face,
            token: token.transpose()?,
            topic: self.topic.as_deref().map(Into::into),
            connection: self
                .connection
                .map(|number| count("connection", number))
                .transpose()?,
            payload: self.payload.clone(),
            alert: self.alert.clone(),
        })
    }
}

/// A word that is none of its key's does not say itself whose it is.
fn one_of<T: DeserializeOwned>(key: &str, said: &Map<String, Value>) -> Result<(), RuleError> {
    match said.get(key).map(|word| T::deserialize(word)) {
        Some(Err(error)) => Err(RuleError::Shape(format!("`{key}`: {error}"))),
        _ => Ok(()),
    }
}

fn count(key: &'static str, value: u64) -> Result<NonZeroU64, RuleError> {
    NonZeroU64::new(value).ok_or(RuleError::Range {
        key,
        range: "at least 1",
    })
}

impl TryFrom<RuleText> for Rule {
    type Error = RuleError;

    fn try_from(text: RuleText) -> Result<Self, RuleError> {
        let entry = text.entry()?;
        let moment = text.at.unwrap_or(entry.moments[0]);
        let matches = text.matches()?;
        if moment != Moment::Push || text.face == Some(Face::Feedback) {
            let looks = [
                ("token", matches.token.is_some()),
                ("payload", matches.payload.is_some()),
                ("alert", matches.alert.is_some()),
                ("taken", text.taken.is_some()),
            ];
            if let Some((key, _)) = looks.into_iter().find(|(_, looks)| *looks) {
                return Err(RuleError::NoPush(key));
            }
        }
        if moment == Moment::Handshake && matches.face.is_some() {
            return Err(RuleError::OfNoConnection("face"));
        }
        if moment == Moment::Handshake && matches.connection.is_some() {
            return Err(RuleError::OfNoConnection("connection"));
        }
        Ok(Self {
            matches,
            moment,
            when: text.when()?,
            limit: text.limit.map(|limit| count("limit", limit)).transpose()?,
            seed: text.seed.unwrap_or(0),
            action: text.action()?,
            name: text.name,
        })
    }
}

impl From<Rule> for RuleText {
    fn from(rule: Rule) -> Self {
        let entry = rule.action.entry();
        let Match {
            face,
            token,
            topic,
            connection,
            payload,
            alert,
        } = rule.matches;
        let mut text = Self {
            action: entry.name.to_owned(),
            name: rule.name,
            face,
            token: token.map(|prefix| prefix.as_str().to_owned()),
            topic: topic.map(|topic| topic.to_string()),
            connection: connection.map(NonZeroU64::get),
            payload,
            alert,
            at: (rule.moment != entry.moments[0]).then_some(rule.moment),
            limit: rule.limit.map(NonZeroU64::get),
            seed: (rule.seed != 0).then_some(rule.seed),
            ..Self::default()
        };
        match rule.when {
            When::Always => {}
            When::Nth(nth) => text.nth = Some(nth.get()),
            When::Every(every) => text.every = Some(every.get()),
            When::Probability(probability) => text.probability = Some(probability),
        }
        text.with(rule.action);
        text
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    /// The command line's form: `face=binary,token=a1b2,action=latency,ms=300`. A value cannot contain a comma there.
    fn from_str(text: &str) -> Result<Self, RuleError> {
        let mut said = Map::new();
        for part in text.split(',') {
            let pair = part.split_once('=');
            let (name, value) = pair.ok_or_else(|| RuleError::NotAPair(part.to_owned()))?;
            let (name, value) = (name.trim(), value.trim());
            let key = Key::of(name)?;
            if said
                .insert(key.name.to_owned(), key.value(value)?)
                .is_some()
            {
                return Err(RuleError::Twice(key.name));
            }
        }
        said.try_into()
    }
}

impl TryFrom<Map<String, Value>> for Rule {
    type Error = RuleError;

    /// JSON's form.
    fn try_from(said: Map<String, Value>) -> Result<Self, RuleError> {
        for (name, value) in &said {
            Key::of(name)?.check(value)?;
        }
        one_of::<Face>("face", &said)?;
        one_of::<Moment>("at", &said)?;
        let text: RuleText = serde_json::from_value(Value::Object(said))
            .map_err(|error| RuleError::Shape(error.to_string()))?;
        text.try_into()
    }
}
