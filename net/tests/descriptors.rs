//! A listener outlives a shortage of file descriptors. The shortage is real, so it gets a process of its own: this
//! test starts itself again under `ulimit`.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "in a test, a panic that names its place is the best report"
)]

use std::fs::File;
use std::io;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use apns_net::credentials::Identity;
use apns_net::listen::{self, Accepted, Limits};
use apns_net::tls::{self, ClientPolicy, Roots, TlsVersions};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

const NAME: &str = "a_listener_without_descriptors_pauses_and_serves_when_there_are_some_again";
const CHILD: &str = "APNS_NET_TEST_FEW_DESCRIPTORS";

#[test]
fn a_listener_without_descriptors_pauses_and_serves_when_there_are_some_again() {
    if std::env::var_os(CHILD).is_some() {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(shortage());
        return;
    }
    let output = Command::new("sh")
        .arg("-c")
        .arg("ulimit -n 64 && exec \"$0\" \"$@\"")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

async fn shortage() {
    let paused = Arc::new(Notify::new());
    tracing_subscriber::fmt()
        .with_writer({
            let paused = Arc::clone(&paused);
            move || Listening(Arc::clone(&paused))
        })
        .init();

    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let identity = Identity::from_pem(certificate.pem(), key.serialize_pem()).unwrap();
    let policy = ClientPolicy {
        pins: [identity.certificate().pin].into(),
        ..ClientPolicy::default()
    };
    let config = tls::server_config(&identity, policy, TlsVersions::Tls12).unwrap();
    let roots = Roots::Certificates(identity.chain().to_vec());
    let client = tls::client_config(Some(&identity), roots).unwrap();

    let listener = listen::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(listen::serve(
        listener,
        config,
        Limits::default(),
        shutdown.clone(),
        |mut accepted: Accepted| async move {
            accepted.stream.write_all(b"hello").await.unwrap();
            accepted.stream.shutdown().await.unwrap();
        },
    ));

    let mut hoard: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    // One for the client's socket; the listener's accept gets none.
    hoard.pop();
    let tcp = TcpStream::connect(address).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), paused.notified())
        .await
        .expect("a line about pausing");

    drop(hoard);
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(client).connect(name, tcp).await.unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"hello");
    drop(stream);
    shutdown.cancel();
    serving.await.unwrap();
}

/// Takes note of the line about pausing.
struct Listening(Arc<Notify>);

impl io::Write for Listening {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if String::from_utf8_lossy(line).contains("cannot accept connections: pausing") {
            self.0.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
