//! An APNs and an iPhone in a Rust test, in five lines: a CA, the simulator, a phone with an app, the provider's certificate, and the wait for the
//! push. Run it with `cargo run -p apns-simulator --example five_lines`.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use apns_certs::{Ca, Kind, Minted, PushCertificate};
use apns_net::tls::{Roots, client_config};
use apns_proto::Token;
use apns_simulator::inbox::{Filter, Outcome};
use apns_simulator::{Config, Simulator};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// What takes longer is broken.
const SOON: Duration = Duration::from_secs(10);

/// The test.
#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let ca = Ca::new()?;
    let simulator = Simulator::start(Config::with_ca(&ca)?).await?;
    let token = simulator.add_phone("my phone", "com.example.Mail")?;
    let provider = ca.push(&PushCertificate::new(Kind::Universal, "com.example.Mail"))?;
    push_hello(simulator.binary(), &ca, &provider, &token).await?; // the code under test
    let push = simulator.wait_for_push(&Filter::default(), SOON).await?;

    assert_eq!(push.fate.outcome(), Outcome::Delivered);
    let notes = simulator
        .default_project()
        .on_phone("my phone", |phone| phone.lock_screen().notes().len())?;
    assert_eq!(notes, 1);
    Ok(())
}

/// Stands for the code under test: a backend that speaks the binary protocol.
async fn push_hello(
    gateway: SocketAddr,
    ca: &Ca,
    provider: &Minted,
    token: &Token,
) -> Result<(), Box<dyn Error>> {
    let roots = Roots::Certificates(vec![ca.certificate_der().clone()]);
    let tls = TlsConnector::from(client_config(Some(&provider.identity()?), roots)?);
    let tcp = TcpStream::connect(gateway).await?;
    let mut stream = tls.connect("localhost".try_into()?, tcp).await?;
    let payload = br#"{"aps":{"alert":"hello"}}"#;
    stream.write_all(&[0, 0, 32]).await?;
    stream.write_all(token.as_bytes()).await?;
    stream.write_all(&[0, u8::try_from(payload.len())?]).await?;
    stream.write_all(payload).await?;
    Ok(stream.shutdown().await?)
}
