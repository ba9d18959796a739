//! What a client says in the handshake, and what it is asked there.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_rustls::rustls::client::{ResolvesClientCert, Resumption};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{
    ALL_VERSIONS, ClientConfig, Error, SignatureScheme, SupportedProtocolVersion,
};

use super::login::{Login, Roots};
use super::tickets::Tickets;

/// What a client says.
#[derive(Clone, Debug)]
pub(crate) struct Hello<'a> {
    pub(crate) login: &'a Login,
    pub(crate) versions: &'a [&'static SupportedProtocolVersion],
    /// Offered by ALPN; where there are none, nothing is.
    pub(crate) protocols: &'a [&'a str],
    /// The name asked for by SNI; where there is none, nothing is.
    pub(crate) server_name: Option<&'static str>,
    /// Where the question for a certificate is written down.
    pub(crate) question: Question,
    /// Where session tickets are counted; where there is nothing, none are asked for.
    pub(crate) tickets: Option<Tickets>,
}

impl<'a> Hello<'a> {
    /// With `login`, in any version, and with no more than must be: neither SNI nor ALPN [P-04].
    pub(crate) fn with(login: &'a Login) -> Self {
        Self {
            login,
            versions: ALL_VERSIONS,
            protocols: &[],
            server_name: None,
            question: Question::default(),
            tickets: None,
        }
    }

    /// With `login`, offering `protocols`.
    pub(crate) fn offering(protocols: &'a [&'a str], login: &'a Login) -> Self {
        Self {
            protocols,
            ..Self::with(login)
        }
    }

    /// A configuration that says so, and believes `roots`.
    pub(super) fn configure(&self, roots: &Roots) -> Result<ClientConfig, Error> {
        let crypto = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&crypto))
            .with_protocol_versions(self.versions)?
            .dangerous()
            .with_custom_certificate_verifier(roots.verifier(Arc::clone(&crypto))?);
        let mut config = builder.with_client_cert_resolver(Arc::new(Shown {
            certificate: self.certificate(&crypto)?,
            question: self.question.clone(),
        }));
        config.enable_sni = self.server_name.is_some();
        let protocols = self.protocols.iter();
        config.alpn_protocols = protocols.map(|it| it.as_bytes().to_vec()).collect();
        config.resumption = match &self.tickets {
            Some(tickets) => Resumption::store(Arc::new(tickets.clone())),
            None => Resumption::disabled(),
        };
        Ok(config)
    }

    /// What is shown. Whether it is a certificate at all is for the server to find out.
    fn certificate(&self, crypto: &CryptoProvider) -> Result<Option<Arc<CertifiedKey>>, Error> {
        let Login::Certificate { chain, key } = self.login else {
            return Ok(None);
        };
        let key = crypto.key_provider.load_private_key(key.clone_key())?;
        Ok(Some(Arc::new(CertifiedKey::new(chain.clone(), key))))
    }
}

/// Whether a server asked for a certificate, and which issuers it named then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Question(Arc<Mutex<Option<Vec<Vec<u8>>>>>);

impl Question {
    /// The names of the issuers it takes; none where it did not ask.
    pub(crate) fn issuers(&self) -> Option<Vec<Vec<u8>>> {
        let asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }
}

/// Shows the same certificate whatever it is asked.
#[derive(Debug)]
struct Shown {
    certificate: Option<Arc<CertifiedKey>>,
    question: Question,
}

impl ResolvesClientCert for Shown {
    fn resolve(
        &self,
        issuers: &[&[u8]],
        _schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let issuers = issuers.iter().map(|name| name.to_vec()).collect();
        let mut asked = self
            .question
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *asked = Some(issuers);
        self.certificate.clone()
    }

    fn has_certs(&self) -> bool {
        self.certificate.is_some()
    }
}
