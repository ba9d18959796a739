//! HTTP/2 frames by hand, for what a library would not let one do or see.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::super::Trial;
use super::super::target::Port;
use crate::case::Failed;
use crate::link::{Heard, Hello, Link, Login};

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// Sent before everything else by a client.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADER: usize = 9;

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    fn bytes(&self) -> Vec<u8> {
        let len = u32::try_from(self.payload.len()).expect("a case's frame is short");
        [
            &len.to_be_bytes()[1..],
            &[self.kind, self.flags],
            &self.stream.to_be_bytes(),
            &self.payload,
        ]
        .concat()
    }

    /// Takes a frame off the front of `bytes`.
    fn split(bytes: &mut Vec<u8>) -> Option<Self> {
        let [a, b, c, kind, flags, stream @ ..] = *bytes.first_chunk::<HEADER>()?;
        let len = u32::from_be_bytes([0, a, b, c]) as usize;
        let payload = bytes.get(HEADER..HEADER + len)?.to_vec();
        bytes.drain(..HEADER + len);
        Some(Self {
            kind,
            flags,
            stream: u32::from_be_bytes(stream) & 0x7fff_ffff,
            payload,
        })
    }

    /// The settings it names, in its order.
    pub(super) fn settings(&self) -> Vec<(u16, u32)> {
        self.payload
            .chunks_exact(6)
            .map(|setting| {
                let [a, b, rest @ ..] = *setting.first_chunk::<6>().expect("chunks of six");
                (u16::from_be_bytes([a, b]), u32::from_be_bytes(rest))
            })
            .collect()
    }

    /// Whether it begins an answer with `:status` 200, which is entry 8 of HPACK's static table.
    pub(super) fn is_200(&self) -> bool {
        let mut block = self.payload.iter().skip_while(|byte| **byte >> 5 == 1);
        self.kind == HEADERS && block.next() == Some(&0x88)
    }
}

/// A connection.
pub(super) struct Frames {
    link: Link,
    unread: Vec<u8>,
    timeout: Duration,
}

impl Frames {
    /// Connects with `login`, offering `protocols`, and sends the preface and empty SETTINGS.
    pub(super) async fn connect(
        t: &Trial,
        login: &Login,
        protocols: &[&str],
    ) -> Result<Self, Failed> {
        let link = t
            .connect_to(Port::Http2, &Hello::offering(protocols, login))
            .await
            .map_err(|error| Failed(error.to_string()))?;
        let mut frames = Self {
            link,
            unread: Vec::new(),
            timeout: t.target().timeout,
        };
        let settings = Frame {
            kind: SETTINGS,
            flags: 0,
            stream: 0,
            payload: Vec::new(),
        };
        let start = [PREFACE, &settings.bytes()].concat();
        // Who is turned away may be gone already.
        frames.link.try_send(&start).await?;
        Ok(frames)
    }

    /// The same, for what comes only after `time`.
    pub(super) fn waiting(self, time: Duration) -> Self {
        Self {
            timeout: self.timeout + time,
            ..self
        }
    }

    /// The next frame for which `wanted`; SETTINGS are acknowledged on the way.
    pub(super) async fn find(
        &mut self,
        what: &str,
        wanted: impl Fn(&Frame) -> bool,
    ) -> Result<Frame, Failed> {
        let deadline = Instant::now() + self.timeout;
        let missing = |why: &str| Failed(format!("expected {what}: {why}"));
        loop {
            while let Some(frame) = Frame::split(&mut self.unread) {
                if frame.kind == SETTINGS && frame.flags & ACK == 0 {
                    let acknowledged = Frame {
                        kind: SETTINGS,
                        flags: ACK,
                        stream: 0,
                        payload: Vec::new(),
                    };
                    self.link.try_send(&acknowledged.bytes()).await?;
                }
                if wanted(&frame) {
                    return Ok(frame);
                }
            }
            match timeout_at(deadline, self.link.hear()).await {
                Ok(Ok(Heard::Record(bytes))) => self.unread.extend(bytes),
                Ok(Ok(Heard::End(ending))) => return Err(missing(&format!("the end ({ending})"))),
                Ok(Err(failed)) => return Err(failed),
                Ok(Ok(Heard::Nothing)) | Err(_) => return Err(missing("nothing came")),
            }
        }
    }

    /// Expects nothing but frames about the connection for `time`.
    pub(super) async fn quiet(&mut self, time: Duration) -> Result<(), Failed> {
        match self.link.hear_within(time).await? {
            Heard::End(ending) => Err(Failed(format!("the server ended it: {ending}"))),
            Heard::Record(bytes) => {
                self.unread.extend(bytes);
                Ok(())
            }
            Heard::Nothing => Ok(()),
        }
    }

    /// Sends a request on `stream`: headers as they are given, one after the other, and a body unless it is to be left open.
    pub(super) async fn request(
        &mut self,
        stream: u32,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<(), Failed> {
        let block = headers
            .iter()
            .flat_map(|(name, value)| literal(name, value));
        let head = Frame {
            kind: HEADERS,
            flags: END_HEADERS,
            stream,
            payload: block.collect(),
        };
        let mut bytes = head.bytes();
        if let Some(body) = body {
            let data = Frame {
                kind: DATA,
                flags: END_STREAM,
                stream,
                payload: body.to_vec(),
            };
            bytes.extend(data.bytes());
        }
        self.link.send(&bytes).await
    }
}

/// A header field of HPACK without indexing and without Huffman's code.
fn literal(name: &str, value: &str) -> Vec<u8> {
    [&[0x00], &string(name)[..], &string(value)].concat()
}

fn string(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    match u8::try_from(text.len()) {
        Ok(len) if len < 0x7f => bytes.push(len),
        _ => {
            bytes.push(0x7f);
            let mut rest = text.len() - 0x7f;
            while rest >= 0x80 {
                bytes.push(u8::try_from(rest & 0x7f).expect("seven bits") | 0x80);
                rest >>= 7;
            }
            bytes.push(u8::try_from(rest).expect("seven bits"));
        }
    }
    bytes.extend(text.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_is_as_in_rfc_7541() {
        // C.2.2 of RFC 7541 has a literal without indexing and a string of 10 + 13 bytes; the length 1337 is its C.1.2 with a prefix of 7.
        assert_eq!(literal("password", "s")[..10], *b"\x00\x08password");
        assert_eq!(string(&"a".repeat(1337))[..3], [0x7f, 0xba, 0x09]);
        assert_eq!(string(&"a".repeat(127))[..2], [0x7f, 0x00]);
    }

    #[test]
    fn a_frame_is_nine_bytes_and_its_payload() {
        let frame = Frame {
            kind: SETTINGS,
            flags: 0,
            stream: 0,
            payload: vec![0, 3, 0, 0, 3, 0xe8],
        };
        let mut bytes = frame.bytes();
        assert_eq!(bytes, [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 3, 0xe8]);
        bytes.pop();
        assert_eq!(Frame::split(&mut bytes), None);
        bytes.push(0xe8);
        assert_eq!(Frame::split(&mut bytes), Some(frame.clone()));
        assert_eq!(frame.settings(), [(3, 1000)]);
    }
}
