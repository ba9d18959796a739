//! Provider tokens [H-21]: signed with a key of the developer account, for an hour at most, and not too often.
//!
//! Upstream refuses a token that was issued more than an hour ago, and a connection whose token changes more than once in 20 minutes. So one
//! is signed at the age of [`RENEW_AFTER`], earlier only when upstream refuses it or the clock was set, and never before [`KEEP_FOR`]: not
//! even over a restart, for which the token lies beside the store.
//!
//! A token's age is not what the clock says but what has passed, since it was made or read: a clock that jumps makes no token older. Only
//! over a restart the clock is all there is; a token from the future then counts as new.
//!
//! One exception to the 20 minutes: a token that upstream refuses, and that says another time than the clock does now, was signed while the
//! clock was wrong. It is replaced at once; to wait would hold the app for nothing, since upstream never took it.
//!
//! All that is about one key. Where another one is to sign, it does so at once, for connections of its own.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use apns_net::credentials::{CredentialsError, private_key_from_pem_file};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey,
};
use data_encoding::BASE64URL_NOPAD;
use http::HeaderValue;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::config::TokenConfig;
use crate::store::unix_seconds;

/// A token is not replaced before this.
const KEEP_FOR: Duration = Duration::from_secs(20 * 60);

/// A token is replaced after this, in good time before the hour is over.
const RENEW_AFTER: Duration = Duration::from_secs(40 * 60);

/// Clocks that differ by less agree.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// The tokens of one key, for all its apps.
pub(crate) struct ProviderToken {
    signer: Signer,
    /// Where the newest lies.
    path: PathBuf,
    newest: Mutex<Option<Token>>,
}

/// Why a key cannot be used.
#[derive(Debug, Error)]
pub(crate) enum KeyError {
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error("it is no key on the curve P-256")]
    NotEs256,
}

/// A token as it goes into requests.
#[derive(Clone)]
pub(crate) struct Bearer {
    /// `bearer …`, marked as sensitive.
    pub(crate) value: HeaderValue,
    /// UNIX seconds: no two tokens of a key have the same.
    pub(crate) issued_at: u64,
    /// When that was by the clock that never jumps.
    born: Instant,
    /// From then on there may be a newer one.
    pub(crate) keep_until: Instant,
    /// From then on there should be.
    pub(crate) renew_at: Instant,
}

impl Bearer {
    /// Whether there may be a newer one, now that upstream does not take it.
    pub(crate) fn may_be_replaced(&self, now: Instant, clock: SystemTime) -> bool {
        let age = now.saturating_duration_since(self.born);
        age >= KEEP_FOR || clock_was_set(self.issued_at, age, clock)
    }
}

/// Which token of an app's a push was sent with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenId {
    /// How many keys the app had before this one.
    pub(crate) key: u64,
    /// [`Bearer::issued_at`].
    pub(crate) issued_at: u64,
}

/// The secret is not for logs.
impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer")
            .field("issued_at", &self.issued_at)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ProviderToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderToken")
            .field("key_id", &self.signer.key_id)
            .field("team_id", &self.signer.team_id)
            .finish_non_exhaustive()
    }
}

impl ProviderToken {
    /// Reads the key. Its newest token is looked for beside the `store` when one is wanted.
    pub(crate) fn load(config: &TokenConfig, store: &Path) -> Result<Self, KeyError> {
        let TokenConfig {
            key,
            key_id,
            team_id,
        } = config;
        let mut path = store.as_os_str().to_owned();
        path.push(format!("-token-{team_id}-{key_id}"));
        let der = private_key_from_pem_file(key, None)?;
        let pair =
            EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_der())
                .map_err(|_| KeyError::NotEs256)?;
        Ok(Self {
            signer: Signer {
                pair,
                key_id: key_id.clone(),
                team_id: team_id.clone(),
            },
            path: path.into(),
            newest: Mutex::new(None),
        })
    }

    /// Whether both sign with the same key.
    pub(crate) fn has_key_of(&self, other: &Self) -> bool {
        let of = |signer: &Signer| {
            let public_key = signer.pair.public_key().as_ref().to_vec();
            (signer.team_id.clone(), signer.key_id.clone(), public_key)
        };
        of(&self.signer) == of(&other.signer)
    }

    /// The token to use now. `refused` is the `issued_at` of one that upstream does not take: there will be another if that may be.
    pub(crate) async fn bearer(self: Arc<Self>, refused: Option<u64>) -> Bearer {
        let mut newest = self.newest.lock().await;
        let now = Now::read();
        let known = match newest.take() {
            Some(token) => Some(token),
            None => self.read(now),
        };
        let token = match known {
            Some(token) if !token.is_due(now, refused) => token,
            _ => self.renew(now),
        };
        newest.insert(token).bearer()
    }

    fn renew(&self, now: Now) -> Token {
        let issued_at = unix_seconds(now.clock);
        let token = Token {
            text: self.signer.sign(issued_at),
            issued_at,
            born: now.monotonic,
        };
        info!(
            key_id = self.signer.key_id,
            issued_at, "signed a provider token"
        );
        // Some hundred bytes, twice an hour: not worth a thread.
        if let Err(error) = write(&self.path, &token) {
            warn!(path = %self.path.display(), %error, "the provider token cannot be kept: a restart makes another one, maybe too soon");
        }
        token
    }

    /// The token of an earlier run, if it is of this key.
    fn read(&self, now: Now) -> Option<Token> {
        let kept = match fs::read(&self.path) {
            Ok(kept) => kept,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                warn!(path = %self.path.display(), %error, "the provider token of the last run cannot be read");
                return None;
            }
        };
        let kept: Kept = serde_json::from_slice(&kept).ok()?;
        let text = self.signer.verified(kept.token)?;
        Some(Token::of_earlier(text, kept.issued_at, now))
    }
}

/// The key.
struct Signer {
    pair: EcdsaKeyPair,
    key_id: String,
    team_id: String,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    kid: &'a str,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: u64,
}

impl Signer {
    fn sign(&self, issued_at: u64) -> String {
        let header = part(&Header {
            alg: "ES256",
            kid: &self.key_id,
        });
        let claims = part(&Claims {
            iss: &self.team_id,
            iat: issued_at,
        });
        let signed = format!("{header}.{claims}");
        let signature = self
            .pair
            .sign(&SystemRandom::new(), signed.as_bytes())
            .expect("a key on P-256 signs any bytes");
        format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }

    /// The token, if this key signed it for this key id and team.
    fn verified(&self, token: String) -> Option<String> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.pair.public_key().as_ref());
        key.verify(signed.as_bytes(), &signature).ok()?;
        Some(token)
    }
}

fn part(value: &impl Serialize) -> String {
    let json = serde_json::to_vec(value).expect("text and a number are JSON");
    BASE64URL_NOPAD.encode(&json)
}

/// Both clocks.
#[derive(Clone, Copy)]
struct Now {
    clock: SystemTime,
    monotonic: Instant,
}

impl Now {
    fn read() -> Self {
        Self {
            clock: SystemTime::now(),
            monotonic: Instant::now(),
        }
    }
}

/// A signed token.
#[derive(Clone)]
struct Token {
    text: String,
    /// UNIX seconds, by the clock of then.
    issued_at: u64,
    /// When that was by the clock that never jumps.
    born: Instant,
}

impl Token {
    /// One that was issued before this process began.
    fn of_earlier(text: String, issued_at: u64, now: Now) -> Self {
        let age = Duration::from_secs(unix_seconds(now.clock).saturating_sub(issued_at));
        Self {
            text,
            issued_at,
            // A machine that has not run for so long cannot say more than that it is old.
            born: now
                .monotonic
                .checked_sub(age.min(RENEW_AFTER))
                .unwrap_or(now.monotonic),
        }
    }

    /// Whether another one is to be made.
    fn is_due(&self, now: Now, refused: Option<u64>) -> bool {
        let age = now.monotonic.saturating_duration_since(self.born);
        let is_refused = refused == Some(self.issued_at);
        let clock_was_set = clock_was_set(self.issued_at, age, now.clock);
        if age < KEEP_FOR {
            return is_refused && clock_was_set;
        }
        age >= RENEW_AFTER || is_refused || clock_was_set
    }

    fn bearer(&self) -> Bearer {
        let mut value = HeaderValue::from_str(&format!("bearer {}", self.text))
            .expect("base64url and dots may stand in a header");
        value.set_sensitive(true);
        Bearer {
            value,
            issued_at: self.issued_at,
            born: self.born,
            keep_until: self.born + KEEP_FOR,
            renew_at: self.born + RENEW_AFTER,
        }
    }
}

/// Whether a token of this age was issued at another time by the clock of now than it says.
fn clock_was_set(issued_at: u64, age: Duration, clock: SystemTime) -> bool {
    let says = issued_at.saturating_add(age.as_secs());
    unix_seconds(clock).abs_diff(says) > CLOCK_TOLERANCE.as_secs()
}

/// What the file says.
#[derive(Deserialize, Serialize)]
struct Kept {
    issued_at: u64,
    token: String,
}

/// Whoever sees the file sees all of it; nobody but its owner does.
fn write(path: &Path, token: &Token) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // Made with mode 0600, and in the same folder because only within one file system is a rename atomic.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer(
        &mut file,
        &Kept {
            issued_at: token.issued_at,
            token: token.text.clone(),
        },
    )?;
    file.flush()?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rcgen::PKCS_ECDSA_P256_SHA256;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const ISSUED: u64 = 1_700_000_000;

    fn at(clock: u64, monotonic: Instant) -> Now {
        Now {
            clock: SystemTime::UNIX_EPOCH + Duration::from_secs(clock),
            monotonic,
        }
    }

    fn token(born: Instant) -> Token {
        Token {
            text: "text".to_owned(),
            issued_at: ISSUED,
            born,
        }
    }

    fn minutes(n: u64) -> Duration {
        MINUTE * u32::try_from(n).unwrap()
    }

    #[test]
    fn a_token_is_kept_for_twenty_minutes_whatever_happens_and_replaced_after_forty() {
        let born = Instant::now();
        for (age, refused, due) in [
            (0, true, false),
            (19, true, false),
            (20, true, true),
            (20, false, false),
            (39, false, false),
            (40, false, true),
        ] {
            let now = at(ISSUED + age * 60, born + minutes(age));
            let refused = refused.then_some(ISSUED);
            assert_eq!(token(born).is_due(now, refused), due, "{age} {refused:?}");
        }
        let now = at(ISSUED + 20 * 60, born + minutes(20));
        assert!(
            !token(born).is_due(now, Some(ISSUED - 1)),
            "another one was refused"
        );
    }

    #[test]
    fn a_clock_that_was_set_replaces_a_token_as_soon_as_that_may_be_and_no_sooner() {
        let born = Instant::now();
        for clock in [ISSUED - 7_200, ISSUED + 7_200] {
            assert!(!token(born).is_due(at(clock, born + minutes(19)), None));
            assert!(token(born).is_due(at(clock, born + minutes(20)), None));
            let refused = Some(ISSUED);
            assert!(
                token(born).is_due(at(clock, born + minutes(1)), refused),
                "upstream never took it: it was signed by a wrong clock"
            );
            let bearer = token(born).bearer();
            let right = at(clock, born + minutes(1));
            assert!(bearer.may_be_replaced(right.monotonic, right.clock));
            let wrong = at(ISSUED + 60, born + minutes(1));
            assert!(!bearer.may_be_replaced(wrong.monotonic, wrong.clock));
        }
        let drifted = at(ISSUED + 24 * 60, born + minutes(20));
        assert!(
            !token(born).is_due(drifted, None),
            "clocks may differ a little"
        );
    }

    #[test]
    fn over_a_restart_the_clock_tells_the_age_and_a_token_of_the_future_counts_as_new() {
        let now = Instant::now() + minutes(100);
        let earlier = |clock| Token::of_earlier("text".to_owned(), ISSUED, at(clock, now));
        let after = |minutes_later: u64, clock: u64| {
            earlier(clock).is_due(
                at(clock + minutes_later * 60, now + minutes(minutes_later)),
                None,
            )
        };
        assert!(!after(0, ISSUED + 39 * 60));
        assert!(after(1, ISSUED + 39 * 60));
        assert!(after(0, ISSUED + 24 * 3_600));
        assert!(!after(19, ISSUED - 3_600));
        assert!(after(20, ISSUED - 3_600));
        let refused = at(ISSUED - 3_600, now);
        assert!(earlier(ISSUED - 3_600).is_due(refused, Some(ISSUED)));
    }

    fn config(folder: &Path, name: &str) -> TokenConfig {
        let pair = rcgen::KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let key = folder.join(name);
        fs::write(&key, pair.serialize_pem()).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        TokenConfig {
            key,
            key_id: "ABC123DEFG".to_owned(),
            team_id: "DEF123GHIJ".to_owned(),
        }
    }

    fn load(config: &TokenConfig, folder: &Path) -> Arc<ProviderToken> {
        Arc::new(ProviderToken::load(config, &folder.join("store")).unwrap())
    }

    #[tokio::test]
    async fn a_restart_goes_on_with_the_same_token_and_another_key_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let config_of_key = config(folder.path(), "one.p8");
        let first = load(&config_of_key, folder.path()).bearer(None).await;
        let again = load(&config_of_key, folder.path());
        assert_eq!(again.clone().bearer(None).await.value, first.value);
        assert_eq!(
            again.bearer(Some(first.issued_at)).await.value,
            first.value,
            "it is too young to be replaced"
        );
        let other = config(folder.path(), "other.p8");
        let other = load(&other, folder.path()).bearer(None).await;
        assert_ne!(other.value, first.value);
    }

    #[tokio::test]
    async fn the_file_is_its_owners_alone_and_a_damaged_one_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), "key.p8");
        let path = folder.path().join("store-token-DEF123GHIJ-ABC123DEFG");
        fs::write(&path, "{").unwrap();
        load(&config, folder.path()).bearer(None).await;
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::read_to_string(&path).unwrap().contains("issued_at"));
    }

    #[tokio::test]
    async fn a_token_is_what_apple_asks_for_and_is_not_printed() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), "key.p8");
        let provider = load(&config, folder.path());
        let bearer = provider.clone().bearer(None).await;
        assert!(bearer.value.is_sensitive());
        let text = bearer.value.to_str().unwrap();
        let mut parts = text.strip_prefix("bearer ").unwrap().split('.');
        let mut json = || {
            let part = BASE64URL_NOPAD.decode(parts.next().unwrap().as_bytes());
            String::from_utf8(part.unwrap()).unwrap()
        };
        assert_eq!(json(), r#"{"alg":"ES256","kid":"ABC123DEFG"}"#);
        let issued_at = bearer.issued_at;
        assert_eq!(
            json(),
            format!(r#"{{"iss":"DEF123GHIJ","iat":{issued_at}}}"#)
        );
        let signature = text.rsplit_once('.').unwrap().1;
        for printed in [format!("{bearer:?}"), format!("{provider:?}")] {
            assert!(!printed.contains(signature), "{printed}");
        }
    }

    #[test]
    fn a_key_of_another_kind_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path(), "key.p8");
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        config.key = folder.path().join("ed25519.p8");
        fs::write(&config.key, pair.serialize_pem()).unwrap();
        let error = ProviderToken::load(&config, &folder.path().join("store")).unwrap_err();
        assert!(matches!(error, KeyError::NotEs256), "{error}");
    }
}
