//! The ready file and the ports a script asks for.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use apns_net::ready::{self, PortBase};
use serde_json::json;
use tempfile::TempDir;

#[test]
fn a_ready_file_is_one_line_of_json_with_nothing_left_beside_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ready.json");
    ready::write(&path, &json!({"backend": "127.0.0.1:2195"})).unwrap();
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "{\"backend\":\"127.0.0.1:2195\"}\n"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn whoever_sees_a_ready_file_sees_all_of_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ready.json");
    let long = "x".repeat(64 * 1024);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..200 {
                ready::write(&path, &json!({"round": round, "long": long})).unwrap();
            }
            done.store(true, Ordering::SeqCst);
        });
        let mut seen = 0;
        loop {
            let last = done.load(Ordering::SeqCst);
            if let Ok(text) = fs::read_to_string(&path) {
                let value: serde_json::Value = serde_json::from_str(&text).unwrap();
                assert_eq!(value["long"], long.as_str());
                seen += 1;
            }
            if last {
                break;
            }
        }
        assert!(seen > 0);
    });
}

#[cfg(unix)]
#[test]
fn a_ready_file_can_be_read_by_another_user() {
    use std::os::unix::fs::PermissionsExt;

    let folder = TempDir::new().unwrap();
    let (ready, plain) = (folder.path().join("ready"), folder.path().join("plain"));
    ready::write(&ready, &json!({})).unwrap();
    fs::write(&plain, "").unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&ready), mode(&plain), "whatever the umask is");
}

#[test]
fn a_folder_that_does_not_exist_is_named() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("absent").join("ready.json");
    let error = ready::write(&path, &json!({})).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot write the ready file {}: its folder must exist and be writable",
            path.display()
        )
    );
}

#[test]
fn listeners_take_consecutive_ports_in_ready_file_order_or_free_ones() {
    let base: PortBase = "22000".parse().unwrap();
    assert_eq!(base.address(0), "127.0.0.1:22000".parse().unwrap());
    assert_eq!(base.address(2), "127.0.0.1:22002".parse().unwrap());
    for place in 0..3 {
        let free = PortBase::FREE.address(place);
        assert_eq!(free, "127.0.0.1:0".parse().unwrap());
    }
}

#[test]
fn a_port_base_without_room_for_the_listeners_is_refused() {
    assert_eq!("0".parse(), Ok(PortBase::FREE));
    assert_eq!("65500".parse(), Ok(PortBase(65_500)));
    for text in ["65501", "65536", "-1", "", "http"] {
        let error = text.parse::<PortBase>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected the first of several consecutive ports, at most 65500, or 0 for free ports"
        );
    }
}
