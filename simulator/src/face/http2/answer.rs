//! What a request is answered [H-30] [H-32].

use std::sync::Arc;
use std::time::SystemTime;

use apns_net::credentials::Environment;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::provider_api::{ApnsId, Reason};
use crate::world::{Refusal, World, milliseconds};

const APNS_ID: HeaderName = HeaderName::from_static("apns-id");
const APNS_UNIQUE_ID: HeaderName = HeaderName::from_static("apns-unique-id");

/// An answer: accepted unless it has words.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    id: ApnsId,
    /// In the sandbox alone [H-12].
    unique_id: Option<ApnsId>,
    words: Option<Words>,
}

/// What a refusal says.
#[derive(Debug, Clone)]
struct Words {
    status: u16,
    reason: Arc<str>,
    timestamp_ms: Option<u64>,
}

impl Answer {
    /// To the request that is called `id`.
    pub(super) fn new(id: ApnsId, environment: Environment, world: &mut World) -> Self {
        Self {
            id,
            unique_id: match environment {
                Environment::Sandbox => Some(world.new_apns_id()),
                Environment::Production => None,
            },
            words: None,
        }
    }

    pub(super) fn refused(self, refusal: Refusal) -> Self {
        Self {
            words: Some(Words {
                status: refusal.reason.status(),
                reason: refusal.reason.to_string().into(),
                timestamp_ms: refusal.timestamp_ms,
            }),
            ..self
        }
    }

    /// In the words of a fault. Those of a token that is dead say since when: since now.
    pub(super) fn in_words(self, status: u16, reason: Arc<str>, now: SystemTime) -> Self {
        let known = Reason::named(&reason);
        let dead = matches!(known, Some(Reason::ExpiredToken | Reason::Unregistered));
        Self {
            words: Some(Words {
                status,
                reason,
                timestamp_ms: dead.then(|| milliseconds(now)),
            }),
            ..self
        }
    }

    /// The reason, if it is a refusal.
    pub(super) fn reason(&self) -> Option<&str> {
        self.words.as_ref().map(|words| &*words.reason)
    }

    /// Head and body.
    pub(super) fn response(&self) -> (Response<()>, Bytes) {
        let mut response = Response::new(());
        let headers = response.headers_mut();
        headers.insert(APNS_ID, value(&self.id));
        if let Some(id) = &self.unique_id {
            headers.insert(APNS_UNIQUE_ID, value(id));
        }
        let Some(words) = &self.words else {
            return (response, Bytes::new());
        };
        *response.status_mut() = StatusCode::from_u16(words.status)
            .expect("the status of a reason is between 200 and 599");
        (response, body(&words.reason, words.timestamp_ms))
    }
}

fn value(id: &ApnsId) -> HeaderValue {
    HeaderValue::from_str(id.as_str()).expect("digits and hyphens may stand in a header")
}

/// The JSON that says why.
pub(super) fn body(reason: &str, timestamp_ms: Option<u64>) -> Bytes {
    #[derive(Serialize)]
    struct Body<'a> {
        reason: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        timestamp: Option<u64>,
    }

    let body = Body {
        reason,
        timestamp: timestamp_ms,
    };
    serde_json::to_vec(&body)
        .expect("a word and a number are JSON")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_why_and_since_when() {
        assert_eq!(
            body("BadDeviceToken", None),
            r#"{"reason":"BadDeviceToken"}"#
        );
        assert_eq!(
            body("Unregistered", Some(1_454_948_015_990)),
            r#"{"reason":"Unregistered","timestamp":1454948015990}"#
        );
    }
}
