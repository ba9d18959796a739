//! Frames of the provider connection: three ways to send a notification, one way to refuse it.
//!
//! One file per layout, reading and writing side by side.

use std::fmt;

use bytes::{Bytes, BytesMut};

use crate::wire::Hidden;
use crate::{Command, Expiry, Fault, Identifier, Limits, Malformed, Notification, Priority, Token};

pub mod enhanced;
mod error;
pub mod framed;
pub mod simple;

pub use error::{ErrorPacket, NotAnErrorPacket};

/// Takes the next notification off the front of `buf`.
///
/// `None`: the frame is not complete, nothing was consumed; come back with more bytes. However the stream is cut into
/// pieces, the same frames come out [P-08]. Looking at an incomplete frame costs the same however much of it is there.
///
/// At most 131,083 bytes are waited for (command 1 with two lengths of 65,535); a command-2 frame is refused by its header
/// when it is longer than [`framed::FRAME_LEN_MAX`] [P-17].
///
/// Behind a [`Malformed`] that is not `delimited` the stream means nothing any more: only its header was consumed.
pub fn decode(buf: &mut BytesMut, limits: &Limits) -> Option<Result<Notification, Malformed>> {
    let command = Command(*buf.first()?);
    let len = match command {
        Command::SIMPLE => simple::frame_len(buf)?,
        Command::ENHANCED => enhanced::frame_len(buf)?,
        Command::FRAMED => match framed::frame_len(buf)? {
            Ok(len) => len,
            Err(fault) => {
                return Some(Err(undelimited(
                    command,
                    fault,
                    buf.split_to(framed::HEADER_LEN),
                )));
            }
        },
        _ => {
            return Some(Err(undelimited(
                command,
                Fault::UnknownCommand { command },
                buf.split_to(1),
            )));
        }
    };
    if buf.len() < len {
        return None;
    }
    let frame = buf.split_to(len).freeze();
    let mut parts = Parts::new(command);
    let fault = match command {
        Command::SIMPLE => simple::parse(&frame, &mut parts),
        Command::ENHANCED => enhanced::parse(&frame, &mut parts),
        _ => framed::parse(&frame, &mut parts),
    }
    .err()
    .or_else(|| parts.fault(limits));
    Some(match fault {
        None => Ok(Notification {
            command,
            identifier: parts.identifier,
            expiry: parts.expiry,
            priority: parts.priority,
            token: Token::new(parts.token.unwrap_or_default()),
            payload: frame.slice_ref(parts.payload.unwrap_or_default()),
            frame,
        }),
        Some(fault) => Err(parts.malformed(fault, &frame)),
    })
}

/// What a frame holds, in whatever order; borrowed from it.
struct Parts<'a> {
    command: Command,
    identifier: Option<Identifier>,
    expiry: Option<Expiry>,
    priority: Option<Priority>,
    token: Option<&'a [u8]>,
    payload: Option<&'a [u8]>,
}

impl Parts<'_> {
    fn new(command: Command) -> Self {
        Self {
            command,
            identifier: None,
            expiry: None,
            priority: None,
            token: None,
            payload: None,
        }
    }

    /// The first fault in the order the server looks: token, then payload [P-32]. Expiry and priority have none
    /// [P-22], [P-23].
    fn fault(&self, limits: &Limits) -> Option<Fault> {
        match self.token.unwrap_or_default().len() {
            0 => return Some(Fault::MissingToken),
            Token::LEN_MIN..=Token::LEN_MAX => {}
            len => return Some(Fault::TokenLen { len }),
        }
        match self.payload.unwrap_or_default().len() {
            0 => Some(Fault::MissingPayload),
            len if len > limits.payload_len_max => Some(Fault::PayloadLen {
                len,
                max: limits.payload_len_max,
            }),
            _ => None,
        }
    }

    #[cold]
    fn malformed(&self, fault: Fault, frame: &Bytes) -> Malformed {
        let slice = |part: Option<&[u8]>| {
            part.filter(|part| !part.is_empty())
                .map(|part| frame.slice_ref(part))
        };
        Malformed {
            command: self.command,
            identifier: self.identifier,
            status: if self.command == Command::SIMPLE {
                None
            } else {
                fault.status()
            },
            fault,
            delimited: true,
            token: slice(self.token).map(Token::new),
            payload: slice(self.payload),
            frame: frame.clone(),
        }
    }
}

#[cold]
fn undelimited(command: Command, fault: Fault, header: BytesMut) -> Malformed {
    Malformed {
        command,
        identifier: None,
        status: fault.status(),
        fault,
        delimited: false,
        token: None,
        payload: None,
        frame: header.freeze(),
    }
}

/// What is sent to a phone: the input of the three encoders. `Debug` shows neither payload nor token.
#[derive(Clone, Copy)]
pub struct Push<'a> {
    /// The device token; 32 bytes in practice [P-20].
    pub token: &'a [u8],
    /// The JSON [P-21].
    pub payload: &'a [u8],
    /// Until when to store it. Command 1 must say something: nothing given is written as 0; command 0 cannot say it.
    pub expiry: Option<Expiry>,
    /// Only command 2 can say it.
    pub priority: Option<Priority>,
}

impl fmt::Debug for Push<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push")
            .field("token", &Hidden(self.token.len()))
            .field("payload", &Hidden(self.payload.len()))
            .field("expiry", &self.expiry)
            .field("priority", &self.priority)
            .finish()
    }
}

/// Something does not fit into the length field in front of it, or makes a frame longer than any receiver reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} of {len} bytes is over {max}")]
pub struct TooLong {
    /// "token", "payload", "frame" or "field".
    pub what: &'static str,
    /// How long it is.
    pub len: usize,
    /// The most there can be.
    pub max: usize,
}

/// `len` as a 16-bit length field.
pub(crate) fn len_u16(what: &'static str, len: usize) -> Result<u16, TooLong> {
    u16::try_from(len).map_err(|_| TooLong {
        what,
        len,
        max: u16::MAX.into(),
    })
}

/// Room in `out` for parts of these lengths, so that what is there is moved once at most.
pub(crate) fn make_room<const N: usize>(out: &mut BytesMut, lengths: [usize; N]) {
    out.reserve(lengths.iter().sum());
}
