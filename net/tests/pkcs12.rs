//! Reads what the real openssl writes, in every way it can protect a store, and refuses what nobody can open.
#![expect(
    clippy::unwrap_used,
    reason = "in a test, a panic that names its place is the best report"
)]

use std::fs;
use std::process::Command;

use apns_net::credentials::decrypt_key;
use apns_net::credentials::pkcs12::{self, BagKind, Outline, Pkcs12Error};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;

/// A key with its certificate and one of another issuer, as files openssl reads.
struct Openssl {
    folder: TempDir,
    key: KeyPair,
    certificate: rcgen::Certificate,
    other: rcgen::Certificate,
}

impl Openssl {
    fn new() -> Self {
        let certificate = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new([name.to_owned()]).unwrap();
            (params.self_signed(&key).unwrap(), key)
        };
        let folder = tempfile::tempdir().unwrap();
        let ((certificate, key), (other, _)) = (certificate("one"), certificate("other"));
        for (name, text) in [
            ("key.pem", key.serialize_pem()),
            ("cert.pem", certificate.pem()),
            ("other.pem", other.pem()),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Self {
            folder,
            key,
            certificate,
            other,
        }
    }

    fn run(&self, arguments: &str, password: &str) {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .args(["-passout", &format!("pass:{password}")])
            .current_dir(self.folder.path())
            .output()
            .expect("openssl is installed");
        assert!(output.status.success(), "openssl {arguments}: {output:?}");
    }

    /// `openssl pkcs12 -export` with these options.
    fn export(&self, options: &str, password: &str) -> Vec<u8> {
        self.run(
            &format!("pkcs12 -export {options} -out store.p12"),
            password,
        );
        fs::read(self.folder.path().join("store.p12")).unwrap()
    }

    fn pair(&self, options: &str, password: &str) -> Vec<u8> {
        let pair = "-inkey key.pem -in cert.pem -name aps_developer_identity";
        self.export(&format!("{pair} {options}"), password)
    }

    /// Opens a store, and finds key and certificate in it.
    fn check_pair(&self, store: &[u8], password: &str) -> Outline {
        let opened = pkcs12::open(store, password).unwrap();
        let [key] = &opened.keys[..] else {
            panic!("one key: {opened:?}");
        };
        let [certificate, ..] = &opened.certificates[..] else {
            panic!("a certificate: {opened:?}");
        };
        assert_eq!(key.der.secret_pkcs8_der(), self.key.serialize_der());
        assert_eq!(certificate.der, *self.certificate.der());
        for name in [&key.friendly_name, &certificate.friendly_name] {
            assert_eq!(name.as_deref(), Some("aps_developer_identity"));
        }
        assert_eq!(key.local_key_id.as_ref().unwrap().len(), 20);
        assert_eq!(key.local_key_id, certificate.local_key_id);
        opened.outline
    }
}

fn protections(outline: &Outline) -> Vec<String> {
    let protections = outline.protections();
    protections
        .map(|one| format!("{} × {}", one.name, one.iterations.unwrap()))
        .collect()
}

#[test]
fn a_store_is_read_however_openssl_protects_it() {
    const AES: &str = "PBES2, PBKDF2 hmacWithSHA256, AES-256-CBC × 2048";
    const TRIPLE_DES: &str = "pbeWithSHA1And3-KeyTripleDES-CBC × 2048";
    let openssl = Openssl::new();
    for (options, protected) in [
        ("", &["sha256 × 2048", AES, AES][..]),
        ("-nomac", &[AES]),
        ("-keypbe NONE", &["sha256 × 2048", AES]),
        ("-certpbe NONE", &["sha256 × 2048", AES]),
        ("-keypbe NONE -certpbe NONE", &["sha256 × 2048"]),
        ("-keypbe NONE -certpbe NONE -nomac", &[]),
        (
            "-legacy",
            &[
                "sha1 × 2048",
                "pbeWithSHA1And40BitRC2-CBC × 2048",
                TRIPLE_DES,
            ],
        ),
        ("-legacy -descert", &["sha1 × 2048", TRIPLE_DES, TRIPLE_DES]),
        (
            "-legacy -certpbe PBE-SHA1-RC2-128 -keypbe PBE-SHA1-2DES",
            &[
                "sha1 × 2048",
                "pbeWithSHA1And128BitRC2-CBC × 2048",
                "pbeWithSHA1And2-KeyTripleDES-CBC × 2048",
            ],
        ),
        (
            "-keypbe AES-128-CBC -certpbe AES-192-CBC -macalg sha1",
            &[
                "sha1 × 2048",
                "PBES2, PBKDF2 hmacWithSHA256, AES-192-CBC × 2048",
                "PBES2, PBKDF2 hmacWithSHA256, AES-128-CBC × 2048",
            ],
        ),
        (
            "-keypbe DES-EDE3-CBC -macalg sha224",
            &[
                "sha224 × 2048",
                AES,
                "PBES2, PBKDF2 hmacWithSHA256, DES-EDE3-CBC × 2048",
            ],
        ),
        ("-macalg sha384", &["sha384 × 2048", AES, AES]),
        ("-macalg sha512 -nomaciter", &["sha512 × 1", AES, AES]),
    ] {
        for password in ["secret", "", "Schlüssel 🔑"] {
            let store = openssl.pair(options, password);
            let outline = openssl.check_pair(&store, password);
            assert_eq!(protections(&outline), protected, "{options}");
        }
    }
}

#[test]
fn a_key_alone_a_certificate_alone_and_a_chain_are_read() {
    let openssl = Openssl::new();
    let key = openssl.export("-inkey key.pem -nocerts -name PUSH", "secret");
    let opened = pkcs12::open(&key, "secret").unwrap();
    assert_eq!((opened.keys.len(), opened.certificates.len()), (1, 0));
    assert_eq!(opened.keys[0].friendly_name.as_deref(), Some("PUSH"));

    let certificate = openssl.export("-in cert.pem -nokeys", "secret");
    let opened = pkcs12::open(&certificate, "secret").unwrap();
    assert_eq!((opened.keys.len(), opened.certificates.len()), (0, 1));
    assert_eq!(opened.certificates[0].local_key_id, None);

    let chain = openssl.pair("-certfile other.pem", "secret");
    openssl.check_pair(&chain, "secret");
    let opened = pkcs12::open(&chain, "secret").unwrap();
    assert_eq!(opened.certificates[1].der, *openssl.other.der());
}

#[test]
fn without_the_password_the_protection_is_told_and_what_is_readable() {
    let openssl = Openssl::new();
    let outline = pkcs12::outline(&openssl.pair("", "secret")).unwrap();
    // The certificate is hidden; the key's bag is seen, shrouded.
    let [certificates, keys] = &outline.parts[..] else {
        panic!("two parts: {outline:?}");
    };
    assert!(certificates.protection.is_some() && certificates.bags.is_none());
    assert!(keys.protection.is_none());
    let bag = outline.bags().next().unwrap();
    assert_eq!(bag.kind, BagKind::Key);
    assert_eq!(bag.friendly_name.as_deref(), Some("aps_developer_identity"));
    assert!(bag.protection.as_ref().unwrap().is_supported());
}

#[test]
fn a_wrong_password_is_told_from_none_and_from_damage() {
    let openssl = Openssl::new();
    // The last one anybody can read; that it is genuine, only the password shows.
    for options in ["", "-nomac", "-legacy", "-keypbe NONE -certpbe NONE"] {
        let store = openssl.pair(options, "secret");
        let refused = pkcs12::open(&store, "Secret").map(|_| ());
        assert_eq!(refused, Err(Pkcs12Error::WrongPassword), "{options}");
        let refused = pkcs12::open(&store, "").map(|_| ());
        assert_eq!(refused, Err(Pkcs12Error::PasswordNeeded), "{options}");
    }

    let mut store = openssl.pair("", "secret");
    // The last bytes are the MAC's salt and rounds; the tag is before them.
    let tag = store.len() - 20;
    store[tag] ^= 1;
    let error = pkcs12::open(&store, "secret").map(|_| ()).unwrap_err();
    assert!(
        matches!(
            error,
            Pkcs12Error::Damaged {
                place: "its MAC",
                ..
            }
        ),
        "{error}"
    );
    let refused = pkcs12::open(&store, "wrong").map(|_| ());
    assert_eq!(refused, Err(Pkcs12Error::WrongPassword));
}

#[test]
fn a_store_that_is_cut_off_anywhere_is_damaged_or_no_store_and_never_a_panic() {
    let openssl = Openssl::new();
    let store = openssl.pair("-keypbe NONE -certpbe NONE", "secret");
    for len in 0..store.len() {
        let error = pkcs12::open(&store[..len], "secret")
            .map(|_| ())
            .unwrap_err();
        let expected = matches!(error, Pkcs12Error::Damaged { .. } | Pkcs12Error::NotPkcs12);
        assert!(expected, "{len}: {error}");
    }
    let error = pkcs12::open(&[&store[..], b"\n"].concat(), "secret")
        .map(|_| ())
        .unwrap_err();
    assert!(error.to_string().contains("something follows"), "{error}");
}

#[test]
fn an_encrypted_key_is_decrypted_with_its_password() {
    let openssl = Openssl::new();
    for options in [
        "-v2 aes-256-cbc",
        "-v2 aes-128-cbc -v2prf hmacWithSHA1",
        "-v2 aes-192-cbc -v2prf hmacWithSHA384",
        "-v2 des3 -v2prf hmacWithSHA512",
        "-v1 PBE-SHA1-3DES",
        "-provider legacy -provider default -v1 PBE-SHA1-RC2-40",
    ] {
        for password in ["secret", "Schlüssel 🔑"] {
            let convert = format!("pkcs8 -topk8 {options} -in key.pem -out encrypted.pem");
            openssl.run(&convert, password);
            let text = fs::read_to_string(openssl.folder.path().join("encrypted.pem")).unwrap();
            let label = "ENCRYPTED PRIVATE KEY";
            assert!(text.contains(label));
            // The label aside, the sections are alike.
            let text = text.replace(label, "PRIVATE KEY");
            let der = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).unwrap();
            let der = der.secret_pkcs8_der();
            let key = decrypt_key(der, password).unwrap();
            assert_eq!(
                key.secret_pkcs8_der(),
                openssl.key.serialize_der(),
                "{options}"
            );
            let refused = decrypt_key(der, "wrong").map(|_| ());
            assert_eq!(refused, Err(Pkcs12Error::WrongPassword), "{options}");
            let refused = decrypt_key(der, "").map(|_| ());
            assert_eq!(refused, Err(Pkcs12Error::PasswordNeeded), "{options}");
        }
    }
}

#[test]
fn an_algorithm_that_is_not_supported_is_named() {
    let openssl = Openssl::new();
    let legacy = "-provider legacy -provider default";
    for (options, named) in [
        (format!("{legacy} -v1 PBE-MD5-DES"), "pbeWithMD5AndDES-CBC"),
        ("-scrypt".to_owned(), "scrypt"),
    ] {
        let convert = format!("pkcs8 -topk8 {options} -in key.pem -outform DER -out encrypted.der");
        openssl.run(&convert, "secret");
        let der = fs::read(openssl.folder.path().join("encrypted.der")).unwrap();
        let error = decrypt_key(&der, "secret").map(|_| ()).unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
        assert!(matches!(error, Pkcs12Error::Unsupported { .. }), "{error}");
    }
}

#[test]
fn hostile_numbers_of_rounds_are_told_and_refused_at_once() {
    let openssl = Openssl::new();
    let store = openssl.pair("-legacy", "secret");
    // 2,048 rounds are INTEGER 02 02 08 00; 02 02 7f ff are no more bytes, and with all parts too many for this limit.
    let mut hostile = store.clone();
    let mut at = 0;
    while let Some(next) = find(&hostile[at..], &[0x02, 0x02, 0x08, 0x00]) {
        at += next;
        hostile[at + 2..at + 4].copy_from_slice(&[0x7f, 0xff]);
    }
    assert_ne!(hostile, store);
    let outline = pkcs12::outline(&hostile).unwrap();
    assert_eq!(outline.mac.unwrap().iterations, Some(0x7fff));
    let error = pkcs12::open_within(&hostile, "secret", 0x7ffe)
        .map(|_| ())
        .unwrap_err();
    assert_eq!(
        error,
        Pkcs12Error::TooCostly {
            iterations: 0x7fff,
            iterations_max: 0x7ffe
        }
    );
}

#[test]
fn what_is_no_store_or_too_large_is_refused_as_that() {
    let refused = |bytes: &[u8]| pkcs12::open(bytes, "").map(|_| ()).unwrap_err();
    let openssl = Openssl::new();
    assert_eq!(refused(b""), Pkcs12Error::NotPkcs12);
    assert_eq!(refused(openssl.certificate.der()), Pkcs12Error::NotPkcs12);
    assert_eq!(
        refused(&openssl.key.serialize_der()),
        Pkcs12Error::NotPkcs12
    );
    assert_eq!(
        refused(openssl.certificate.pem().as_bytes()),
        Pkcs12Error::NotPkcs12
    );
    let error = refused(&vec![0x30; 2 << 20]);
    assert!(matches!(error, Pkcs12Error::TooLarge { .. }), "{error}");
}

#[test]
fn debug_prints_no_key() {
    let openssl = Openssl::new();
    let opened = pkcs12::open(&openssl.pair("", "secret"), "secret").unwrap();
    let printed = format!("{opened:?} {:?}", opened.keys[0]);
    assert!(printed.contains("aps_developer_identity"));
    let key = openssl.key.serialize_der();
    let decimal = format!("{:?}", &key[40..44]);
    assert!(
        !printed.contains(decimal.trim_matches(['[', ']'])),
        "{printed}"
    );
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
