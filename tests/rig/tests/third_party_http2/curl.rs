//! curl, for headers no library sends.

use std::process::{Command, Stdio};

use apns_rig::certificates::TOPIC;
use data_encoding::HEXLOWER;

use crate::Scene;
use crate::ran::Ran;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_requests_are_answered_in_apns_words() {
    let scene = Scene::set().await;
    let token = HEXLOWER.encode(&scene.rig.phones[0].token);
    let path = format!("/3/device/{token}");
    let topic = format!("apns-topic: {TOPIC}");
    let upper = "EABEAE54-14A8-11E5-B60B-1697F925EC7B";
    let id = format!("apns-id: {upper}");
    for (path, arguments, status, body) in [
        (&*path, &["-H", &*topic, "-d", "{}"][..], 200, ""),
        (&path, &["-H", &topic, "-H", &id, "-d", "{}"], 200, ""),
        (
            &path,
            &["-H", &topic],
            405,
            r#"{"reason":"MethodNotAllowed"}"#,
        ),
        (
            &path,
            &["-X", "PUT", "-d", "{}"],
            405,
            r#"{"reason":"MethodNotAllowed"}"#,
        ),
        (
            "/3/devices/x",
            &["-d", "{}"],
            404,
            r#"{"reason":"BadPath"}"#,
        ),
        (
            "/3/device/",
            &["-H", &topic, "-d", "{}"],
            400,
            r#"{"reason":"MissingDeviceToken"}"#,
        ),
        (
            &path,
            &["-H", &topic, "-H", &topic, "-d", "{}"],
            400,
            r#"{"reason":"DuplicateHeaders"}"#,
        ),
        (
            &path,
            &["-H", "apns-id: 7", "-d", "{}"],
            400,
            r#"{"reason":"BadMessageId"}"#,
        ),
        (
            &path,
            &["-H", "apns-topic: com.example.Other", "-d", "{}"],
            400,
            r#"{"reason":"TopicDisallowed"}"#,
        ),
    ] {
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--show-error",
            "--http2",
            "--write-out",
            "\n%{http_version} %{http_code} %header{apns-id}",
        ])
        .arg("--cacert")
        .arg(scene.ca())
        .args([
            "--cert",
            text(&scene.certificate["cert"]),
            "--key",
            text(&scene.certificate["key"]),
        ])
        .args(arguments)
        .arg(format!("https://{}{path}", scene.rig.simulator.http2()));
        let ran = Ran::start(&mut curl, Stdio::null(), scene.rig.folder())
            .await
            .succeeded();
        let (said, summary) = ran
            .stdout
            .rsplit_once('\n')
            .expect("curl writes what it is told to");
        let words: Vec<_> = summary.split(' ').collect();
        assert_eq!(
            (said, words[..2].join(" ")),
            (body, format!("2 {status}")),
            "{arguments:?}"
        );
        assert_eq!(words[2].len(), 36, "{summary}");
        if arguments.contains(&&*id) {
            assert_eq!(words[2], upper);
        }
    }
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().expect("a path is text")
}
