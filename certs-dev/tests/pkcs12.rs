//! The stores that are written, read by the real openssl and keytool, and by the reader.
#![expect(
    clippy::unwrap_used,
    reason = "in a test, a panic that names its place is the best report"
)]

use std::fs;
use std::process::{Command, Output};

use apns_certs::pkcs12::{self, Contents, Profile};
use apns_certs::{Ca, KeyKind, Kind, Minted, PushCertificate};
use apns_net::credentials::{CredentialsError, Identity, pkcs12 as reader};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

const NAME: &str = "aps_developer_identity";

struct World {
    folder: TempDir,
    ca: CertificateDer<'static>,
    push: Minted,
    key: PrivateKeyDer<'static>,
}

impl World {
    fn new() -> Self {
        let ca = Ca::with_key(KeyKind::P256).unwrap();
        let push = ca
            .push(&PushCertificate {
                key: KeyKind::P256,
                ..PushCertificate::new(Kind::Universal, "com.example.Mail")
            })
            .unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            ca: CertificateDer::from_pem_slice(ca.cert_pem().as_bytes()).unwrap(),
            key: PrivateKeyDer::from_pem_slice(push.key_pem.as_bytes()).unwrap(),
            push,
        }
    }

    fn chain(&self) -> [CertificateDer<'static>; 2] {
        [self.push.certificate_der.clone(), self.ca.clone()]
    }

    fn write(
        &self,
        certificates: &[CertificateDer<'static>],
        password: &str,
        profile: Profile,
    ) -> Vec<u8> {
        let contents = Contents {
            key: &self.key,
            certificates,
            friendly_name: Some(NAME),
        };
        let store = pkcs12::write(&contents, password, profile).unwrap();
        fs::write(self.folder.path().join("store.p12"), &store).unwrap();
        store
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        Command::new(program)
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .unwrap_or_else(|error| panic!("{program} is installed: {error}"))
    }

    /// What a program prints that must succeed.
    fn said(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.run(program, arguments);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {said}");
        said
    }
}

const PROFILES: [Profile; 2] = [Profile::Modern, Profile::Compat];
const PASSWORDS: [&str; 3] = ["secret", "", "Schlüssel 🔑"];

#[test]
fn openssl_reads_every_store_without_its_legacy_module() {
    let world = World::new();
    let key = world.push.key_pem.trim();
    for profile in PROFILES {
        for password in PASSWORDS {
            let password_option = format!("pass:{password}");
            let read = [
                "pkcs12",
                "-in",
                "store.p12",
                "-nodes",
                "-passin",
                &password_option,
            ];

            world.write(&world.chain(), password, profile);
            let said = world.said("openssl", &read);
            assert!(said.contains(key), "{profile:?}: {said}");
            let certificate = world.push.cert_pem.trim();
            assert!(said.contains(certificate), "{profile:?}: {said}");
            assert_eq!(said.matches("BEGIN CERTIFICATE").count(), 2, "{said}");
            assert_eq!(
                said.matches(&format!("friendlyName: {NAME}")).count(),
                2,
                "{said}"
            );
            assert_eq!(said.matches("localKeyID: ").count(), 2, "{said}");

            world.write(&[], password, profile);
            let said = world.said("openssl", &read);
            assert!(
                said.contains(key) && !said.contains("CERTIFICATE"),
                "{said}"
            );
        }
    }
}

#[test]
fn openssl_finds_the_protection_that_the_profile_promises() {
    let world = World::new();
    let info = [
        "pkcs12",
        "-info",
        "-in",
        "store.p12",
        "-noout",
        "-passin",
        "pass:secret",
    ];
    for (profile, parts) in [
        (
            Profile::Modern,
            &[
                "MAC: sha256, Iteration 100000",
                "Encrypted data: PBES2, PBKDF2, AES-256-CBC, Iteration 100000, PRF hmacWithSHA256",
                "Shrouded Keybag: PBES2, PBKDF2, AES-256-CBC, Iteration 100000, PRF hmacWithSHA256",
            ],
        ),
        (
            Profile::Compat,
            &[
                "MAC: sha1, Iteration 2048",
                "Encrypted data: pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 2048",
                "Shrouded Keybag: pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 2048",
            ],
        ),
    ] {
        world.write(&world.chain(), "secret", profile);
        let said = world.said("openssl", &info);
        for part in parts {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}

#[test]
fn keytool_lists_the_key_under_its_name_with_its_chain() {
    let world = World::new();
    for profile in PROFILES {
        world.write(&world.chain(), "secret", profile);
        let said = world.said(
            "keytool",
            &[
                "-J-Duser.language=en",
                "-list",
                "-v",
                "-storetype",
                "PKCS12",
                "-keystore",
                "store.p12",
                "-storepass",
                "secret",
            ],
        );
        assert!(said.contains(&format!("Alias name: {NAME}")), "{said}");
        assert!(said.contains("Entry type: PrivateKeyEntry"), "{said}");
        assert!(said.contains("Certificate chain length: 2"), "{said}");
        assert!(said.contains("com.example.Mail"), "{said}");
    }
}

#[test]
fn what_keytool_writes_is_read() {
    let world = World::new();
    let arguments = "-J-Duser.language=en -genkeypair -alias push -keyalg RSA -keysize 2048 -validity 30 \
                     -dname CN=push -storetype PKCS12 -keystore java.p12 -storepass secret";
    let legacy = "-J-Dkeystore.pkcs12.legacy";
    for options in [None, Some(legacy)] {
        let _ = fs::remove_file(world.folder.path().join("java.p12"));
        let arguments: Vec<&str> = options
            .into_iter()
            .chain(arguments.split_whitespace())
            .collect();
        world.said("keytool", &arguments);
        let store = fs::read(world.folder.path().join("java.p12")).unwrap();
        let identity = Identity::from_pkcs12(&store, "secret").unwrap();
        assert_eq!(identity.certificate().common_name, "push");
        let opened = reader::open(&store, "secret").unwrap();
        assert_eq!(opened.keys[0].friendly_name.as_deref(), Some("push"));
    }
}

#[test]
fn a_store_gives_back_the_identity_it_was_made_of() {
    let world = World::new();
    for profile in PROFILES {
        for password in PASSWORDS {
            let store = world.write(&world.chain(), password, profile);
            let identity = Identity::from_pkcs12(&store, password).unwrap();
            assert_eq!(identity.chain(), world.chain());
            let error = Identity::from_pkcs12(&store, "wrong").unwrap_err();
            let CredentialsError::Locked { source, .. } = error else {
                panic!("{error}");
            };
            assert_eq!(source, reader::Pkcs12Error::WrongPassword);
        }
    }
}

#[test]
fn a_store_with_half_a_pair_is_told_from_one_with_two_halves() {
    let world = World::new();
    let store = world.write(&[], "", Profile::Modern);
    let error = Identity::from_pkcs12(&store, "").unwrap_err();
    assert!(
        matches!(error, CredentialsError::Pkcs12WithoutCertificate { .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains("apns-certs pem --cert"),
        "{error}"
    );

    let store = world.write(std::slice::from_ref(&world.ca), "", Profile::Modern);
    let error = Identity::from_pkcs12(&store, "").unwrap_err();
    assert!(
        matches!(error, CredentialsError::KeyMismatch { .. }),
        "{error}"
    );

    fs::write(world.folder.path().join("cert.pem"), &world.push.cert_pem).unwrap();
    let export = "pkcs12 -export -nokeys -in cert.pem -passout pass: -out certificate.p12";
    world.said("openssl", &export.split_whitespace().collect::<Vec<_>>());
    let error =
        Identity::from_pkcs12_file(world.folder.path().join("certificate.p12"), "").unwrap_err();
    assert!(
        matches!(error, CredentialsError::Pkcs12WithoutKey { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("certificate.p12"), "{error}");
}

#[test]
fn a_key_in_an_older_form_is_written_as_pkcs8() {
    let world = World::new();
    let folder = world.folder.path();
    for (make, label) in [
        (
            "ecparam -genkey -name prime256v1 -noout -out old.pem",
            "BEGIN EC PRIVATE KEY",
        ),
        (
            "genrsa -traditional -out old.pem 2048",
            "BEGIN RSA PRIVATE KEY",
        ),
    ] {
        world.said("openssl", &make.split_whitespace().collect::<Vec<_>>());
        let text = fs::read_to_string(folder.join("old.pem")).unwrap();
        assert!(text.contains(label), "{make}");
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).unwrap();
        let contents = Contents {
            key: &key,
            certificates: &[],
            friendly_name: None,
        };
        let store = pkcs12::write(&contents, "secret", Profile::Modern).unwrap();
        let opened = reader::open(&store, "secret").unwrap();
        fs::write(
            folder.join("new.der"),
            opened.keys[0].der.secret_pkcs8_der(),
        )
        .unwrap();
        let public = |file, form| {
            world.said(
                "openssl",
                &["pkey", "-in", file, "-inform", form, "-pubout"],
            )
        };
        assert_eq!(public("new.der", "DER"), public("old.pem", "PEM"));
    }
}

#[test]
fn two_stores_of_the_same_contents_have_no_salt_in_common() {
    let world = World::new();
    let one = world.write(&world.chain(), "secret", Profile::Compat);
    let other = world.write(&world.chain(), "secret", Profile::Compat);
    assert_eq!(one.len(), other.len());
    assert_ne!(one, other);
}
