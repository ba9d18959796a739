//! Knobs: what APNs' servers did now one way and now another, or did differently for years. Each is here because a client that is still
//! around needs the other way to be tested; the default is the one its clause in `docs/protocol.md` gives.

use apns_proto::{ErrorPacket, Fault, Identifier, Limits, Status};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// All knobs of one project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Knobs {
    /// How a refused notification of command 0 is answered.
    pub command_0_error: Command0Error,
    /// How a body that does not add up is answered.
    pub parse_error: ParseError,
    /// How a connection is closed after an error packet.
    pub close: Close,
    /// What becomes of a provider whose certificate is for the other environment.
    pub wrong_environment: WrongEnvironment,
    /// What becomes of a notification for an app that is known to be gone.
    pub dead_token: DeadToken,
    /// The longest payload.
    pub payload_cap: PayloadCap,
}

/// How a refused notification of command 0 is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command0Error {
    /// The connection is closed without a word [P-39].
    #[default]
    Silent,
    /// An error packet with identifier 0.
    #[serde(rename = "id-0")]
    Id0,
}

/// How a body that does not add up [P-14] [P-16] [P-17] is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ParseError {
    /// Status 128.
    #[default]
    #[serde(rename = "128")]
    ProtocolError,
    /// Status 255.
    #[serde(rename = "255")]
    Unknown,
    /// The connection is closed without a word.
    #[serde(rename = "close")]
    Close,
}

/// How a connection is closed after an error packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Close {
    /// What the client still sends is read until it has closed too [P-41].
    #[default]
    Linger,
    /// At once: a client that is still sending gets RST, which may take the packet back.
    Abrupt,
}

/// What becomes of a provider whose certificate is for the other environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WrongEnvironment {
    /// An alert within the handshake [P-05].
    #[default]
    Alert,
    /// The handshake succeeds; then the connection is closed without a word.
    AcceptClose,
}

/// What becomes of a notification for an app that is known to be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeadToken {
    /// It is accepted; only the feedback list tells [P-54].
    #[default]
    Feedback,
    /// It is refused with status 8 [P-37].
    #[serde(rename = "status-8")]
    Status8,
}

/// The longest payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum PayloadCap {
    /// 2,048 bytes, 4,096 with a VoIP certificate [P-21].
    #[default]
    #[serde(rename = "2048")]
    Since2014,
    /// 256 bytes.
    #[serde(rename = "256")]
    Until2014,
}

/// A knob as `docs/simulator.md` lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knob {
    /// Its name.
    pub name: &'static str,
    /// What it can be set to, the default first.
    pub values: &'static [&'static str],
    /// What it decides.
    pub decides: &'static str,
    /// Who needs it.
    pub needed_by: &'static str,
}

/// Every knob.
pub const ALL: &[Knob] = &[
    Knob {
        name: "command-0-error",
        values: &["silent", "id-0"],
        decides: "a refused notification of command 0 [P-39]: the connection is closed without a word, or an error packet with identifier 0 comes first",
        needed_by: "Pushy and java-apns, whose sources speak of such packets",
    },
    Knob {
        name: "parse-error",
        values: &["128", "255", "close"],
        decides: "a body that does not add up [P-14] [P-16] [P-17]: an error packet with this status, or a close without a word",
        needed_by: "Pushy up to 0.4.3 and ZendService, which throw on 128; houston and rpush, which read 255 as −1; all of them before Apple documented 128",
    },
    Knob {
        name: "close",
        values: &["linger", "abrupt"],
        decides: "the end after an error packet [P-41]: what the client still sends is read until it closes, or the connection is closed at once, as Apple did, and RST may overtake the packet",
        needed_by: "node-apn 1.x, which keeps a broken socket for a second to save the packet",
    },
    Knob {
        name: "wrong-environment",
        values: &["alert", "accept-close"],
        decides: "a provider whose certificate is for the other environment [P-05]: the handshake fails, or succeeds and is followed by a close without a word",
        needed_by: "node-apn and Pushy, whose users saw the close and took it for a network failure",
    },
    Knob {
        name: "dead-token",
        values: &["feedback", "status-8"],
        decides: "a notification for an app that APNs knows to be gone: accepted in silence and told by the feedback list [P-54], or refused with status 8 [P-37]",
        needed_by: "node-apn, whose users saw status 8 for tokens that had been on the list",
    },
    Knob {
        name: "payload-cap",
        values: &["2048", "256"],
        decides: "the longest payload in bytes [P-21]; at 256 for VoIP certificates too",
        needed_by: "rapns up to 3.4, which takes 256 for the limit, and whoever wants to see what happened beyond it",
    },
];

/// A knob that is not there, or cannot be set so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KnobError {
    /// Not of the form name=value.
    #[error("{0:?} is not of the form name=value")]
    Form(String),
    /// No such name.
    #[error("there is no knob {name:?}: expected {}", names())]
    Name {
        /// What was asked for.
        name: String,
    },
    /// No such value.
    #[error("{name} cannot be {value:?}: expected {}", either(.values))]
    Value {
        /// The knob.
        name: &'static str,
        /// What was asked for.
        value: String,
        /// What can be.
        values: &'static [&'static str],
    },
}

impl Knobs {
    /// Turns one knob, by names, as in `close=abrupt`.
    ///
    /// # Errors
    ///
    /// When there is no such knob, or it has no such value.
    pub fn set(&mut self, setting: &str) -> Result<(), KnobError> {
        let (name, value) = setting
            .split_once('=')
            .ok_or_else(|| KnobError::Form(setting.to_owned()))?;
        self.turn(name, value)
    }

    /// The same, with name and value apart.
    ///
    /// # Errors
    ///
    /// When there is no such knob, or it has no such value.
    pub fn turn(&mut self, name: &str, value: &str) -> Result<(), KnobError> {
        let knob = ALL
            .iter()
            .find(|knob| knob.name == name)
            .ok_or_else(|| KnobError::Name {
                name: name.to_owned(),
            })?;
        if !knob.values.contains(&value) {
            return Err(KnobError::Value {
                name: knob.name,
                value: value.to_owned(),
                values: knob.values,
            });
        }
        let mut all = serde_json::to_value(*self).unwrap_or_default();
        all[name] = Value::from(value);
        *self = serde_json::from_value(all).expect("a test sets every knob to each of its values");
        Ok(())
    }

    /// What is said about a notification that is refused with `status`. `identifier` is the one an answer would name; command 0 has none.
    pub(crate) fn answer(
        &self,
        identifier: Option<Identifier>,
        status: Status,
    ) -> Option<ErrorPacket> {
        let identifier = match self.command_0_error {
            Command0Error::Silent => identifier?,
            Command0Error::Id0 => identifier.unwrap_or(Identifier([0; 4])),
        };
        Some(ErrorPacket { status, identifier })
    }

    /// What is said about a frame that is none.
    pub(crate) fn answer_fault(
        &self,
        identifier: Option<Identifier>,
        fault: Fault,
    ) -> Option<ErrorPacket> {
        let status = match (fault.status()?, self.parse_error) {
            (Status::PROTOCOL_ERROR, ParseError::Unknown) => Status::UNKNOWN,
            (Status::PROTOCOL_ERROR, ParseError::Close) => return None,
            (status, _) => status,
        };
        self.answer(identifier, status)
    }

    /// What a connection may carry.
    pub(crate) const fn limits(&self, voip: bool) -> Limits {
        match self.payload_cap {
            PayloadCap::Until2014 => Limits {
                payload_len_max: 256,
            },
            PayloadCap::Since2014 if voip => Limits::VOIP,
            PayloadCap::Since2014 => Limits::BINARY,
        }
    }
}

fn names() -> String {
    let names: Vec<_> = ALL.iter().map(|knob| knob.name).collect();
    either(&names)
}

/// `a, b or c`.
fn either(words: &[&str]) -> String {
    match words {
        [all @ .., last] if !all.is_empty() => format!("{} or {last}", all.join(", ")),
        _ => words.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_knob_can_be_set_to_each_of_its_values_and_is_at_its_first() {
        let default = serde_json::to_value(Knobs::default()).unwrap();
        let mut fields: Vec<_> = default.as_object().unwrap().keys().collect();
        fields.sort_unstable();
        let mut names: Vec<_> = ALL.iter().map(|knob| knob.name).collect();
        names.sort_unstable();
        assert_eq!(fields, names);
        for knob in ALL {
            assert_eq!(default[knob.name], knob.values[0]);
            for value in knob.values {
                let mut knobs = Knobs::default();
                knobs.set(&format!("{}={value}", knob.name)).unwrap();
                assert_eq!(serde_json::to_value(knobs).unwrap()[knob.name], *value);
            }
        }
    }

    #[test]
    fn a_knob_that_is_not_there_is_told_what_there_is() {
        let error = |setting| Knobs::default().set(setting).unwrap_err().to_string();
        assert_eq!(error("close"), "\"close\" is not of the form name=value");
        assert_eq!(
            error("colour=red"),
            "there is no knob \"colour\": expected command-0-error, parse-error, close, wrong-environment, dead-token or payload-cap"
        );
        assert_eq!(
            error("parse-error=10"),
            "parse-error cannot be \"10\": expected 128, 255 or close"
        );
    }

    #[test]
    fn the_table_in_the_documentation_is_this_one() {
        let document = include_str!("../../docs/simulator.md");
        for knob in ALL {
            let values: Vec<_> = knob
                .values
                .iter()
                .map(|value| format!("`{value}`"))
                .collect();
            let row = format!(
                "| `{}` | {} | {} | {} |",
                knob.name,
                values.join(", "),
                knob.decides,
                knob.needed_by
            );
            assert!(document.contains(&row), "docs/simulator.md lacks:\n{row}");
        }
        let rows = document
            .split("## Knobs")
            .nth(1)
            .and_then(|rest| rest.split("\n## ").next())
            .map(|chapter| chapter.matches("\n| `").count());
        assert_eq!(rows, Some(ALL.len()), "rows of knobs that there are not");
    }
}
