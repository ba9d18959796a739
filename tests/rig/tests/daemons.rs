//! The daemons as processes: the contract with scripts in any language.

#![expect(clippy::unwrap_used, reason = "in a test that is the message")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use apns_rig::certificates::{TOPIC, login};
use apns_rig::eventually::eventually;
use apns_rig::frames::framed;
use apns_rig::process::Daemon;
use apns_rig::provider::{Login, Provider};
use apns_rig::{Knobs, Rig};
use data_encoding::HEXLOWER;
use serde_json::Value;
use tempfile::TempDir;

const GATEWAY: &str = env!("CARGO_BIN_EXE_rig-gateway");
const SIMULATOR: &str = env!("CARGO_BIN_EXE_rig-simulator");

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

fn read(path: &Value) -> String {
    std::fs::read_to_string(path.as_str().unwrap()).unwrap()
}

async fn simulator(folder: &TempDir, phones: &str) -> Daemon {
    let state = folder.path().join("state");
    let arguments = [
        "run",
        "--state",
        state.to_str().unwrap(),
        "--port-base",
        "0",
        "--phones",
        phones,
    ];
    Daemon::start(SIMULATOR, &arguments, folder.path()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_simulators_ready_file_is_all_a_script_needs_to_push() {
    let folder = TempDir::new().unwrap();
    let mut daemon = simulator(&folder, "4").await;
    let ready = daemon.ready();
    for key in [
        "binary",
        "feedback",
        "courier",
        "ca",
        "certificate",
        "key",
        "topic",
        "phones",
    ] {
        assert!(keys(ready).contains(&key), "no {key} in {ready}");
    }
    assert_eq!(ready["phones"].as_array().unwrap().len(), 4);
    let token = HEXLOWER
        .decode(ready["phones"][3]["token"].as_str().unwrap().as_bytes())
        .unwrap();
    assert_eq!(token.len(), 32);
    let (ca, certificate, key) = (
        read(&ready["ca"]),
        read(&ready["certificate"]),
        read(&ready["key"]),
    );
    let login = Login::Certificate {
        certificate: &certificate,
        key: &key,
    };
    let mut provider = Provider::connect(daemon.address("binary"), &ca, login)
        .await
        .unwrap();
    // A good one, then one that proves that the good one was not answered.
    let probe = [
        framed(1, &token, b"{\"aps\":{\"alert\":\"hi\"}}"),
        framed(2, &[0; 32], b"{}"),
    ];
    provider.send(&probe.concat()).await.unwrap();
    assert_eq!(provider.packet().await.unwrap(), [8, 8, 0, 0, 0, 2]);
    daemon.terminate();
    assert_eq!(daemon.exit().await.code(), Some(0), "{}", daemon.stderr());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_of_another_process_shows_what_a_process_of_ours_pushes_through_a_third() {
    let folder = TempDir::new().unwrap();
    let simulator = simulator(&folder, "0").await;
    let (ca, certificate, key) = (
        &simulator.ready()["ca"],
        &simulator.ready()["certificate"],
        &simulator.ready()["key"],
    );
    let config = folder.path().join("gateway.toml");
    let text = format!(
        r#"
        store.path = "gateway.sqlite"
        [listen]
        certificate = {server}
        key = {server_key}
        client_ca = {ca}
        sandbox = {{ backend = "127.0.0.1:2195", feedback = "127.0.0.1:2196" }}
        [[app]]
        topic = "{TOPIC}"
        environment = "sandbox"
        [app.upstream]
        kind = "binary"
        address = "{binary}"
        ca = {ca}
        certificate = {certificate}
        key = {key}
        "#,
        server = simulator.ready()["ca"]
            .as_str()
            .map(|ca| format!("{:?}", Path::new(ca).with_file_name("server.pem")))
            .unwrap(),
        server_key = simulator.ready()["ca"]
            .as_str()
            .map(|ca| format!("{:?}", Path::new(ca).with_file_name("server-key.pem")))
            .unwrap(),
        binary = simulator.address("binary"),
    );
    std::fs::write(&config, text).unwrap();
    let arguments = [
        "run",
        "--config",
        config.to_str().unwrap(),
        "--port-base",
        "0",
    ];
    let mut gateway = Daemon::start(GATEWAY, &arguments, folder.path()).await;
    assert!(
        keys(gateway.ready()).contains(&"backend") && keys(gateway.ready()).contains(&"feedback")
    );

    let printed = folder.path().join("phone.out");
    let mut phone = Command::new(SIMULATOR)
        .args([
            "phone",
            "--courier",
            &simulator.address("courier").to_string(),
            "--app",
            TOPIC,
            "--json",
            "--until",
            "1",
        ])
        .arg("--state")
        .arg(folder.path().join("state"))
        .stdout(std::fs::File::create(&printed).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = || -> Vec<Value> {
        let text = std::fs::read_to_string(&printed).unwrap();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    };
    let token = eventually("the phone's token", async || {
        lines()
            .iter()
            .find_map(|line| line["token"].as_str().map(String::from))
            .ok_or("none yet")
    })
    .await;
    let (ca, certificate, key) = (read(ca), read(certificate), read(key));
    let login = Login::Certificate {
        certificate: &certificate,
        key: &key,
    };
    let mut provider = Provider::connect(gateway.address("backend"), &ca, login)
        .await
        .unwrap();
    let token = HEXLOWER.decode(token.as_bytes()).unwrap();
    provider
        .send(&framed(
            1,
            &token,
            b"{\"aps\":{\"alert\":\"over three processes\"}}",
        ))
        .await
        .unwrap();
    let status = eventually("the phone to have shown it", async || {
        phone.try_wait().unwrap().ok_or("it runs")
    })
    .await;
    assert!(status.success());
    let shown = std::fs::read_to_string(&printed).unwrap();
    assert!(shown.contains("over three processes"), "{shown}");
    gateway.signal("HUP");
    eventually("certificates and keys to be read again", async || {
        let log = gateway.stderr();
        let read = log.contains("certificates and keys were read again");
        read.then_some(()).ok_or(log)
    })
    .await;
    gateway.terminate();
    assert_eq!(gateway.exit().await.code(), Some(0), "{}", gateway.stderr());
}

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// One clear line beside the log, at the end, and the exit code that says whose move it is.
#[track_caller]
fn one_line(output: &Output, code: i32, words: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    let said: Vec<_> = stderr.lines().filter(|line| !is_log(line)).collect();
    assert_eq!(said.len(), 1, "{stderr}");
    assert_eq!(stderr.lines().last(), Some(said[0]), "{stderr}");
    for word in words {
        assert!(said[0].contains(word), "no {word:?} in {stderr}");
    }
}

/// A line of the log begins with its time.
fn is_log(line: &str) -> bool {
    line.starts_with(|first: char| first.is_ascii_digit())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_started_says_so_in_one_line_and_with_the_right_exit_code() {
    let mut rig = Rig::prepare(Knobs::default()).await;
    let key = rig.binary_upstream().key.clone().unwrap();
    let good = rig.config_file();
    let path = |name: &str| rig.folder().join(name).to_str().unwrap().to_owned();

    let missing = path("nowhere.toml");
    one_line(
        &run(GATEWAY, &["run", "--config", &missing]),
        78,
        &[&missing],
    );

    let misspelt = path("misspelt.toml");
    let text = std::fs::read_to_string(&good).unwrap();
    std::fs::write(&misspelt, format!("colour = \"blue\"\n{text}")).unwrap();
    one_line(
        &run(GATEWAY, &["run", "--config", &misspelt]),
        78,
        &[&misspelt, "colour"],
    );
    one_line(
        &run(GATEWAY, &["check-config", "--config", &misspelt]),
        78,
        &[&misspelt, "colour"],
    );
    let checked = run(
        GATEWAY,
        &["check-config", "--config", good.to_str().unwrap()],
    );
    assert_eq!(
        checked.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&checked.stderr)
    );

    let no_key = path("no-key.toml");
    let key = key.to_str().unwrap();
    std::fs::write(&no_key, text.replace(key, &path("no-such.key.pem"))).unwrap();
    one_line(
        &run(GATEWAY, &["run", "--config", &no_key]),
        78,
        &["no-such.key.pem"],
    );

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let in_use = run(
        GATEWAY,
        &[
            "run",
            "--config",
            good.to_str().unwrap(),
            "--port-base",
            &port,
        ],
    );
    one_line(&in_use, 1, &[&port]);
    let in_use = run(
        SIMULATOR,
        &["run", "--state", &path("state"), "--port-base", &port],
    );
    one_line(&in_use, 1, &[&port]);

    for program in [GATEWAY, SIMULATOR] {
        assert_eq!(
            run(program, &["run", "--no-such-option"]).status.code(),
            Some(2)
        );
    }
    let unwritable = run(
        SIMULATOR,
        &["run", "--state", "/proc/nowhere", "--port-base", "0"],
    );
    one_line(&unwritable, 74, &["/proc/nowhere"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_never_share_a_store() {
    let rig = Rig::start().await;
    let config = rig.config_file();
    let second = run(
        GATEWAY,
        &[
            "run",
            "--config",
            config.to_str().unwrap(),
            "--port-base",
            "0",
        ],
    );
    one_line(&second, 1, &["in use", "gateway.sqlite"]);
    let login = login(&apns_rig::certificates::certificates().backend);
    Provider::connect(rig.backend_address(), rig.ca(), login)
        .await
        .unwrap();
}
