//! The sandbox and production side by side [P-01] [P-05].

use std::sync::Arc;

use apns_certs::{KeyKind, Kind};
use apns_net::credentials::Environment::{self, Production, Sandbox};
use apns_net::tls::client_config;
use apns_simulator::event::What;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{
    Scene, TOPIC, alert, framed, happens, has_received, received, soon, to_the_end,
};

/// The error packet about the notification 1 with an invalid token [P-37].
const INVALID_TOKEN: [u8; 6] = [8, 8, 0, 0, 0, 1];

async fn provider(scene: &Scene, environment: Environment) -> TlsStream<TcpStream> {
    let address = scene.simulator.addresses(environment).binary;
    scene.dial(address, &scene.portal.provider()).await.unwrap()
}

#[tokio::test]
async fn a_phone_has_a_token_in_each_environment_and_each_is_good_only_there() {
    let scene = Scene::set().await;
    // The same phone: its certificate is the same.
    let identity = scene.portal.device("iPhone");
    let courier = |environment| scene.simulator.addresses(environment).courier;
    let (sandbox, sandbox_token) = scene
        .phone_at("iPhone", courier(Sandbox), identity.clone())
        .await;
    let (production, production_token) = scene
        .phone_at("iPhone", courier(Production), identity)
        .await;
    assert_ne!(sandbox_token, production_token);
    for (environment, phone, own, other) in [
        (Sandbox, &sandbox, &sandbox_token, &production_token),
        (Production, &production, &production_token, &sandbox_token),
    ] {
        let mut stream = provider(&scene, environment).await;
        let text = alert(environment);
        stream
            .write_all(&framed(0, own.as_bytes(), &text))
            .await
            .unwrap();
        has_received(phone, &[text]).await;
        stream
            .write_all(&framed(1, other.as_bytes(), &alert("lost")))
            .await
            .unwrap();
        assert_eq!(
            to_the_end(&mut stream).await,
            INVALID_TOKEN,
            "{environment}"
        );
    }
    assert_eq!(received(&sandbox), [alert(Sandbox)]);
    assert_eq!(received(&production), [alert(Production)]);
}

#[tokio::test]
async fn a_certificate_for_one_environment_is_refused_at_the_other_with_an_alert() {
    let scene = Scene::set().await;
    for (kind, own, other) in [
        (Kind::Development, Sandbox, Production),
        (Kind::Production, Production, Sandbox),
    ] {
        let identity = scene.portal.push(kind, TOPIC);
        for face in ["binary", "feedback"] {
            let address = |environment| {
                let addresses = scene.simulator.addresses(environment);
                match face {
                    "binary" => addresses.binary,
                    _ => addresses.feedback,
                }
            };
            scene.dial(address(own), &identity).await.unwrap();
            let refused = scene.dial(address(other), &identity).await.unwrap_err();
            assert!(
                refused.to_string().contains("CertificateRevoked"),
                "{face}: {refused}"
            );
        }
    }
}

#[tokio::test]
async fn a_client_that_names_a_host_of_apples_means_that_hosts_environment() {
    const HOST: &str = "gateway.push.apple.com";
    let scene = Scene::set_with(|config| {
        let ca = apns_certs::Ca::with_key(KeyKind::P256).unwrap();
        let server = ca.server_with_key(&[HOST], KeyKind::P256).unwrap();
        config.identity = server.identity().unwrap();
        // What the clients are to trust is this CA; what the listener trusts stays the portal's.
        HOST_CA.set(ca.certificate_der().clone()).unwrap();
    })
    .await;
    let only_production = scene.portal.push(Kind::Production, TOPIC);
    let roots = apns_net::tls::Roots::Certificates(vec![HOST_CA.get().unwrap().clone()]);
    let tls = client_config(Some(&only_production), roots).unwrap();
    let mut stream = soon(async {
        let tcp = TcpStream::connect(scene.simulator.addresses(Sandbox).binary)
            .await
            .unwrap();
        TlsConnector::from(Arc::clone(&tls))
            .connect(HOST.try_into().unwrap(), tcp)
            .await
            .unwrap()
    })
    .await;
    stream
        .write_all(&framed(1, &[7; 32], &alert("hi")))
        .await
        .unwrap();
    assert_eq!(to_the_end(&mut stream).await, INVALID_TOKEN);
    happens(
        scene.simulator.default_project(),
        "a rejection in production",
        |what| matches!(what, What::Rejected { request, .. } if request.environment == Production),
    )
    .await;
}

static HOST_CA: std::sync::OnceLock<tokio_rustls::rustls::pki_types::CertificateDer<'static>> =
    std::sync::OnceLock::new();
