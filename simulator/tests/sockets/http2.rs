//! The HTTP/2 face, spoken to by an HTTP/2 library that is none of the face's rules.

use apns_certs::Kind;
use apns_net::credentials::{Environment, Identity};
use apns_net::h2tap::{GoAway, Tap, TapHandle};
use apns_proto::Token;
use apns_simulator::Project;
use apns_simulator::event::What;
use apns_simulator::provider_api::ProviderKey;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use crate::support::{Scene, TOPIC, alert, dial, has_received, soon};

/// The team of provider tokens here.
pub(crate) const TEAM: &str = "TEAM000001";

/// A connection to the HTTP/2 port.
pub(crate) struct Client {
    pub(crate) send: SendRequest<Bytes>,
    pub(crate) tap: TapHandle,
    pub(crate) driver: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Client {
    pub(crate) async fn connect(scene: &Scene, identity: Option<&Identity>) -> Self {
        // Without ALPN, as some clients are [H-01].
        let address = scene.simulator.http2();
        let stream = dial(address, identity, scene.portal.roots()).await.unwrap();
        Self::over(stream).await
    }

    pub(crate) async fn over(stream: TlsStream<TcpStream>) -> Self {
        let (io, tap) = Tap::client(stream);
        let (send, connection) = soon(h2::client::handshake(io)).await.unwrap();
        Self {
            send,
            tap,
            driver: tokio::spawn(connection),
        }
    }

    pub(crate) async fn post(&self, token: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.try_post(token, headers, body).await.unwrap()
    }

    /// The same where there may be no answer.
    pub(crate) async fn try_post(
        &self,
        token: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, h2::Error> {
        let uri = format!("https://localhost/3/device/{token}");
        let request = headers
            .iter()
            .fold(Request::post(uri), |request, (name, value)| {
                request.header(*name, *value)
            });
        let mut send = soon(self.send.clone().ready()).await?;
        let (response, mut stream) = send.send_request(request.body(()).unwrap(), false)?;
        stream.send_data(Bytes::copy_from_slice(body.as_bytes()), true)?;
        let (head, mut rest) = soon(response).await?.into_parts();
        let mut body = Vec::new();
        while let Some(part) = soon(rest.data()).await {
            body.extend(part?);
        }
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8(body).unwrap(),
        })
    }
}

pub(crate) fn said(answer: &Answer) -> (u16, &str) {
    (answer.status, &answer.body)
}

/// A provider token's headers.
pub(crate) struct Signer {
    pair: EcdsaKeyPair,
    key_id: String,
    team: String,
}

impl Signer {
    /// A key of the team that a project knows.
    pub(crate) fn known(project: &Project) -> Self {
        Self::of_team(project, TEAM)
    }

    /// The same of another team.
    pub(crate) fn of_team(project: &Project, team: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let key_id = team.replace("TEAM", "KEY0");
        let key = ProviderKey {
            id: key_id.as_str().into(),
            team: team.into(),
            public_key: pair.public_key().as_ref().to_vec(),
            environment: None,
            topics: Vec::new(),
        };
        project.world(|world, _| world.add_provider_key(key));
        Self {
            pair,
            key_id,
            team: team.to_owned(),
        }
    }

    /// A `.p8` file as the portal hands it out.
    pub(crate) fn of_file(pem: &str, key_id: &str, team: &str) -> Self {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).unwrap();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        Self {
            pair: EcdsaKeyPair::from_pkcs8(algorithm, der.secret_pkcs8_der()).unwrap(),
            key_id: key_id.to_owned(),
            team: team.to_owned(),
        }
    }

    pub(crate) fn bearer(&self, issued_at: u64) -> String {
        let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        let Self { key_id, team, .. } = self;
        let header = encode(&format!(r#"{{"alg":"ES256","kid":"{key_id}"}}"#));
        let claims = encode(&format!(r#"{{"iss":"{team}","iat":{issued_at}}}"#));
        let signed = format!("{header}.{claims}");
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes());
        let signature = BASE64URL_NOPAD.encode(signature.unwrap().as_ref());
        format!("Bearer {signed}.{signature}")
    }
}

pub(crate) fn seconds_now() -> u64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn with_a_certificate_a_push_arrives_and_a_refusal_says_why() {
    let scene = Scene::set().await;
    let (phone, token) = scene.phone("iPhone").await;
    let client = Client::connect(&scene, Some(&scene.portal.provider())).await;
    let id = "eabeae54-14a8-11e5-b60b-1697f925ec7b";
    let topic = ("apns-topic", TOPIC);
    let answer = client
        .post(&token.to_hex(), &[topic, ("apns-id", id)], &alert("hi"))
        .await;
    assert_eq!(said(&answer), (200, ""));
    assert_eq!(answer.headers["apns-id"], id);
    assert!(answer.headers.contains_key("apns-unique-id"), "the sandbox");
    has_received(&phone, &[alert("hi")]).await;
    assert_eq!(client.send.current_max_send_streams(), 1_000);

    let unknown = Token::new(vec![0xee; 32]).to_hex();
    for (token, headers, body, answer) in [
        (
            &*unknown,
            &[topic][..],
            "{}",
            (400, r#"{"reason":"BadDeviceToken"}"#),
        ),
        (
            "",
            &[topic],
            "{}",
            (400, r#"{"reason":"MissingDeviceToken"}"#),
        ),
        (
            &token.to_hex(),
            &[],
            "{}",
            (400, r#"{"reason":"MissingTopic"}"#),
        ),
        (
            &token.to_hex(),
            &[topic],
            "",
            (400, r#"{"reason":"PayloadEmpty"}"#),
        ),
        (
            &token.to_hex(),
            &[topic],
            &"x".repeat(4097),
            (413, r#"{"reason":"PayloadTooLarge"}"#),
        ),
        (
            &token.to_hex(),
            &[topic],
            &"x".repeat(100_000),
            (413, r#"{"reason":"PayloadTooLarge"}"#),
        ),
    ] {
        let got = client.post(token, headers, body).await;
        assert_eq!(said(&got), answer, "{token}");
        assert_eq!(got.headers["apns-id"].len(), 36);
    }
    let page = scene.simulator.events(0, usize::MAX);
    let refused = page
        .events
        .iter()
        .filter(|event| matches!(event.what, What::Refused { .. }));
    assert_eq!(refused.count(), 6);
}

#[tokio::test]
async fn many_pushes_at_once_arrive() {
    let scene = Scene::set().await;
    let (phone, token) = scene.phone("iPhone").await;
    let client = Client::connect(&scene, Some(&scene.portal.provider())).await;
    let (token, headers) = (token.to_hex(), [("apns-topic", TOPIC)]);
    let client = &client;
    let [one, two, three] = [1, 2, 3].map(alert);
    let answers = <[Answer; 3]>::from(tokio::join!(
        client.post(&token, &headers, &one),
        client.post(&token, &headers, &two),
        client.post(&token, &headers, &three)
    ));
    assert!(answers.iter().all(|answer| answer.status == 200));
    has_received(&phone, &[one, two, three]).await;
}

#[tokio::test]
async fn with_a_provider_token_more_streams_are_allowed_after_the_first_valid_one() {
    let scene = Scene::set().await;
    let (phone, token) = scene.phone("iPhone").await;
    let signer = Signer::known(scene.simulator.default_project());
    let client = Client::connect(&scene, None).await;
    let (token, topic) = (token.to_hex(), ("apns-topic", TOPIC));
    for (headers, answer) in [
        (vec![topic], (403, r#"{"reason":"MissingProviderToken"}"#)),
        (
            vec![topic, ("authorization", "bearer x.y.z")],
            (403, r#"{"reason":"InvalidProviderToken"}"#),
        ),
        (
            vec![
                topic,
                ("authorization", &*signer.bearer(seconds_now() - 4000)),
            ],
            (403, r#"{"reason":"ExpiredProviderToken"}"#),
        ),
    ] {
        let got = client.post(&token, &headers, "{}").await;
        assert_eq!(said(&got), answer);
        assert_eq!(client.send.current_max_send_streams(), 1);
    }
    let good = signer.bearer(seconds_now());
    let headers = [topic, ("authorization", &*good)];
    let answer = client.post(&token, &headers, &alert("one")).await;
    assert_eq!(said(&answer), (200, ""));
    let answer = client.post(&token, &headers, &alert("two")).await;
    assert_eq!(said(&answer), (200, ""));
    assert_eq!(client.send.current_max_send_streams(), 1_000);
    has_received(&phone, &[alert("one"), alert("two")]).await;
    let again = signer.bearer(seconds_now() - 100);
    let headers = [topic, ("authorization", &*again)];
    let answer = client.post(&token, &headers, "{}").await;
    assert_eq!(
        said(&answer),
        (429, r#"{"reason":"TooManyProviderTokenUpdates"}"#)
    );
}

#[tokio::test]
async fn a_certificate_of_the_other_environment_is_sent_away_with_its_reason() {
    let scene = Scene::set_with(|config| config.environment = Environment::Sandbox).await;
    let production = scene.portal.push(Kind::Production, TOPIC);
    let client = Client::connect(&scene, Some(&production)).await;
    soon(client.driver).await.unwrap().unwrap();
    let goaway = GoAway {
        last_stream: 0,
        reason: h2::Reason::NO_ERROR,
        debug_data: Bytes::from_static(br#"{"reason":"BadCertificateEnvironment"}"#),
    };
    assert_eq!(client.tap.goaway(), Some(goaway));
}

#[tokio::test]
async fn a_stop_says_goaway_and_lets_go() {
    let scene = Scene::set().await;
    let client = Client::connect(&scene, Some(&scene.portal.device("iPhone"))).await;
    let answer = client.post("00", &[], "{}").await;
    assert_eq!(said(&answer), (403, r#"{"reason":"BadCertificate"}"#));
    soon(scene.simulator.shutdown()).await;
    drop(client.send);
    let _ended = soon(client.driver).await.unwrap();
    assert!(client.tap.goaway().is_some());
}
