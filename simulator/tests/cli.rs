//! The command line, as a script sees it: ready file, lines on stdout, one line on stderr, exit codes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

fn simulator(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_apns-simulator"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env("RUST_LOG", "warn");
    command
}

fn run(arguments: &[&str]) -> Output {
    simulator(arguments).output().unwrap()
}

/// Ends with `code` and one line on stderr that contains `words`.
fn assert_fails(output: &Output, code: i32, words: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains(words), "{stderr}");
}

/// A running `apns-simulator run`; killed when dropped.
struct Service {
    child: Child,
    ready: Value,
    _stdout: Box<dyn Read>,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    /// Waits for the last line of the summary; the ready file is written by then.
    fn start(folder: &Path, more: &[&str]) -> Self {
        let state = folder.join("state");
        let ready = folder.join("ready.json");
        let fixed = [
            "run",
            "--port-base",
            "0",
            "--state",
            state.to_str().unwrap(),
        ];
        let mut child = simulator(&fixed)
            .args(["--ready-file", ready.to_str().unwrap()])
            .args(more)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("push: ") {
            line.clear();
            let len = lines.read_line(&mut line).unwrap();
            assert_ne!(len, 0, "it ended before it was ready");
        }
        let ready = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
        Self {
            child,
            ready,
            _stdout: Box::new(lines),
        }
    }

    fn text(&self, key: &str) -> &str {
        self.ready[key].as_str().unwrap()
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }
}

/// One HTTP request; the answer with its head.
fn http(address: &str, request: &str, body: &str) -> String {
    use std::io::Write;

    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let len = body.len();
    write!(
        stream,
        "{request} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {len}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_ready_file_names_listeners_credentials_and_phones_and_a_signal_ends_it_with_0() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = Service::start(folder.path(), &["--phones", "2"]);
    let keys: Vec<_> = service.ready.as_object().unwrap().keys().collect();
    for key in [
        "binary",
        "feedback",
        "courier",
        "app_server",
        "sandbox",
        "production",
        "rest",
        "ca",
        "certificate",
        "key",
        "topic",
        "phones",
    ] {
        assert!(service.ready.get(key).is_some(), "{key} is not in {keys:?}");
    }
    assert_eq!(service.text("topic"), "com.example.Mail");
    let face = |environment: &str, face: &str| service.ready[environment][face].clone();
    assert_eq!(face("sandbox", "binary"), service.ready["binary"]);
    assert_ne!(face("production", "binary"), service.ready["binary"]);
    assert!(face("production", "feedback").is_string());
    for file in ["ca", "certificate", "key"] {
        let path = Path::new(service.text(file));
        assert!(path.is_absolute() && path.is_file(), "{file}");
    }
    let phones = service.ready["phones"].as_array().unwrap();
    let names: Vec<_> = phones.iter().map(|phone| phone["name"].clone()).collect();
    assert_eq!(names, ["iPhone 1", "iPhone 2"]);
    for phone in phones {
        let token = phone["token"].as_str().unwrap();
        assert!(token.len() == 64 && token.bytes().all(|c| c.is_ascii_hexdigit()));
    }
    let health = http(service.text("rest"), "GET /v1/health", "");
    let (_, health) = health.split_once("\r\n\r\n").unwrap();
    let health: Value = serde_json::from_str(health).unwrap();
    assert_eq!(health["status"], "ok");
    for environment in ["sandbox", "production"] {
        assert_eq!(health[environment], service.ready[environment]);
    }
    service.signal("TERM");
    assert_eq!(service.child.wait().unwrap().code(), Some(0));
}

#[test]
fn its_phones_are_on_the_rest_api_and_its_app_server_reaches_whatever_is_put_there() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &["--phones", "1"]);
    let rest = |request: &str, body: &str| {
        let answer = http(service.text("rest"), request, body);
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str::<Value>(body).unwrap()
    };
    let added = r#"{"name": "added", "apps": [{"topic": "com.example.Mail"}]}"#;
    rest("POST /v1/phones", added);
    let phones = rest("GET /v1/phones", "");
    assert_eq!(phones["phones"][0]["name"], "added");
    assert_eq!(phones["phones"][1]["name"], "iPhone 1");
    let token = &service.ready["phones"][0]["token"];
    assert_eq!(phones["phones"][1]["apps"][0]["token"], *token);
    let payload = r#"{"aps":{"alert":"hi"}}"#;
    let app_server = service.text("app_server");
    http(app_server, "POST /apps/com.example.Mail/push", payload);
    for phone in ["added", "iPhone%201"] {
        let delivered = format!("GET /v1/pushes/wait?outcome=delivered&phone={phone}");
        let push = rest(&delivered, "");
        assert_eq!(push["payload"]["aps"]["alert"], "hi", "{phone}: {push}");
    }
}

#[test]
fn phones_in_another_process_post_their_tokens_show_a_push_and_end() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &["--phones", "0"]);
    let url = format!("http://{}", service.text("app_server"));
    let state = folder.path().join("state");
    let mut phones = simulator(&["phone", "--json", "--count", "2", "--until", "2"])
        .args(["--courier", service.text("courier"), "--app-server", &url])
        .args(["--state", state.to_str().unwrap()])
        .args(["--app", "com.example.Mail:alert,badge"])
        .args(["--app", "com.example.Mail.second", "--timeout", "60"])
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(phones.stdout.take().unwrap()).lines();
    let mut events = Vec::new();
    let mut until = |wanted: &str, times: usize| {
        let seen = |events: &[Value]| {
            events
                .iter()
                .filter(|event| event["event"] == wanted)
                .count()
        };
        while seen(&events) < times {
            let line = lines.next().expect("it has not ended").unwrap();
            events.push(serde_json::from_str::<Value>(&line).unwrap());
        }
        events.clone()
    };
    let tokens = until("token", 4);
    let names: std::collections::BTreeSet<_> = tokens
        .iter()
        .map(|event| event["phone"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["iPhone 1", "iPhone 2"].into());
    let address = service.text("app_server");
    // The posts take a moment longer than the tokens.
    while !http(address, "GET /apps", "").contains(r#""tokens":2,"topic":"com.example.Mail"}"#) {}
    let payload = r#"{"aps":{"alert":"hi","badge":3,"sound":"default"}}"#;
    let answer = http(address, "POST /apps/com.example.Mail/push", payload);
    assert!(answer.contains(r#""sent":2,"#), "{answer}");
    let events = until("shown", 2);
    let shown: Vec<_> = events
        .iter()
        .filter(|event| event["event"] == "shown")
        .collect();
    for event in shown {
        let expected = json!({
            "phone": event["phone"], "event": "shown", "topic": "com.example.Mail",
            "title": null, "subtitle": null, "body": "hi",
        });
        assert_eq!(*event, expected);
    }
    // It did not register for sounds.
    assert!(events.iter().all(|event| event["event"] != "sound"));
    assert_eq!(phones.wait().unwrap().code(), Some(0));
}

#[test]
fn without_a_state_folder_certificates_are_kept_in_the_users_and_phones_find_them_there() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_str().unwrap();
    let ready = folder.path().join("ready.json");
    let mut service = simulator(&["run", "--port-base", "0", "--phones", "0"])
        .args(["--ready-file", ready.to_str().unwrap()])
        .env("HOME", home)
        .env_remove("XDG_STATE_HOME")
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(service.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let ready: Value = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
    let state = folder.path().join(".local/state/apns-simulator");
    assert_eq!(ready["ca"], state.join("ca.pem").to_str().unwrap());
    let phone = simulator(&["phone", "--app", "com.example.Mail", "--team", "TEAM000001"])
        .args([
            "--courier",
            ready["production"]["courier"].as_str().unwrap(),
        ])
        .args(["--timeout", "60", "--until", "0"])
        .env("HOME", home)
        .env_remove("XDG_STATE_HOME")
        .output()
        .unwrap();
    service.kill().unwrap();
    service.wait().unwrap();
    let stderr = String::from_utf8_lossy(&phone.stderr);
    assert_eq!(phone.status.code(), Some(0), "{stderr}");
    let nowhere = simulator(&["run"])
        .env_remove("HOME")
        .env_remove("XDG_STATE_HOME")
        .output()
        .unwrap();
    assert_fails(&nowhere, 78, "choose one with --state");
}

#[test]
fn a_knob_that_cannot_be_turned_so_is_a_usage_error_that_says_what_can_be() {
    let output = run(&["run", "--knob", "close=softly"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("close cannot be \"softly\": expected linger or abrupt"),
        "{stderr}"
    );
}

#[test]
fn a_port_in_use_is_said_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let output = run(&["run", "--state", state, "--port-base", &port]);
    assert_fails(
        &output,
        1,
        &format!("cannot listen on 127.0.0.1:{port}: the port is in use"),
    );
}

#[test]
fn what_cannot_be_used_is_said_in_one_line_with_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let (file, empty) = (file.to_str().unwrap(), folder.path().to_str().unwrap());
    let missing = folder.path().join("missing.pem");
    let missing = missing.to_str().unwrap();
    let phone = [
        "phone",
        "--courier",
        "127.0.0.1:1",
        "--app",
        "com.example.Mail",
    ];
    let with = |more: &[&'static str]| [phone.as_slice(), more].concat();
    let output = run(&["run", "--state", file]);
    assert_fails(&output, 74, "cannot use the folder");
    let output = run(&["run", "--state", empty, "--topic", "com.example.*"]);
    assert_fails(&output, 78, "no wildcard");
    let output = run(&[with(&["--state"]).as_slice(), &[empty]].concat());
    assert_fails(&output, 78, "ca.pem");
    let credentials = ["--certificate", missing, "--key", missing, "--ca", missing];
    let output = run(&[phone.as_slice(), &credentials].concat());
    assert_fails(&output, 78, "missing.pem");
    for usage in [
        vec!["run", "--state"],
        vec!["run", "--state", empty, "--environment", "staging"],
        vec!["run", "--state", empty, "--port-base", "70000"],
        with(&["--state", "x", "--team"]),
        with(&["--state", "x", "--app", "com.example.Mail:vibrate"]),
        vec!["fly"],
    ] {
        assert_eq!(run(&usage).status.code(), Some(2), "{usage:?}");
    }
}

#[test]
fn phones_that_find_no_service_give_up_with_69() {
    let folder = tempfile::tempdir().unwrap();
    let ca = apns_certs::Ca::with_key(apns_certs::KeyKind::P256).unwrap();
    let device = ca.device("iPhone").unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (ca, certificate) = (
        write("ca.pem", ca.cert_pem()),
        write("device.pem", &device.cert_pem),
    );
    let key = write("key.pem", &device.key_pem);
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let output = simulator(&[
        "phone",
        "--courier",
        &closed.to_string(),
        "--app",
        "com.example.Mail",
    ])
    .args([
        "--certificate",
        &certificate,
        "--key",
        &key,
        "--ca",
        &ca,
        "--timeout",
        "1",
    ])
    .env("RUST_LOG", "off")
    .output()
    .unwrap();
    assert_fails(&output, 69, "have no token after 1 s");
}
