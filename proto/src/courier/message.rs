//! What courier frames mean.
//!
//! Fields nobody needs here (carrier, OS version, …) are skipped; of a field that should be there once the first counts.

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::{Command, Fault, Field, Frame};
use crate::wire::{self, Reader};
use crate::{Expiry, Priority, Token, TooLong};

/// SHA-1 of a topic's name. Hashing is the caller's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicHash(pub [u8; 20]);

impl fmt::Display for TopicHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&wire::hex(&self.0))
    }
}

impl fmt::Debug for TopicHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How something went, in [`Message::ConnectAck`], [`Message::Ack`] and [`Message::ScopedTokenAck`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Status(pub u8);

impl Status {
    /// It went well.
    pub const OK: Self = Self(0);
    /// The base token is none the server knows [C-18].
    pub const BAD_TOKEN: Self = Self(2);
    /// The app is not on the phone any more [C-08].
    pub const APP_GONE: Self = Self(3);
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A frame with a meaning. `Debug` does not show payloads.
#[derive(Clone, PartialEq, Eq)]
pub enum Message {
    /// Phone to server, first [C-03].
    Connect {
        /// The phone's base token, if it has one.
        token: Option<Token>,
        /// 1: connected. Taken as 1 where it is absent.
        state: u8,
    },
    /// Server to phone [C-04].
    ConnectAck {
        /// [`Status::OK`] or [`Status::BAD_TOKEN`].
        status: Status,
        /// The phone's base token where it is new to the phone.
        token: Option<Token>,
    },
    /// Phone to server: from now on these topics [C-05].
    FilterTopics {
        /// The phone's base token.
        token: Token,
        /// Topics whose notifications are wanted.
        enabled: Vec<TopicHash>,
        /// Topics whose notifications the user does not want.
        ignored: Vec<TopicHash>,
    },
    /// Server to phone [C-06].
    Notification {
        /// The device token it was sent to.
        token: Token,
        /// The app's topic.
        topic: TopicHash,
        /// The JSON.
        payload: Bytes,
        /// What the acknowledgement calls it.
        id: [u8; 4],
        /// As the provider gave it.
        expiry: Option<Expiry>,
        /// When the server took it: nanoseconds since 1970, UTC.
        timestamp_ns: Option<u64>,
        /// 1: it was stored; 2: it is the last that was stored.
        storage: Option<u8>,
        /// As the provider gave it.
        priority: Option<Priority>,
        /// As the provider gave it: the name of its push type, in ASCII [H-16].
        push_type: Option<Bytes>,
        /// As the provider gave it: the notification takes the place of an earlier one of the same name [H-15].
        collapse_id: Option<Bytes>,
    },
    /// Phone to server [C-07].
    Ack {
        /// The device token, if it is said.
        token: Option<Token>,
        /// The notification's id.
        id: [u8; 4],
        /// [`Status::OK`] or [`Status::APP_GONE`].
        status: Status,
    },
    /// Phone to server: are you there [C-09].
    KeepAlive,
    /// Server to phone: yes [C-09].
    KeepAliveAck,
    /// Phone to server: a device token for an app, please [C-10].
    ScopedToken {
        /// The phone's base token.
        base: Token,
        /// The app's topic.
        topic: TopicHash,
        /// The app's bundle id.
        app: Bytes,
    },
    /// Server to phone [C-11].
    ScopedTokenAck {
        /// [`Status::OK`] or why there is no token.
        status: Status,
        /// The app's device token.
        token: Option<Token>,
        /// The app's topic.
        topic: TopicHash,
    },
    /// A command without a meaning here; it is skipped.
    Unknown(Frame),
}

impl Message {
    /// The frame that says it; fields in ascending order.
    #[must_use]
    pub fn into_frame(self) -> Frame {
        match self {
            Self::Connect { token, state } => Build::new(Command::CONNECT)
                .token_if(1, token)
                .byte(2, state)
                .done(),
            Self::ConnectAck { status, token } => Build::new(Command::CONNECT_ACK)
                .byte(1, status.0)
                .token_if(3, token)
                .done(),
            Self::FilterTopics {
                token,
                enabled,
                ignored,
            } => Build::new(Command::FILTER_TOPICS)
                .token_if(1, Some(token))
                .topics(2, &enabled)
                .topics(3, &ignored)
                .done(),
            Self::Notification {
                token,
                topic,
                payload,
                id,
                expiry,
                timestamp_ns,
                storage,
                priority,
                push_type,
                collapse_id,
            } => Build::new(Command::NOTIFICATION)
                .token_if(1, Some(token))
                .topics(2, &[topic])
                .field(3, payload)
                .copied(4, &id)
                .copied_if(5, expiry.map(|expiry| expiry.0.to_be_bytes()))
                .copied_if(6, timestamp_ns.map(u64::to_be_bytes))
                .copied_if(7, storage.map(|flags| [flags]))
                .copied_if(0x0d, priority.map(|priority| [priority.0]))
                .field_if(0x1c, push_type)
                .field_if(0x20, collapse_id)
                .done(),
            Self::Ack { token, id, status } => Build::new(Command::ACK)
                .token_if(1, token)
                .copied(4, &id)
                .byte(8, status.0)
                .done(),
            Self::KeepAlive => Build::new(Command::KEEP_ALIVE).done(),
            Self::KeepAliveAck => Build::new(Command::KEEP_ALIVE_ACK).done(),
            Self::ScopedToken { base, topic, app } => Build::new(Command::SCOPED_TOKEN)
                .token_if(1, Some(base))
                .topics(2, &[topic])
                .field(3, app)
                .done(),
            Self::ScopedTokenAck {
                status,
                token,
                topic,
            } => Build::new(Command::SCOPED_TOKEN_ACK)
                .byte(1, status.0)
                .token_if(2, token)
                .topics(3, &[topic])
                .done(),
            Self::Unknown(frame) => frame,
        }
    }

    /// Appends its frame to `out`.
    ///
    /// # Errors
    /// When it does not fit into a frame; nothing was appended then.
    pub fn encode(self, out: &mut BytesMut) -> Result<(), TooLong> {
        self.into_frame().encode(out)
    }
}

impl TryFrom<Frame> for Message {
    type Error = Fault;

    fn try_from(frame: Frame) -> Result<Self, Fault> {
        let fields = Fields(&frame);
        Ok(match frame.command {
            Command::CONNECT => Self::Connect {
                token: fields.token(1),
                state: fields.fixed_if(2, Reader::u8)?.unwrap_or(1),
            },
            Command::CONNECT_ACK => Self::ConnectAck {
                status: Status(fields.fixed(1, Reader::u8)?),
                token: fields.token(3),
            },
            Command::FILTER_TOPICS => Self::FilterTopics {
                token: fields.required(1).map(Token::new)?,
                enabled: fields.topics(2)?,
                ignored: fields.topics(3)?,
            },
            Command::NOTIFICATION => Self::Notification {
                token: fields.required(1).map(Token::new)?,
                topic: fields.topic(2)?,
                payload: fields.required(3)?,
                id: fields.fixed(4, Reader::array)?,
                expiry: fields.fixed_if(5, Reader::i32)?.map(Expiry),
                timestamp_ns: fields.fixed_if(6, Reader::u64)?,
                storage: fields.fixed_if(7, Reader::u8)?,
                priority: fields.fixed_if(0x0d, Reader::u8)?.map(Priority),
                push_type: fields.optional(0x1c).cloned(),
                collapse_id: fields.optional(0x20).cloned(),
            },
            Command::ACK => Self::Ack {
                token: fields.token(1),
                id: fields.fixed(4, Reader::array)?,
                status: Status(fields.fixed(8, Reader::u8)?),
            },
            Command::KEEP_ALIVE => Self::KeepAlive,
            Command::KEEP_ALIVE_ACK => Self::KeepAliveAck,
            Command::SCOPED_TOKEN => Self::ScopedToken {
                base: fields.required(1).map(Token::new)?,
                topic: fields.topic(2)?,
                app: fields.required(3)?,
            },
            Command::SCOPED_TOKEN_ACK => Self::ScopedTokenAck {
                status: Status(fields.fixed(1, Reader::u8)?),
                token: fields.token(2),
                topic: fields.topic(3)?,
            },
            _ => Self::Unknown(frame),
        })
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.clone().into_frame(), f)
    }
}

/// The fields of a frame, by id.
struct Fields<'a>(&'a Frame);

impl<'a> Fields<'a> {
    fn optional(&self, id: u8) -> Option<&'a Bytes> {
        self.0
            .fields
            .iter()
            .find(|field| field.id == id)
            .map(|field| &field.value)
    }

    fn required(&self, id: u8) -> Result<Bytes, Fault> {
        self.optional(id).cloned().ok_or(Fault::MissingField {
            command: self.0.command,
            id,
        })
    }

    /// An empty token is no token.
    fn token(&self, id: u8) -> Option<Token> {
        self.optional(id)
            .filter(|value| !value.is_empty())
            .cloned()
            .map(Token::new)
    }

    fn fixed_if<T>(
        &self,
        id: u8,
        read: impl FnOnce(&mut Reader<'a>) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        self.optional(id)
            .map(|value| self.read(id, value, read))
            .transpose()
    }

    fn fixed<T>(
        &self,
        id: u8,
        read: impl FnOnce(&mut Reader<'a>) -> Option<T>,
    ) -> Result<T, Fault> {
        self.fixed_if(id, read)?.ok_or(Fault::MissingField {
            command: self.0.command,
            id,
        })
    }

    fn topic(&self, id: u8) -> Result<TopicHash, Fault> {
        self.fixed(id, Reader::array).map(TopicHash)
    }

    fn topics(&self, id: u8) -> Result<Vec<TopicHash>, Fault> {
        let repeated = self.0.fields.iter().filter(|field| field.id == id);
        repeated
            .map(|field| self.read(id, &field.value, Reader::array).map(TopicHash))
            .collect()
    }

    fn read<T>(
        &self,
        id: u8,
        value: &'a [u8],
        read: impl FnOnce(&mut Reader<'a>) -> Option<T>,
    ) -> Result<T, Fault> {
        wire::exactly(value, read).ok_or(Fault::FieldLen {
            command: self.0.command,
            id,
            len: value.len(),
        })
    }
}

/// A frame in the making.
struct Build(Frame);

impl Build {
    fn new(command: Command) -> Self {
        Self(Frame {
            command,
            fields: vec![],
        })
    }

    fn field(mut self, id: u8, value: Bytes) -> Self {
        self.0.fields.push(Field { id, value });
        self
    }

    fn field_if(self, id: u8, value: Option<Bytes>) -> Self {
        match value {
            Some(value) => self.field(id, value),
            None => self,
        }
    }

    fn copied(self, id: u8, value: &[u8]) -> Self {
        self.field(id, Bytes::copy_from_slice(value))
    }

    fn copied_if<const N: usize>(self, id: u8, value: Option<[u8; N]>) -> Self {
        match value {
            Some(value) => self.copied(id, &value),
            None => self,
        }
    }

    fn byte(self, id: u8, value: u8) -> Self {
        self.copied(id, &[value])
    }

    fn token_if(self, id: u8, token: Option<Token>) -> Self {
        match token {
            Some(token) => self.copied(id, token.as_bytes()),
            None => self,
        }
    }

    fn topics(self, id: u8, topics: &[TopicHash]) -> Self {
        topics
            .iter()
            .fold(self, |build, topic| build.copied(id, &topic.0))
    }

    fn done(self) -> Frame {
        self.0
    }
}
