//! A disk that fails under a real gateway process: nothing is accepted after that, nothing is tried again, and what was accepted before is
//! there at the next start.

#![expect(clippy::unwrap_used, reason = "in a test that is the message")]

use std::path::{Path, PathBuf};
use std::process::Command;

use apns_rig::eventually::eventually;
use apns_rig::frames::framed;
use apns_rig::numbered::{each_once, payload};
use apns_rig::process::Daemon;
use apns_rig::provider::Provider;
use apns_rig::{Knobs, Rig, Upstream};

const GATEWAY: &str = env!("CARGO_BIN_EXE_rig-gateway");

/// Compiles what stands between the gateway and its disk.
fn shim(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad_disk.c");
    let library = folder.join("bad_disk.so");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status()
        .unwrap();
    assert!(compiled.success());
    library
}

/// A gateway whose disk fails once `flag` is there.
async fn gateway_on_a_bad_disk(rig: &Rig, flag: &Path) -> Daemon {
    let preload = format!("LD_PRELOAD={}", shim(rig.folder()).display());
    let flag = format!("BAD_DISK={}", flag.display());
    let config = rig.config_file();
    let config = config.to_str().unwrap();
    // `env` becomes the gateway.
    let arguments = [
        &preload,
        &flag,
        GATEWAY,
        "run",
        "--config",
        config,
        "--port-base",
        "0",
    ];
    Daemon::start("env", &arguments, rig.folder()).await
}

async fn send(rig: &Rig, backend: &mut Provider, numbers: std::ops::RangeInclusive<u32>) {
    let token = &rig.phones[0].token;
    let frames: Vec<u8> = numbers
        .flat_map(|n| framed(n, token, &payload(n)))
        .collect();
    backend.send(&frames).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failed_fsync_nothing_is_accepted_and_nothing_tried_again_and_what_was_accepted_is_there()
 {
    for upstream in [Upstream::Binary, Upstream::Http2Token] {
        let rig = Rig::prepare(Knobs {
            upstream,
            ..Knobs::default()
        })
        .await;
        let flag = rig.folder().join("fail");
        let mut gateway = gateway_on_a_bad_disk(&rig, &flag).await;
        let mut backend = rig.backend_at(gateway.address("backend")).await;
        send(&rig, &mut backend, 1..=50).await;
        rig.settled(|counts| counts.delivered == 50).await;
        rig.upstream.take_down().await;
        send(&rig, &mut backend, 51..=100).await;
        rig.settled(|counts| counts.accepted == 100).await;

        std::fs::write(&flag, "").unwrap();
        send(&rig, &mut backend, 101..=150).await;
        let farewell = backend.farewell().await;
        if let Ok(farewell) = farewell {
            assert_eq!(farewell.bytes, b"", "nothing is known, and nothing said");
        }
        assert_eq!(
            gateway.exit().await.code(),
            Some(74),
            "{}",
            gateway.stderr()
        );
        assert!(
            gateway.stderr().contains("see to the disk"),
            "{}",
            gateway.stderr()
        );
        assert!(!flag.exists(), "the disk did fail");
        assert!(
            !flag.with_extension("again").exists(),
            "fsync was tried again"
        );

        rig.upstream.resume();
        let _gateway = rig.gateway_process(GATEWAY).await;
        rig.settled(|counts| counts.accepted >= 100 && counts.queued == 0)
            .await;
        // Whether the last batch is there nobody can know; if so, it is shown like any other.
        let accepted = u32::try_from(rig.counts().accepted).unwrap();
        assert!(accepted <= 150);
        eventually("all of it on the phone", async || {
            each_once(rig.phones[0].numbers(), 1..=accepted)
        })
        .await;
    }
}
