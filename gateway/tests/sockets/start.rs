//! What a gateway says that cannot start, and with which exit code: one line on stderr.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output};

use apns_gateway::StartError;
use apns_gateway::config::Config;

use crate::support::*;

fn gateway(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_apns-gateway"))
        .args(arguments)
        .env_remove("RUST_LOG")
        .output()
        .unwrap()
}

/// The exit code, and the one line beside the log.
fn complaint(output: &Output) -> (i32, String) {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    let lines: Vec<_> = stderr
        .lines()
        .filter(|line| line.starts_with("apns-gateway: "))
        .collect();
    assert_eq!(lines.len(), 1, "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code().unwrap(), lines[0].to_owned())
}

fn write(folder: &Path, config: &Config) -> String {
    let path = folder.join("gateway.toml");
    fs::write(&path, toml::to_string(config).unwrap()).unwrap();
    path.to_str().unwrap().to_owned()
}

async fn refused(bench: &mut Bench) -> StartError {
    bench.try_run().await.expect_err("it must not start")
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[tokio::test]
async fn a_bad_config_a_missing_file_and_a_port_in_use_are_one_line_and_the_right_exit_code() {
    let bench = Bench::prepare().await;
    let folder = bench.folder.path();
    let missing = folder.join("missing.toml");
    let (code, line) = complaint(&gateway(&["run", "--config", missing.to_str().unwrap()]));
    assert_eq!(code, 78);
    assert!(
        line.contains("missing.toml") && line.contains("--config"),
        "{line}"
    );

    let path = write(folder, &bench.config);
    fs::write(
        &path,
        fs::read_to_string(&path).unwrap() + "\n[[app]]\ntopik = 'x'\n",
    )
    .unwrap();
    let (code, line) = complaint(&gateway(&["run", "--config", &path]));
    assert_eq!(code, 78);
    assert!(
        line.contains("gateway.toml line ") && line.contains("`topik`"),
        "{line}"
    );

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = bench.config.clone();
    config.listen.production.as_mut().unwrap().backend = taken.local_addr().unwrap();
    let (code, line) = complaint(&gateway(&["run", "--config", &write(folder, &config)]));
    assert_eq!(code, 1);
    let address = taken.local_addr().unwrap().to_string();
    assert!(line.contains(&address) && line.contains("in use"), "{line}");

    let mut config = bench.config.clone();
    binary(&mut config).certificate = folder.join("missing.pem");
    let path = write(folder, &config);
    for command in ["run", "check-config"] {
        let (code, line) = complaint(&gateway(&[command, "--config", &path]));
        assert_eq!(code, 78, "{command}");
        assert!(
            line.contains("app.upstream") && line.contains("missing.pem"),
            "{line}"
        );
    }
    assert_eq!(gateway(&["run"]).status.code(), Some(2), "usage");
}

#[tokio::test]
async fn a_config_in_order_is_said_to_be_so_and_one_for_apple_is_warned_about() {
    let bench = Bench::prepare().await;
    let mut config = bench.config.clone();
    let output = gateway(&[
        "check-config",
        "--config",
        &write(bench.folder.path(), &config),
    ]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("is in order"));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");

    binary(&mut config).address = None;
    binary(&mut config).feedback = None;
    let output = gateway(&[
        "check-config",
        "--config",
        &write(bench.folder.path(), &config),
    ]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("closed gateway.push.apple.com:2195 on 2021-03-31"),
        "{stderr}"
    );
}

#[tokio::test]
async fn an_upstream_that_leads_back_here_is_refused() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = free.local_addr().unwrap();
    drop(free);
    let wildcard = SocketAddr::from(([0, 0, 0, 0], own.port()));
    for (listen, feedback) in [(own, false), (own, true), (wildcard, false)] {
        let mut bench = Bench::prepare().await;
        bench.config.listen.production.as_mut().unwrap().backend = listen;
        let upstream = binary(&mut bench.config);
        let address = format!("localhost:{}", own.port()).parse().unwrap();
        *if feedback {
            &mut upstream.feedback
        } else {
            &mut upstream.address
        } = Some(address);
        let error = refused(&mut bench).await;
        assert_eq!(error.exit_code(), 78);
        assert!(
            chain(&error).contains("our own listener"),
            "{}",
            chain(&error)
        );
    }
}

#[tokio::test]
async fn a_store_that_is_in_use_newer_or_not_ours_is_refused() {
    let mut first = Bench::start().await;
    let mut second = Bench::prepare().await;
    second
        .config
        .store
        .path
        .clone_from(&first.config.store.path);
    let error = refused(&mut second).await;
    assert_eq!(error.exit_code(), 1);
    assert!(
        chain(&error).contains("in use by another gateway"),
        "{}",
        chain(&error)
    );
    first.stop().await;

    second.config.store.path = second.folder.path().join("no/such/folder/store");
    let error = refused(&mut second).await;
    assert_eq!(error.exit_code(), 74);
    assert!(
        chain(&error).contains("no/such/folder"),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn an_upstream_certificate_for_another_app_is_refused() {
    let mut bench = Bench::prepare().await;
    let path = bench.folder.path().join("other.pem");
    fs::write(&path, bench.authority.push("com.example.Other")).unwrap();
    binary(&mut bench.config).certificate = path;
    let error = refused(&mut bench).await;
    assert_eq!(error.exit_code(), 78);
    assert!(
        chain(&error).contains("is for com.example.Other: name the push certificate of"),
        "{}",
        chain(&error)
    );
}

#[test]
fn the_daemon_says_where_it_listens_and_stops_on_a_signal() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let bench = Bench::prepare().await;
        let ready = bench.folder.path().join("ready.json");
        let config = write(bench.folder.path(), &bench.config);
        let mut daemon = tokio::process::Command::new(env!("CARGO_BIN_EXE_apns-gateway"))
            .args([
                "run",
                "--config",
                &config,
                "--port-base",
                "0",
                "--ready-file",
                ready.to_str().unwrap(),
            ])
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        eventually("the ready file", || ready.exists()).await;
        let said: serde_json::Value = serde_json::from_slice(&fs::read(&ready).unwrap()).unwrap();
        assert_eq!(said.as_object().unwrap().len(), 2);
        let pem = bench.authority.push(TOPIC);
        let address = said["backend"].as_str().unwrap().parse().unwrap();
        bench.connect(address, &pem).await.close().await;
        let pid = daemon.id().unwrap().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        let status = soon("the daemon's end", daemon.wait()).await.unwrap();
        assert_eq!(status.code(), Some(0));
    });
}
