//! The table of the provider API over HTTP/2, and what there is to judge.

use std::fmt;
use std::time::Duration;

use apns_proto::Status;
use serde_json::Value;

use super::{Class, Fault, Misconfiguration, Place, Reason, Retry, Verdict, When};

/// How long a bad token may be remembered. HTTP/2 says 410, and not this, of an app that was uninstalled.
const BAD_TOKEN_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The pause after a stream was refused: upstream has just lowered its limit, or is about to say so.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// The pause after "the provider token changed too often": what will do has been sent already, by us or by another process
/// with the same key.
const TOKEN_UPDATES_PAUSE: Duration = Duration::from_secs(60);

/// What can become of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered.
    Answered(Answer),
    /// Upstream reset its stream.
    Reset(ErrorCode),
    /// Upstream said goodbye before it looked at it: its stream is above the last one, or was never opened.
    Unprocessed {
        /// Of the GOAWAY frame.
        code: ErrorCode,
        /// What its debug data says, if something.
        reason: Option<Reason>,
    },
    /// The connection ended with it under way, behind a GOAWAY or without one. It may have been delivered.
    Lost {
        /// Nothing else was on the connection.
        alone: bool,
    },
    /// No answer came in time, on a connection that lives. It may have been delivered.
    Unanswered,
    /// What came as an answer is none that HTTP/2 allows. It may have been delivered.
    Garbled,
    /// The upstream never began to speak HTTP/2 on this connection, which ended or let it wait in vain. It may have been delivered.
    NoPreface,
}

impl Outcome {
    /// Whether it may have been delivered all the same, so that another attempt may be shown as a second one.
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::Answered(_) | Self::Unprocessed { .. } => false,
            Self::Reset(code) => *code != ErrorCode::REFUSED_STREAM,
            Self::Lost { .. } | Self::Unanswered | Self::Garbled | Self::NoPreface => true,
        }
    }

    /// Whether what came as an answer is none that APNs gives.
    pub fn is_foreign(&self) -> bool {
        match self {
            Self::Answered(answer) => answer.foreign,
            Self::Garbled => true,
            _ => false,
        }
    }
}

/// For logs and dead letters.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(answer) => answer.fmt(f),
            Self::Reset(code) => write!(f, "stream reset with {code}"),
            Self::Unprocessed {
                code,
                reason: Some(reason),
            } => write!(f, "goaway with {code}, {reason}"),
            Self::Unprocessed { code, reason: None } => write!(f, "goaway with {code}"),
            Self::Lost { .. } => f.write_str("connection lost"),
            Self::Unanswered => f.write_str("no answer in time"),
            Self::Garbled => f.write_str("an answer that is no HTTP/2"),
            Self::NoPreface => f.write_str("no word of HTTP/2"),
        }
    }
}

/// A response of the provider API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `:status`.
    pub status: u16,
    /// Why, if the body says so.
    pub reason: Option<Reason>,
    /// Of a 410: since when the token is dead, in UNIX milliseconds.
    pub timestamp_ms: Option<u64>,
    /// It is none of the provider API's: another server's, or one's that has lost its mind.
    pub foreign: bool,
}

impl Answer {
    /// Bytes of a body worth reading; the longest one Apple sends has less than a hundred.
    pub const BODY_LEN_MAX: usize = 1024;

    /// Reads what can be read of a body: an empty one, one that is cut or no JSON at all says nothing, and is no error.
    pub fn new(status: u16, body: &[u8]) -> Self {
        let says_something = !body.is_empty();
        let body = Body::read(body);
        Self {
            status,
            reason: body.reason(),
            timestamp_ms: body.0.get("timestamp").and_then(Value::as_u64),
            foreign: !matches!(status, 200 | 400..=599) || (says_something && !body.0.is_object()),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Some(reason) => write!(f, "{} {reason}", self.status),
            None => self.status.fmt(f),
        }
    }
}

/// Upstream's goodbye.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoAway {
    /// The last stream it may have looked at.
    pub last_stream_id: u32,
    /// Why, in HTTP/2's words.
    pub code: ErrorCode,
    /// Why, in APNs' words.
    pub reason: Option<Reason>,
}

impl GoAway {
    /// Reads the frame's debug data as leniently as a body.
    pub fn new(last_stream_id: u32, code: ErrorCode, debug_data: &[u8]) -> Self {
        Self {
            last_stream_id,
            code,
            reason: Body::read(debug_data).reason(),
        }
    }

    /// What becomes of the push on `stream`; none: its answer may still come, and if the connection ends first it is
    /// [`Outcome::Lost`].
    pub fn outcome(&self, stream: u32) -> Option<Outcome> {
        (stream > self.last_stream_id).then(|| self.unprocessed())
    }

    /// What becomes of a push that upstream has not looked at.
    pub fn unprocessed(&self) -> Outcome {
        Outcome::Unprocessed {
            code: self.code,
            reason: self.reason.clone(),
        }
    }
}

/// An error code of HTTP/2 (RFC 9113, 7). A number nobody assigned survives and prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u32);

impl ErrorCode {
    /// Not an error.
    pub const NO_ERROR: Self = Self(0x0);
    /// The stream was not processed at all.
    pub const REFUSED_STREAM: Self = Self(0x7);
    /// The peer asks for less.
    pub const ENHANCE_YOUR_CALM: Self = Self(0xb);

    const NAMES: [&'static str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = usize::try_from(self.0)
            .ok()
            .and_then(|code| Self::NAMES.get(code));
        match name {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#x}", self.0),
        }
    }
}

/// What a push was authenticated with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// The connection's client certificate.
    Certificate,
    /// A provider token; there is a newer one by now, or one may be made.
    Token,
    /// The newest provider token, made so short a time ago that no other may be made yet.
    FreshToken,
}

/// What a body or debug data says, if it is JSON.
struct Body(Value);

impl Body {
    fn read(bytes: &[u8]) -> Self {
        let bytes = bytes.get(..Answer::BODY_LEN_MAX).unwrap_or(bytes);
        Self(serde_json::from_slice(bytes).unwrap_or_default())
    }

    fn reason(&self) -> Option<Reason> {
        let word = self.0.get("reason")?.as_str()?;
        let Ok(reason) = word.parse();
        Some(reason)
    }
}

impl Verdict {
    /// The verdict on what became of a push over HTTP/2.
    pub fn of_http2(outcome: &Outcome, auth: Auth) -> Self {
        match outcome {
            Outcome::Answered(answer) => of_answer(answer, auth),
            Outcome::Reset(ErrorCode::REFUSED_STREAM) => {
                retry(When::After(REFUSED_PAUSE), Place::Same)
            }
            Outcome::Reset(ErrorCode::ENHANCE_YOUR_CALM) => {
                retry(When::BackOff(Class::Throttled), Place::Same)
            }
            Outcome::Reset(_) | Outcome::Unanswered | Outcome::Garbled => {
                retry(When::BackOff(Class::Failed), Place::Same)
            }
            // Whatever is the matter there, it is no notification that it broke on.
            Outcome::NoPreface => retry(When::BackOff(Class::Unavailable), Place::NewConnection),
            Outcome::Unprocessed { reason, .. } => reason
                .as_ref()
                .and_then(|reason| of_connection(reason, auth))
                // Pauses between connections are the connector's.
                .unwrap_or_else(|| retry(When::AtOnce, Place::NewConnection)),
            Outcome::Lost { alone: true } => {
                retry(When::BackOff(Class::Broke), Place::NewConnection)
            }
            Outcome::Lost { alone: false } => retry(When::AtOnce, Place::NewConnection),
        }
    }
}

/// The verdict on an answer. Its reason decides where the status allows it to; a backend purges what is called a bad token, so
/// that takes the word for it.
fn of_answer(answer: &Answer, auth: Auth) -> Verdict {
    let known = answer
        .reason
        .as_ref()
        .and_then(|reason| match answer.status {
            400..=499 => of_reason(reason, answer, auth),
            500..=599 => of_connection(reason, auth),
            _ => None,
        });
    known.unwrap_or_else(|| of_status(answer))
}

/// What a reason means whose status may be believed; none: see the status.
fn of_reason(reason: &Reason, answer: &Answer, auth: Auth) -> Option<Verdict> {
    Some(match reason {
        Reason::BadDeviceToken | Reason::DeviceTokenNotForTopic => Verdict::BadToken {
            status: Status::INVALID_TOKEN,
            lifetime: BAD_TOKEN_LIFETIME,
        },
        Reason::Unregistered | Reason::ExpiredToken => unregistered(answer),
        Reason::MissingDeviceToken => refused(Status::MISSING_TOKEN, Fault::Backend),
        Reason::PayloadEmpty => refused(Status::MISSING_PAYLOAD, Fault::Backend),
        Reason::PayloadTooLarge => refused(Status::INVALID_PAYLOAD_SIZE, Fault::Backend),
        Reason::BadCollapseId
        | Reason::BadExpirationDate
        | Reason::BadMessageId
        | Reason::BadPath
        | Reason::BadPriority
        | Reason::DuplicateHeaders
        | Reason::InvalidPushType
        | Reason::MethodNotAllowed => refused(Status::PROCESSING_ERROR, Fault::Gateway),
        Reason::BadTopic | Reason::MissingTopic | Reason::TopicDisallowed => {
            Verdict::Misconfigured(Misconfiguration::Topic)
        }
        Reason::TooManyRequests => retry(When::BackOff(Class::Throttled), Place::Same),
        // A 4xx of an upstream that means a 5xx.
        Reason::InternalServerError => retry(When::BackOff(Class::Failed), Place::Same),
        Reason::ServiceUnavailable => retry(When::BackOff(Class::Unavailable), Place::Same),
        _ => return of_connection(reason, auth),
    })
}

/// What a reason means that is about the caller or the connection, whatever it comes with: an answer or a GOAWAY.
fn of_connection(reason: &Reason, auth: Auth) -> Option<Verdict> {
    Some(match (reason, auth) {
        (Reason::IdleTimeout | Reason::Shutdown, _) => retry(When::AtOnce, Place::NewConnection),
        (Reason::BadCertificate, _) => Verdict::Misconfigured(Misconfiguration::Certificate),
        (Reason::BadCertificateEnvironment | Reason::BadEnvironmentKeyIdInToken, _) => {
            Verdict::Misconfigured(Misconfiguration::Environment)
        }
        (Reason::Forbidden, _) => Verdict::Misconfigured(Misconfiguration::Forbidden),
        // Once with a token made after this one, and then it is the key.
        (
            Reason::ExpiredProviderToken
            | Reason::InvalidProviderToken
            | Reason::UnrelatedKeyIdInToken,
            Auth::Token,
        ) => retry(When::AtOnce, Place::FreshToken),
        (Reason::ExpiredProviderToken, Auth::FreshToken) => {
            Verdict::Misconfigured(Misconfiguration::Clock)
        }
        (
            Reason::ExpiredProviderToken
            | Reason::InvalidProviderToken
            | Reason::MissingProviderToken
            | Reason::UnrelatedKeyIdInToken,
            _,
        ) => Verdict::Misconfigured(match auth {
            Auth::Certificate => Misconfiguration::Certificate,
            Auth::Token | Auth::FreshToken => Misconfiguration::Key,
        }),
        (Reason::TooManyProviderTokenUpdates, _) => {
            retry(When::After(TOKEN_UPDATES_PAUSE), Place::Same)
        }
        _ => return None,
    })
}

/// What a status means by itself.
fn of_status(answer: &Answer) -> Verdict {
    match answer.status {
        200..=299 => Verdict::Delivered,
        403 => Verdict::Misconfigured(Misconfiguration::Forbidden),
        408 => retry(When::BackOff(Class::Failed), Place::Same),
        410 => unregistered(answer),
        413 => refused(Status::INVALID_PAYLOAD_SIZE, Fault::Backend),
        429 => retry(When::BackOff(Class::Throttled), Place::Same),
        // A refusal for a reason nobody knows. Another attempt would end alike, and the token may be good.
        400..=499 => refused(Status::PROCESSING_ERROR, Fault::Gateway),
        503 => retry(When::BackOff(Class::Unavailable), Place::Same),
        // 5xx, and what is no answer at all.
        _ => retry(When::BackOff(Class::Failed), Place::Same),
    }
}

fn unregistered(answer: &Answer) -> Verdict {
    Verdict::Unregistered {
        since: answer.timestamp_ms.map(|millis| millis / 1000),
    }
}

fn refused(status: Status, fault: Fault) -> Verdict {
    Verdict::Refused { status, fault }
}

fn retry(when: When, place: Place) -> Verdict {
    Verdict::Retry(Retry { when, place })
}
