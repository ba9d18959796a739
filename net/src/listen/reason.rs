//! Why a peer was not let in, in words its operator can act on.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::AlertDescription;
use tracing::warn;

use crate::tls::Refused;

/// Both ends of a connection, for the log: who came, and to which of our listeners.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) peer: SocketAddr,
    pub(super) listener: SocketAddr,
}

/// The one line of a refused handshake.
pub(super) fn warn_refused(ends: Ends, reason: Reason, refused: Option<Refused>) {
    let Ends { peer, listener } = ends;
    let Some(Refused {
        refusal,
        certificate,
    }) = refused
    else {
        warn!(%peer, %listener, %reason, "refused a handshake");
        return;
    };
    match certificate {
        Some(certificate) => warn!(
            %peer,
            %listener,
            reason = %refusal,
            certificate = shortened(&certificate.common_name),
            pin = %certificate.pin,
            "refused a handshake"
        ),
        None => warn!(%peer, %listener, reason = %refusal, "refused a handshake"),
    }
}

/// A stranger chose this name: it gets no more of the log than a name needs (RFC 5280 allows 64 characters).
fn shortened(name: &str) -> &str {
    match name.char_indices().nth(100) {
        Some((end, _)) => &name[..end],
        None => name,
    }
}

/// Why a handshake failed for another reason than the certificate shown.
#[derive(Debug)]
pub(super) enum Reason {
    Timeout(Duration),
    NoCertificate,
    HungUp,
    NotTls,
    DistrustsUs(AlertDescription),
    Tls(rustls::Error),
    Io(io::ErrorKind),
}

impl Reason {
    pub(super) fn of(error: &io::Error) -> Self {
        use rustls::Error::{AlertReceived, InvalidMessage, NoCertificatesPresented};

        let tls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls {
            Some(NoCertificatesPresented) => Self::NoCertificate,
            Some(AlertReceived(alert)) => Self::DistrustsUs(*alert),
            Some(InvalidMessage(rustls::InvalidMessage::InvalidContentType)) => Self::NotTls,
            Some(other) => Self::Tls(other.clone()),
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::HungUp,
            None => Self::Io(error.kind()),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout(timeout) => write!(f, "the handshake was not finished in {timeout:?}"),
            Self::NoCertificate => {
                f.write_str("the peer sent no client certificate; it is the login here")
            }
            Self::HungUp => f.write_str("the peer hung up in the middle of the handshake"),
            Self::NotTls => f.write_str("the peer does not speak TLS"),
            Self::DistrustsUs(alert) => write!(
                f,
                "the peer ended the handshake with the alert {alert:?}; does it trust our CA?"
            ),
            Self::Tls(error) => write!(f, "{error}"),
            Self::Io(kind) => write!(f, "{kind}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_name_takes_little_of_the_log_and_is_cut_between_characters() {
        assert_eq!(shortened("Apple Push Services"), "Apple Push Services");
        assert_eq!(shortened(&"ü".repeat(60_000)), "ü".repeat(100));
    }

    #[test]
    fn an_error_of_the_socket_is_named_in_words() {
        let reset = io::ErrorKind::ConnectionReset.into();
        assert_eq!(Reason::of(&reset).to_string(), "connection reset");
    }
}
