//! The portal in a folder: what was written is found again, and what was damaged is said.
#![expect(
    clippy::unwrap_used,
    reason = "in a test, a panic that names its place is the best report"
)]

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use apns_certs::portal::{Identifier, Issued, Order, PortalError};
use apns_certs::portal_dir::{self, PortalDir, PortalDirError};
use apns_certs::{KeyKind, Kind, csr, dev};
use apns_net::credentials::Pin;
use tempfile::TempDir;

fn id() -> Identifier {
    "com.example.App".parse().unwrap()
}

/// Issues a development certificate in the portal of that folder.
fn issue(folder: &Path) -> Issued {
    let mut dir = PortalDir::open(folder).unwrap();
    dir.change(|portal| {
        portal.create_app_id(id());
        portal.enable_push(&id())
    })
    .unwrap();
    let made = csr::create("dev@example.com", "Push", KeyKind::P256).unwrap();
    let request = csr::read(made.request_pem.as_bytes()).unwrap();
    let order = Order::new(Kind::Development, Some(id()));
    dir.issue(&request, &order, SystemTime::now()).unwrap().0
}

#[test]
fn what_was_issued_is_there_when_the_portal_is_opened_again() {
    let folder = TempDir::new().unwrap();
    let issued = issue(folder.path());
    let portal = portal_dir::look(folder.path()).unwrap();
    assert_eq!(portal.certificates(), std::slice::from_ref(&issued));
    let (again, der) = portal_dir::certificate(folder.path(), &issued.serial).unwrap();
    assert_eq!(again, issued);
    assert_eq!(Pin::of(&der), issued.pin);

    let first = PortalDir::open(folder.path())
        .unwrap()
        .ca()
        .cert_pem()
        .to_owned();
    issue(folder.path());
    let dir = PortalDir::open(folder.path()).unwrap();
    assert_eq!(dir.ca().cert_pem(), first, "the CA stays");
    assert_eq!(dir.portal().certificates().len(), 2);
}

#[test]
fn looking_writes_nothing() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("portal");
    assert!(portal_dir::look(&folder).unwrap().certificates().is_empty());
    assert!(!folder.exists());
}

#[test]
fn a_change_that_is_refused_changes_nothing() {
    let folder = TempDir::new().unwrap();
    issue(folder.path());
    let before = fs::read(folder.path().join("portal.json")).unwrap();
    let mut dir = PortalDir::open(folder.path()).unwrap();
    let portal = dir.portal().clone();
    let refused = dir.change(|portal| {
        portal.create_app_id("com.example.Other".parse().unwrap());
        portal.enable_push(&"com.example.Unknown".parse().unwrap())
    });
    assert!(matches!(
        refused,
        Err(PortalDirError::Refused(PortalError::UnknownAppId { .. }))
    ));
    assert_eq!(dir.portal(), &portal);
    assert_eq!(fs::read(folder.path().join("portal.json")).unwrap(), before);
}

#[cfg(unix)]
#[test]
fn the_cas_key_is_its_owners_alone_and_so_is_the_folder() {
    use std::os::unix::fs::PermissionsExt;

    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("portal");
    PortalDir::open(&folder).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("ca-key.pem")), 0o600);
}

#[test]
fn what_was_damaged_is_named_with_what_to_do() {
    for (name, content, said) in [
        ("portal.json", Some(""), "EOF"),
        (
            "portal.json",
            Some("{\"version\":1,\"portal\":{}}"),
            "missing field",
        ),
        (
            "portal.json",
            Some(
                "{\"version\":1,\"portal\":{\"app_ids\":{\"a b\":{\"push\":true}},\"certificates\":[],\"keys\":[]}}",
            ),
            "no App ID",
        ),
        ("ca.pem", Some("nothing"), "not two PEM files"),
        ("ca.pem", None, "is missing"),
        ("ca-key.pem", None, "is missing"),
    ] {
        let folder = TempDir::new().unwrap();
        issue(folder.path());
        let path = folder.path().join(name);
        match content {
            Some(content) => fs::write(&path, content).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let error = PortalDir::open(folder.path()).unwrap_err();
        assert!(
            matches!(error, PortalDirError::Damaged { .. }),
            "{name}: {error}"
        );
        let text = error.to_string();
        for part in [name, said, "restore the folder from a backup"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

#[test]
fn a_state_of_another_version_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("portal.json");
    fs::write(&path, "{\"version\":2,\"more\":[]}").unwrap();
    for error in [
        PortalDir::open(folder.path()).unwrap_err(),
        portal_dir::look(folder.path()).unwrap_err(),
    ] {
        assert!(
            matches!(error, PortalDirError::Version { version: 2, .. }),
            "{error}"
        );
    }
    assert!(!folder.path().join("ca.pem").exists());
}

#[test]
fn a_certificate_whose_file_was_changed_is_not_handed_out() {
    let folder = TempDir::new().unwrap();
    let issued = issue(folder.path());
    let path = folder
        .path()
        .join("certificates")
        .join(format!("{}.cer", issued.serial));
    fs::write(&path, "another").unwrap();
    let changed = portal_dir::certificate(folder.path(), &issued.serial).unwrap_err();
    assert!(
        changed.to_string().contains("not what was issued"),
        "{changed}"
    );
    fs::remove_file(&path).unwrap();
    let gone = portal_dir::certificate(folder.path(), &issued.serial).unwrap_err();
    assert!(gone.to_string().contains("is missing"), "{gone}");
}

#[test]
fn writers_that_start_together_all_leave_their_mark_under_one_ca() {
    let folder = TempDir::new().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| issue(folder.path()));
        }
    });
    let portal = portal_dir::look(folder.path()).unwrap();
    assert_eq!(portal.certificates().len(), 4);
}

#[test]
fn a_ready_sets_ca_is_taken_up() {
    let folder = TempDir::new().unwrap();
    let options = dev::DevOptions {
        keys: KeyKind::P256,
        ..dev::DevOptions::default()
    };
    let set = dev::write(folder.path(), &options).unwrap();
    let ca = set.load_ca().unwrap();
    assert_eq!(
        PortalDir::open(folder.path()).unwrap().ca().cert_pem(),
        ca.cert_pem()
    );
}
