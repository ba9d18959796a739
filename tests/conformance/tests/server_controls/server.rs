//! A little server of the protocol, correct unless it is given a bug.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto::aws_lc_rs};
use tokio_rustls::server::TlsStream;

use super::bug::Bug;
use super::world::World;
use super::{courier, feedback, provider};

/// A running little server.
pub(crate) struct Little {
    pub(crate) port: u16,
    pub(crate) feedback: u16,
    pub(crate) courier: u16,
    /// `ca.pem`, `client.pem`, `client.key`, `device.pem`, `device.key`; `theirs.pem` and `theirs.key` are a phone's of another team.
    pub(crate) folder: TempDir,
}

/// In the certificate of a phone that belongs to it.
pub(crate) const OTHER_TEAM: &str = "OTHERTEAM1";

/// What is served on a port.
#[derive(Clone, Copy)]
enum Service {
    Notifications,
    Feedback,
    Courier,
}

impl Little {
    pub(crate) async fn start(bug: Option<Bug>) -> Self {
        let folder = TempDir::new().unwrap();
        let authority = Authority::new(&folder, "ca");
        let phones = Authority::new(&folder, "device-ca");
        let none = None;
        authority.issue(
            &folder,
            "client",
            "Apple Push Services: com.example.Mail",
            none,
        );
        phones.issue(&folder, "device", "a phone", none);
        phones.issue(&folder, "theirs", "a phone", Some(OTHER_TEAM));
        let world = Arc::new(World::new(bug));
        let providers = Arc::new(authority.server(&authority, bug));
        let devices = Arc::new(authority.server(&phones, None));
        Self {
            port: listen(Service::Notifications, &providers, &world).await,
            feedback: listen(Service::Feedback, &providers, &world).await,
            courier: listen(Service::Courier, &devices, &world).await,
            folder,
        }
    }
}

/// The port on which `service` is up.
async fn listen(service: Service, config: &Arc<ServerConfig>, world: &Arc<World>) -> u16 {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = TcpListener::bind(address).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (config, world) = (Arc::clone(config), Arc::clone(world));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = TlsAcceptor::from(Arc::clone(&config));
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(socket).await {
                    // However it ends, the client has seen it.
                    let _ = serve(service, stream, &world).await;
                }
            });
        }
    });
    port
}

async fn serve(
    service: Service,
    stream: TlsStream<TcpStream>,
    world: &World,
) -> std::io::Result<()> {
    match service {
        Service::Notifications => provider::serve(stream, world).await,
        Service::Feedback => feedback::serve(stream, world).await,
        Service::Courier => courier::serve(stream, world).await,
    }
}

/// A server's own certificate.
#[derive(Debug)]
struct Shown {
    certificate: Arc<CertifiedKey>,
    bug: Option<Bug>,
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = hello.server_name().is_none() || self.bug != Some(Bug::KnowsNoName);
        shown.then(|| Arc::clone(&self.certificate))
    }
}

/// A CA, its certificate as a file.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
}

impl Authority {
    fn new(folder: &TempDir, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.distinguished_name.push(DnType::CommonName, name);
        let root = ca.self_signed(&key).unwrap();
        std::fs::write(folder.path().join(format!("{name}.pem")), root.pem()).unwrap();
        Self {
            root: root.der().clone(),
            issuer: Issuer::new(ca, key),
        }
    }

    /// Somebody's certificate and key, as files.
    fn issue(&self, folder: &TempDir, name: &str, common_name: &str, team: Option<&str>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        if let Some(team) = team {
            params
                .distinguished_name
                .push(DnType::OrganizationName, team);
        }
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let path = |kind| folder.path().join(format!("{name}.{kind}"));
        std::fs::write(path("pem"), certificate.pem()).unwrap();
        std::fs::write(path("key"), key.serialize_pem()).unwrap();
    }

    /// A server that lets in whom `clients` has issued a certificate.
    fn server(&self, clients: &Self, bug: Option<Bug>) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let names = vec!["127.0.0.1".to_owned()];
        let own = CertificateParams::new(names)
            .unwrap()
            .signed_by(&key, &self.issuer)
            .unwrap();
        let crypto = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(clients.root.clone()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&crypto))
                .clear_root_hint_subjects()
                .build()
                .unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let versions: &[_] = match bug {
            Some(Bug::SendsTickets) => &[&TLS12, &TLS13],
            _ => &[&TLS12],
        };
        let signing = crypto.key_provider.load_private_key(key).unwrap();
        let shown = Shown {
            certificate: Arc::new(CertifiedKey::new(vec![own.der().clone()], signing)),
            bug,
        };
        ServerConfig::builder_with_provider(crypto)
            .with_protocol_versions(versions)
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(shown))
    }
}
