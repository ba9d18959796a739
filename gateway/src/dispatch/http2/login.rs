//! What pushes are authenticated with.

use std::time::SystemTime;

use tokio::time::Instant;

use crate::call::Call;
use crate::reload::Current;
use crate::upstream::http2::token::{Bearer, ProviderToken, TokenId};
use crate::verdict::Auth;

/// The certificate of the connections, or a provider token.
pub(super) enum Login {
    Certificate,
    Token(Box<Tokens>),
}

/// A key's tokens, as this app has come to know them.
pub(super) struct Tokens {
    provider: Current<ProviderToken>,
    /// Keys there were before this one.
    key: u64,
    /// Nobody has asked yet whether it is another one.
    is_new: bool,
    newest: Option<Bearer>,
    /// The newest one that upstream did not take.
    refused: Option<TokenId>,
    call: Call<Bearer>,
}

impl Login {
    pub(super) fn new(provider: Option<Current<ProviderToken>>) -> Self {
        provider.map_or(Self::Certificate, |provider| {
            Self::Token(Box::new(Tokens {
                provider,
                key: 0,
                is_new: false,
                newest: None,
                refused: None,
                call: Call::none(),
            }))
        })
    }

    /// Whether tokens have been signed with another key since this was asked last.
    pub(super) fn has_new_key(&mut self) -> bool {
        match self {
            Self::Certificate => false,
            Self::Token(tokens) => std::mem::take(&mut tokens.is_new),
        }
    }

    /// Whether pushes can be sent now. If not, [`Login::turn`] brings what is missing.
    pub(super) fn is_ready(&mut self, now: Instant, clock: SystemTime) -> bool {
        let Self::Token(tokens) = self else {
            return true;
        };
        let newest = tokens.newest();
        let usable = tokens.newest.as_ref().is_some_and(|bearer| {
            let is_refused = tokens.refused == newest;
            bearer.renew_at > now && !(is_refused && bearer.may_be_replaced(now, clock))
        });
        if !usable && !tokens.call.is_under_way() {
            let refused = tokens.refused.map(|token| token.issued_at);
            tokens.call.start(tokens.provider.get().bearer(refused));
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

    /// Which that is.
    pub(super) fn token(&self) -> Option<TokenId> {
        match self {
            Self::Certificate => None,
            Self::Token(tokens) => tokens.newest(),
        }
    }

    /// Waits for what was missing, or for another key; forever, if there is neither. Can be dropped and called again.
    pub(super) async fn turn(&mut self) {
        match self {
            Self::Certificate => std::future::pending().await,
            Self::Token(tokens) => tokio::select! {
                bearer = tokens.call.answer() => tokens.newest = Some(bearer),
                () = tokens.provider.changed() => tokens.begin_anew(),
            },
        }
    }

    /// What a push was authenticated with that was sent with this token.
    pub(super) fn auth(&self, token: Option<TokenId>, now: Instant) -> Auth {
        let (Self::Token(tokens), Some(_)) = (self, token) else {
            return Auth::Certificate;
        };
        match &tokens.newest {
            Some(bearer) if tokens.newest() == token && bearer.keep_until > now => Auth::FreshToken,
            _ => Auth::Token,
        }
    }

    /// Upstream does not take this token.
    pub(super) fn refused(&mut self, token: Option<TokenId>) {
        if let Self::Token(tokens) = self
            && tokens.newest() == token
        {
            tokens.refused = token;
        }
    }
}

impl Tokens {
    /// What is known of the key before is forgotten.
    fn begin_anew(&mut self) {
        self.key += 1;
        self.is_new = true;
        self.newest = None;
        self.refused = None;
        self.call.forget();
    }

    fn newest(&self) -> Option<TokenId> {
        let issued_at = self.newest.as_ref()?.issued_at;
        let key = self.key;
        Some(TokenId { key, issued_at })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
    use tokio::sync::watch;

    use super::*;
    use crate::config::TokenConfig;

    const MINUTE: Duration = Duration::from_secs(60);

    fn key(folder: &std::path::Path) -> Arc<ProviderToken> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let key = folder.join("key.p8");
        std::fs::write(&key, pair.serialize_pem()).unwrap();
        let config = TokenConfig {
            key,
            key_id: "ABC123DEFG".to_owned(),
            team_id: "DEF123GHIJ".to_owned(),
        };
        Arc::new(ProviderToken::load(&config, &folder.join("store")).unwrap())
    }

    fn login(folder: &std::path::Path) -> Login {
        let key = watch::Sender::new(key(folder));
        Login::new(Some(Current::of(&key)))
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
        let token = login.token();
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
        assert_ne!(login.bearer().unwrap().value, first.value);
        assert_eq!(login.auth(login.token(), later), Auth::FreshToken);
    }

    #[tokio::test(start_paused = true)]
    async fn another_key_signs_at_once_and_what_the_one_before_signed_says_nothing_about_it() {
        let folder = tempfile::tempdir().unwrap();
        let current = watch::Sender::new(key(folder.path()));
        let mut login = Login::new(Some(Current::of(&current)));
        let (now, clock) = (Instant::now(), SystemTime::now());
        assert!(!login.has_new_key() && !login.is_ready(now, clock));
        login.turn().await;
        let (first, before) = (login.bearer().unwrap().clone(), login.token());
        login.refused(before);

        current.send_replace(key(folder.path()));
        login.turn().await;
        assert!(login.has_new_key() && !login.has_new_key(), "once");
        assert!(!login.is_ready(now, clock));
        login.turn().await;
        assert!(
            login.is_ready(now, clock),
            "no twenty minutes for another key"
        );
        assert_ne!(login.bearer().unwrap().value, first.value);
        // Within the same second: the keys tell them apart.
        assert_eq!(login.auth(before, now), Auth::Token);
        assert_eq!(login.auth(login.token(), now), Auth::FreshToken);
        login.refused(before);
        assert!(login.is_ready(now, clock), "that was the other one");
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_was_refused_because_the_clock_was_wrong_is_replaced_once_the_clock_was_set()
     {
        let folder = tempfile::tempdir().unwrap();
        let mut login = login(folder.path());
        let (now, wrong) = (Instant::now(), SystemTime::now());
        assert!(!login.is_ready(now, wrong));
        login.turn().await;
        login.refused(login.token());
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
