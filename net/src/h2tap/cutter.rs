//! Where one frame ends and the next begins, however the stream is cut into pieces. Pure, and without a buffer: it keeps at most eight
//! bytes of a head that has not arrived whole.

use super::frame::{HEAD_LEN, Head};

/// What a client says before its first frame: `PRI * HTTP/2.0…`.
const PREFACE_LEN: u32 = 24;

/// A place in one direction of a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Cutter {
    head: [u8; HEAD_LEN],
    /// How much of `head` is there.
    head_len: usize,
    /// What is left of the frame's payload, or of the preface.
    left: u32,
    /// Only a CONTINUATION may follow.
    headers_open: bool,
}

/// The next thing in the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A frame begins; its head is whole.
    Head(Head),
    /// More of its payload, or of the preface.
    Payload(&'a [u8]),
}

impl Cutter {
    /// What a server sends.
    pub(super) fn of_server() -> Self {
        Self::default()
    }

    /// What a client sends.
    pub(super) fn of_client() -> Self {
        Self {
            left: PREFACE_LEN,
            ..Self::default()
        }
    }

    /// Takes the next piece off the front of `bytes`. `None`: there is no more to know yet, and `bytes` is empty.
    pub(super) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Piece<'a>> {
        if bytes.is_empty() {
            return None;
        }
        if self.left > 0 {
            let len = bytes.len().min(self.left as usize);
            let payload = take(bytes, len);
            self.left -= u32::try_from(len).expect("it is no more than what was left, a u32");
            return Some(Piece::Payload(payload));
        }
        let part = take(bytes, bytes.len().min(HEAD_LEN - self.head_len));
        self.head[self.head_len..][..part.len()].copy_from_slice(part);
        self.head_len += part.len();
        if self.head_len < HEAD_LEN {
            return None;
        }
        self.head_len = 0;
        let head = Head::decode(self.head);
        self.left = head.payload_len;
        if let Some(open) = head.leaves_headers_open() {
            self.headers_open = open;
        }
        Some(Piece::Head(head))
    }

    /// Whether another frame may be put in here.
    pub(super) fn is_between_frames(&self) -> bool {
        self.head_len == 0 && self.left == 0 && !self.headers_open
    }

    /// Whether the frame that began last is whole.
    pub(super) fn is_frame_whole(&self) -> bool {
        self.head_len == 0 && self.left == 0
    }

    /// Bytes to the end of the head or payload that has begun; 0 where a head is next.
    pub(super) fn left_of_this(&self) -> usize {
        match self.head_len {
            0 => self.left as usize,
            len => HEAD_LEN - len,
        }
    }

    /// How many of these bytes come before the next place where another frame may be put in.
    pub(super) fn until_between_frames(&self, bytes: &[u8]) -> usize {
        let mut ahead = self.clone();
        let mut rest = bytes;
        while ahead.next(&mut rest).is_some() {
            if ahead.is_between_frames() {
                break;
            }
        }
        bytes.len() - rest.len()
    }
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (front, rest) = bytes.split_at(len);
    *bytes = rest;
    front
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::frame::Kind;
    use super::*;

    const PREFACE: &[u8; PREFACE_LEN as usize] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    /// Every frame that comes out of `pieces`, whole, and whether another could be put in behind it.
    fn frames(
        mut cutter: Cutter,
        pieces: impl IntoIterator<Item = Vec<u8>>,
    ) -> Vec<(Option<Head>, Vec<u8>, bool)> {
        let mut frames: Vec<(Option<Head>, Vec<u8>, bool)> = Vec::new();
        for piece in pieces {
            let mut rest = &piece[..];
            while let Some(piece) = cutter.next(&mut rest) {
                match piece {
                    Piece::Head(head) => {
                        frames.push((Some(head), Vec::new(), cutter.is_between_frames()));
                    }
                    Piece::Payload(part) => {
                        if frames.is_empty() {
                            frames.push((None, Vec::new(), false));
                        }
                        let (_, payload, between) = frames.last_mut().unwrap();
                        payload.extend(part);
                        *between = cutter.is_between_frames();
                    }
                }
            }
            assert!(rest.is_empty(), "it has looked at everything");
        }
        frames
    }

    fn cut(bytes: &[u8], lens: &[usize]) -> Vec<Vec<u8>> {
        let mut rest = bytes;
        let mut pieces = Vec::new();
        for len in lens.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let len = rest.len().min(*len);
            pieces.push(take(&mut rest, len).to_vec());
        }
        pieces
    }

    #[test]
    fn nothing_may_be_put_into_a_header_block() {
        let mut stream = frame(1, 0, 1, b"some");
        stream.extend(frame(9, 0, 1, b"more"));
        stream.extend(frame(9, 4, 1, b"end"));
        stream.extend(frame(0, 1, 1, b""));
        let between: Vec<_> = frames(Cutter::of_server(), [stream.clone()])
            .into_iter()
            .map(|(.., between)| between)
            .collect();
        assert_eq!(between, [false, false, true, true]);
        let block = 3 * HEAD_LEN + "somemoreend".len();
        assert_eq!(Cutter::of_server().until_between_frames(&stream), block);
        assert_eq!(
            Cutter::of_server().until_between_frames(&stream[..block - 1]),
            block - 1
        );
    }

    #[test]
    fn a_clients_preface_is_no_frame() {
        let mut stream = PREFACE.to_vec();
        stream.extend(frame(4, 0, 0, b""));
        let frames = frames(Cutter::of_client(), [stream]);
        assert_eq!(frames[0], (None, PREFACE.to_vec(), true));
        assert_eq!(frames[1].0.unwrap().kind, Kind::SETTINGS);
    }

    proptest! {
        #[test]
        fn however_the_stream_is_cut_the_same_frames_come_out(
            sent in prop::collection::vec((any::<u8>(), any::<u8>(), 0..1u32 << 31, prop::collection::vec(any::<u8>(), 0..40)), 0..12),
            lens in prop::collection::vec(1..30usize, 1..20),
            client: bool,
        ) {
            let cutter = if client { Cutter::of_client() } else { Cutter::of_server() };
            let mut stream = if client { PREFACE.to_vec() } else { Vec::new() };
            for (kind, flags, on, payload) in &sent {
                stream.extend(frame(*kind, *flags, *on, payload));
            }
            let whole = frames(cutter.clone(), [stream.clone()]);
            prop_assert_eq!(&frames(cutter, cut(&stream, &lens)), &whole);
            let heads: Vec<_> = whole.iter().filter_map(|(head, payload, _)| head.map(|head| (head.kind.0, head.flags, head.stream, payload.clone()))).collect();
            prop_assert_eq!(heads, sent);
        }
    }
}
