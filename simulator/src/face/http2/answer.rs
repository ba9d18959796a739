//! What a request is answered [H-30] [H-32].

use apns_net::credentials::Environment;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::provider_api::{ApnsId, Reason};
use crate::world::{Refusal, World};

const APNS_ID: HeaderName = HeaderName::from_static("apns-id");
const APNS_UNIQUE_ID: HeaderName = HeaderName::from_static("apns-unique-id");

/// An answer: accepted unless it is [`refused`](Self::refused).
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    id: ApnsId,
    /// In the sandbox alone [H-12].
    unique_id: Option<ApnsId>,
    refusal: Option<Refusal>,
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
            refusal: None,
        }
    }

    pub(super) fn refused(self, refusal: Refusal) -> Self {
        Self {
            refusal: Some(refusal),
            ..self
        }
    }

    /// The reason, if it is a refusal.
    pub(super) fn reason(&self) -> Option<Reason> {
        self.refusal.map(|refusal| refusal.reason)
    }

    /// Head and body.
    pub(super) fn response(&self) -> (Response<()>, Bytes) {
        let mut response = Response::new(());
        let headers = response.headers_mut();
        headers.insert(APNS_ID, value(&self.id));
        if let Some(id) = &self.unique_id {
            headers.insert(APNS_UNIQUE_ID, value(id));
        }
        let Some(refusal) = self.refusal else {
            return (response, Bytes::new());
        };
        *response.status_mut() = StatusCode::from_u16(refusal.reason.status())
            .expect("the status of a reason is between 400 and 503");
        (response, body(refusal))
    }
}

fn value(id: &ApnsId) -> HeaderValue {
    HeaderValue::from_str(id.as_str()).expect("digits and hyphens may stand in a header")
}

/// The JSON that says why.
pub(super) fn body(refusal: Refusal) -> Bytes {
    #[derive(Serialize)]
    struct Body {
        reason: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        timestamp: Option<u64>,
    }

    let body = Body {
        reason: refusal.reason.to_string(),
        timestamp: refusal.timestamp_ms,
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
            body(Reason::BadDeviceToken.into()),
            r#"{"reason":"BadDeviceToken"}"#
        );
        let unregistered = Refusal {
            reason: Reason::Unregistered,
            timestamp_ms: Some(1_454_948_015_990),
        };
        assert_eq!(
            body(unregistered),
            r#"{"reason":"Unregistered","timestamp":1454948015990}"#
        );
    }
}
