//! Who pushes on a connection, and what it may: by its client certificate [H-20], or by provider tokens [H-21].

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use apns_net::credentials::{CertificateInfo, Environment};

use super::push_type::PushType;
use super::reason::Reason;
use super::token::{ProviderKey, TokenFault, Verified};

/// A provider token is good for this long after it was issued.
const TOKEN_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// And may be replaced by another after this.
const TOKEN_UPDATE_INTERVAL: Duration = Duration::from_secs(20 * 60);
/// A provider's clock may be ahead of ours by this.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// The provider at the other end of a connection.
#[derive(Debug)]
pub struct Caller {
    environment: Environment,
    login: Login,
}

#[derive(Debug)]
enum Login {
    /// A push certificate, for these topics; the first is its own.
    Certificate { topics: Vec<Arc<str>> },
    /// A certificate that names no topic.
    Useless,
    /// No certificate: a token with every request, so far none or this one.
    Tokens(Option<Box<Current>>),
}

/// The token in use.
#[derive(Debug)]
struct Current {
    text: String,
    key: ProviderKey,
    issued_at: i64,
    /// When a token of this key and time was first seen here.
    since: SystemTime,
}

impl Caller {
    /// Who has just connected, with this certificate or without.
    #[must_use]
    pub fn new(environment: Environment, certificate: Option<&CertificateInfo>) -> Self {
        let login = match certificate {
            None => Login::Tokens(None),
            Some(certificate) => match &certificate.topic {
                None => Login::Useless,
                Some(own) => {
                    let listed = certificate.topics.iter().filter(|topic| *topic != own);
                    let topics = std::iter::once(own).chain(listed);
                    Login::Certificate {
                        topics: topics.map(|topic| topic.as_str().into()).collect(),
                    }
                }
            },
        };
        Self { environment, login }
    }

    /// The environment of the listener it has connected to.
    #[must_use]
    pub const fn environment(&self) -> Environment {
        self.environment
    }

    /// The token of an `authorization` header that is to be verified before [`authenticate`](Self::authenticate): the one in use was, and beside a
    /// certificate none counts.
    #[must_use]
    pub fn unverified<'a>(&self, authorization: Option<&'a [u8]>) -> Option<&'a str> {
        let Login::Tokens(current) = &self.login else {
            return None;
        };
        let text = bearer(authorization)?;
        current
            .as_ref()
            .is_none_or(|current| current.text != text)
            .then_some(text)
    }

    /// Whether a request may be judged any further. `verified` is what became of the token that [`unverified`](Self::unverified) named.
    ///
    /// # Errors
    ///
    /// The reason why not [H-20] [H-21] [H-22].
    pub fn authenticate(
        &mut self,
        now: SystemTime,
        authorization: Option<&[u8]>,
        verified: Option<&Result<Verified, TokenFault>>,
    ) -> Result<(), Reason> {
        let current = match &mut self.login {
            Login::Certificate { .. } => return Ok(()),
            Login::Useless => return Err(Reason::BadCertificate),
            Login::Tokens(current) => current,
        };
        let text = bearer(authorization).ok_or(Reason::MissingProviderToken)?;
        if let Some(current) = current
            && current.text == text
        {
            return match is_expired(current.issued_at, now) {
                true => Err(Reason::ExpiredProviderToken),
                false => Ok(()),
            };
        }
        let Some(Ok(Verified { key, issued_at })) = verified else {
            return Err(Reason::InvalidProviderToken);
        };
        if key.environment.is_some_and(|only| only != self.environment) {
            return Err(Reason::BadEnvironmentKeyIdInToken);
        }
        let issued_at = *issued_at;
        let related =
            |current: &Current| current.key.team == key.team && current.key.topics == key.topics;
        if current.as_ref().is_some_and(|current| !related(current)) {
            return Err(Reason::UnrelatedKeyIdInToken);
        }
        if is_expired(issued_at, now) {
            return Err(Reason::ExpiredProviderToken);
        }
        if issued_at > unix_seconds(now + CLOCK_SKEW) {
            return Err(Reason::InvalidProviderToken);
        }
        let mut since = now;
        if let Some(current) = current {
            let age = now.duration_since(current.since).unwrap_or_default();
            if current.issued_at == issued_at && current.key.id == key.id {
                since = current.since;
            } else if age < TOKEN_UPDATE_INTERVAL && !is_expired(current.issued_at, now) {
                return Err(Reason::TooManyProviderTokenUpdates);
            }
        }
        *current = Some(Box::new(Current {
            text: text.to_owned(),
            key: key.clone(),
            issued_at,
            since,
        }));
        Ok(())
    }

    /// Whether it may have as many streams as there are: it has shown who it is [H-04].
    #[must_use]
    pub fn is_known(&self) -> bool {
        !matches!(self.login, Login::Tokens(None))
    }

    /// The topic that is meant where none is named.
    pub(super) fn default_topic(&self) -> Option<&Arc<str>> {
        match &self.login {
            Login::Certificate { topics } if topics.len() == 1 => topics.first(),
            _ => None,
        }
    }

    /// Whether it may push to a topic [H-18].
    pub(super) fn may_push(&self, topic: &str, push_type: Option<PushType>) -> bool {
        match &self.login {
            Login::Certificate { topics } => {
                if push_type == Some(PushType::Location) {
                    return false;
                }
                let base = push_type
                    .filter(|push_type| push_type.comes_with_the_app())
                    .and_then(|push_type| topic.strip_suffix(push_type.topic_suffix()?));
                topics
                    .iter()
                    .any(|known| **known == *topic || Some(&**known) == base)
            }
            Login::Useless | Login::Tokens(None) => false,
            Login::Tokens(Some(current)) => {
                let only = &current.key.topics;
                push_type != Some(PushType::Mdm)
                    && (only.is_empty() || only.iter().any(|known| **known == *topic))
            }
        }
    }
}

/// The token of `Bearer …`; the word in any case, as real clients write it in two.
fn bearer(authorization: Option<&[u8]>) -> Option<&str> {
    let text = std::str::from_utf8(authorization?).ok()?;
    let (scheme, token) = text.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn is_expired(issued_at: i64, now: SystemTime) -> bool {
    unix_seconds(now).saturating_sub(issued_at)
        > i64::try_from(TOKEN_LIFETIME.as_secs()).expect("an hour")
}

fn unix_seconds(now: SystemTime) -> i64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::token::Unverified;
    use super::super::token::tests::Signer;
    use super::*;

    const ISSUED: i64 = 1_700_000_000;

    fn at(seconds: i64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(u64::try_from(ISSUED + seconds).unwrap())
    }

    /// Presents a token at some seconds after [`ISSUED`].
    fn present(
        caller: &mut Caller,
        seconds: i64,
        token: &str,
        keys: &[&Signer],
    ) -> Result<(), Reason> {
        let header = format!("bearer {token}");
        let header = Some(header.as_bytes());
        let verified = caller.unverified(header).map(|text| {
            let unverified = Unverified::parse(text)?;
            let key = keys.iter().find(|key| *key.key.id == *unverified.key_id());
            unverified.verify(key.map(|signer| signer.key.clone()))
        });
        caller.authenticate(at(seconds), header, verified.as_ref())
    }

    fn caller() -> Caller {
        Caller::new(Environment::Sandbox, None)
    }

    #[test]
    fn a_token_is_good_for_an_hour_and_not_before_its_time() {
        let signer = Signer::new("K", "T");
        let token = signer.token(ISSUED);
        for (seconds, answer) in [
            (-61, Err(Reason::InvalidProviderToken)),
            (-60, Ok(())),
            (3600, Ok(())),
            (3601, Err(Reason::ExpiredProviderToken)),
        ] {
            assert_eq!(
                present(&mut caller(), seconds, &token, &[&signer]),
                answer,
                "{seconds}"
            );
        }
        let mut caller = caller();
        assert!(!caller.is_known());
        assert_eq!(present(&mut caller, 0, &token, &[&signer]), Ok(()));
        assert!(caller.is_known());
        assert_eq!(
            present(&mut caller, 3601, &token, &[&signer]),
            Err(Reason::ExpiredProviderToken)
        );
    }

    #[test]
    fn a_token_is_verified_once() {
        let signer = Signer::new("K", "T");
        let mut caller = caller();
        let token = signer.token(ISSUED);
        assert_eq!(present(&mut caller, 0, &token, &[&signer]), Ok(()));
        let header = format!("Bearer {token}");
        assert_eq!(caller.unverified(Some(header.as_bytes())), None);
        assert_eq!(present(&mut caller, 1, &token, &[]), Ok(()));
    }

    #[test]
    fn a_token_may_be_replaced_every_twenty_minutes_or_when_it_has_expired() {
        let signer = Signer::new("K", "T");
        let token = |issued_after| signer.token(ISSUED + issued_after);
        let mut caller = caller();
        let mut present = |seconds, token: &str| present(&mut caller, seconds, token, &[&signer]);
        assert_eq!(present(3000, &token(0)), Ok(()));
        // Signed anew, but the same: ES256 signatures differ every time.
        assert_eq!(present(3001, &token(0)), Ok(()));
        let early = present(3002, &token(3002));
        assert_eq!(early, Err(Reason::TooManyProviderTokenUpdates));
        assert_eq!(present(3003, &token(0)), Ok(()), "the old one stays good");
        assert_eq!(
            present(3601, &token(3600)),
            Ok(()),
            "the old one has expired"
        );
        let early = present(3601 + 1199, &token(4000));
        assert_eq!(early, Err(Reason::TooManyProviderTokenUpdates));
        assert_eq!(present(3601 + 1200, &token(4000)), Ok(()));
    }

    #[test]
    fn a_connection_keeps_to_one_team_one_scope_and_its_environment() {
        let (first, second) = (Signer::new("K1", "T"), Signer::new("K2", "T"));
        let other_team = Signer::new("K3", "U");
        let (mut scoped, mut elsewhere) = (Signer::new("K4", "T"), Signer::new("K5", "T"));
        scoped.key.topics = vec!["com.example.Mail".into()];
        elsewhere.key.environment = Some(Environment::Production);
        let keys = [&first, &second, &other_team, &scoped, &elsewhere];
        let mut caller = caller();
        for (seconds, signer, answer) in [
            (0, &first, Ok(())),
            (1201, &second, Ok(())),
            (2500, &other_team, Err(Reason::UnrelatedKeyIdInToken)),
            (2500, &scoped, Err(Reason::UnrelatedKeyIdInToken)),
            (2500, &elsewhere, Err(Reason::BadEnvironmentKeyIdInToken)),
        ] {
            let token = signer.token(ISSUED);
            assert_eq!(
                present(&mut caller, seconds, &token, &keys),
                answer,
                "{}",
                signer.key.id
            );
        }
        assert!(caller.may_push("com.example.Anything", None));
        let mut caller = self::caller();
        let token = scoped.token(ISSUED);
        assert_eq!(present(&mut caller, 0, &token, &keys), Ok(()));
        assert!(caller.may_push("com.example.Mail", None));
        assert!(!caller.may_push("com.example.Chat", None));
        assert!(!caller.may_push("com.example.Mail", Some(PushType::Mdm)));
    }

    #[test]
    fn no_bearer_token_is_missing_and_a_strange_one_is_invalid() {
        for (header, reason) in [
            (None, Reason::MissingProviderToken),
            (Some(&b"bearer"[..]), Reason::MissingProviderToken),
            (Some(b"bearer "), Reason::MissingProviderToken),
            (Some(b"basic abc"), Reason::MissingProviderToken),
            (Some(b"bearer \xff"), Reason::MissingProviderToken),
        ] {
            assert_eq!(caller().unverified(header), None);
            assert_eq!(caller().authenticate(at(0), header, None), Err(reason));
        }
        let strange = present(&mut caller(), 0, "abc", &[]);
        assert_eq!(strange, Err(Reason::InvalidProviderToken));
    }
}
