//! Stores that this openssl does not write: those of NSS and old Keychains, in BER, and those of tomorrow, under PBMAC1.
//! Each is one of openssl's, taken apart and put together again; what is computed, openssl computes.
#![expect(
    clippy::unwrap_used,
    reason = "in a test, a panic that names its place is the best report"
)]

use std::fs;
use std::process::Command;

use apns_net::credentials::pkcs12::{self, Pkcs12Error};
use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
const CONTEXT_0: u8 = 0x80;
const CONSTRUCTED: u8 = 0x20;

struct Openssl {
    folder: TempDir,
    key: KeyPair,
    certificate: rcgen::Certificate,
}

impl Openssl {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["one".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
        fs::write(folder.path().join("cert.pem"), certificate.pem()).unwrap();
        Self {
            folder,
            key,
            certificate,
        }
    }

    /// Runs openssl, which must succeed, and gives what it printed.
    fn run(&self, arguments: &str) -> String {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .output()
            .expect("openssl is installed");
        assert!(output.status.success(), "openssl {arguments}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn export(&self, options: &str) -> Vec<u8> {
        let pair = "-inkey key.pem -in cert.pem -passout pass:secret -out store.p12";
        self.run(&format!("pkcs12 -export {pair} {options}"));
        fs::read(self.folder.path().join("store.p12")).unwrap()
    }

    /// The HMAC-SHA-256 of `content` under a key that PBKDF2 makes of "secret".
    fn pbmac1(&self, content: &[u8], salt: &str, rounds: u32) -> Vec<u8> {
        let derive = format!(
            "kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt pass:secret -kdfopt hexsalt:{salt} -kdfopt iter:{rounds} PBKDF2"
        );
        let key = self.run(&derive).trim().replace(':', "");
        fs::write(self.folder.path().join("content"), content).unwrap();
        self.run(&format!(
            "dgst -sha256 -mac HMAC -macopt hexkey:{key} -binary -out tag content"
        ));
        fs::read(self.folder.path().join("tag")).unwrap()
    }

    fn check(&self, store: &[u8]) {
        let opened = pkcs12::open(store, "secret").unwrap();
        let key = opened.keys[0].der.secret_pkcs8_der();
        assert_eq!(key, self.key.serialize_der());
        assert_eq!(opened.certificates[0].der, *self.certificate.der());
    }
}

/// An element in DER.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head: &[u8] = match content.len() {
        ..0x80 => &[tag, len[1]],
        0x80..0x100 => &[tag, 0x81, len[1]],
        _ => &[tag, 0x82, len[0], len[1]],
    };
    [head, content].concat()
}

/// The elements that follow each other in DER: tag and content.
fn elements(mut rest: &[u8]) -> Vec<(u8, &[u8])> {
    let mut elements = Vec::new();
    while let [tag, first, ..] = *rest {
        let (len_len, len) = match first {
            0x81 => (2, usize::from(rest[2])),
            0x82 => (3, usize::from(rest[2]) << 8 | usize::from(rest[3])),
            short => (1, usize::from(short)),
        };
        let content = &rest[1 + len_len..];
        elements.push((tag, &content[..len]));
        rest = &content[len..];
    }
    elements
}

/// The same elements with indefinite lengths, and every string in pieces of a hundred bytes.
fn ber(der_bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    for (tag, content) in elements(der_bytes) {
        let content = match tag {
            // The encrypted content is a string under an implicit tag.
            OCTET_STRING | CONTEXT_0 => content
                .chunks(100)
                .flat_map(|piece| der(OCTET_STRING, piece))
                .collect(),
            _ if tag & CONSTRUCTED != 0 => ber(content),
            _ => {
                encoded.extend(der(tag, content));
                continue;
            }
        };
        encoded.extend([tag | CONSTRUCTED, 0x80]);
        encoded.extend(content);
        encoded.extend([0, 0]);
    }
    encoded
}

/// The parts of a store: what its MAC is made over.
fn authenticated(store: &[u8]) -> &[u8] {
    let pfx = elements(elements(store)[0].1);
    let content_info = elements(pfx[1].1);
    elements(content_info[1].1)[0].1
}

/// A store around parts, with a MAC or without.
fn store(parts: &[u8], mac: &[u8]) -> Vec<u8> {
    const DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
    let content = der(CONTEXT_0 | CONSTRUCTED, &der(OCTET_STRING, parts));
    let content_info = der(SEQUENCE, &[DATA, &content].concat());
    der(
        SEQUENCE,
        &[b"\x02\x01\x03", &content_info[..], mac].concat(),
    )
}

#[test]
fn a_store_in_ber_is_read_as_the_same_in_der() {
    let openssl = Openssl::new();
    for options in ["", "-legacy", "-legacy -descert -macalg sha256"] {
        let der = openssl.export(options);
        let outside = ber(&der);
        assert_ne!(outside, der);
        openssl.check(&outside);
        assert_eq!(pkcs12::outline(&outside), pkcs12::outline(&der));
    }
    // Without a MAC the parts themselves may be encoded anew.
    for options in ["-nomac", "-nomac -certpbe NONE", "-nomac -legacy"] {
        let der = openssl.export(options);
        let inside_too = ber(&store(&ber(authenticated(&der)), &[]));
        openssl.check(&inside_too);
        assert_eq!(pkcs12::outline(&inside_too), pkcs12::outline(&der));
    }
}

#[test]
fn a_store_in_ber_that_is_cut_off_is_damaged() {
    let openssl = Openssl::new();
    let store = ber(&openssl.export(""));
    for len in 5..store.len() {
        let error = pkcs12::open(&store[..len], "secret")
            .map(|_| ())
            .unwrap_err();
        assert!(
            matches!(error, Pkcs12Error::Damaged { .. }),
            "{len}: {error}"
        );
    }
}

/// RFC 9879, section 4; identifiers of RFC 8018, appendix A.
fn pbmac1(tag: &[u8], salt: &[u8], rounds: u16, key_len: Option<u8>) -> Vec<u8> {
    const PBMAC1: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0e";
    const PBKDF2: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c";
    const HMAC_SHA256: &[u8] = b"\x30\x0c\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x09\x05\x00";
    let integer = |number: u16| der(0x02, &number.to_be_bytes());
    let key_len = key_len.map_or_else(Vec::new, |len| der(0x02, &[len]));
    let derivation = [
        &der(OCTET_STRING, salt)[..],
        &integer(rounds),
        &key_len,
        HMAC_SHA256,
    ];
    let derivation = der(SEQUENCE, &derivation.concat());
    let derivation = der(SEQUENCE, &[PBKDF2, &derivation].concat());
    let parameters = der(SEQUENCE, &[&derivation[..], HMAC_SHA256].concat());
    let algorithm = der(SEQUENCE, &[PBMAC1, &parameters].concat());
    let digest = der(
        SEQUENCE,
        &[&algorithm[..], &der(OCTET_STRING, tag)].concat(),
    );
    // Salt and rounds of the frame mean nothing then.
    der(
        SEQUENCE,
        &[&digest[..], &der(OCTET_STRING, b"NOT USED"), &integer(1)].concat(),
    )
}

#[test]
fn a_store_under_pbmac1_is_verified() {
    let openssl = Openssl::new();
    let exported = openssl.export("-nomac");
    let parts = authenticated(&exported);
    let tag = openssl.pbmac1(parts, "0102030405060708", 3000);
    let salt = [1, 2, 3, 4, 5, 6, 7, 8];
    let genuine = store(parts, &pbmac1(&tag, &salt, 3000, Some(32)));
    openssl.check(&genuine);
    let mac = pkcs12::outline(&genuine).unwrap().mac.unwrap();
    assert_eq!(mac.name, "PBMAC1, PBKDF2 hmacWithSHA256, hmacWithSHA256");
    assert_eq!(mac.iterations, Some(3000));
    let refused = pkcs12::open(&genuine, "wrong").map(|_| ());
    assert_eq!(refused, Err(Pkcs12Error::WrongPassword));

    // The key length is not optional here, and never zero.
    for key_len in [None, Some(0)] {
        let error = pkcs12::open(&store(parts, &pbmac1(&tag, &salt, 3000, key_len)), "secret");
        let error = error.map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("length of its key"), "{error}");
    }
}

#[test]
fn the_store_taken_apart_and_put_together_is_the_one_that_was() {
    let openssl = Openssl::new();
    let exported = openssl.export("-nomac");
    assert_eq!(store(authenticated(&exported), &[]), exported);
}
