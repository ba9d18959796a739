//! Certificates that end, or were wrong from the start: ours upstream, and the upstream's own. Over each kind of upstream nothing is lost,
//! nobody is hammered, and when it is put right everything goes out by itself.

use std::sync::Arc;
use std::time::Duration;

use apns_net::credentials::{Identity, certificates_from_pem};
use apns_net::tls::{ClientPolicy, TlsVersions, http2_server_config, server_config};
use tokio_rustls::rustls::ServerConfig;

use crate::support::*;

/// How an upstream speaks TLS, and what behind it. With TLS 1.3 a refused client learns of it only after its handshake.
const WAYS: [(Kind, TlsVersions); 3] = [
    (Kind::Binary, TlsVersions::Tls12),
    (Kind::Binary, TlsVersions::Tls12And13),
    (Kind::Http2, TlsVersions::Tls12And13),
];

/// The TLS of an upstream that shows this certificate and lets in whom the authority vouches for.
fn tls(way: (Kind, TlsVersions), authority: &Authority, shown: &str) -> Arc<ServerConfig> {
    let roots = certificates_from_pem(&authority.pem).unwrap();
    let policy = ClientPolicy::providers(roots, ENVIRONMENT);
    let identity = Identity::from_pem(shown, shown).unwrap();
    match way {
        (Kind::Binary, versions) => server_config(&identity, policy, versions),
        (Kind::Http2, _) => http2_server_config(&identity, policy),
    }
    .unwrap()
}

/// The names of the next notifications on the next connection.
async fn taken(upstream: &Upstream, kind: Kind, count: usize) -> Vec<u8> {
    match kind {
        Kind::Binary => {
            let mut peer = upstream.accept().await;
            let names = peer.names(count).await;
            tokio::spawn(peer.rest());
            names
        }
        Kind::Http2 => {
            let mut peer = upstream.accept_http2().await;
            let names = peer.names(count).await;
            tokio::spawn(peer.rest());
            names
        }
    }
}

/// Refuses attempts for a while, and says how many there were.
async fn attempts_in(upstream: &Upstream, span: Duration) -> usize {
    let mut attempts = 0;
    let refused = async {
        loop {
            upstream.refuse().await;
            attempts += 1;
        }
    };
    let _: Result<(), _> = tokio::time::timeout(span, refused).await;
    attempts
}

#[tokio::test]
async fn our_certificate_has_ended_upstream_and_the_app_is_on_hold_until_a_new_one_is_read() {
    for way in WAYS {
        let (kind, _) = way;
        let mut bench = Bench::prepare_over(kind).await;
        let ours = bench.folder.path().join("push.pem");
        private(&ours, &bench.authority.push_valid(TOPIC, Validity::Ended));
        let shown = bench.authority.server();
        bench.upstream.speak(tls(way, &bench.authority, &shown));
        bench.run().await;
        let mut backend = bench.backend().await;
        backend.push([1, 2, 3]).await;
        eventually("acceptance", || bench.counts().queued == 3).await;
        bench.upstream.refuse().await;
        eventually("the hold", || bench.held().is_some()).await;
        let reason = bench.held().unwrap();
        let alert = "refuses the app's certificate (alert CertificateExpired)";
        assert!(reason.contains(alert), "{way:?}: {reason}");
        let attempts = attempts_in(&bench.upstream, Duration::from_millis(500)).await;
        assert!((1..=25).contains(&attempts), "{way:?}: {attempts} attempts");
        assert_eq!(bench.counts().queued, 3, "{way:?}");

        private(&ours, &bench.authority.push(TOPIC));
        bench.gateway().reload(&bench.config).await.unwrap();
        let mut names = taken(&bench.upstream, kind, 3).await;
        names.sort_unstable();
        assert_eq!(names, [1, 2, 3], "{way:?}");
        bench.delivered(3).await;
        assert_eq!(bench.held(), None, "{way:?}");
    }
}

#[tokio::test]
async fn the_upstreams_certificate_is_not_to_be_trusted_and_nothing_is_said_to_it_until_it_is() {
    let stranger = Authority::new();
    for way in WAYS {
        let (kind, _) = way;
        for wrong in ["ended", "of another name", "of a CA nobody knows"] {
            let mut bench = Bench::prepare_over(kind).await;
            let ours = &bench.authority;
            let shown = match wrong {
                "ended" => ours.server_called(&["127.0.0.1"], Validity::Ended),
                "of another name" => ours.server_called(&["apns.example.net"], Validity::Long),
                _ => stranger.server(),
            };
            bench.upstream.speak(tls(way, &bench.authority, &shown));
            bench.run().await;
            let mut backend = bench.backend().await;
            backend.push([1, 2, 3]).await;
            eventually("acceptance", || bench.counts().queued == 3).await;
            bench.upstream.refuse().await;
            let attempts = attempts_in(&bench.upstream, Duration::from_millis(300)).await;
            assert!(
                (1..=20).contains(&attempts),
                "{way:?}, {wrong}: {attempts} attempts"
            );
            let counters = bench.gateway().counters();
            eventually("each to be counted", || {
                counters.upstream_untrusted.read() >= attempts as u64
            })
            .await;
            assert_eq!(
                (bench.counts().queued, bench.held()),
                (3, None),
                "{way:?}, {wrong}"
            );

            let shown = bench.authority.server();
            bench.upstream.speak(tls(way, &bench.authority, &shown));
            assert_eq!(
                taken(&bench.upstream, kind, 3).await,
                [1, 2, 3],
                "{way:?}, {wrong}"
            );
            bench.delivered(3).await;
        }
    }
}
