//! The serving side.

use std::sync::Arc;

use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;
use rustls::{ServerConfig, SupportedProtocolVersion};

use super::policy::ClientVerifier;
use super::{ClientPolicy, TlsError};
use crate::credentials::Identity;

/// Which versions a listener speaks [P-03].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersions {
    /// 1.2 alone: a refused certificate is an alert inside the handshake, as Apple's was [P-06].
    #[default]
    Tls12,
    /// 1.2 and 1.3. Under 1.3 a client learns of a refused certificate at its first read.
    Tls12And13,
}

/// A listener's configuration: a client certificate is always asked for, and required unless the policy says otherwise, without a list of acceptable
/// issuers [P-04]; sessions are not resumed, so that every connection is judged anew; 1.3 sends no tickets, which
/// clients that wait on the raw socket would take for an answer [P-03].
///
/// # Errors
/// A root certificate in the policy is unusable.
pub fn server_config(
    identity: &Identity,
    policy: ClientPolicy,
    versions: TlsVersions,
) -> Result<Arc<ServerConfig>, TlsError> {
    let versions: &[_] = match versions {
        TlsVersions::Tls12 => &[&rustls::version::TLS12],
        TlsVersions::Tls12And13 => &[&rustls::version::TLS12, &rustls::version::TLS13],
    };
    config(identity, policy, versions).map(Arc::new)
}

/// The same for HTTP/2, over TLS 1.2 and 1.3 [H-01]: of a client's protocols (ALPN) it takes `h2`, and it takes a client that names none.
///
/// # Errors
/// A root certificate in the policy is unusable.
pub fn http2_server_config(
    identity: &Identity,
    policy: ClientPolicy,
) -> Result<Arc<ServerConfig>, TlsError> {
    let versions = &[&rustls::version::TLS12, &rustls::version::TLS13];
    let mut config = config(identity, policy, versions)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn config(
    identity: &Identity,
    policy: ClientPolicy,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<ServerConfig, TlsError> {
    let verifier = ClientVerifier::new(policy)?;
    let mut config = ServerConfig::builder_with_provider(Arc::clone(super::provider()))
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified())));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}
