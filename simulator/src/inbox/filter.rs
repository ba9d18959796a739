//! What a test looks for among the pushes, and how near the others come to it.

use apns_net::credentials::Environment;
use apns_proto::{Identifier, Token};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{Outcome, Push};
use crate::event::Sent;
use crate::provider_api::ApnsId;

/// Conditions, all of which must hold. The empty filter lets every push through.
///
/// ```
/// use apns_simulator::inbox::Filter;
///
/// let filter: Filter = serde_json::from_str(r#"{"topic": "com.example.Mail", "payload": {"aps": {"alert": "hi"}}}"#)?;
/// assert_eq!(filter.topic.as_deref(), Some("com.example.Mail"));
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only pushes with a larger id.
    pub since: Option<u64>,
    /// The topic, whole.
    pub topic: Option<String>,
    /// The device token in hex, or its beginning.
    #[param(value_type = Option<String>, pattern = "^[0-9A-Fa-f]{1,200}$")]
    #[schema(value_type = Option<String>, pattern = "^[0-9A-Fa-f]{1,200}$")]
    pub token: Option<TokenStart>,
    /// The name of the phone.
    pub phone: Option<String>,
    /// Where it came in.
    #[param(inline)]
    pub face: Option<Face>,
    /// The environment it was sent in.
    #[param(value_type = Option<EnvironmentName>)]
    #[schema(value_type = Option<EnvironmentName>)]
    pub environment: Option<Environment>,
    /// The provider's own number for it.
    pub identifier: Option<u32>,
    /// What became of it.
    pub outcome: Option<Outcome>,
    /// The name the provider, or APNs, gave it over HTTP/2: its `apns-id`.
    pub apns_id: Option<String>,
    /// The status it was refused with: that of the error packet, or HTTP's.
    pub status: Option<u16>,
    /// The reason it was refused with over HTTP/2: `BadDeviceToken`, say.
    pub reason: Option<String>,
    /// Somewhere in the payload, in upper or lower case.
    pub text: Option<String>,
    /// A JSON object whose members the payload has, at every depth; as text in a query.
    #[serde(default, deserialize_with = "json_or_its_text")]
    #[param(value_type = Option<Object>)]
    #[schema(value_type = Option<Object>)]
    pub payload: Option<Value>,
}

/// Where a push came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = PushFace)]
pub enum Face {
    /// The binary provider port.
    Binary,
    /// The HTTP/2 provider API.
    Http2,
    /// The REST API, as an `.apns` file.
    Rest,
}

impl std::fmt::Display for Face {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Binary => "binary",
            Self::Http2 => "http2",
            Self::Rest => "rest",
        })
    }
}

/// [`Environment`], for the description of the API.
#[derive(ToSchema)]
#[schema(as = Environment, rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum EnvironmentName {
    Sandbox,
    Production,
}

/// A device token in hex, or its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TokenStart(String);

/// Not a [`TokenStart`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a device token, or its beginning, in hex digits alone")]
pub struct TokenStartError;

impl TryFrom<String> for TokenStart {
    type Error = TokenStartError;

    fn try_from(text: String) -> Result<Self, TokenStartError> {
        let hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !hex || text.is_empty() || text.len() > 2 * Token::LEN_MAX {
            return Err(TokenStartError);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

/// A condition that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Mismatch {
    /// Which; a path inside the payload for [`Filter::payload`].
    pub field: String,
    /// What was looked for.
    pub expected: String,
    /// What the push has.
    pub got: String,
}

/// The push that comes nearest to a filter it does not pass.
#[derive(Debug, Clone)]
pub struct Miss<'a> {
    /// The push.
    pub push: &'a Push,
    /// The conditions that do not hold.
    pub why: Vec<Mismatch>,
}

impl Filter {
    /// Whether every condition holds.
    #[must_use]
    pub fn matches(&self, push: &Push) -> bool {
        self.mismatches(push).is_empty()
    }

    /// The conditions that do not hold.
    #[must_use]
    pub fn mismatches(&self, push: &Push) -> Vec<Mismatch> {
        let Push { request, .. } = push;
        let mut found = Findings::default();
        if let Some(since) = self.since
            && push.id <= since
        {
            found.add("since", format!("an id above {since}"), push.id.to_string());
        }
        found.equal("topic", self.topic.as_deref(), Some(&*request.topic));
        let token = request.token.as_ref().map(Token::to_hex);
        if let Some(TokenStart(start)) = &self.token
            && !token.as_ref().is_some_and(|token| token.starts_with(start))
        {
            found.add("token", start.clone(), or_none(token));
        }
        found.equal("phone", self.phone.as_deref(), push.phone.as_deref());
        found.equal("face", self.face, Some(push.face()));
        found.equal("environment", self.environment, Some(request.environment));
        let identifier = request.sent.identifier().map(Identifier::to_u32);
        let apns_id = match &request.sent {
            Sent::Post(post) => Some(&post.id),
            Sent::Frame { .. } | Sent::File { .. } => None,
        };
        found.equal("identifier", self.identifier, identifier);
        let apns_id = apns_id.map(ApnsId::as_str);
        found.equal("apns_id", self.apns_id.as_deref(), apns_id);
        found.equal("outcome", self.outcome, Some(push.fate.outcome()));
        found.equal("status", self.status, push.status());
        found.equal("reason", self.reason.clone(), push.reason());
        if let Some(text) = &self.text {
            let payload = String::from_utf8_lossy(&push.payload);
            if !payload.to_lowercase().contains(&text.to_lowercase()) {
                found.add("text", text.clone(), payload.into_owned());
            }
        }
        if let Some(wanted) = &self.payload {
            match push.json() {
                Some(got) => found.contained("payload", wanted, &got),
                None => found.add(
                    "payload",
                    wanted.to_string(),
                    format!("no JSON: {}", String::from_utf8_lossy(&push.payload)),
                ),
            }
        }
        found.0
    }

    /// The push that fails the fewest conditions, of these the last. A refused or lost push is as near as its request is.
    pub fn nearest_miss<'a>(&self, pushes: impl Iterator<Item = &'a Push>) -> Option<Miss<'a>> {
        pushes
            .map(|push| Miss {
                push,
                why: self.mismatches(push),
            })
            .filter(|miss| !miss.why.is_empty())
            .reduce(|nearest, miss| {
                if miss.why.len() <= nearest.why.len() {
                    miss
                } else {
                    nearest
                }
            })
    }
}

impl std::fmt::Display for Miss<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "push {}", self.push.id)?;
        for (place, mismatch) in self.why.iter().enumerate() {
            write!(f, "{}{mismatch}", if place == 0 { " (" } else { "; " })?;
        }
        f.write_str(")")
    }
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            field,
            expected,
            got,
        } = self;
        write!(f, "{field}: expected {expected}, got {got}")
    }
}

#[derive(Default)]
struct Findings(Vec<Mismatch>);

impl Findings {
    fn add(&mut self, field: &str, expected: String, got: String) {
        self.0.push(Mismatch {
            field: field.to_owned(),
            expected,
            got,
        });
    }

    fn equal<T: PartialEq + ToString>(&mut self, field: &str, wanted: Option<T>, got: Option<T>) {
        if let Some(wanted) = wanted
            && got.as_ref() != Some(&wanted)
        {
            self.add(field, wanted.to_string(), or_none(got));
        }
    }

    /// Every member of `wanted` must be in `got`, an object's at any depth; anything else must be equal.
    fn contained(&mut self, path: &str, wanted: &Value, got: &Value) {
        match (wanted, got) {
            (Value::Object(wanted), Value::Object(got)) => {
                for (key, wanted) in wanted {
                    let path = format!("{path}.{key}");
                    match got.get(key) {
                        Some(got) => self.contained(&path, wanted, got),
                        None => self.add(&path, wanted.to_string(), or_none::<String>(None)),
                    }
                }
            }
            (wanted, got) if wanted == got => {}
            (wanted, got) => self.add(path, wanted.to_string(), got.to_string()),
        }
    }
}

fn or_none<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| value.to_string())
}

fn json_or_its_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    let value = match Option::<Value>::deserialize(from)? {
        Some(Value::String(text)) => serde_json::from_str(&text)
            .map_err(|error| serde::de::Error::custom(format!("payload is not JSON: {error}")))?,
        other => other,
    };
    match value {
        None | Some(Value::Object(_)) => Ok(value),
        Some(_) => Err(serde::de::Error::custom(
            "payload is not a JSON object such as {\"aps\":{\"alert\":\"hi\"}}",
        )),
    }
}
