//! What pushes are authenticated with.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;

use crate::call::Call;
use crate::upstream::http2::token::{Bearer, ProviderToken};
use crate::verdict::Auth;

/// The certificate of the connections, or a provider token.
pub(super) enum Login {
    Certificate,
    Token(Box<Tokens>),
}

/// A key's tokens, as this app has come to know them.
pub(super) struct Tokens {
    provider: Arc<ProviderToken>,
    newest: Option<Bearer>,
    /// `issued_at` of the newest one that upstream did not take.
    refused: Option<u64>,
    call: Call<Bearer>,
}

impl Login {
    pub(super) fn new(provider: Option<Arc<ProviderToken>>) -> Self {
        provider.map_or(Self::Certificate, |provider| {
            Self::Token(Box::new(Tokens {
                provider,
                newest: None,
                refused: None,
                call: Call::none(),
            }))
        })
    }

    /// Whether pushes can be sent now. If not, [`Login::turn`] brings what is missing.
    pub(super) fn is_ready(&mut self, now: Instant, clock: SystemTime) -> bool {
        let Self::Token(tokens) = self else {
            return true;
        };
        let usable = tokens.newest.as_ref().is_some_and(|newest| {
            let is_refused = tokens.refused == Some(newest.issued_at);
            newest.renew_at > now && !(is_refused && newest.may_be_replaced(now, clock))
        });
        if !usable && !tokens.call.is_under_way() {
            let bearer = Arc::clone(&tokens.provider).bearer(tokens.refused);
            tokens.call.start(bearer);
        }
        usable
    }

    /// The token to send with, if that is the login.
    pub(super) fn bearer(&self) -> Option<&Bearer> {
        match self {
            Self::Certificate => None,
            Self::Token(tokens) => tokens.newest.as_ref(),
        }
    }

    /// Waits for what was missing; forever, if nothing was. Can be dropped and called again.
    pub(super) async fn turn(&mut self) {
        match self {
            Self::Certificate => std::future::pending().await,
            Self::Token(tokens) => tokens.newest = Some(tokens.call.answer().await),
        }
    }

    /// What a push was authenticated with that was sent with the token of `issued_at`.
    pub(super) fn auth(&self, issued_at: Option<u64>, now: Instant) -> Auth {
        let (Self::Token(tokens), Some(issued_at)) = (self, issued_at) else {
            return Auth::Certificate;
        };
        match &tokens.newest {
            Some(newest) if newest.issued_at == issued_at && newest.keep_until > now => {
                Auth::FreshToken
            }
            _ => Auth::Token,
        }
    }

    /// Upstream does not take this token.
    pub(super) fn refused(&mut self, issued_at: Option<u64>) {
        if let Self::Token(tokens) = self
            && tokens.newest.as_ref().map(|newest| newest.issued_at) == issued_at
        {
            tokens.refused = issued_at;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};

    use super::*;
    use crate::config::TokenConfig;

    const MINUTE: Duration = Duration::from_secs(60);

    fn login(folder: &std::path::Path) -> Login {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let key = folder.join("key.p8");
        std::fs::write(&key, pair.serialize_pem()).unwrap();
        let config = TokenConfig {
            key,
            key_id: "ABC123DEFG".to_owned(),
            team_id: "DEF123GHIJ".to_owned(),
        };
        let provider = ProviderToken::load(&config, &folder.join("store")).unwrap();
        Login::new(Some(Arc::new(provider)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_token_is_used_on_until_there_may_be_another_and_that_one_is_fresh() {
        let folder = tempfile::tempdir().unwrap();
        let mut login = login(folder.path());
        let (start, clock) = (Instant::now(), SystemTime::now());
        assert!(!login.is_ready(start, clock));
        login.turn().await;
        assert!(login.is_ready(start, clock));
        let first = login.bearer().unwrap().clone();
        let token = Some(first.issued_at);
        assert_eq!(login.auth(token, start), Auth::FreshToken);
        login.refused(token);
        let soon = start + 19 * MINUTE;
        let ready = login.is_ready(soon, clock + 19 * MINUTE);
        assert!(ready, "another one would come too soon");
        assert_eq!(login.auth(token, soon), Auth::FreshToken);

        tokio::time::advance(20 * MINUTE).await;
        let later = Instant::now();
        assert_eq!(login.auth(token, later), Auth::Token);
        assert!(!login.is_ready(later, clock));
        login.turn().await;
        assert!(login.is_ready(later, clock));
        let second = login.bearer().unwrap();
        assert_ne!(second.value, first.value);
        assert_eq!(login.auth(Some(second.issued_at), later), Auth::FreshToken);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_was_refused_because_the_clock_was_wrong_is_replaced_once_the_clock_was_set()
     {
        let folder = tempfile::tempdir().unwrap();
        let mut login = login(folder.path());
        let (now, wrong) = (Instant::now(), SystemTime::now());
        assert!(!login.is_ready(now, wrong));
        login.turn().await;
        login.refused(login.bearer().map(|bearer| bearer.issued_at));
        assert!(login.is_ready(now, wrong), "the clock is what it was");
        for right in [wrong - 120 * MINUTE, wrong + 120 * MINUTE] {
            assert!(!login.is_ready(now, right), "another one is asked for");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_certificate_is_always_ready_and_never_another() {
        let mut login = Login::new(None);
        let now = Instant::now();
        assert!(login.is_ready(now, SystemTime::now()));
        assert!(login.bearer().is_none());
        assert_eq!(login.auth(None, now), Auth::Certificate);
    }
}
