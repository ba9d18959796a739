//! Tokens that are faults: whoever pushes to one gets it, without any configuration. The first four are java-apns' own.
//!
//! ```text
//! FFFF00xx  status xx         FFFF01xx  accepted after xx · 100 ms, and delivered nowhere
//! FFFF02    a bare close      FFFF03nn  reason number nn of Reason::ALL, from 1
//! ```
//!
//! Any token of 32 to 100 bytes that begins so. Each means something on both provider faces: where one has the status, the other has
//! the reason that a bridge between them would translate it into. No phone is ever given such a token.

use std::time::Duration;

use apns_proto::{Status, Token};

use super::{Action, Face};
use crate::provider_api::Reason;

/// What events call a fault that a token asked for.
pub const NAME: &str = "magic token";

/// How every magic token begins.
pub const PREFIX: [u8; 2] = [0xff, 0xff];

/// What `FFFF03nn` is answered on the binary face; `None` is silence, as for an app that is gone.
#[must_use]
pub const fn status(reason: Reason) -> Option<Status> {
    Some(match reason {
        Reason::ExpiredToken | Reason::Unregistered => return None,
        Reason::BadDeviceToken | Reason::DeviceTokenNotForTopic => Status::INVALID_TOKEN,
        Reason::BadTopic => Status::INVALID_TOPIC_SIZE,
        Reason::IdleTimeout | Reason::Shutdown => Status::SHUTDOWN,
        Reason::MissingDeviceToken => Status::MISSING_TOKEN,
        Reason::MissingTopic => Status::MISSING_TOPIC,
        Reason::PayloadEmpty => Status::MISSING_PAYLOAD,
        Reason::PayloadTooLarge => Status::INVALID_PAYLOAD_SIZE,
        _ => Status::PROCESSING_ERROR,
    })
}

/// What `FFFF00xx` is answered on the HTTP/2 face.
#[must_use]
pub const fn reason(status: Status) -> Reason {
    match status {
        Status::MISSING_TOKEN => Reason::MissingDeviceToken,
        Status::MISSING_TOPIC => Reason::MissingTopic,
        Status::MISSING_PAYLOAD => Reason::PayloadEmpty,
        Status::INVALID_TOKEN_SIZE | Status::INVALID_TOKEN => Reason::BadDeviceToken,
        Status::INVALID_TOPIC_SIZE => Reason::BadTopic,
        Status::INVALID_PAYLOAD_SIZE => Reason::PayloadTooLarge,
        Status::SHUTDOWN => Reason::Shutdown,
        _ => Reason::InternalServerError,
    }
}

fn answer(reason: Reason) -> Action {
    Action::Reason {
        status: reason.status(),
        reason: reason.to_string().into(),
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
        (0x00, Face::Http2) => Some(answer(reason(Status(number)))),
        (0x01, _) => Some(Action::Swallow {
            delay: Duration::from_millis(100) * number.into(),
        }),
        (0x02, _) => Some(Action::Close { taken: false }),
        (0x03, _) => {
            let reason = *Reason::ALL.get(usize::from(number).checked_sub(1)?)?;
            Some(match (face, status(reason)) {
                (Face::Http2, _) => answer(reason),
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
