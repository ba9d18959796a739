//! TLS configurations: one provider, client certificates required, nothing left to defaults that matters on the wire.

mod client;
mod policy;
mod server;

use std::sync::{Arc, OnceLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub use client::{Roots, client_config, http2_client_config};
pub use policy::{Amend, ClientPolicy, Refusal, Terms};
pub use server::{TlsVersions, http2_server_config, server_config};

pub(crate) use policy::{Refused, remembering};

use crate::credentials::CredentialsError;

/// Why a TLS configuration cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file of root certificates cannot be used.
    #[error("cannot load the trusted certificates")]
    Credentials(#[from] CredentialsError),
    /// A trusted certificate that cannot serve as one.
    #[error("trusted certificate {number} of {count} cannot be used ({reason})")]
    Root {
        /// Its place in the list, from 1.
        number: usize,
        /// How many there are.
        count: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing to check a server's certificate against.
    #[error(
        "no trusted certificate: give the CA's PEM file, or install this system's CA certificates"
    )]
    NoRoots,
    /// rustls would not have it.
    #[error("TLS cannot be configured")]
    Rustls(#[from] rustls::Error),
}

/// The one provider, passed explicitly: what else in the process installs a default is no concern of ours.
pub(crate) fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider()))
}

/// Puts certificates into a store, naming the one that does not fit.
fn root_store(
    roots: &[rustls::pki_types::CertificateDer<'static>],
) -> Result<rustls::RootCertStore, TlsError> {
    let mut store = rustls::RootCertStore::empty();
    for (index, root) in roots.iter().enumerate() {
        store.add(root.clone()).map_err(|error| TlsError::Root {
            number: index + 1,
            count: roots.len(),
            reason: error.to_string(),
        })?;
    }
    Ok(store)
}
