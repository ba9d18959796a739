//! What a request asks for: every rule about it that needs no state, in the order [H-31].

use std::sync::Arc;
use std::time::SystemTime;

use apns_proto::{Expiry, Priority, Token};
use bytes::Bytes;
use data_encoding::HEXLOWER_PERMISSIVE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

use super::apns_id::ApnsId;
use super::caller::Caller;
use super::push_type::{PushType, VOIP_SUFFIX};
use super::reason::Reason;
use super::token::{TokenFault, Verified};

/// Bytes of a payload [H-19].
pub const PAYLOAD_LEN_MAX: usize = 4096;
/// Bytes of a VoIP push's payload [H-19].
pub const VOIP_PAYLOAD_LEN_MAX: usize = 5120;
const COLLAPSE_ID_LEN_MAX: usize = 64;
/// Not worth waking the phone for [H-14].
const POWER_FIRST: Priority = Priority(1);

const APNS_ID: HeaderName = HeaderName::from_static("apns-id");
const EXPIRATION: HeaderName = HeaderName::from_static("apns-expiration");
const PRIORITY: HeaderName = HeaderName::from_static("apns-priority");
const PUSH_TYPE: HeaderName = HeaderName::from_static("apns-push-type");
const COLLAPSE_ID: HeaderName = HeaderName::from_static("apns-collapse-id");
const TOPIC: HeaderName = HeaderName::from_static("apns-topic");

/// A whole request.
#[derive(Debug)]
pub struct Request {
    /// `:method`.
    pub method: Method,
    /// `:path` and what else there is of the address.
    pub uri: Uri,
    /// Every other header.
    pub headers: HeaderMap,
    /// What was sent, but no more than is needed to see that it is too much.
    pub body: Bytes,
    /// What became of the token that [`Caller::unverified`] named.
    pub verified: Option<Result<Verified, TokenFault>>,
}

/// A push that is in order as far as can be told without knowing any phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// The device token.
    pub token: Token,
    /// The topic, with its suffix.
    pub topic: Arc<str>,
    /// Until when it is kept.
    pub expiry: Option<Expiry>,
    /// How urgent it is.
    pub priority: Priority,
    /// What it is meant to do.
    pub push_type: Option<PushType>,
    /// The name under which a later one replaces it.
    pub collapse_id: Option<Arc<str>>,
    /// The JSON.
    pub payload: Bytes,
}

impl Request {
    /// The `authorization` header.
    #[must_use]
    pub fn authorization(&self) -> Option<&[u8]> {
        self.headers
            .get(header::AUTHORIZATION)
            .map(HeaderValue::as_bytes)
    }

    /// What the provider calls it, if it says so in the way it should [H-12].
    #[must_use]
    pub fn id(&self) -> Option<ApnsId> {
        ApnsId::parse(self.headers.get(APNS_ID)?.as_bytes())
    }

    /// The topic it names, as it stands there.
    #[must_use]
    pub fn named_topic(&self) -> Option<&str> {
        self.headers.get(TOPIC)?.to_str().ok()
    }

    /// The device token it names, if it is one.
    pub(crate) fn named_token(&self) -> Option<Token> {
        device_token(self.path().ok()?).ok()
    }

    /// Judges it, up to the point where a phone has to be known.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it, in the order [H-31].
    pub fn judge(&self, now: SystemTime, caller: &mut Caller) -> Result<Push, Reason> {
        let token = self.path()?;
        if self.method != Method::POST {
            return Err(Reason::MethodNotAllowed);
        }
        self.no_duplicates()?;
        if self.headers.contains_key(APNS_ID) && self.id().is_none() {
            return Err(Reason::BadMessageId);
        }
        caller.authenticate(now, self.authorization(), self.verified.as_ref())?;
        let expiry = self.expiry()?;
        let push_type = self.push_type()?;
        let priority = self.priority(push_type)?;
        let collapse_id = self.collapse_id()?;
        let topic = self.topic(push_type, caller)?;
        let token = device_token(token)?;
        let voip = match push_type {
            Some(push_type) => push_type == PushType::Voip,
            None => topic.ends_with(VOIP_SUFFIX),
        };
        let payload_len_max = if voip {
            VOIP_PAYLOAD_LEN_MAX
        } else {
            PAYLOAD_LEN_MAX
        };
        match self.body.len() {
            0 => Err(Reason::PayloadEmpty),
            len if len > payload_len_max => Err(Reason::PayloadTooLarge),
            _ => Ok(Push {
                token,
                topic,
                expiry,
                priority,
                push_type,
                collapse_id,
                payload: self.body.clone(),
            }),
        }
    }

    /// `/3/device/<token>`: the token [H-10].
    fn path(&self) -> Result<&str, Reason> {
        self.uri
            .path()
            .strip_prefix("/3/device/")
            .filter(|token| !token.contains('/') && self.uri.query().is_none())
            .ok_or(Reason::BadPath)
    }

    /// Of the headers that mean something here each may stand once [H-11].
    fn no_duplicates(&self) -> Result<(), Reason> {
        let mut known = [
            APNS_ID,
            EXPIRATION,
            PRIORITY,
            PUSH_TYPE,
            COLLAPSE_ID,
            TOPIC,
            header::AUTHORIZATION,
        ]
        .into_iter();
        match known.any(|name| self.headers.get_all(name).iter().nth(1).is_some()) {
            true => Err(Reason::DuplicateHeaders),
            false => Ok(()),
        }
    }

    /// A header's text. Bytes that are no ASCII make it unusable.
    fn text(&self, name: HeaderName, unusable: Reason) -> Result<Option<&str>, Reason> {
        let value = self.headers.get(name).map(HeaderValue::to_str);
        value.transpose().map_err(|_| unusable)
    }

    /// [H-13]: seconds since 1970. What is beyond the courier's 32 bits is as good as never.
    pub(crate) fn expiry(&self) -> Result<Option<Expiry>, Reason> {
        const BAD: Reason = Reason::BadExpirationDate;
        let Some(text) = self.text(EXPIRATION, BAD)? else {
            return Ok(None);
        };
        let seconds = digits(text).ok_or(BAD)?;
        Ok(Some(Expiry(i32::try_from(seconds).unwrap_or(i32::MAX))))
    }

    /// [H-14] [H-17].
    pub(crate) fn priority(&self, push_type: Option<PushType>) -> Result<Priority, Reason> {
        const BAD: Reason = Reason::BadPriority;
        let background = push_type == Some(PushType::Background);
        match self.text(PRIORITY, BAD)? {
            None if background => Ok(Priority::POWER_SAVING),
            None => Ok(Priority::IMMEDIATE),
            Some("5") => Ok(Priority::POWER_SAVING),
            Some("10") if !background => Ok(Priority::IMMEDIATE),
            Some("1") if !background => Ok(POWER_FIRST),
            Some(_) => Err(BAD),
        }
    }

    /// [H-16].
    pub(crate) fn push_type(&self) -> Result<Option<PushType>, Reason> {
        self.headers
            .get(PUSH_TYPE)
            .map(|name| PushType::named(name.as_bytes()).ok_or(Reason::InvalidPushType))
            .transpose()
    }

    /// [H-15].
    pub(crate) fn collapse_id(&self) -> Result<Option<Arc<str>>, Reason> {
        let Some(value) = self.headers.get(COLLAPSE_ID) else {
            return Ok(None);
        };
        if value.len() > COLLAPSE_ID_LEN_MAX {
            return Err(Reason::BadCollapseId);
        }
        let text = std::str::from_utf8(value.as_bytes()).map_err(|_| Reason::BadCollapseId)?;
        Ok((!text.is_empty()).then(|| text.into()))
    }

    /// [H-18].
    fn topic(&self, push_type: Option<PushType>, caller: &Caller) -> Result<Arc<str>, Reason> {
        let topic = match self.text(TOPIC, Reason::BadTopic)? {
            None => caller
                .default_topic()
                .cloned()
                .ok_or(Reason::MissingTopic)?,
            Some(named) => named.into(),
        };
        let suffix = push_type
            .and_then(PushType::topic_suffix)
            .unwrap_or_default();
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let bundle = topic.strip_suffix(suffix).ok_or(Reason::BadTopic)?;
        if bundle.is_empty() || !bundle.bytes().all(is_name) {
            return Err(Reason::BadTopic);
        }
        match caller.may_push(&topic, push_type) {
            true => Ok(topic),
            false => Err(Reason::TopicDisallowed),
        }
    }
}

/// [H-10].
fn device_token(hex: &str) -> Result<Token, Reason> {
    if hex.is_empty() {
        return Err(Reason::MissingDeviceToken);
    }
    let bytes = HEXLOWER_PERMISSIVE
        .decode(hex.as_bytes())
        .map_err(|_| Reason::BadDeviceToken)?;
    match bytes.len() {
        32..=100 => Ok(Token::new(bytes)),
        _ => Err(Reason::BadDeviceToken),
    }
}

/// A whole number without a sign.
fn digits(text: &str) -> Option<u64> {
    let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use apns_net::credentials::{CertificateInfo, Environment, Environments, Pin};

    use super::*;

    const TOKEN: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    const ID: &str = "eabeae54-14a8-11e5-b60b-1697f925ec7b";

    fn certificate(topics: &[&str]) -> CertificateInfo {
        CertificateInfo {
            common_name: "Apple Push Services: com.example.Mail".to_owned(),
            topic: Some("com.example.Mail".to_owned()),
            topics: topics.iter().map(ToString::to_string).collect(),
            environments: Environments {
                sandbox: true,
                production: true,
            },
            team: None,
            organization: None,
            not_before: UNIX_EPOCH,
            not_after: UNIX_EPOCH,
            pin: Pin::from([0; 32]),
        }
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    fn request(method: Method, path: &str, headers: &[(&str, &str)], body_len: usize) -> Request {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).unwrap();
            map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Request {
            method,
            uri: path.parse().unwrap(),
            headers: map,
            body: vec![b'x'; body_len].into(),
            verified: None,
        }
    }

    fn judge(request: &Request) -> Result<Push, Reason> {
        let certificate = certificate(&[]);
        let mut caller = Caller::new(Environment::Sandbox, Some(&certificate));
        request.judge(now(), &mut caller)
    }

    /// A good request with other headers.
    fn with(headers: &[(&str, &str)]) -> Result<Push, Reason> {
        judge(&request(
            Method::POST,
            &format!("/3/device/{TOKEN}"),
            headers,
            2,
        ))
    }

    #[test]
    fn a_bare_request_means_an_alert_at_once_kept_without_end_for_the_topic_of_the_certificate() {
        let push = with(&[]).unwrap();
        assert_eq!(push.token.to_hex(), TOKEN);
        assert_eq!(&*push.topic, "com.example.Mail");
        assert_eq!(push.priority, Priority::IMMEDIATE);
        assert_eq!(
            (push.expiry, push.push_type, push.collapse_id),
            (None, None, None)
        );
        assert_eq!(push.payload, "xx");
    }

    #[test]
    fn every_header_is_read() {
        let push = with(&[
            ("apns-id", ID),
            ("apns-expiration", "1700000001"),
            ("apns-priority", "1"),
            ("apns-push-type", "liveactivity"),
            ("apns-collapse-id", "score ⚽"),
            ("apns-topic", "com.example.Mail.push-type.liveactivity"),
            ("content-type", "application/json"),
            ("user-agent", "one"),
            ("user-agent", "two"),
        ])
        .unwrap();
        assert_eq!(&*push.topic, "com.example.Mail.push-type.liveactivity");
        assert_eq!(push.priority, POWER_FIRST);
        assert_eq!(push.expiry, Some(Expiry(1_700_000_001)));
        assert_eq!(push.push_type, Some(PushType::LiveActivity));
        assert_eq!(push.collapse_id.as_deref(), Some("score ⚽"));
        for (text, expiry) in [
            ("0", 0),
            ("99999999999", i32::MAX),
            (&"9".repeat(40), i32::MAX),
        ] {
            let push = with(&[("apns-expiration", text)]).unwrap();
            assert_eq!(push.expiry, Some(Expiry(expiry)), "{text}");
        }
        let upper = request(
            Method::POST,
            &format!("/3/device/{}", TOKEN.to_uppercase()),
            &[],
            2,
        );
        assert_eq!(judge(&upper).unwrap().token.to_hex(), TOKEN);
    }

    #[test]
    fn a_background_push_has_priority_5() {
        let background = |priority: &[(&str, &str)]| {
            let mut headers = vec![("apns-push-type", "background")];
            headers.extend(priority);
            with(&headers).map(|push| push.priority)
        };
        assert_eq!(background(&[]), Ok(Priority::POWER_SAVING));
        assert_eq!(
            background(&[("apns-priority", "5")]),
            Ok(Priority::POWER_SAVING)
        );
        for bad in ["10", "1"] {
            assert_eq!(
                background(&[("apns-priority", bad)]),
                Err(Reason::BadPriority),
                "{bad}"
            );
        }
    }

    #[test]
    fn each_header_that_is_wrong_is_named() {
        let long = "x".repeat(65);
        for (name, value, reason) in [
            ("apns-id", "7", Reason::BadMessageId),
            ("apns-expiration", "", Reason::BadExpirationDate),
            ("apns-expiration", "-1", Reason::BadExpirationDate),
            ("apns-expiration", "1.5", Reason::BadExpirationDate),
            ("apns-expiration", "tomorrow", Reason::BadExpirationDate),
            ("apns-priority", "7", Reason::BadPriority),
            ("apns-priority", "", Reason::BadPriority),
            ("apns-push-type", "", Reason::InvalidPushType),
            ("apns-push-type", "Alert", Reason::InvalidPushType),
            ("apns-collapse-id", &long, Reason::BadCollapseId),
            ("apns-topic", "", Reason::BadTopic),
            ("apns-topic", "com example", Reason::BadTopic),
            ("apns-topic", "com.exämple", Reason::BadTopic),
            ("apns-topic", "com.example.Chat", Reason::TopicDisallowed),
            (
                "apns-topic",
                "com.example.Mail.voip",
                Reason::TopicDisallowed,
            ),
            ("apns-push-type", "voip", Reason::BadTopic),
        ] {
            assert_eq!(with(&[(name, value)]), Err(reason), "{name}: {value}");
        }
        for name in [
            "apns-id",
            "apns-expiration",
            "apns-priority",
            "apns-push-type",
            "apns-collapse-id",
            "apns-topic",
            "authorization",
        ] {
            let twice = with(&[(name, "x"), (name, "y")]);
            assert_eq!(twice, Err(Reason::DuplicateHeaders), "{name}");
        }
        assert_eq!(
            with(&[("apns-collapse-id", &long[..64])])
                .unwrap()
                .collapse_id
                .as_deref(),
            Some(&long[..64])
        );
    }

    #[test]
    fn the_path_is_three_parts_and_the_last_is_the_token() {
        for (path, reason) in [
            ("/", Reason::BadPath),
            ("/3/device", Reason::BadPath),
            ("/4/device/00", Reason::BadPath),
            ("/3/device/00/11", Reason::BadPath),
            ("/3/device/00?x", Reason::BadPath),
            ("/3/device/", Reason::MissingDeviceToken),
            ("/3/device/0011", Reason::BadDeviceToken),
            ("/3/device/xyz", Reason::BadDeviceToken),
            (
                &format!("/3/device/{}", "00".repeat(101)),
                Reason::BadDeviceToken,
            ),
        ] {
            let request = request(Method::POST, path, &[], 2);
            assert_eq!(judge(&request), Err(reason), "{path}");
        }
        for len in [32, 100] {
            let path = format!("/3/device/{}", "0a".repeat(len));
            assert!(
                judge(&request(Method::POST, &path, &[], 2)).is_ok(),
                "{len}"
            );
        }
    }

    #[test]
    fn a_payload_has_at_most_4096_bytes_and_a_voip_push_5120() {
        let voip = certificate(&["com.example.Mail.voip"]);
        let mail = &[("apns-topic", "com.example.Mail")][..];
        let by_topic = &[("apns-topic", "com.example.Mail.voip")][..];
        let by_type = &[by_topic[0], ("apns-push-type", "voip")][..];
        for (headers, len, answer) in [
            (mail, 0, Err(Reason::PayloadEmpty)),
            (mail, 4096, Ok(4096)),
            (mail, 4097, Err(Reason::PayloadTooLarge)),
            (by_topic, 5120, Ok(5120)),
            (by_type, 5120, Ok(5120)),
            (by_type, 5121, Err(Reason::PayloadTooLarge)),
        ] {
            let mut caller = Caller::new(Environment::Sandbox, Some(&voip));
            let path = format!("/3/device/{TOKEN}");
            let request = request(Method::POST, &path, headers, len);
            let judged = request.judge(now(), &mut caller);
            assert_eq!(
                judged.map(|push| push.payload.len()),
                answer,
                "{headers:?} {len}"
            );
        }
    }

    #[test]
    fn a_certificate_with_several_topics_needs_the_header_and_location_needs_a_token() {
        let several = certificate(&["com.example.Mail", "com.example.Mail.voip"]);
        let mut caller = Caller::new(Environment::Sandbox, Some(&several));
        let path = format!("/3/device/{TOKEN}");
        let mut judge = |headers| {
            let request = request(Method::POST, &path, headers, 2);
            request.judge(now(), &mut caller).map(|_| ())
        };
        assert_eq!(judge(&[]), Err(Reason::MissingTopic));
        let location = [
            ("apns-topic", "com.example.Mail.location-query"),
            ("apns-push-type", "location"),
        ];
        assert_eq!(judge(&location), Err(Reason::TopicDisallowed));
    }

    #[test]
    fn of_several_things_that_are_wrong_the_first_in_order_is_named() {
        let mut wrong = vec![
            ("apns-id", "7"),
            ("apns-expiration", "x"),
            ("apns-push-type", "x"),
            ("apns-priority", "x"),
            ("apns-collapse-id", &*"x".repeat(65)),
            ("apns-topic", "!"),
        ]
        .into_iter()
        .map(|(name, value)| (name, value.to_owned()))
        .collect::<Vec<_>>();
        let ask = |method, path, headers: &[(&str, String)], caller: &mut Caller| {
            let headers: Vec<_> = headers
                .iter()
                .map(|(name, value)| (*name, &**value))
                .collect();
            request(method, path, &headers, 0).judge(now(), caller)
        };
        let certificate = certificate(&[]);
        let known = &mut Caller::new(Environment::Sandbox, Some(&certificate));
        let stranger = &mut Caller::new(Environment::Sandbox, None);
        let path = "/3/device/00";
        assert_eq!(ask(Method::GET, "/", &wrong, known), Err(Reason::BadPath));
        assert_eq!(
            ask(Method::GET, path, &wrong, known),
            Err(Reason::MethodNotAllowed)
        );
        let twice = [&wrong[..], &wrong[..1]].concat();
        assert_eq!(
            ask(Method::POST, path, &twice, known),
            Err(Reason::DuplicateHeaders)
        );
        assert_eq!(
            ask(Method::POST, path, &wrong, stranger),
            Err(Reason::BadMessageId)
        );
        wrong.remove(0);
        assert_eq!(
            ask(Method::POST, path, &wrong, stranger),
            Err(Reason::MissingProviderToken)
        );
        for reason in [
            Reason::BadExpirationDate,
            Reason::InvalidPushType,
            Reason::BadPriority,
            Reason::BadCollapseId,
            Reason::BadTopic,
        ] {
            assert_eq!(ask(Method::POST, path, &wrong, known), Err(reason));
            wrong.remove(0);
        }
        assert_eq!(
            ask(Method::POST, path, &wrong, known),
            Err(Reason::BadDeviceToken)
        );
        let path = format!("/3/device/{TOKEN}");
        assert_eq!(
            ask(Method::POST, &path, &wrong, known),
            Err(Reason::PayloadEmpty)
        );
    }
}
