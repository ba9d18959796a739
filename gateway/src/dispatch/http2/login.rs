//! What pushes are authenticated with.

use std::sync::Arc;

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
    pub(super) fn is_ready(&mut self, now: Instant) -> bool {
        let Self::Token(tokens) = self else {
            return true;
        };
        let usable = tokens.newest.as_ref().is_some_and(|newest| {
            let replaceable = newest.keep_until <= now;
            newest.renew_at > now && !(replaceable && tokens.refused == Some(newest.issued_at))
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
