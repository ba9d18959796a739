//! Which certificate of a store is the key's, and which are those of its issuers.

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::FromDer;

use super::{Certificate, Key, Pkcs12};
use crate::credentials::{CredentialsError, Origin};
use crate::tls;

/// A chain, leaf first, and the leaf's private key.
pub type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Pkcs12 {
    /// The first private key that has a certificate here, with that certificate and those of its issuers. The
    /// certificate is the one with the key's local key id, or else the one with its public key.
    ///
    /// # Errors
    /// There is no key, or no certificate, or none of either belong together. `origin` is for the message.
    pub fn pair(&self, origin: &Origin) -> Result<Pair, CredentialsError> {
        let origin = || origin.clone();
        if self.keys.is_empty() {
            return Err(CredentialsError::Pkcs12WithoutKey { origin: origin() });
        }
        if self.certificates.is_empty() {
            return Err(CredentialsError::Pkcs12WithoutCertificate { origin: origin() });
        }
        let mut refused = CredentialsError::KeyMismatch {
            certificate: origin(),
            key: origin(),
        };
        for key in &self.keys {
            match self.leaf(key) {
                Ok(Some(leaf)) => return Ok((self.chain(leaf), key.der.clone_key().into())),
                Ok(None) => {}
                Err(reason) => {
                    refused = CredentialsError::Key {
                        origin: origin(),
                        reason,
                    }
                }
            }
        }
        Err(refused)
    }

    /// The key's certificate; or why the key is of no use.
    fn leaf(&self, key: &Key) -> Result<Option<&Certificate>, String> {
        let provider: &CryptoProvider = tls::provider();
        let signer = provider
            .key_provider
            .load_private_key(key.der.clone_key().into())
            .map_err(|error| error.to_string())?;
        let same_id = |certificate: &&Certificate| {
            key.local_key_id.is_some() && certificate.local_key_id == key.local_key_id
        };
        let (likely, others): (Vec<_>, Vec<_>) = self.certificates.iter().partition(same_id);
        let mut certificates = likely.into_iter().chain(others);
        Ok(certificates.find(|certificate| {
            let pair = CertifiedKey::new(vec![certificate.der.clone()], signer.clone());
            pair.keys_match().is_ok()
        }))
    }

    /// The certificate and those of its issuers, as far as they are here.
    fn chain(&self, leaf: &Certificate) -> Vec<CertificateDer<'static>> {
        let read = |certificate| {
            let (_, read) = X509Certificate::from_der(certificate).ok()?;
            Some((certificate, read))
        };
        let mut others: Vec<(&[u8], X509Certificate<'_>)> = self
            .certificates
            .iter()
            .filter(|other| other.der != leaf.der)
            .filter_map(|other| read(&other.der))
            .collect();
        let mut chain = vec![leaf.der.clone()];
        let mut last = read(&leaf.der);
        while let Some((_, issued)) = last.take() {
            // A root is the end, whatever else has its name.
            if issued.issuer() != issued.subject()
                && let Some(at) = others
                    .iter()
                    .position(|(_, other)| other.subject() == issued.issuer())
            {
                let issuer = others.swap_remove(at);
                chain.push(issuer.0.to_vec().into());
                last = Some(issuer);
            }
        }
        chain
    }
}
