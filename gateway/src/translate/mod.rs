//! From a stored notification to a request of the provider API. Pure.
//!
//! The binary protocol knew less than HTTP/2 asks for: what kind of push it is has to be seen from the certificate's topic and
//! from the payload, which goes on byte for byte. What Apple would answer with a 400 is mended here: a priority that is
//! neither 10 nor 5, a background push of priority 10, an expiry below zero.

mod payload;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use http::header::{HeaderName, HeaderValue, InvalidHeaderValue};
use http::uri::{Authority, Parts, PathAndQuery, Scheme, Uri};
use http::{Method, Request};

use apns_proto::{Expiry, Priority};

use self::payload::Content;
use crate::store::{Installation, Row, unix_seconds};

const APNS_ID: HeaderName = HeaderName::from_static("apns-id");
const APNS_TOPIC: HeaderName = HeaderName::from_static("apns-topic");
const APNS_PUSH_TYPE: HeaderName = HeaderName::from_static("apns-push-type");
const APNS_PRIORITY: HeaderName = HeaderName::from_static("apns-priority");
const APNS_EXPIRATION: HeaderName = HeaderName::from_static("apns-expiration");

/// What MDM certificates have for a topic begins with this.
const MDM_TOPIC: &str = "com.apple.mgmt.";

const VOIP_SUFFIX: &str = ".voip";
const COMPLICATION_SUFFIX: &str = ".complication";

/// What all requests of one app have in common.
#[derive(Clone, Debug)]
pub struct Envelope {
    authority: Authority,
    topic: HeaderValue,
    /// What the topic says about every push, if something.
    push_type: Option<PushType>,
    installation: Installation,
}

/// What a push is meant to do on the phone, of all that the binary protocol could carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PushType {
    Alert,
    Background,
    Complication,
    Mdm,
    Voip,
}

impl Envelope {
    /// For the app with this topic, at this host. `is_voip`: its certificate is for VoIP, whatever the topic says.
    ///
    /// # Errors
    /// The topic has characters that no topic has.
    pub fn new(
        authority: Authority,
        topic: &str,
        is_voip: bool,
        installation: Installation,
    ) -> Result<Self, InvalidHeaderValue> {
        let push_type = if is_voip || topic.ends_with(VOIP_SUFFIX) {
            Some(PushType::Voip)
        } else if topic.ends_with(COMPLICATION_SUFFIX) {
            Some(PushType::Complication)
        } else if topic.starts_with(MDM_TOPIC) {
            Some(PushType::Mdm)
        } else {
            None
        };
        let topic = match push_type {
            Some(PushType::Voip) if !topic.ends_with(VOIP_SUFFIX) => {
                HeaderValue::try_from(format!("{topic}{VOIP_SUFFIX}"))?
            }
            _ => HeaderValue::from_str(topic)?,
        };
        Ok(Self {
            authority,
            topic,
            push_type,
            installation,
        })
    }

    /// The request for a notification, but for `authorization`, and without its body: that is the payload as it is.
    pub fn request(&self, row: &Row, now: SystemTime) -> Request<()> {
        let push_type = self
            .push_type
            .unwrap_or_else(|| match Content::of(&row.payload) {
                Content::Alert => PushType::Alert,
                Content::Background => PushType::Background,
            });
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri(row);
        let headers = request.headers_mut();
        headers.reserve(6);
        headers.insert(APNS_ID, apns_id(self.installation, row));
        headers.insert(APNS_TOPIC, self.topic.clone());
        headers.insert(APNS_PUSH_TYPE, HeaderValue::from_static(push_type.as_str()));
        headers.insert(APNS_PRIORITY, priority(push_type, row.priority));
        if let Some(expiry) = row.expiry {
            headers.insert(APNS_EXPIRATION, expiration(expiry, now));
        }
        request
    }

    fn uri(&self, row: &Row) -> Uri {
        const DEVICE: &str = "/3/device/";
        let token = row.token.as_bytes();
        let mut path = String::with_capacity(DEVICE.len() + HEXLOWER.encode_len(token.len()));
        path.push_str(DEVICE);
        HEXLOWER.encode_append(token, &mut path);
        let mut parts = Parts::default();
        parts.scheme = Some(Scheme::HTTPS);
        parts.authority = Some(self.authority.clone());
        parts.path_and_query =
            Some(PathAndQuery::try_from(path).expect("hexadecimal digits need no escape"));
        Uri::from_parts(parts).expect("it has a scheme, an authority and a path")
    }
}

impl PushType {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Background => "background",
            Self::Complication => "complication",
            Self::Mdm => "mdm",
            Self::Voip => "voip",
        }
    }
}

/// Apple refuses a background push that is not of priority 5.
fn priority(push_type: PushType, asked: Option<Priority>) -> HeaderValue {
    let asked = asked.map_or(Priority::IMMEDIATE, Priority::effective);
    HeaderValue::from_static(
        if push_type == PushType::Background || asked == Priority::POWER_SAVING {
            "5"
        } else {
            "10"
        },
    )
}

/// An expiry that was no promise of storage, or is over, means one attempt [P-22].
fn expiration(expiry: Expiry, now: SystemTime) -> HeaderValue {
    let at = u64::try_from(expiry.0).unwrap_or(0);
    HeaderValue::from(if at > unix_seconds(now) { at } else { 0 })
}

/// A UUID of version 5 in the name space of this store, of the key the notification was first accepted under: the same over
/// every attempt, restart and requeue, and no other notification's.
fn apns_id(installation: Installation, row: &Row) -> HeaderValue {
    let mut name = [0; 24];
    name[..16].copy_from_slice(&installation.0);
    name[16..].copy_from_slice(&row.origin.to_be_bytes());
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &name);
    let bits = hash.as_ref()[..16]
        .try_into()
        .map(u128::from_be_bytes)
        .expect("SHA-1 has twenty bytes");
    let mut id = HeaderValue::from_bytes(&Uuid::version_5(bits).text()).expect("a UUID is ASCII");
    // It never comes again: in the compression's table it would only be in the way.
    id.set_sensitive(true);
    id
}

/// A UUID, printed as APNs wants it: 8-4-4-4-12, in lower case.
struct Uuid(u128);

impl Uuid {
    const fn version_5(bits: u128) -> Self {
        const VERSION: u128 = 0xf << 76;
        const VARIANT: u128 = 0b11 << 62;
        Self(bits & !VERSION & !VARIANT | 0x5 << 76 | 0b10 << 62)
    }

    /// In ASCII.
    fn text(&self) -> [u8; 36] {
        let mut digits = [0; 32];
        HEXLOWER.encode_mut(&self.0.to_be_bytes(), &mut digits);
        let mut text = [b'-'; 36];
        for (to, from) in [
            (0, 0..8),
            (9, 8..12),
            (14, 12..16),
            (19, 16..20),
            (24, 20..32),
        ] {
            text[to..to + from.len()].copy_from_slice(&digits[from]);
        }
        text
    }
}
