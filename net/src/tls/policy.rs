//! Who is let in, and what the others are told.
//!
//! A refused certificate ends the handshake with an alert, which has room for one of a dozen words. The operator needs
//! more: which certificate, and why. So the verifier leaves that behind for the task that runs the handshake
//! ([`remembering`]), which writes it into the one log line.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    AlertDescription, CertificateError, DigitallySignedStruct, DistinguishedName, OtherError,
    SignatureScheme,
};

use super::TlsError;
use crate::credentials::{CertificateInfo, Environment, Environments, Pin, is_self_issued};

/// Which client certificates a listener takes.
///
/// A pinned certificate is taken as it is: expired, self-signed or issued by nobody we know; that its holder has the
/// private key is still proved in the handshake. Where it carries Apple's environment marks, they must permit the
/// listener's environment; where it carries none — it is not one of Apple's — the operator's word stands.
///
/// Every other certificate must lead to one of the roots, be within its validity and be meant for client
/// authentication, carry the mark of the listener's environment if the listener has one, and name a topic if one is
/// required.
#[derive(Clone, Debug, Default)]
pub struct ClientPolicy {
    /// Issuers whose certificates are taken. May be empty: then only pinned certificates are.
    pub roots: Vec<CertificateDer<'static>>,
    /// Certificates that are taken whoever issued them, expired ones on purpose.
    pub pins: HashSet<Pin>,
    /// The listener's environment [P-05]; `None` takes certificates of both and of neither.
    pub environment: Option<Environment>,
    /// Whether a certificate that is not pinned must name a topic, that is, have a UID [P-60].
    pub require_topic: bool,
    /// Whether the listener is for phones [C-01]: a provider's push certificate is not a device's.
    pub devices_only: bool,
    /// Whether who shows no certificate is let in too: it has another way of saying who it is [H-21].
    pub optional: bool,
    /// Judges each certificate on terms of its own: by a simulated clock, say.
    pub amend: Option<Amend>,
}

/// On what terms a certificate is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The time at which it must be valid.
    pub now: SystemTime,
    /// The environment it must permit; `None` asks for none.
    pub environment: Option<Environment>,
    /// Its issuer has taken it back.
    pub revoked: bool,
}

/// Changes the terms for some certificates. It is asked within the handshake, before anything is known of the certificate but
/// what it says itself: that its holder has the key is proved later.
#[derive(Clone)]
#[expect(
    clippy::type_complexity,
    reason = "named once: an alias would only hide it"
)]
pub struct Amend(Arc<dyn Fn(&CertificateInfo, Terms) -> Terms + Send + Sync>);

impl Amend {
    /// `amend` gets the listener's terms and gives those that are to hold.
    pub fn new(amend: impl Fn(&CertificateInfo, Terms) -> Terms + Send + Sync + 'static) -> Self {
        Self(Arc::new(amend))
    }
}

impl fmt::Debug for Amend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Amend")
    }
}

impl ClientPolicy {
    /// Providers whose certificates these roots issued, for one environment [P-02] [P-05].
    pub fn providers(roots: Vec<CertificateDer<'static>>, environment: Environment) -> Self {
        Self {
            roots,
            environment: Some(environment),
            require_topic: true,
            ..Self::default()
        }
    }

    /// Who pushes over HTTP/2: whoever shows no certificate, or one that these roots issued, be it of no topic [H-20] or of another environment
    /// [H-05].
    pub fn http2(roots: Vec<CertificateDer<'static>>) -> Self {
        Self {
            roots,
            optional: true,
            ..Self::default()
        }
    }

    /// Phones whose certificates these roots issued [C-01].
    pub fn devices(roots: Vec<CertificateDer<'static>>) -> Self {
        Self {
            roots,
            devices_only: true,
            ..Self::default()
        }
    }
}

/// Why a certificate was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It cannot be read: `bad_certificate`.
    Unreadable,
    /// No configured CA issued it, and it is not pinned: `unknown_ca` [P-06].
    UnknownIssuer,
    /// Its validity ended: `certificate_expired` [P-06].
    Expired {
        /// How long ago.
        ago: Duration,
    },
    /// Its issuer has taken it back: `certificate_revoked` [P-06].
    Revoked,
    /// Its validity has not begun: `certificate_expired`, the only word TLS has for it.
    NotYetValid,
    /// It is for the other environment, or for none: `certificate_revoked`, as Apple answered [P-05].
    WrongEnvironment {
        /// What the certificate permits.
        certificate: Environments,
        /// What the listener is.
        listener: Environment,
    },
    /// It names no topic: `certificate_unknown`.
    NoTopic,
    /// It is a provider's where a phone's is wanted: `certificate_unknown`.
    NotADevice,
    /// It was found wanting by the certificate library; the alert is the one that fits best.
    Other(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => f.write_str("the client certificate cannot be read"),
            Self::UnknownIssuer => {
                f.write_str("no configured CA issued the client certificate, and it is not pinned")
            }
            Self::Expired { ago } => write!(
                f,
                "the client certificate expired {} days ago, and it is not pinned",
                ago.as_secs() / (24 * 60 * 60)
            ),
            Self::Revoked => f.write_str("the client certificate was revoked"),
            Self::NotYetValid => {
                f.write_str("the client certificate is not valid yet: check both clocks")
            }
            Self::WrongEnvironment {
                certificate,
                listener,
            } => write!(
                f,
                "the client certificate is for {certificate}, this listener for {listener}"
            ),
            Self::NoTopic => {
                f.write_str("the client certificate names no topic (its subject has no UID)")
            }
            Self::NotADevice => {
                f.write_str("the client certificate is a provider's, not a device's")
            }
            Self::Other(reason) => write!(f, "the client certificate is unusable ({reason})"),
        }
    }
}

impl std::error::Error for Refusal {}

/// A refusal with the certificate it is about.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    /// `None` where the certificate cannot be read.
    pub(crate) certificate: Option<CertificateInfo>,
}

tokio::task_local! {
    static REFUSED: RefCell<Option<Refused>>;
}

/// Runs a handshake and returns, beside its outcome, what its client certificate was refused for.
pub(crate) async fn remembering<T>(handshake: impl Future<Output = T>) -> (T, Option<Refused>) {
    REFUSED
        .scope(RefCell::new(None), async {
            let outcome = handshake.await;
            (outcome, REFUSED.with(RefCell::take))
        })
        .await
}

/// [`ClientPolicy`] as rustls asks for it.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    policy: ClientPolicy,
    /// Chain, validity and purpose; absent where there are no roots to lead to.
    chains: Option<Arc<dyn ClientCertVerifier>>,
}

impl ClientVerifier {
    pub(super) fn new(policy: ClientPolicy) -> Result<Self, TlsError> {
        let store = super::root_store(&policy.roots)?;
        let chains = (!store.is_empty())
            .then(|| {
                WebPkiClientVerifier::builder_with_provider(
                    Arc::new(store),
                    Arc::clone(super::provider()),
                )
                .build()
            })
            .transpose()
            .map_err(|_| TlsError::NoRoots)?;
        Ok(Self { policy, chains })
    }

    fn verify_chain(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let unknown_issuer = || rustls::Error::from(CertificateError::UnknownIssuer);
        let chains = self.chains.as_ref().ok_or_else(unknown_issuer)?;
        match chains.verify_client_cert(end_entity, intermediates, now) {
            Ok(_) => Ok(()),
            // Another CA of the same name: that of a development set which has been minted anew since. Its key may be of another kind.
            Err(rustls::Error::InvalidCertificate(error))
                if AlertDescription::from(error.clone()) == AlertDescription::DecryptError =>
            {
                Err(unknown_issuer())
            }
            // `openssl req -x509` marks what it makes as a CA, which the library will not have as a client: true, but
            // not what its owner needs to hear.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(_)))
                if is_self_issued(end_entity) =>
            {
                Err(unknown_issuer())
            }
            Err(error) => Err(error),
        }
    }

    /// The listener's terms, unless they are amended.
    fn terms(&self, certificate: &CertificateInfo, now: UnixTime) -> Terms {
        let usual = Terms {
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs()),
            environment: self.policy.environment,
            revoked: false,
        };
        match &self.policy.amend {
            Some(Amend(amend)) => amend(certificate, usual),
            None => usual,
        }
    }

    fn judge(
        &self,
        end_entity: &CertificateDer<'_>,
        certificate: &CertificateInfo,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), (Refusal, rustls::Error)> {
        let policy = &self.policy;
        let pinned = policy.pins.contains(&certificate.pin);
        let Terms {
            now,
            environment,
            revoked,
        } = self.terms(certificate, now);
        if !pinned {
            let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH);
            let at = UnixTime::since_unix_epoch(since_1970.unwrap_or_default());
            self.verify_chain(end_entity, intermediates, at)
                .map_err(|error| (explain(&error, certificate, now), error))?;
        }
        if revoked {
            return Err((Refusal::Revoked, CertificateError::Revoked.into()));
        }
        let unfit = if policy.devices_only && certificate.is_push() {
            Some(Refusal::NotADevice)
        } else if policy.require_topic && !pinned && certificate.topic.is_none() {
            Some(Refusal::NoTopic)
        } else {
            None
        };
        if let Some(unfit) = unfit {
            let error = CertificateError::Other(OtherError(Arc::new(unfit.clone())));
            return Err((unfit, error.into()));
        }
        if let Some(listener) = environment
            && !certificate.permits(listener)
            && !(pinned && certificate.environments.is_empty())
        {
            let refusal = Refusal::WrongEnvironment {
                certificate: certificate.environments,
                listener,
            };
            return Err((refusal, CertificateError::Revoked.into()));
        }
        Ok(())
    }
}

/// The library's verdict in the operator's words.
fn explain(error: &rustls::Error, certificate: &CertificateInfo, now: SystemTime) -> Refusal {
    let rustls::Error::InvalidCertificate(error) = error else {
        return Refusal::Other(error.to_string());
    };
    match error {
        CertificateError::BadEncoding => Refusal::Unreadable,
        CertificateError::UnknownIssuer => Refusal::UnknownIssuer,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            let ago = now.duration_since(certificate.not_after);
            Refusal::Expired {
                ago: ago.unwrap_or_default(),
            }
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Refusal::NotYetValid
        }
        other => Refusal::Other(other.to_string()),
    }
}

impl ClientCertVerifier for ClientVerifier {
    /// None: Java's key manager picks a certificate by this list, and a pinned one has an issuer we do not know [P-04].
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        !self.policy.optional
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let certificate = CertificateInfo::parse(end_entity).ok();
        let verdict = match &certificate {
            Some(certificate) => self.judge(end_entity, certificate, intermediates, now),
            None => Err((Refusal::Unreadable, CertificateError::BadEncoding.into())),
        };
        verdict
            .map(|()| ClientCertVerified::assertion())
            .map_err(|(refusal, error)| {
                let refused = Refused {
                    refusal,
                    certificate,
                };
                // Without a listener around it (a caller's own acceptor) there is nobody to tell: the alert says it.
                let _ = REFUSED.try_with(|slot| slot.replace(Some(refused)));
                error
            })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &super::provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &super::provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        super::provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
