//! What the tests on real sockets share: certificates, an HTTP client of a dozen lines.

use std::net::SocketAddr;
use std::time::Duration;

use apns_certs::{Ca, KeyKind, Kind, PushCertificate};
use apns_net::credentials::Identity;
use apns_net::tls::Roots;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Nothing a test waits for takes longer; what does is broken.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
pub(crate) const TOPIC: &str = "com.example.Mail";

/// A certificate authority of the test's own, and what it issues.
pub(crate) struct Portal {
    pub(crate) ca: Ca,
}

impl Portal {
    pub(crate) fn open() -> Self {
        Self {
            ca: Ca::with_key(KeyKind::P256).unwrap(),
        }
    }

    pub(crate) fn server(&self) -> Identity {
        self.ca
            .server_with_key(&["127.0.0.1"], KeyKind::P256)
            .unwrap()
            .identity()
            .unwrap()
    }

    pub(crate) fn push(&self, kind: Kind, topic: &str) -> Identity {
        self.ca
            .push(&PushCertificate {
                key: KeyKind::P256,
                ..PushCertificate::new(kind, topic)
            })
            .unwrap()
            .identity()
            .unwrap()
    }

    pub(crate) fn provider(&self) -> Identity {
        self.push(Kind::Universal, TOPIC)
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots::Certificates(vec![self.ca.certificate_der().clone()])
    }
}

/// One HTTP request on a connection of its own: status and JSON body.
pub(crate) async fn http(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> (u16, Value) {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = tokio::time::timeout(DEADLINE, exchange)
        .await
        .expect("the app server answers in time");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}
