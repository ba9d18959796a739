//! node-apn and aioapns, with a certificate and with a key: accepted pushes are seen on the phone, a refused one by the client.

use std::fs::File;
use std::process::Command;

use apns_rig::certificates::TOPIC;
use apns_rig::eventually::eventually;
use apns_rig::numbered::each_once;
use apns_rig::unknown_token;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use crate::Scene;
use crate::ran::{Ran, root};

/// Twenty pushes at once, the tenth to a token no phone has.
async fn pushes(client: &mut Command, login: impl Fn(&Scene) -> Value) {
    let scene = Scene::set().await;
    let phone = &scene.rig.phones[0];
    let good = HEXLOWER.encode(&phone.token);
    let bad = HEXLOWER.encode(&unknown_token(1));
    let push = |n| {
        let token = if n == 10 { &bad } else { &good };
        json!({ "token": token, "alert": format!("number {n}") })
    };
    let address = scene.rig.simulator.http2();
    let mut job = json!({
        "address": address.ip().to_string(), "port": address.port(), "ca": scene.ca(), "topic": TOPIC,
        "pushes": (1..=20).map(push).collect::<Vec<_>>(),
    });
    let login = login(&scene);
    for (name, value) in login.as_object().expect("a login is an object") {
        job[name] = value.clone();
    }
    let file = scene.rig.folder().join("job.json");
    std::fs::write(&file, job.to_string()).expect("the folder can be written");
    let stdin = File::open(&file).expect("the job was written");
    let ran = Ran::start(client, stdin.into(), scene.rig.folder()).await;
    let ran = ran.succeeded();
    let outcomes: Vec<Value> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("the client speaks JSON lines"))
        .collect();
    let expected: Vec<_> = (1..=20)
        .map(|n| match n {
            10 => json!({ "status": 400, "reason": "BadDeviceToken" }),
            _ => json!({ "status": 200 }),
        })
        .collect();
    assert_eq!(outcomes, expected, "{}", ran.stderr);
    let good = (1..=20).filter(|n| *n != 10);
    eventually("each good one once", async || {
        each_once(phone.numbers(), good.clone())
    })
    .await;
}

fn node_apn() -> Command {
    let client = root("tests/rig/clients/parse-node-apn");
    assert!(
        client.join("node_modules").exists(),
        "run: npm ci --ignore-scripts --prefix tests/rig/clients/parse-node-apn"
    );
    let mut node = Command::new("node");
    node.arg(client.join("client.js"));
    node
}

fn aioapns() -> Command {
    let client = root("tests/rig/clients/aioapns");
    let python = client.join("venv/bin/python");
    assert!(
        python.exists(),
        "run: python3 -m venv {0}/venv && {0}/venv/bin/pip install -r {0}/requirements.txt",
        "tests/rig/clients/aioapns"
    );
    let mut python = Command::new(python);
    python.arg(client.join("client.py"));
    python
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_apn_pushes_with_a_certificate() {
    pushes(&mut node_apn(), |scene| scene.certificate.clone()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_apn_pushes_with_a_key() {
    pushes(&mut node_apn(), |scene| scene.key.clone()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aioapns_pushes_with_a_certificate() {
    pushes(&mut aioapns(), |scene| scene.certificate.clone()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aioapns_pushes_with_a_key() {
    pushes(&mut aioapns(), |scene| scene.key.clone()).await;
}
