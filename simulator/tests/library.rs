//! The simulator in a Rust test: the example of docs/simulator.md is there as it is shown, and runs; what goes wrong is said in words.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../examples/five_lines.rs"]
mod five_lines;

use std::time::Duration;

use apns_certs::{Ca, KeyKind};
use apns_net::credentials::Environment;
use apns_proto::{Command, Notification};
use apns_simulator::inbox::Filter;
use apns_simulator::world::Provider;
use apns_simulator::{AddPhoneError, Config, Handle, OnPhoneError, Simulator};
use bytes::Bytes;

async fn simulator() -> Handle {
    let ca = Ca::with_key(KeyKind::P256).unwrap();
    let config = Config::with_ca(&ca).unwrap();
    Simulator::start(config).await.unwrap()
}

#[test]
fn a_rust_test_has_an_apns_and_a_phone_in_five_lines() {
    five_lines::main().unwrap();
}

#[test]
fn the_guide_shows_the_five_lines_as_they_are() {
    let (_, chapter) = include_str!("../../docs/simulator.md")
        .split_once("\n## As a library\n")
        .unwrap();
    let (_, shown) = chapter.split_once("```rust\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines.len(), 6, "five, and the code under test");
    let example: Vec<_> = include_str!("../examples/five_lines.rs")
        .lines()
        .map(str::trim)
        .collect();
    assert!(example.windows(lines.len()).any(|window| window == lines));
}

#[tokio::test]
async fn a_phone_is_added_once_and_only_with_an_app_that_has_a_name() {
    let simulator = simulator().await;
    let token = simulator.add_phone("my phone", "com.example.Mail").unwrap();
    let again = simulator.add_phone("my phone", "com.example.Mail");
    assert_eq!(again, Err(AddPhoneError::Exists));
    let nameless = simulator.add_phone("another", "");
    assert_eq!(nameless, Err(AddPhoneError::NoToken));

    let project = simulator.default_project();
    let known = project.on_phone("my phone", |phone| {
        let app = phone.app("com.example.Mail").unwrap();
        app.token().cloned()
    });
    assert_eq!(known, Ok(Some(token)));
    let gone = project.on_phone("another", |_| ());
    assert_eq!(gone, Err(OnPhoneError::NoSuchPhone));
}

#[tokio::test(start_paused = true)]
async fn a_wait_in_vain_names_the_push_that_comes_nearest() {
    let simulator = simulator().await;
    let hello: Filter = serde_json::from_str(r#"{"text": "hello"}"#).unwrap();
    let wait = async || {
        let deadline = Duration::from_secs(10);
        let late = simulator.wait_for_push(&hello, deadline).await;
        late.unwrap_err().to_string()
    };
    assert_eq!(
        wait().await,
        "the push (there is none at all) did not happen within 10s"
    );
    let token = simulator.add_phone("my phone", "com.example.Mail").unwrap();
    let frame = [&[0, 0, 32], token.as_bytes(), b"\x00\x03bye"].concat();
    let bye = Notification {
        command: Command::SIMPLE,
        identifier: None,
        expiry: None,
        priority: None,
        token,
        payload: Bytes::from_static(b"bye"),
        frame: frame.into(),
    };
    let provider = Provider::new("com.example.Mail", Environment::Sandbox);
    simulator.world(|world, now| world.push(now, &provider, &bye));
    let late = wait().await;
    assert!(late.contains("(text: expected hello, got bye)"), "{late}");
}
