//! `apns-demo` as a user starts it.

#![expect(clippy::unwrap_used, reason = "in a test that is the message")]

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use apns_rig::eventually::{PATIENCE, eventually};
use apns_rig::process::Daemon;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const DEMO: &str = env!("CARGO_BIN_EXE_apns-demo");

fn demo(arguments: &[&str]) -> Output {
    Command::new(DEMO).args(arguments).output().unwrap()
}

/// One line of each step, in their order; `*` is what differs from run to run.
const LINES: [&str; 18] = [
    "Step 1. The application registers for push",
    "  iPhone 1 → APNs: 07, 9 bytes: Connect, without a base token yet",
    "  iPhone 1 → APNs: 11, 82 bytes: ScopedToken, a device token for com.example.Mail, please",
    "Step 2. The application receives its device token from APNs",
    "  APNs → iPhone 1: 12, 67 bytes: ScopedTokenAck, status 0 (ok): the device token is *",
    "  app: My token is:<*>",
    "Step 3. The application sends the device token to its server",
    "  app server: registered",
    "Step 4. The server sends a message to APNs, through the gateway",
    "    02            command 2: a framed notification",
    "Step 5. APNs sends the message to the iPhone, the iPhone to the application",
    "  iPhone 1 → APNs: 0b, 51 bytes: Ack, status 0 (ok)",
    "│ │ Lunch at noon?                       │ │",
    "Step 6. The user removes the application; the next push finds nobody",
    "  iPhone 2 → APNs: 0b, 51 bytes: Ack, status 3 (app gone)",
    "Step 7. Feedback: the server reads which tokens are dead",
    "  app server: will not push to it again",
    "Every step went well.",
];

fn fits(line: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => line.starts_with(start) && line.ends_with(end),
        None => line == pattern,
    }
}

#[test]
fn every_step_is_told_and_went_well() {
    let output = demo(&["--once"]);
    let told = String::from_utf8(output.stdout).unwrap();
    let mut lines = told.lines();
    for pattern in LINES {
        assert!(
            lines.any(|line| fits(line, pattern)),
            "no line {pattern:?}, or not in its place:\n{told}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn it_goes_well_over_every_upstream_in_every_mode() {
    for (upstream, mode) in [
        ("binary", "continue"),
        ("binary", "exact"),
        ("http2", "next-time"),
        ("http2", "continue"),
        ("http2", "exact"),
    ] {
        let output = demo(&["--once", "--upstream", upstream, "--on-reject", mode]);
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(
            told.ends_with("Every step went well.\n"),
            "{upstream}, {mode}: {told}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    assert_eq!(
        demo(&["--once", "--on-reject", "never"]).status.code(),
        Some(2)
    );
}

#[test]
fn a_port_in_use_is_one_line_and_a_failure() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = demo(&["--once", "--port-base", &port]);
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(line.contains(&format!("127.0.0.1:{port}")), "{line}");
    assert!(line.contains("in use"), "{line}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn an_unknown_flag_is_a_usage_error() {
    assert_eq!(demo(&["--twice"]).status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_stays_up_for_the_readers_own_code_and_says_where() {
    let folder = TempDir::new().unwrap();
    let arguments = ["--port-base", "0", "--phones", "3"];
    let mut demo = Daemon::start(DEMO, &arguments, folder.path()).await;
    let ready = demo.ready();
    let (simulator, gateway) = (&ready["simulator"], &ready["gateway"]);
    for key in ["ca", "certificate", "key"] {
        for part in [simulator, gateway] {
            assert!(Path::new(part[key].as_str().unwrap()).is_file(), "{key}");
        }
    }
    let phones = simulator["phones"].as_array().unwrap();
    let tokens: Vec<_> = phones
        .iter()
        .map(|phone| phone["token"].as_str().unwrap())
        .collect();
    assert_eq!(
        tokens.iter().map(|token| token.len()).collect::<Vec<_>>(),
        [64; 3]
    );
    assert_eq!(simulator["topic"], "com.example.Mail");

    // The reader's own push, to the phone whose app was removed and installed again.
    let identity = apns_net::credentials::Identity::from_pem_files(
        gateway["certificate"].as_str().unwrap(),
        gateway["key"].as_str().unwrap(),
    )
    .unwrap();
    let roots = apns_net::tls::Roots::File(gateway["ca"].as_str().unwrap().into());
    let tls = apns_net::tls::client_config(Some(&identity), roots).unwrap();
    let address: std::net::SocketAddr = gateway["backend"].as_str().unwrap().parse().unwrap();
    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let name = address.ip().into();
    let mut stream = tokio_rustls::TlsConnector::from(tls)
        .connect(name, socket)
        .await
        .unwrap();
    let token = data_encoding::HEXLOWER
        .decode(tokens[1].as_bytes())
        .unwrap();
    let payload = br#"{"aps":{"alert":"hello"}}"#;
    let mut pushes = apns_rig::frames::framed(6, &token, payload);
    pushes.extend(apns_rig::frames::framed(7, &[0xff; 32], payload));
    stream.write_all(&pushes).await.unwrap();
    stream.flush().await.unwrap();
    // Silence for the first; the second is the newest when APNs refuses it, and so it is answered.
    let mut answer = [0; 6];
    let reading = stream.read_exact(&mut answer);
    tokio::time::timeout(PATIENCE, reading)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answer, [8, 8, 0, 0, 0, 7]);
    let app_server: apns_simulator::phone_link::AppServerUrl =
        format!("http://{}", simulator["app_server"].as_str().unwrap())
            .parse()
            .unwrap();
    eventually("the app server to know all phones", async || {
        let (_, body) = app_server
            .get("/apps/com.example.Mail/tokens")
            .await
            .unwrap();
        let known: Value = serde_json::from_slice(&body).unwrap();
        let len = known["tokens"].as_array().map_or(0, Vec::len);
        if len == 3 {
            Ok(())
        } else {
            Err(format!("it knows {len}"))
        }
    })
    .await;
    demo.terminate();
    assert_eq!(demo.exit().await.code(), Some(0), "{}", demo.stderr());
}
