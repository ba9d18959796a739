//! HTTP/2 frames as far as the tap knows them (RFC 9113, section 4.1 and 6): the head of every one, and three whole ones that it writes.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::Reason;

/// Length of a frame's head.
pub(super) const HEAD_LEN: usize = 9;

/// Debug data of a GOAWAY is read up to this; what follows is passed on and forgotten.
pub const DEBUG_DATA_LEN_MAX: usize = 1024;

/// The nine bytes every frame begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Length of what follows: 24 bits.
    pub payload_len: u32,
    /// What it is.
    pub kind: Kind,
    /// What they mean depends on the kind.
    pub flags: u8,
    /// The stream, 0 for the connection.
    pub stream: u32,
}

impl Head {
    const ACK: u8 = 0x01;
    const END_HEADERS: u8 = 0x04;
    const STREAM_MASK: u32 = 0x7fff_ffff;

    pub(super) fn decode(bytes: [u8; HEAD_LEN]) -> Self {
        let [a, b, c, kind, flags, stream @ ..] = bytes;
        Self {
            payload_len: u32::from_be_bytes([0, a, b, c]),
            kind: Kind(kind),
            flags,
            stream: u32::from_be_bytes(stream) & Self::STREAM_MASK,
        }
    }

    fn encode(self, out: &mut BytesMut) {
        out.put_uint(self.payload_len.into(), 3);
        out.put_u8(self.kind.0);
        out.put_u8(self.flags);
        out.put_u32(self.stream);
    }

    /// Whether it says that the peer has taken our oldest unacknowledged SETTINGS to heart.
    pub(super) fn acknowledges_settings(self) -> bool {
        self.kind == Kind::SETTINGS && self.flags & Self::ACK != 0
    }

    /// Whether it announces the sender's own settings.
    pub(super) fn announces_settings(self) -> bool {
        self.kind == Kind::SETTINGS && self.flags & Self::ACK == 0
    }

    /// Whether nothing but a CONTINUATION may follow: `None` when this frame is not part of a header block.
    pub(super) fn leaves_headers_open(self) -> Option<bool> {
        matches!(
            self.kind,
            Kind::HEADERS | Kind::PUSH_PROMISE | Kind::CONTINUATION
        )
        .then_some(self.flags & Self::END_HEADERS == 0)
    }
}

/// A frame's type; one nobody assigned is passed on like any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(pub u8);

impl Kind {
    /// A part of a body.
    pub const DATA: Self = Self(0x00);
    /// Opens a stream or ends it.
    pub const HEADERS: Self = Self(0x01);
    /// Ends a stream at once.
    pub const RST_STREAM: Self = Self(0x03);
    /// What the sender of it is prepared to take, or the acknowledgement of that.
    pub const SETTINGS: Self = Self(0x04);
    /// A server's unasked-for answer.
    pub const PUSH_PROMISE: Self = Self(0x05);
    /// The connection will take no more streams.
    pub const GOAWAY: Self = Self(0x07);
    /// More of a header block.
    pub const CONTINUATION: Self = Self(0x09);
}

/// The name of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting(pub u16);

impl Setting {
    /// Bytes of the peer's table of header fields.
    pub const HEADER_TABLE_SIZE: Self = Self(0x01);
    /// Streams the peer may have open at once.
    pub const MAX_CONCURRENT_STREAMS: Self = Self(0x03);
    /// Bytes the peer may send on a new stream.
    pub const INITIAL_WINDOW_SIZE: Self = Self(0x04);
    /// Bytes of a frame's payload.
    pub const MAX_FRAME_SIZE: Self = Self(0x05);
    /// Bytes of a request's header fields, unpacked.
    pub const MAX_HEADER_LIST_SIZE: Self = Self(0x06);
}

/// A frame that can be put between those of the HTTP/2 library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Changes what the peer may do. Its acknowledgement is for the tap, the library does not see it.
    Settings(Vec<(Setting, u32)>),
    /// Ends the connection.
    GoAway(GoAway),
    /// Ends a stream, behind the library's back: it will still take what the peer sends on it.
    Reset {
        /// The stream.
        stream: u32,
        /// Why.
        reason: Reason,
    },
}

impl Frame {
    /// Appends the frame as it goes over the wire.
    ///
    /// # Panics
    ///
    /// When its payload has 16 MiB or more, which no frame can carry.
    pub fn encode(&self, out: &mut BytesMut) {
        let (kind, stream, payload_len) = match self {
            Self::Settings(settings) => (Kind::SETTINGS, 0, settings.len() * 6),
            Self::GoAway(goaway) => (Kind::GOAWAY, 0, 8 + goaway.debug_data.len()),
            Self::Reset { stream, .. } => (Kind::RST_STREAM, *stream, 4),
        };
        let payload_len = u32::try_from(payload_len)
            .ok()
            .filter(|len| *len < 1 << 24)
            .expect("a payload fits into a frame");
        Head {
            payload_len,
            kind,
            flags: 0,
            stream,
        }
        .encode(out);
        match self {
            Self::Settings(settings) => {
                for (setting, value) in settings {
                    out.put_u16(setting.0);
                    out.put_u32(*value);
                }
            }
            Self::GoAway(goaway) => {
                out.put_u32(goaway.last_stream);
                out.put_u32(goaway.reason.into());
                out.put_slice(&goaway.debug_data);
            }
            Self::Reset { reason, .. } => out.put_u32((*reason).into()),
        }
    }
}

/// The last word on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoAway {
    /// The newest stream that was, or may have been, processed; later ones were not. 0: none was.
    pub last_stream: u32,
    /// Why.
    pub reason: Reason,
    /// More about it. APNs says `{"reason":"…"}` here. At most [`DEBUG_DATA_LEN_MAX`] bytes of what a peer sent.
    pub debug_data: Bytes,
}

impl GoAway {
    /// `None` when the payload is too short to be one.
    pub(super) fn decode(mut payload: &[u8]) -> Option<Self> {
        if payload.len() < 8 {
            return None;
        }
        Some(Self {
            last_stream: payload.get_u32() & Head::STREAM_MASK,
            reason: payload.get_u32().into(),
            debug_data: Bytes::copy_from_slice(payload),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(frame: &Frame) -> BytesMut {
        let mut out = BytesMut::new();
        frame.encode(&mut out);
        out
    }

    #[test]
    fn frames_are_written_as_rfc_9113_draws_them() {
        let settings = Frame::Settings(vec![
            (Setting::MAX_CONCURRENT_STREAMS, 1000),
            (Setting::MAX_HEADER_LIST_SIZE, 8000),
        ]);
        assert_eq!(
            encoded(&settings)[..],
            *b"\x00\x00\x0c\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x03\xe8\x00\x06\x00\x00\x1f\x40"
        );
        let reset = Frame::Reset {
            stream: 5,
            reason: Reason::REFUSED_STREAM,
        };
        assert_eq!(
            encoded(&reset)[..],
            *b"\x00\x00\x04\x03\x00\x00\x00\x00\x05\x00\x00\x00\x07"
        );
        let goaway = Frame::GoAway(GoAway {
            last_stream: 3,
            reason: Reason::NO_ERROR,
            debug_data: Bytes::from_static(b"{}"),
        });
        assert_eq!(
            encoded(&goaway)[..],
            *b"\x00\x00\x0a\x07\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00{}"
        );
    }

    #[test]
    fn the_reserved_bit_of_a_stream_is_no_part_of_its_number() {
        let head = Head::decode(*b"\x01\x00\x02\x00\x01\xff\xff\xff\xff");
        assert_eq!(
            head,
            Head {
                payload_len: 0x01_0002,
                kind: Kind::DATA,
                flags: 1,
                stream: 0x7fff_ffff
            }
        );
        let goaway = GoAway::decode(b"\x80\x00\x00\x07\x00\x00\x00\x0bx").unwrap();
        assert_eq!(
            (goaway.last_stream, goaway.reason),
            (7, Reason::ENHANCE_YOUR_CALM)
        );
        assert_eq!(GoAway::decode(b"\x00\x00\x00\x07\x00\x00\x00"), None);
    }
}
