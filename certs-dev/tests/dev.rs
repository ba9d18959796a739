//! The ready set in a folder: complete, private, used again while it is good.
#![expect(
    clippy::unwrap_used,
    reason = "in a test, a panic that names its place is the best report"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use apns_certs::dev::{self, DevError, DevOptions, DevSet};
use apns_certs::portal::Order;
use apns_certs::portal_dir::PortalDir;
use apns_certs::{Ca, KeyKind, Kind, Minted, PushCertificate, Validity, csr};
use apns_net::credentials::Identity;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;

fn options() -> DevOptions {
    DevOptions {
        keys: KeyKind::P256,
        ..DevOptions::default()
    }
}

/// A folder with a set in it.
fn with_set() -> (TempDir, DevSet) {
    let folder = TempDir::new().unwrap();
    let set = dev::write(folder.path(), &options()).unwrap();
    (folder, set)
}

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        })
        .collect()
}

/// Loads the set again and says which files are other than they were.
fn replaced(folder: &Path, options: &DevOptions) -> Vec<String> {
    let before = contents(folder);
    let set = dev::load_or_write(folder, options).unwrap();
    let after = contents(folder);
    assert_eq!(set.minted, before != after);
    let again = dev::load_or_write(folder, options).unwrap();
    assert!(!again.minted, "what was minted is good");
    after
        .into_iter()
        .filter(|(name, bytes)| before.get(name) != Some(bytes))
        .map(|(name, _)| name)
        .collect()
}

const LEAVES: [&str; 5] = [
    "provider-combined.pem",
    "provider-key.pem",
    "provider.pem",
    "server-key.pem",
    "server.pem",
];
const EVERYTHING: [&str; 7] = [
    "ca-key.pem",
    "ca.pem",
    "provider-combined.pem",
    "provider-key.pem",
    "provider.pem",
    "server-key.pem",
    "server.pem",
];

#[test]
fn a_set_is_complete_and_its_readme_names_every_file() {
    let (folder, set) = with_set();
    assert!(set.minted);
    assert_eq!(set.topic, "com.example.Mail");
    let provider = Identity::from_pem_files(&set.provider, &set.provider_key).unwrap();
    let combined = Identity::from_pem_files(&set.provider_combined, &set.provider_combined);
    assert_eq!(combined.unwrap().chain(), provider.chain());
    assert_eq!(
        provider.certificate().common_name,
        "Apple Push Services: com.example.Mail"
    );
    Identity::from_pem_files(&set.server, &set.server_key).unwrap();
    set.load_ca().unwrap().device("phone").unwrap();

    let files = contents(folder.path());
    let readme = String::from_utf8(files["README.txt"].clone()).unwrap();
    assert!(readme.contains("com.example.Mail"));
    for name in files.keys().filter(|name| name.ends_with(".pem")) {
        assert!(readme.contains(name.as_str()), "{name}");
    }
    let mut names: Vec<_> = files.keys().map(String::as_str).collect();
    names.retain(|name| !EVERYTHING.contains(name));
    assert_eq!(names, [".lock", "README.txt"], "nothing else is left");
}

#[test]
fn paths_are_absolute_and_serialize_under_their_names() {
    let (folder, set) = with_set();
    let json = serde_json::to_value(&set).unwrap();
    for (key, file) in [
        ("ca", "ca.pem"),
        ("ca_key", "ca-key.pem"),
        ("server", "server.pem"),
        ("server_key", "server-key.pem"),
        ("provider", "provider.pem"),
        ("provider_key", "provider-key.pem"),
        ("provider_combined", "provider-combined.pem"),
        ("readme", "README.txt"),
    ] {
        let path = folder.path().join(file);
        assert!(path.is_absolute());
        assert_eq!(json[key], path.to_str().unwrap(), "{key}");
    }
}

#[cfg(unix)]
#[test]
fn keys_are_their_owners_alone_and_so_is_a_folder_that_is_created() {
    use std::os::unix::fs::PermissionsExt;

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("new").join("certs");
    let set = dev::write(&folder, &options()).unwrap();
    assert_eq!(mode(&folder), 0o700);
    for key in [
        &set.ca_key,
        &set.server_key,
        &set.provider_key,
        &set.provider_combined,
    ] {
        assert_eq!(mode(key), 0o600, "{}", key.display());
    }

    // A folder that was there is somebody's business, and stays as it was.
    let shared = parent.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o755)).unwrap();
    dev::write(&shared, &options()).unwrap();
    assert_eq!(mode(&shared), 0o755);
}

#[test]
fn a_good_set_is_used_again_untouched() {
    let (folder, _) = with_set();
    assert_eq!(replaced(folder.path(), &options()), [""; 0]);
}

#[test]
fn fewer_names_than_the_certificate_has_are_no_reason_to_mint() {
    let (folder, _) = with_set();
    let fewer = DevOptions {
        server_names: vec!["LOCALHOST".to_owned(), "::1".to_owned()],
        ..options()
    };
    assert_eq!(replaced(folder.path(), &fewer), [""; 0]);
}

#[test]
fn another_topic_or_a_further_name_keeps_the_ca() {
    let (folder, _) = with_set();
    let topic = DevOptions {
        topic: "com.example.Shop".to_owned(),
        ..options()
    };
    let mut expected = LEAVES.to_vec();
    expected.insert(0, "README.txt");
    assert_eq!(replaced(folder.path(), &topic), expected);

    let mut named = topic;
    named.server_names.push("push.example.test".to_owned());
    assert_eq!(replaced(folder.path(), &named), LEAVES);
}

#[test]
fn a_set_that_lacks_a_file_is_made_whole() {
    for (missing, expected) in [
        ("server.pem", &LEAVES[..]),
        ("server-key.pem", &LEAVES),
        ("provider.pem", &LEAVES),
        ("provider-key.pem", &LEAVES),
        ("provider-combined.pem", &LEAVES),
        ("ca.pem", &EVERYTHING),
        ("ca-key.pem", &EVERYTHING),
    ] {
        let (folder, _) = with_set();
        fs::remove_file(folder.path().join(missing)).unwrap();
        assert_eq!(replaced(folder.path(), &options()), expected, "{missing}");
    }
}

#[test]
fn a_damaged_file_is_replaced() {
    for (damaged, expected) in [
        ("server.pem", &LEAVES[..]),
        ("provider-key.pem", &LEAVES),
        ("provider-combined.pem", &LEAVES),
        ("ca.pem", &EVERYTHING),
        ("ca-key.pem", &EVERYTHING),
    ] {
        let (folder, _) = with_set();
        let path = folder.path().join(damaged);
        let half = fs::read(&path).unwrap();
        fs::write(&path, &half[..half.len() / 2]).unwrap();
        assert_eq!(replaced(folder.path(), &options()), expected, "{damaged}");
    }
}

#[test]
fn a_set_mixed_from_two_is_replaced() {
    let (other, _) = with_set();
    for (mixed, expected) in [
        // As a mint that was interrupted leaves it.
        (&["ca.pem", "ca-key.pem"][..], &LEAVES[..]),
        (&["ca-key.pem"], &EVERYTHING),
        (&["server.pem", "server-key.pem"], &LEAVES),
        (&["provider.pem", "provider-key.pem"], &LEAVES),
        (&["provider-combined.pem"], &LEAVES),
    ] {
        let (folder, _) = with_set();
        for name in mixed {
            fs::copy(other.path().join(name), folder.path().join(name)).unwrap();
        }
        assert_eq!(replaced(folder.path(), &options()), expected, "{mixed:?}");
    }
}

fn put_provider(set: &DevSet, provider: &Minted) {
    fs::write(&set.provider, &provider.cert_pem).unwrap();
    fs::write(&set.provider_key, &provider.key_pem).unwrap();
    fs::write(&set.provider_combined, provider.combined_pem()).unwrap();
}

#[test]
fn a_certificate_that_has_less_than_a_week_left_is_replaced_and_one_with_more_is_not() {
    for (validity, expected) in [
        (Validity::ended(), &LEAVES[..]),
        (Validity::days(6), &LEAVES),
        (Validity::days(8), &[]),
    ] {
        let (folder, set) = with_set();
        let ca = set.load_ca().unwrap();
        let certificate = PushCertificate {
            key: KeyKind::P256,
            validity,
            ..PushCertificate::new(Kind::Universal, &set.topic)
        };
        put_provider(&set, &ca.push(&certificate).unwrap());
        assert_eq!(replaced(folder.path(), &options()), expected);
    }
}

#[test]
fn an_expired_ca_is_replaced_with_all_it_signed() {
    let (folder, set) = with_set();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = date_time_ymd(2012, 1, 1);
    params.not_after = date_time_ymd(2022, 1, 1);
    let key = KeyPair::generate().unwrap();
    let expired = params.self_signed(&key).unwrap();
    fs::write(&set.ca, expired.pem()).unwrap();
    fs::write(&set.ca_key, key.serialize_pem()).unwrap();
    assert_eq!(replaced(folder.path(), &options()), EVERYTHING);
}

#[test]
fn somebody_elses_files_are_never_overwritten() {
    for name in ["ca.pem", "server-key.pem", "README.txt"] {
        for write in [dev::write, dev::load_or_write] {
            let folder = TempDir::new().unwrap();
            let theirs = folder.path().join(name);
            fs::write(&theirs, "somebody's").unwrap();
            let error = write(folder.path(), &options()).unwrap_err();
            assert!(matches!(&error, DevError::Foreign { path } if *path == theirs));
            assert!(
                error.to_string().contains("choose another folder"),
                "{error}"
            );
            let left = contents(folder.path());
            assert_eq!(left[name], b"somebody's");
            assert_eq!(left.len(), 2, "the file and our lock: {:?}", left.keys());
        }
    }
}

#[test]
fn a_folder_with_other_files_is_shared() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("state.sqlite"), "theirs").unwrap();
    dev::write(folder.path(), &options()).unwrap();
    assert_eq!(contents(folder.path())["state.sqlite"], b"theirs");
}

#[test]
fn processes_that_start_together_end_up_with_one_set() {
    let folder = TempDir::new().unwrap();
    let sets: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| dev::load_or_write(folder.path(), &options()).unwrap()))
            .collect();
        starts.into_iter().map(|s| s.join().unwrap()).collect()
    });
    assert_eq!(sets.iter().filter(|set| set.minted).count(), 1);
    assert_eq!(replaced(folder.path(), &options()), [""; 0]);
}

#[test]
fn the_default_server_certificate_is_for_this_machine_and_apples_hosts() {
    let names = DevOptions::default().server_names;
    for name in [
        "localhost",
        "127.0.0.1",
        "gateway.push.apple.com",
        "gateway.sandbox.push.apple.com",
        "feedback.push.apple.com",
        "feedback.sandbox.push.apple.com",
        "api.push.apple.com",
        "api.sandbox.push.apple.com",
        "api.development.push.apple.com",
    ] {
        assert!(names.iter().any(|n| n == name), "{name}");
    }
}

#[test]
fn a_file_where_the_folder_should_be_is_named() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = dev::write(&file, &options()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot use the folder {}", file.display())
    );
}

#[test]
fn a_ca_of_our_own_is_kept_though_its_set_is_gone() {
    let folder = TempDir::new().unwrap();
    let set = dev::write(folder.path(), &options()).unwrap();
    let ca = Ca::from_pem(
        &fs::read_to_string(&set.ca).unwrap(),
        &fs::read_to_string(&set.ca_key).unwrap(),
    )
    .unwrap();
    for name in LEAVES {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    let again = dev::load_or_write(folder.path(), &options()).unwrap();
    assert_eq!(
        again.load_ca().unwrap().certificate_der(),
        ca.certificate_der()
    );
}

#[test]
fn the_ca_of_a_portal_is_taken_up_and_never_replaced() {
    let folder = TempDir::new().unwrap();
    let ca = Ca::with_key(KeyKind::P256).unwrap();
    fs::write(folder.path().join("ca.pem"), ca.cert_pem()).unwrap();
    fs::write(folder.path().join("ca-key.pem"), ca.key_pem()).unwrap();
    assert!(matches!(
        dev::write(folder.path(), &options()),
        Err(DevError::Foreign { .. })
    ));
    let set = dev::load_or_write(folder.path(), &options()).unwrap();
    assert_eq!(
        set.load_ca().unwrap().certificate_der(),
        ca.certificate_der()
    );
}

#[test]
fn a_damaged_ca_is_not_made_anew_where_a_portal_has_issued_with_it() {
    let (folder, set) = with_set();
    let request = csr::create("dev@example.com", "Example Push", KeyKind::P256).unwrap();
    let request = csr::read(request.request_pem.as_bytes()).unwrap();
    PortalDir::open(folder.path())
        .unwrap()
        .issue(&request, &Order::new(Kind::Mdm, None), SystemTime::now())
        .unwrap();
    fs::write(&set.ca, "damaged").unwrap();
    let before = fs::read(&set.provider).unwrap();
    let error = dev::load_or_write(folder.path(), &options()).unwrap_err();
    assert!(matches!(error, DevError::PortalCa { .. }), "{error}");
    assert!(error.to_string().contains("ca.pem"), "{error}");
    assert_eq!(fs::read(&set.ca).unwrap(), b"damaged");
    assert_eq!(fs::read(&set.provider).unwrap(), before);
}

#[test]
fn a_ca_that_was_not_minted_here_signs_nothing() {
    let folder = TempDir::new().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let theirs = params.self_signed(&key).unwrap();
    fs::write(folder.path().join("ca.pem"), theirs.pem()).unwrap();
    fs::write(folder.path().join("ca-key.pem"), key.serialize_pem()).unwrap();
    assert!(matches!(
        dev::load_or_write(folder.path(), &options()),
        Err(DevError::Foreign { .. })
    ));
}
