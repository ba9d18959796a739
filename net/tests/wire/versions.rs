//! What a handshake looks like besides the certificate [P-03] [P-04].

use std::sync::{Arc, Mutex};

use apns_net::credentials::{Environment, Identity};
use apns_net::listen::{Accepted, Limits};
use apns_net::tls::{ClientPolicy, TlsVersions};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::sign::CertifiedKey;
use rustls::{HandshakeKind, ProtocolVersion, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Authority, Leaf, Server};

async fn hello(mut accepted: Accepted) {
    accepted.stream.write_all(b"hello").await.unwrap();
    accepted.stream.shutdown().await.unwrap();
}

async fn start(versions: TlsVersions) -> (Server, Identity) {
    let ca = Authority::new();
    let policy = ClientPolicy::providers(vec![ca.root()], Environment::Production);
    let server = Server::start_with(policy, versions, Limits::default(), hello).await;
    (server, ca.issue(&Leaf::push()))
}

#[tokio::test]
async fn tls_12_is_spoken_by_default_and_13_by_choice() {
    for (versions, expected) in [
        (TlsVersions::default(), ProtocolVersion::TLSv1_2),
        (TlsVersions::Tls12And13, ProtocolVersion::TLSv1_3),
    ] {
        let (server, identity) = start(versions).await;
        let client = server.connect(&identity).await;
        assert_eq!(client.get_ref().1.protocol_version(), Some(expected));
        drop(client);
        server.stop().await;
    }
}

#[tokio::test]
async fn tls_13_sends_no_session_tickets() {
    let (server, identity) = start(TlsVersions::Tls12And13).await;
    let mut client = server.connect(&identity).await;
    let mut all = Vec::new();
    client.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"hello");
    assert_eq!(client.get_ref().1.tls13_tickets_received(), 0);
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn a_session_is_never_resumed_so_that_every_connection_is_judged() {
    for versions in [TlsVersions::Tls12, TlsVersions::Tls12And13] {
        let (server, identity) = start(versions).await;
        let mut config = (*server.client_config(Some(&identity))).clone();
        config.resumption = Resumption::in_memory_sessions(8);
        let config = Arc::new(config);
        for _ in 0..2 {
            let mut client = server.try_connect(Arc::clone(&config)).await.1.unwrap();
            client.read_to_end(&mut Vec::new()).await.unwrap();
            assert_eq!(
                client.get_ref().1.handshake_kind(),
                Some(HandshakeKind::Full)
            );
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn a_client_without_sni_is_served() {
    let (server, identity) = start(TlsVersions::Tls12).await;
    let mut config = (*server.client_config(Some(&identity))).clone();
    config.enable_sni = false;
    let (_, connected) = server.try_connect(Arc::new(config)).await;
    connected.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_certificate_is_asked_for_without_a_list_of_issuers() {
    #[derive(Debug)]
    struct Spy {
        inner: Arc<dyn ResolvesClientCert>,
        asked: Mutex<Vec<usize>>,
    }

    impl ResolvesClientCert for Spy {
        fn resolve(
            &self,
            hints: &[&[u8]],
            schemes: &[SignatureScheme],
        ) -> Option<Arc<CertifiedKey>> {
            self.asked.lock().unwrap().push(hints.len());
            self.inner.resolve(hints, schemes)
        }

        fn has_certs(&self) -> bool {
            true
        }
    }

    for versions in [TlsVersions::Tls12, TlsVersions::Tls12And13] {
        let (server, identity) = start(versions).await;
        let mut config = (*server.client_config(Some(&identity))).clone();
        let spy = Arc::new(Spy {
            inner: Arc::clone(&config.client_auth_cert_resolver),
            asked: Mutex::default(),
        });
        config.client_auth_cert_resolver = Arc::clone(&spy) as _;
        server.try_connect(Arc::new(config)).await.1.unwrap();
        assert_eq!(*spy.asked.lock().unwrap(), [0], "asked once, no hints");
        server.stop().await;
    }
}
