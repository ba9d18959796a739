//! Tokens that are faults: whoever pushes to one gets it, without any configuration. The first four are java-apns' own.
//!
//! ```text
//! FFFF00xx  status xx         FFFF01xx  accepted after xx · 100 ms, and delivered nowhere
//! FFFF02    a bare close      FFFF03nn  reason number nn of REASONS
//! ```
//!
//! Any token of 32 to 100 bytes that begins so. Each means something on both provider faces: where one has the status, the other has
//! the reason that a bridge between them would translate it into. No phone is ever given such a token.

use std::time::Duration;

use apns_proto::{Status, Token};

use super::{Action, Face};

/// What events call a fault that a token asked for.
pub const NAME: &str = "magic token";

/// How every magic token begins.
pub const PREFIX: [u8; 2] = [0xff, 0xff];

/// A reason of the HTTP/2 provider API; its number is its place in [`REASONS`], from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    /// What the body says.
    pub name: &'static str,
    /// The `:status` it comes with.
    pub http: u16,
    /// What `FFFF03nn` is answered on the binary face; `None` is silence, as for an app that is gone.
    pub status: Option<Status>,
}

/// Every reason, in the order of their `:status` and then of their names.
pub const REASONS: &[Reason] = &[
    reason(400, "BadCollapseId", Some(Status::PROCESSING_ERROR)),
    reason(400, "BadDeviceToken", Some(Status::INVALID_TOKEN)),
    reason(400, "BadExpirationDate", Some(Status::PROCESSING_ERROR)),
    reason(400, "BadMessageId", Some(Status::PROCESSING_ERROR)),
    reason(400, "BadPriority", Some(Status::PROCESSING_ERROR)),
    reason(400, "BadTopic", Some(Status::INVALID_TOPIC_SIZE)),
    reason(400, "DeviceTokenNotForTopic", Some(Status::INVALID_TOKEN)),
    reason(400, "DuplicateHeaders", Some(Status::PROCESSING_ERROR)),
    reason(400, "IdleTimeout", Some(Status::SHUTDOWN)),
    reason(400, "InvalidPushType", Some(Status::PROCESSING_ERROR)),
    reason(400, "MissingDeviceToken", Some(Status::MISSING_TOKEN)),
    reason(400, "MissingTopic", Some(Status::MISSING_TOPIC)),
    reason(400, "PayloadEmpty", Some(Status::MISSING_PAYLOAD)),
    reason(400, "TopicDisallowed", Some(Status::PROCESSING_ERROR)),
    reason(403, "BadCertificate", Some(Status::PROCESSING_ERROR)),
    reason(
        403,
        "BadCertificateEnvironment",
        Some(Status::PROCESSING_ERROR),
    ),
    reason(
        403,
        "BadEnvironmentKeyIdInToken",
        Some(Status::PROCESSING_ERROR),
    ),
    reason(403, "ExpiredProviderToken", Some(Status::PROCESSING_ERROR)),
    reason(403, "Forbidden", Some(Status::PROCESSING_ERROR)),
    reason(403, "InvalidProviderToken", Some(Status::PROCESSING_ERROR)),
    reason(403, "MissingProviderToken", Some(Status::PROCESSING_ERROR)),
    reason(403, "UnrelatedKeyIdInToken", Some(Status::PROCESSING_ERROR)),
    reason(404, "BadPath", Some(Status::PROCESSING_ERROR)),
    reason(405, "MethodNotAllowed", Some(Status::PROCESSING_ERROR)),
    reason(410, "ExpiredToken", None),
    reason(410, "Unregistered", None),
    reason(413, "PayloadTooLarge", Some(Status::INVALID_PAYLOAD_SIZE)),
    reason(
        429,
        "TooManyProviderTokenUpdates",
        Some(Status::PROCESSING_ERROR),
    ),
    reason(429, "TooManyRequests", Some(Status::PROCESSING_ERROR)),
    reason(500, "InternalServerError", Some(Status::PROCESSING_ERROR)),
    reason(503, "ServiceUnavailable", Some(Status::PROCESSING_ERROR)),
    reason(503, "Shutdown", Some(Status::SHUTDOWN)),
];

const fn reason(http: u16, name: &'static str, status: Option<Status>) -> Reason {
    Reason { name, http, status }
}

impl Reason {
    /// The reason of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        REASONS.iter().find(|reason| reason.name == name)
    }

    /// What `FFFF00xx` is answered on the HTTP/2 face.
    #[must_use]
    pub fn of(status: Status) -> &'static Self {
        let name = match status {
            Status::MISSING_TOKEN => "MissingDeviceToken",
            Status::MISSING_TOPIC => "MissingTopic",
            Status::MISSING_PAYLOAD => "PayloadEmpty",
            Status::INVALID_TOKEN_SIZE | Status::INVALID_TOKEN => "BadDeviceToken",
            Status::INVALID_TOPIC_SIZE => "BadTopic",
            Status::INVALID_PAYLOAD_SIZE => "PayloadTooLarge",
            Status::SHUTDOWN => "Shutdown",
            _ => "InternalServerError",
        };
        Self::named(name).expect("a test finds it in the table")
    }

    fn answer(&self) -> Action {
        Action::Reason {
            status: self.http,
            reason: self.name.into(),
        }
    }
}

/// What a token asks for; `None` if it is no magic one.
pub(super) fn action(face: Face, token: &[u8]) -> Option<Action> {
    let [0xff, 0xff, family, number, ..] = *token else {
        return None;
    };
    if !(Token::LEN_MIN..=Token::LEN_MAX).contains(&token.len()) {
        return None;
    }
    match (family, face) {
        (_, Face::Feedback) => None,
        (0x00, Face::Binary) => Some(refusal(Status(number))),
        (0x00, Face::Http2) => Some(Reason::of(Status(number)).answer()),
        (0x01, _) => Some(Action::Swallow {
            delay: Duration::from_millis(100) * number.into(),
        }),
        (0x02, _) => Some(Action::Close { taken: false }),
        (0x03, _) => {
            let reason = REASONS.get(usize::from(number).checked_sub(1)?)?;
            Some(match (face, reason.status) {
                (Face::Http2, _) => reason.answer(),
                (_, Some(status)) => refusal(status),
                (_, None) => Action::Swallow {
                    delay: Duration::ZERO,
                },
            })
        }
        _ => None,
    }
}

/// Status 10 is never about the notification that has just come.
const fn refusal(status: Status) -> Action {
    match status {
        Status::SHUTDOWN => Action::Shutdown { taken: false },
        status => Action::Status { status },
    }
}
