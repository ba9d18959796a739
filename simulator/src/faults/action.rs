//! What can go wrong. Names are Toxiproxy's where it has one for the same thing.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use apns_proto::{Identifier, Status};

use super::{Face, Moment};

/// What a face does instead of the truth. `taken` says that the notification is taken before the connection breaks, so that the client
/// cannot know; else it is lost with the connection.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    missing_docs,
    reason = "the table below says what each does and what its fields are for"
)]
pub enum Action {
    Latency {
        delay: Duration,
        jitter: Duration,
    },
    Bandwidth {
        bytes_per_second: NonZeroU32,
    },
    Timeout {
        after: Duration,
        taken: bool,
    },
    ResetPeer {
        taken: bool,
    },
    HalfClose {
        taken: bool,
    },
    Close {
        taken: bool,
    },
    Slicer {
        bytes: NonZeroUsize,
        pause: Duration,
        status: Status,
    },
    LimitData {
        bytes: usize,
        status: Status,
    },
    SlowClose {
        wait: Duration,
        status: Status,
    },
    Swallow {
        delay: Duration,
    },
    Status {
        status: Status,
    },
    WrongIdentifier {
        status: Status,
        identifier: Option<Identifier>,
    },
    ZeroIdentifier {
        status: Status,
    },
    NoPacket,
    Shutdown {
        taken: bool,
    },
    Reason {
        status: u16,
        reason: Arc<str>,
    },
    RstStream {
        error_code: u32,
        taken: bool,
    },
    Goaway {
        last_stream_id: Option<u32>,
        error_code: u32,
        debug: Arc<str>,
        taken: bool,
    },
    MaxStreams {
        streams: u32,
    },
    CertificateExpired,
    CertificateRevoked,
}

/// A line of the vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What a rule calls the action.
    pub name: &'static str,
    /// The faces that can do it.
    pub faces: &'static [Face],
    /// When; the first is the one a rule means that does not say `at`.
    pub moments: &'static [Moment],
    /// Keys it must be given.
    pub needs: &'static [&'static str],
    /// Keys it may be given.
    pub takes: &'static [&'static str],
    /// What it does, for `docs/simulator.md`.
    pub does: &'static str,
}

const EVERY_FACE: &[Face] = &Face::ALL;
const BYTES: &[Face] = &[Face::Binary, Face::Feedback];
const BINARY: &[Face] = &[Face::Binary];
const HTTP2: &[Face] = &[Face::Http2];
const PUSHES: &[Face] = &[Face::Binary, Face::Http2];
const PUSH: &[Moment] = &[Moment::Push];
const CONNECT: &[Moment] = &[Moment::Connect];
const BOTH: &[Moment] = &[Moment::Push, Moment::Connect];
const HANDSHAKE: &[Moment] = &[Moment::Handshake];

/// Every action there is; `docs/simulator.md` shows the same table.
pub const ACTIONS: &[Entry] = &[
    entry(
        "latency",
        EVERY_FACE,
        BOTH,
        &["ms"],
        &["jitter_ms"],
        "Goes on `ms` later, give or take up to `jitter_ms`, and then tells the truth. What comes behind on a binary connection waits too.",
    ),
    entry(
        "bandwidth",
        EVERY_FACE,
        CONNECT,
        &["bytes_per_second"],
        &[],
        "Reads from the client no faster than this; on the feedback face, writes no faster.",
    ),
    entry(
        "timeout",
        EVERY_FACE,
        BOTH,
        &[],
        &["ms", "taken"],
        "Falls silent and reads nothing more, then closes after `ms`; without `ms` after ten minutes.",
    ),
    entry(
        "reset_peer",
        EVERY_FACE,
        BOTH,
        &[],
        &["taken"],
        "Breaks the connection with RST.",
    ),
    entry(
        "half_close",
        EVERY_FACE,
        BOTH,
        &[],
        &["taken"],
        "Closes its own side, and reads and drops what still comes until the client closes too, for ten minutes at most.",
    ),
    entry(
        "close",
        EVERY_FACE,
        BOTH,
        &[],
        &["taken"],
        "Closes without a word.",
    ),
    entry(
        "slicer",
        BYTES,
        PUSH,
        &[],
        &["bytes", "ms", "status"],
        "Says what it says in TLS records of `bytes` (1), `ms` (0) apart: the error packet with `status` (8), or the feedback list.",
    ),
    entry(
        "limit_data",
        BYTES,
        PUSH,
        &["bytes"],
        &["status"],
        "Closes after the first `bytes` of what it says: the error packet with `status` (8), or the feedback list.",
    ),
    entry(
        "slow_close",
        BYTES,
        PUSH,
        &["ms"],
        &["status"],
        "Closes only `ms` after its last word: the error packet with `status` (8), or the feedback list.",
    ),
    entry(
        "swallow",
        PUSHES,
        PUSH,
        &[],
        &["ms"],
        "Accepts the notification, `ms` (0) later, and delivers it nowhere.",
    ),
    entry(
        "status",
        BINARY,
        PUSH,
        &["status"],
        &[],
        "Refuses the notification with this status, 0 to 255, assigned or not.",
    ),
    entry(
        "wrong_identifier",
        BINARY,
        PUSH,
        &[],
        &["status", "identifier"],
        "Refuses it with `status` (8) and this `identifier`; without one, with its own, every bit turned.",
    ),
    entry(
        "zero_identifier",
        BINARY,
        PUSH,
        &[],
        &["status"],
        "Refuses it with `status` (8) and identifier 0.",
    ),
    entry(
        "no_packet",
        BINARY,
        PUSH,
        &[],
        &[],
        "Refuses it and closes without a packet.",
    ),
    entry(
        "shutdown",
        BINARY,
        PUSH,
        &[],
        &["taken"],
        "Says status 10 with the identifier of the last notification taken [P-42], and closes.",
    ),
    entry(
        "reason",
        HTTP2,
        PUSH,
        &["reason"],
        &["status"],
        "Answers with this reason, known or not, and its `:status`; 400 for a reason that is not in the table below.",
    ),
    entry(
        "rst_stream",
        HTTP2,
        PUSH,
        &[],
        &["error_code", "taken"],
        "Ends the stream with RST_STREAM and this error code (7, REFUSED_STREAM).",
    ),
    entry(
        "goaway",
        HTTP2,
        BOTH,
        &[],
        &["last_stream_id", "error_code", "debug", "taken"],
        "Sends GOAWAY with this last stream (the one before this request, or with `taken` this one), error code (0) and debug data (none), answers what \
         is open up to it, and closes.",
    ),
    entry(
        "max_streams",
        HTTP2,
        BOTH,
        &["streams"],
        &[],
        "Sends SETTINGS that allow so many concurrent streams from now on, and tells the truth.",
    ),
    entry(
        "certificate_expired",
        EVERY_FACE,
        HANDSHAKE,
        &[],
        &[],
        "Refuses the client's certificate with the TLS alert `certificate_expired`, and closes the connections it has open.",
    ),
    entry(
        "certificate_revoked",
        EVERY_FACE,
        HANDSHAKE,
        &[],
        &[],
        "The same with the alert `certificate_revoked`.",
    ),
];

const fn entry(
    name: &'static str,
    faces: &'static [Face],
    moments: &'static [Moment],
    needs: &'static [&'static str],
    takes: &'static [&'static str],
    does: &'static str,
) -> Entry {
    Entry {
        name,
        faces,
        moments,
        needs,
        takes,
        does,
    }
}

impl Action {
    /// What a rule calls it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Latency { .. } => "latency",
            Self::Bandwidth { .. } => "bandwidth",
            Self::Timeout { .. } => "timeout",
            Self::ResetPeer { .. } => "reset_peer",
            Self::HalfClose { .. } => "half_close",
            Self::Close { .. } => "close",
            Self::Slicer { .. } => "slicer",
            Self::LimitData { .. } => "limit_data",
            Self::SlowClose { .. } => "slow_close",
            Self::Swallow { .. } => "swallow",
            Self::Status { .. } => "status",
            Self::WrongIdentifier { .. } => "wrong_identifier",
            Self::ZeroIdentifier { .. } => "zero_identifier",
            Self::NoPacket => "no_packet",
            Self::Shutdown { .. } => "shutdown",
            Self::Reason { .. } => "reason",
            Self::RstStream { .. } => "rst_stream",
            Self::Goaway { .. } => "goaway",
            Self::MaxStreams { .. } => "max_streams",
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateRevoked => "certificate_revoked",
        }
    }

    /// Its line of the vocabulary.
    #[must_use]
    pub fn entry(&self) -> &'static Entry {
        let name = self.name();
        let entry = ACTIONS.iter().find(|entry| entry.name == name);
        entry.expect("a test finds every action in the table")
    }

    /// Itself, with its jitter decided.
    pub(super) fn rolled(&self, dice: &mut fastrand::Rng) -> Self {
        match *self {
            Self::Latency { delay, jitter } if !jitter.is_zero() => Self::Latency {
                // From 0 to twice the jitter, around the delay.
                delay: (delay + jitter.mul_f64(2.0 * dice.f64())).saturating_sub(jitter),
                jitter: Duration::ZERO,
            },
            _ => self.clone(),
        }
    }

    /// The same about the push on a stream of HTTP/2: a GOAWAY names its last stream, and what is up to it is taken.
    pub(crate) fn on_stream(self, stream: u32) -> Self {
        match self {
            Self::Goaway {
                last_stream_id,
                error_code,
                debug,
                taken,
            } => {
                // A client's streams have odd numbers.
                let own = if taken {
                    stream
                } else {
                    stream.saturating_sub(2)
                };
                let last = last_stream_id.unwrap_or(own);
                Self::Goaway {
                    last_stream_id: Some(last),
                    error_code,
                    debug,
                    taken: taken || stream <= last,
                }
            }
            other => other,
        }
    }

    /// Whether the notification is taken before the connection breaks.
    #[must_use]
    pub const fn taken(&self) -> bool {
        match self {
            Self::Timeout { taken, .. }
            | Self::ResetPeer { taken }
            | Self::HalfClose { taken }
            | Self::Close { taken }
            | Self::Shutdown { taken }
            | Self::RstStream { taken, .. }
            | Self::Goaway { taken, .. } => *taken,
            _ => false,
        }
    }
}
