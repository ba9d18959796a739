//! Signing requests made by the real OpenSSL, good ones and all the others.
#![expect(
    clippy::unwrap_used,
    reason = "in a test, a panic that names its place is the best report"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use apns_certs::csr::{self, CsrError, Instead};
use apns_certs::public_key::PublicKeyKind;
use tempfile::TempDir;

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments}: {said}");
}

/// A request as `openssl req -new` makes it with these arguments, in PEM.
fn request(arguments: &str) -> Vec<u8> {
    made(
        "out",
        &format!(
            "req -new -nodes -keyout key -out out -subj /emailAddress=dev@example.com/CN=Push/C=US {arguments}"
        ),
    )
}

/// The file that an OpenSSL command leaves.
fn made(name: &str, arguments: &str) -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    openssl(folder.path(), arguments);
    fs::read(folder.path().join(name)).unwrap()
}

fn text(pem: &[u8]) -> String {
    String::from_utf8(pem.to_vec()).unwrap()
}

/// The DER of a PEM with one section.
fn der(pem: &[u8]) -> Vec<u8> {
    x509_parser::pem::parse_x509_pem(pem).unwrap().1.contents
}

#[test]
fn keys_that_certificates_are_issued_for_are_read_in_every_signature_that_proves_something() {
    use PublicKeyKind::{P256, P384, Rsa};
    for (arguments, key, signature) in [
        ("-newkey rsa:2048", Rsa(2048), "sha256WithRSAEncryption"),
        (
            "-newkey rsa:2048 -sha512",
            Rsa(2048),
            "sha512WithRSAEncryption",
        ),
        ("-newkey rsa:3072", Rsa(3072), "sha256WithRSAEncryption"),
        // A Keychain of 2011.
        ("-newkey rsa:2048 -sha1", Rsa(2048), "sha1WithRSAEncryption"),
        (
            "-newkey ec -pkeyopt ec_paramgen_curve:P-256",
            P256,
            "ecdsa-with-SHA256",
        ),
        (
            "-newkey ec -pkeyopt ec_paramgen_curve:P-384 -sha384",
            P384,
            "ecdsa-with-SHA384",
        ),
    ] {
        let read =
            csr::read(&request(arguments)).unwrap_or_else(|error| panic!("{arguments}: {error}"));
        assert_eq!(read.key, key, "{arguments}");
        assert_eq!(read.signature, signature, "{arguments}");
        assert_eq!(read.common_name.as_deref(), Some("Push"));
        assert_eq!(read.email.as_deref(), Some("dev@example.com"));
        assert_eq!(read.subject, "Email=dev@example.com, CN=Push, C=US");
    }
}

#[test]
fn the_public_key_is_the_one_that_openssl_reads() {
    let folder = TempDir::new().unwrap();
    openssl(
        folder.path(),
        "req -new -newkey rsa:2048 -nodes -keyout key -out out -subj /CN=x",
    );
    openssl(
        folder.path(),
        "pkey -in key -pubout -outform DER -out public",
    );
    let read = csr::read(&fs::read(folder.path().join("out")).unwrap()).unwrap();
    assert_eq!(
        read.public_key_der(),
        fs::read(folder.path().join("public")).unwrap()
    );
}

#[test]
fn a_request_is_read_in_every_wrapping() {
    let pem = request("-newkey rsa:2048");
    let read = csr::read(&pem).unwrap();
    let pem_text = text(&pem);
    for (what, bytes) in [
        ("DER", der(&pem)),
        (
            "the label of Java and Windows",
            pem_text
                .replace("CERTIFICATE REQ", "NEW CERTIFICATE REQ")
                .into(),
        ),
        (
            "line ends of Windows",
            pem_text.replace('\n', "\r\n").into(),
        ),
        (
            "text before it, as -text writes",
            format!("Certificate Request:\n  Data:\n{pem_text}").into(),
        ),
    ] {
        assert_eq!(csr::read(&bytes).as_ref(), Ok(&read), "{what}");
    }
    assert_eq!(
        csr::read(&request("-newkey rsa:2048 -newhdr")).unwrap().key,
        read.key
    );
}

#[test]
fn weak_and_unsupported_keys_are_named() {
    for (arguments, error) in [
        (
            "-newkey rsa:1024",
            CsrError::KeyLength("RSA 1024".to_owned()),
        ),
        (
            "-newkey ec -pkeyopt ec_paramgen_curve:P-521",
            CsrError::Key("P-521".to_owned()),
        ),
        ("-newkey ed25519", CsrError::Key("Ed25519".to_owned())),
        (
            "-newkey ec -pkeyopt ec_paramgen_curve:secp256k1",
            CsrError::Key("1.3.132.0.10".to_owned()),
        ),
    ] {
        assert_eq!(csr::read(&request(arguments)), Err(error), "{arguments}");
    }
}

#[test]
fn a_signature_that_proves_nothing_is_refused_by_its_name() {
    for (arguments, name) in [
        ("-newkey rsa:2048 -md5", "md5WithRSAEncryption"),
        (
            "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -sha1",
            "1.2.840.10045.4.1",
        ),
    ] {
        assert_eq!(
            csr::read(&request(arguments)),
            Err(CsrError::Signature(name.to_owned())),
            "{arguments}"
        );
    }
}

#[test]
fn a_request_that_was_changed_has_a_wrong_signature() {
    for arguments in [
        "-newkey rsa:2048",
        "-newkey rsa:2048 -sha1",
        "-newkey ec -pkeyopt ec_paramgen_curve:P-256",
    ] {
        let mut der = der(&request(arguments));
        let name = der.windows(4).position(|window| window == b"Push").unwrap();
        der[name] = b'p';
        assert_eq!(csr::read(&der), Err(CsrError::BadSignature), "{arguments}");
    }
}

#[test]
fn another_file_of_the_flow_is_recognised() {
    let certificate = "req -x509 -newkey rsa:2048 -nodes -keyout key -out out -subj /CN=x";
    let folder = TempDir::new().unwrap();
    openssl(folder.path(), certificate);
    openssl(
        folder.path(),
        "pkcs12 -export -in out -inkey key -passout pass: -out p12",
    );
    openssl(
        folder.path(),
        "pkey -in key -aes128 -passout pass:x -out encrypted",
    );
    openssl(folder.path(), "rsa -in key -traditional -out traditional");
    openssl(folder.path(), "x509 -in out -outform DER -out cer");
    openssl(folder.path(), "pkey -in key -outform DER -out key.der");
    for (name, instead) in [
        ("out", Instead::Certificate),
        ("cer", Instead::Certificate),
        ("key", Instead::PrivateKey),
        ("key.der", Instead::PrivateKey),
        ("traditional", Instead::PrivateKey),
        ("encrypted", Instead::EncryptedKey),
        ("p12", Instead::Pkcs12),
    ] {
        let error = csr::read(&fs::read(folder.path().join(name)).unwrap()).unwrap_err();
        assert_eq!(error, CsrError::Instead(instead), "{name}");
        assert!(
            error.to_string().contains("Push.certSigningRequest"),
            "{error}"
        );
    }
}

#[test]
fn what_is_damaged_is_told_from_what_was_never_a_request() {
    let pem = request("-newkey rsa:2048");
    let whole = der(&pem);
    let cut = text(&pem).replace("-----END CERTIFICATE REQUEST-----\n", "");
    let trailing = [&whole[..], b"\0"].concat();
    for (what, bytes) in [
        ("half of the DER", &whole[..whole.len() / 2]),
        ("DER with a byte too many", &trailing),
        ("half of the PEM", &pem[..pem.len() / 2]),
        ("PEM without its end", cut.as_bytes()),
    ] {
        assert_eq!(csr::read(bytes), Err(CsrError::Damaged), "{what}");
    }
    for bytes in [&b""[..], b"<!DOCTYPE html>", &[0xff; 100], b"-----BEGIN "] {
        assert_eq!(csr::read(bytes), Err(CsrError::NoRequest), "{bytes:?}");
    }
}

#[test]
fn every_cut_is_refused_and_no_flipped_byte_makes_another_request() {
    let whole = der(&request("-newkey ec -pkeyopt ec_paramgen_curve:P-256"));
    let read = csr::read(&whole).unwrap();
    for len in 0..whole.len() {
        csr::read(&whole[..len]).unwrap_err();
    }
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= 0x01;
        // The unused bits that a bit string announces, for one, are not covered by the signature.
        if let Ok(changed) = csr::read(&changed) {
            assert_eq!(changed, read, "byte {place}");
        }
    }
}
