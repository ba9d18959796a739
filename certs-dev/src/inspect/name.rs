//! What a file's name promises. What a file is, its name never decides; whether the two agree is worth a word, since
//! people and scripts go by the name.

use std::path::Path;

use apns_net::credentials::Environment;

use super::finding::{Code, Finding};
use super::kind::{Content, ObjectKind};
use crate::shell::Word;

/// Whether the name says that the key in it is not encrypted: the `push_noenc.pem` of many a tutorial.
pub(super) fn says_unencrypted(name: &str) -> bool {
    let name = file_name(name);
    [
        "noenc",
        "no_enc",
        "no-enc",
        "nopass",
        "nodes",
        "unenc",
        "decrypted",
    ]
    .iter()
    .any(|word| name.contains(word))
}

/// Whether the name is that of a certificate or a store of them.
pub(super) fn says_certificate(name: &str) -> bool {
    matches!(
        extension(name).as_str(),
        "cer" | "crt" | "der" | "p12" | "pfx"
    )
}

/// Which environment the name speaks of, if it is one.
pub(super) fn environment(name: &str) -> Option<Environment> {
    let name = file_name(name);
    let says = |words: &[&str]| words.iter().any(|word| name.contains(word));
    match (
        says(&["dev", "sandbox"]),
        says(&["production", "prod", "distribution"]),
    ) {
        (true, false) => Some(Environment::Sandbox),
        (false, true) => Some(Environment::Production),
        _ => None,
    }
}

/// What to say when programs that go by the name would read it in the wrong way.
pub(super) fn misleading(name: &str, content: &Content<'_>) -> Option<Finding> {
    let file = Word(name);
    let extension = extension(name);
    match (extension.as_str(), content) {
        ("pem", Content::Asn1(object)) => {
            let target = renamed(name, "converted.pem");
            let finding = Finding::new(
                Code::NameMisleads,
                format!(
                    "its name says PEM, and it is {} in binary (DER): programs that want PEM do not read it",
                    object.kind.name()
                ),
            );
            Some(match object.kind {
                ObjectKind::Certificate => finding.mend(format!(
                    "openssl x509 -inform der -in {file} -out {target}"
                )),
                ObjectKind::Pkcs12 => finding
                    .mend(format!("apns-certs pem --p12 {file}"))
                    .mend(format!("openssl pkcs12 -in {file} -nodes -out {target}")),
                ObjectKind::Pkcs8 | ObjectKind::Pkcs1 | ObjectKind::Sec1 => finding.mend(format!(
                    "openssl pkey -inform der -in {file} -out {target}"
                )),
                _ => finding,
            })
        }
        ("cer" | "der", Content::Pem(_)) => {
            let target = renamed(name, "pem");
            Some(
                Finding::new(
                    Code::NameMisleads,
                    "its name says DER, as the portal's downloads are, and it is PEM: `openssl x509 -inform der` refuses it; \
                     it needs no conversion, only another name",
                )
                .mend(format!("mv {file} {target}")),
            )
        }
        ("p12" | "pfx", Content::Pem(_)) => Some(
            Finding::new(
                Code::NameMisleads,
                "its name says PKCS#12, and it is PEM: pack key and certificate into a store",
            )
            .mend(format!("apns-certs p12 --cert {file} --key {file}"))
            .mend(format!(
                "openssl pkcs12 -export -in {file} -inkey {file} -out {}",
                renamed(name, "converted.p12")
            )),
        ),
        ("p12" | "pfx", Content::Asn1(object)) if object.kind != ObjectKind::Pkcs12 => {
            Some(Finding::new(
                Code::NameMisleads,
                format!("its name says PKCS#12, and it is {} alone", object.kind.name()),
            ))
        }
        ("cer" | "crt", Content::Asn1(object)) if object.kind == ObjectKind::Pkcs12 => {
            Some(Finding::new(
                Code::NameMisleads,
                "its name says certificate, and it is a PKCS#12 store, which may hold a private key: keep it secret",
            ))
        }
        ("p8", Content::Asn1(object)) if object.kind == ObjectKind::Pkcs8 => Some(
            Finding::new(
                Code::NameMisleads,
                "a .p8 is PEM as Apple gives it out, and this is DER: some libraries do not read it",
            )
            .mend(format!(
                "openssl pkey -inform der -in {file} -out {}",
                renamed(name, "converted.p8")
            )),
        ),
        _ => None,
    }
}

fn renamed(name: &str, extension: &str) -> Word<String> {
    let target = Path::new(name).with_extension(extension);
    Word(target.display().to_string())
}

fn extension(name: &str) -> String {
    Path::new(name)
        .extension()
        .map(|extension| extension.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default()
}

fn file_name(name: &str) -> String {
    Path::new(name)
        .file_name()
        .map(|name| name.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default()
}
