//! The certificates of a run, minted in memory and laid down in a folder that goes with it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, Issuer,
    KeyPair, date_time_ymd,
};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::TLS12;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// What a server can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// What a client must believe.
    Good,
    /// The same from an issuer that the client was not told of.
    UnknownIssuer,
    /// The same for another host.
    OtherName,
    /// The same, of years ago.
    Expired,
}

/// The certificates.
#[derive(Debug)]
pub(super) struct Papers {
    folder: tempfile::TempDir,
    servers: [(Shown, Arc<ServerConfig>); 4],
}

impl Papers {
    /// Mints them.
    pub(super) fn mint() -> Result<Self, Unminted> {
        let issuer = authority()?;
        let stranger = authority()?;
        let mut roots = RootCertStore::empty();
        let root = issuer.1.der().clone();
        roots.add(root).map_err(Unminted::Tls)?;
        let roots = Arc::new(roots);
        let server = |shown, name: &str, issuer: &Authority| {
            let names = [name.to_owned(), "127.0.0.1".to_owned()];
            let names = if shown == Shown::OtherName {
                &names[..1]
            } else {
                &names[..]
            };
            let mut params = CertificateParams::new(names)?;
            params.distinguished_name = DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, name);
            if shown == Shown::Expired {
                params.not_before = date_time_ymd(2014, 1, 1);
                params.not_after = date_time_ymd(2015, 1, 1);
            }
            let key = KeyPair::generate()?;
            let certificate = params.signed_by(&key, &issuer.0)?;
            let config = configure(certificate.der().clone(), &key, &roots)?;
            Ok::<_, Unminted>((shown, config))
        };
        let servers = [
            server(Shown::Good, "localhost", &issuer)?,
            server(Shown::UnknownIssuer, "localhost", &stranger)?,
            server(Shown::OtherName, "other.example", &issuer)?,
            server(Shown::Expired, "localhost", &issuer)?,
        ];

        let key = KeyPair::generate()?;
        let certificate = push_certificate()?.signed_by(&key, &issuer.0)?;
        let folder = tempfile::tempdir()?;
        let (certificate, key) = (certificate.pem(), key.serialize_pem());
        for (name, text) in [
            ("ca.pem", &issuer.1.pem()),
            ("cert.pem", &certificate),
            ("key.pem", &key),
            ("cert-and-key.pem", &format!("{certificate}{key}")),
        ] {
            std::fs::write(folder.path().join(name), text)?;
        }
        Ok(Self { folder, servers })
    }

    /// The file of this name.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// How a server shakes hands.
    pub(super) fn server(&self, shown: Shown) -> Arc<ServerConfig> {
        let found = self.servers.iter().find(|(other, _)| *other == shown);
        Arc::clone(&found.expect("every kind was minted").1)
    }
}

type Authority = (Issuer<'static, KeyPair>, rcgen::Certificate);

fn authority() -> Result<Authority, Unminted> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = DistinguishedName::new();
    // Some clients want the word Apple in the issuer of their certificate [P-65].
    let name = "Apple Worldwide Developer Relations Certification Authority (conformance)";
    params.distinguished_name.push(DnType::CommonName, name);
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Apple Inc.");
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((Issuer::new(params, key), certificate))
}

/// A certificate for both environments [P-60] [P-61] [P-62].
fn push_certificate() -> Result<CertificateParams, Unminted> {
    const UID: &[u64] = &[0, 9, 2342, 19_200_300, 100, 1, 1];
    let topic = "com.example.Conformance";
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CustomDnType(UID.to_vec()), topic);
    name.push(DnType::CommonName, format!("Apple Push Services: {topic}"));
    params.distinguished_name = name;
    for environment in [1, 2] {
        let oid = [1, 2, 840, 113_635, 100, 6, 3, environment];
        let null = vec![0x05, 0x00];
        params
            .custom_extensions
            .push(CustomExtension::from_oid_content(&oid, null));
    }
    Ok(params)
}

/// TLS 1.2, which every client speaks that can be served at all [P-03]. Whoever comes without a certificate is let in, and told on.
fn configure(
    certificate: CertificateDer<'static>,
    key: &KeyPair,
    roots: &Arc<RootCertStore>,
) -> Result<Arc<ServerConfig>, Unminted> {
    let crypto = Arc::new(aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(&crypto))
            .allow_unauthenticated()
            .clear_root_hint_subjects()
            .build()
            .expect("there is a root");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(crypto)
        .with_protocol_versions(&[&TLS12])
        .and_then(|builder| {
            builder
                .with_client_cert_verifier(verifier)
                .with_single_cert(vec![certificate], key)
        })
        .map_err(Unminted::Tls)?;
    Ok(Arc::new(config))
}

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unminted {
    #[error("certificates cannot be minted: {0}")]
    Mint(#[from] rcgen::Error),
    #[error("certificates cannot be used: {0}")]
    Tls(tokio_rustls::rustls::Error),
    #[error("certificates cannot be written: {0}")]
    File(#[from] io::Error),
}
