//! nghttp, for frames no library sends: padded, continued, with trailers, through windows of a few bytes.

use std::process::{Command, Stdio};

use apns_rig::certificates::TOPIC;
use apns_rig::eventually::eventually;
use apns_rig::numbered::payload;
use apns_rig::unknown_token;
use data_encoding::HEXLOWER;

use crate::Scene;
use crate::ran::Ran;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_frames_carry_ordinary_requests() {
    let scene = Scene::set().await;
    let body = scene.rig.folder().join("body.json");
    std::fs::write(&body, payload(1)).expect("the folder can be written");
    let good = HEXLOWER.encode(&scene.rig.phones[0].token);
    let bad = HEXLOWER.encode(&unknown_token(1));
    let topic = format!("--header=apns-topic: {TOPIC}");
    let reason = r#"{"reason":"BadDeviceToken"}"#;
    let twice = r#"{"reason":"DuplicateHeaders"}"#;
    let data = "recv DATA frame";
    let three_bytes = "recv DATA frame <length=3,";
    let mut shown = 0;
    // Arguments; how often which status is answered, and how often what else is received.
    for (token, arguments, status, times, (received, received_times)) in [
        (&good, &[&*topic][..], 200, 1, (data, 0)),
        (&good, &[&topic, "--no-content-length"], 200, 1, (data, 0)),
        (&good, &[&topic, "--padding=200"], 200, 1, (data, 0)),
        (&good, &[&topic, "--no-dep"], 200, 1, (data, 0)),
        (&good, &[&topic, "--expect-continue"], 200, 1, (data, 0)),
        (&good, &[&topic, "--trailer=checksum: 7"], 200, 1, (data, 0)),
        (&good, &[&topic, "--header-table-size=0"], 200, 1, (data, 0)),
        (&good, &[&topic, "--multiply=60"], 200, 60, (data, 0)),
        (&bad, &[&topic, "--padding=200"], 400, 1, (reason, 1)),
        (&bad, &[&topic, "--window-bits=2"], 400, 1, (three_bytes, 9)),
        (&bad, &[&topic, "--multiply=60"], 400, 60, (reason, 60)),
        (&good, &[&topic, &topic], 400, 1, (twice, 1)),
    ] {
        let mut nghttp = Command::new("nghttp");
        nghttp
            .args(["--verbose", "--no-verify-peer", "--cert"])
            .arg(text(&scene.certificate["cert"]))
            .arg("--key")
            .arg(text(&scene.certificate["key"]))
            .arg("--data")
            .arg(&body)
            .args(arguments)
            .arg(format!(
                "https://{}/3/device/{token}",
                scene.rig.simulator.http2()
            ));
        let ran = Ran::start(&mut nghttp, Stdio::null(), scene.rig.folder())
            .await
            .succeeded();
        let count = |what: &str| ran.stdout.matches(what).count();
        assert_eq!(count(" :status: "), times, "{arguments:?}: {ran:#?}");
        assert_eq!(count(&format!(" :status: {status}\n")), times, "{ran:#?}");
        assert_eq!(count(received), received_times, "{arguments:?}: {ran:#?}");
        if status == 200 {
            shown += times;
        }
        eventually("what was accepted, and no more", async || {
            scene.rig.phones[0].shows_exactly(shown)
        })
        .await;
    }
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().expect("a path is text")
}
