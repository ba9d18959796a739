//! The files of `tests/vectors`, as its README describes them: a field that is not described there is refused.

use std::fmt;

use serde::de::{Deserializer, Error};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// One file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) about: String,
    pub(crate) kind: Kind,
    pub(crate) vectors: Vec<Value>,
}

/// What the bytes of a file are, and so what its vectors look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Notification,
    Error,
    Sender,
    Feedback,
    Courier,
    Stream,
}

/// What every vector has; the rest depends on the kind.
#[derive(Debug, Deserialize)]
pub(crate) struct Common {
    pub(crate) name: String,
    pub(crate) clause: String,
}

/// A vector as what its kind says it is.
pub(crate) fn read<T: DeserializeOwned>(vector: &Value) -> Result<T, String> {
    serde_json::from_value(vector.clone()).map_err(|error| error.to_string())
}

/// Bytes: pieces of hexadecimal digits, joined; one alone needs no brackets.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Hex(pub(crate) Vec<u8>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Pieces {
    One(String),
    Many(Vec<Piece>),
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Piece {
    Once(String),
    Repeated { repeat: String, times: usize },
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pieces = match Pieces::deserialize(deserializer)? {
            Pieces::One(piece) => vec![Piece::Once(piece)],
            Pieces::Many(pieces) => pieces,
        };
        let mut bytes = vec![];
        for piece in pieces {
            let (digits, times) = match piece {
                Piece::Once(digits) => (digits, 1),
                Piece::Repeated { repeat, times } => (repeat, times),
            };
            bytes.extend(unhex(&digits).map_err(D::Error::custom)?.repeat(times));
        }
        Ok(Self(bytes))
    }
}

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes: {:02x?}", self.0.len(), self.0)
    }
}

/// Lower-case digits, in pairs, with spaces wherever they help the reader.
fn unhex(digits: &str) -> Result<Vec<u8>, String> {
    let wrong = || format!("{digits:?} is not made of pairs of lower-case hexadecimal digits");
    let close = digits.replace(' ', "");
    if close.contains(|digit| !matches!(digit, '0'..='9' | 'a'..='f'))
        || !close.len().is_multiple_of(2)
    {
        return Err(wrong());
    }
    (0..close.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&close[at..at + 2], 16).map_err(|_| wrong()))
        .collect()
}

/// What is on the wire of the provider connection, from the client.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Notification {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "clause")]
    _clause: String,
    pub(crate) bytes: Hex,
    /// More pieces behind `bytes`, which may come in any order.
    #[serde(default)]
    pub(crate) any_order: Vec<Hex>,
    /// The longest payload that is taken; 2,048 where it is absent.
    pub(crate) payload_max: Option<usize>,
    /// Whether an encoder makes exactly these bytes of the fields; commands 0 and 1 leave it no choice.
    #[serde(default)]
    pub(crate) canonical: bool,
    pub(crate) parse: Option<Parsed>,
    pub(crate) means: Option<Means>,
    pub(crate) answer: Option<Answer>,
    #[serde(default)]
    pub(crate) farewell: bool,
    #[serde(default = "yes")]
    pub(crate) delimited: bool,
}

const fn yes() -> bool {
    true
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parsed {
    pub(crate) command: u8,
    pub(crate) identifier: Option<Hex>,
    pub(crate) expiry: Option<i32>,
    pub(crate) priority: Option<u8>,
    pub(crate) token: Hex,
    pub(crate) payload: Hex,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Means {
    pub(crate) priority: u8,
    pub(crate) stored: bool,
}

/// What the server says before it closes; no status: not a word.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    pub(crate) status: Option<u8>,
    pub(crate) identifier: Option<Hex>,
    pub(crate) close: bool,
}

/// What is on the wire of the provider connection, from the server.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErrorPacket {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "clause")]
    _clause: String,
    pub(crate) bytes: Hex,
    pub(crate) parse: Option<ParsedError>,
    pub(crate) no_answer: Option<bool>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ParsedError {
    pub(crate) status: u8,
    pub(crate) identifier: Hex,
    pub(crate) name: String,
}

/// What a sender makes of the server's last words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sender {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "clause")]
    _clause: String,
    pub(crate) bytes: Hex,
    pub(crate) sent: u32,
    pub(crate) confirmed: u32,
    pub(crate) refused: Option<Refused>,
    pub(crate) resend: Vec<u32>,
    pub(crate) may_duplicate: bool,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refused {
    pub(crate) identifier: Hex,
    pub(crate) status: u8,
}

/// What is on the wire of the feedback connection.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Feedback {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "clause")]
    _clause: String,
    pub(crate) bytes: Hex,
    pub(crate) tuples: Vec<Tuple>,
    #[serde(default)]
    pub(crate) unread: usize,
    pub(crate) first_write: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tuple {
    pub(crate) timestamp: u32,
    pub(crate) token: Hex,
    #[serde(default = "once")]
    pub(crate) times: usize,
}

const fn once() -> usize {
    1
}

/// What is on the wire of a phone's connection.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Courier {
    #[serde(rename = "name")]
    _name: String,
    pub(crate) clause: String,
    pub(crate) bytes: Hex,
    /// As with [`Notification::canonical`].
    #[serde(default)]
    pub(crate) canonical: bool,
    pub(crate) message: Option<Message>,
    pub(crate) close: Option<bool>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Message {
    Connect {
        token: Option<Hex>,
        state: u8,
    },
    ConnectAck {
        status: u8,
        token: Option<Hex>,
    },
    FilterTopics {
        token: Hex,
        enabled: Vec<Hex>,
        ignored: Vec<Hex>,
    },
    Notification {
        token: Hex,
        topic: Hex,
        payload: Hex,
        id: Hex,
        expiry: Option<i32>,
        timestamp_ns: Option<Hex>,
        storage: Option<u8>,
        priority: Option<u8>,
        push_type: Option<Hex>,
        collapse_id: Option<Hex>,
    },
    Ack {
        token: Option<Hex>,
        id: Hex,
        status: u8,
    },
    KeepAlive {},
    KeepAliveAck {},
    ScopedToken {
        token: Hex,
        topic: Hex,
        app: Hex,
    },
    ScopedTokenAck {
        status: u8,
        token: Option<Hex>,
        topic: Hex,
    },
    Unknown {
        command: u8,
    },
}

/// A whole conversation on a provider connection.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stream {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "clause")]
    _clause: String,
    pub(crate) bytes: Hex,
    pub(crate) taken: Vec<Taken>,
    pub(crate) answer: Answer,
    /// Bytes that are read and dropped behind the answer.
    #[serde(default)]
    pub(crate) discarded: u64,
    /// Bytes of a frame that was begun when the client closed.
    #[serde(default)]
    pub(crate) unread: usize,
    /// The server shuts down when it has read everything.
    #[serde(default)]
    pub(crate) shutdown: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Taken {
    pub(crate) command: u8,
    pub(crate) identifier: Option<Hex>,
    #[serde(default = "once")]
    pub(crate) times: usize,
}
