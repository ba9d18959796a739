//! Certificates, a listener, a client and the log, for tests that read like sentences.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use apns_net::credentials::{Identity, Pin};
use apns_net::listen::{self, Accepted, Limits};
use apns_net::tls::{self, ClientPolicy, Roots, TlsVersions};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, ClientConfig};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::fmt::MakeWriter;

/// Longer than anything here takes, shorter than anybody's patience.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something that must happen.
pub(crate) async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, happens).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("{what} did not happen in {PATIENCE:?}"),
    }
}

/// A CA.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        Self::named(&format!(
            "Test CA {}",
            COUNT.fetch_add(1, Ordering::Relaxed)
        ))
    }

    pub(crate) fn named(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        Self {
            certificate: params.self_signed(&key).unwrap().der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    pub(crate) fn root(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    pub(crate) fn issue(&self, leaf: &Leaf) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = leaf.params().signed_by(&key, &self.issuer).unwrap();
        Identity::from_pem(certificate.pem(), key.serialize_pem()).unwrap()
    }

    pub(crate) fn server(&self) -> Identity {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity::from_pem(certificate.pem(), key.serialize_pem()).unwrap()
    }
}

/// A client certificate in the making.
#[derive(Clone)]
pub(crate) struct Leaf {
    topic: Option<&'static str>,
    marks: Vec<u64>,
    expired: bool,
    purpose: ExtendedKeyUsagePurpose,
}

impl Leaf {
    /// A universal push certificate.
    pub(crate) fn push() -> Self {
        Self {
            topic: Some("com.example.Mail"),
            marks: vec![1, 2],
            expired: false,
            purpose: ExtendedKeyUsagePurpose::ClientAuth,
        }
    }

    pub(crate) fn device() -> Self {
        Self {
            topic: None,
            marks: vec![],
            ..Self::push()
        }
    }

    pub(crate) fn sandbox_only(mut self) -> Self {
        self.marks = vec![1];
        self
    }

    pub(crate) fn production_only(mut self) -> Self {
        self.marks = vec![2];
        self
    }

    pub(crate) fn without_marks(mut self) -> Self {
        self.marks = vec![];
        self
    }

    pub(crate) fn without_topic(mut self) -> Self {
        self.topic = None;
        self
    }

    pub(crate) fn expired(mut self) -> Self {
        self.expired = true;
        self
    }

    pub(crate) fn for_servers(mut self) -> Self {
        self.purpose = ExtendedKeyUsagePurpose::ServerAuth;
        self
    }

    pub(crate) fn self_signed(&self, is_ca: bool) -> Identity {
        let mut params = self.params();
        if is_ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Identity::from_pem(certificate.pem(), key.serialize_pem()).unwrap()
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "Test Push Services");
        if let Some(topic) = self.topic {
            let user_id = DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]);
            params.distinguished_name.push(user_id, topic);
        }
        for mark in &self.marks {
            params
                .custom_extensions
                .push(CustomExtension::from_oid_content(
                    &[1, 2, 840, 113_635, 100, 6, 3, *mark],
                    vec![0x05, 0x00],
                ));
        }
        params.extended_key_usages = vec![self.purpose.clone()];
        if self.expired {
            params.not_before = date_time_ymd(2012, 1, 1);
            params.not_after = date_time_ymd(2013, 1, 1);
        }
        params
    }
}

pub(crate) fn pin(identity: &Identity) -> Pin {
    identity.certificate().pin
}

/// A running listener.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    root: CertificateDer<'static>,
    task: JoinHandle<()>,
}

impl Server {
    /// TLS 1.2, generous limits.
    pub(crate) async fn start<F>(
        policy: ClientPolicy,
        handler: impl Fn(Accepted) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::start_with(policy, TlsVersions::Tls12, Limits::default(), handler).await
    }

    pub(crate) async fn start_with<F>(
        policy: ClientPolicy,
        versions: TlsVersions,
        limits: Limits,
        handler: impl Fn(Accepted) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Log::capture();
        let authority = Authority::new();
        let config = tls::server_config(&authority.server(), policy, versions).unwrap();
        let listener = listen::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(listen::serve(
            listener,
            config,
            limits,
            shutdown.clone(),
            handler,
        ));
        Self {
            address,
            shutdown,
            root: authority.root(),
            task,
        }
    }

    pub(crate) fn root(&self) -> CertificateDer<'static> {
        self.root.clone()
    }

    /// The part of a log line that is about this peer of this listener. (Two tests' clients may have the same port.)
    pub(crate) fn line_of(&self, peer: SocketAddr) -> String {
        format!("peer={peer} listener={}", self.address)
    }

    pub(crate) fn client_config(&self, identity: Option<&Identity>) -> Arc<ClientConfig> {
        tls::client_config(identity, Roots::Certificates(vec![self.root()])).unwrap()
    }

    pub(crate) async fn connect_tcp(&self) -> TcpStream {
        soon("a TCP connection", TcpStream::connect(self.address))
            .await
            .unwrap()
    }

    /// A handshake that may fail, and the client's address.
    pub(crate) async fn try_connect(
        &self,
        config: Arc<ClientConfig>,
    ) -> (SocketAddr, io::Result<TlsStream<TcpStream>>) {
        let tcp = self.connect_tcp().await;
        let peer = tcp.local_addr().unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connecting = TlsConnector::from(config).connect(name, tcp);
        (peer, soon("the handshake's end", connecting).await)
    }

    pub(crate) async fn connect(&self, identity: &Identity) -> TlsStream<TcpStream> {
        let config = self.client_config(Some(identity));
        self.try_connect(config).await.1.unwrap()
    }

    /// Stops, and waits until every handler has ended.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.wait().await;
    }

    pub(crate) async fn wait(self) {
        soon("the listener's end", self.task).await.unwrap();
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}

/// The alert that ended a handshake or a read.
pub(crate) fn alert(error: &io::Error) -> Option<AlertDescription> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    match error {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

/// The log of the whole test process. Tests run side by side, so each looks only at the lines of its own peer.
pub(crate) struct Log {
    lines: watch::Sender<Vec<String>>,
}

impl Log {
    pub(crate) fn capture() -> &'static Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let lines = watch::Sender::new(Vec::new());
            tracing_subscriber::fmt()
                .with_ansi(false)
                .with_max_level(tracing::Level::DEBUG)
                .with_writer(Writers(lines.clone()))
                .init();
            Self { lines }
        })
    }

    /// The lines so far that contain every part.
    pub(crate) fn lines(&self, parts: &[&str]) -> Vec<String> {
        self.lines
            .borrow()
            .iter()
            .filter(|line| parts.iter().all(|part| line.contains(part)))
            .cloned()
            .collect()
    }

    /// The first line that contains every part, once it is there.
    pub(crate) async fn line(&self, parts: &[&str]) -> String {
        let mut changes = self.lines.subscribe();
        let found = |lines: &Vec<String>| {
            lines
                .iter()
                .any(|line| parts.iter().all(|part| line.contains(part)))
        };
        let what = format!("a log line with {parts:?}");
        soon(&what, changes.wait_for(found)).await.unwrap();
        self.lines(parts).remove(0)
    }
}

#[derive(Clone)]
struct Writers(watch::Sender<Vec<String>>);

impl MakeWriter<'_> for Writers {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl io::Write for Writers {
    /// The subscriber hands over one whole line at a time.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line).into_owned();
        self.0.send_modify(|lines| lines.push(text));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
