//! PKCS#12 stores: what can be told without the password, what is in them with it.

use apns_net::credentials::pkcs12::{self, BagKind, Outline, Pkcs12, Pkcs12Error, Protection};

use super::file::Inspection;
use super::finding::{Code, Finding};
use super::kind::ObjectKind;
use super::report::Item;
use crate::shell::Word;

/// Fewer rounds than this hold up nobody who guesses passwords; openssl and Keychain write 2048.
const ROUNDS_FEW: u64 = 1000;

pub(super) fn inspect(inspection: &mut Inspection<'_>, store: &[u8]) {
    let outline = match pkcs12::outline(store) {
        Ok(outline) => outline,
        Err(error) => return inspection.find(failure(&error, inspection.name)),
    };
    let opened = match inspection.password {
        Some(password) => pkcs12::open(store, password),
        // It may be protected by nothing, or by the empty password.
        None => pkcs12::open(store, ""),
    };
    let lacks_certificate = opened
        .as_ref()
        .is_ok_and(|opened| opened.certificates.is_empty());
    construction(inspection, &outline, lacks_certificate);
    match opened {
        Ok(opened) => {
            if outline.protections().next().is_some()
                && inspection.password.is_none_or(str::is_empty)
            {
                inspection.find(Finding::new(
                    Code::EmptyPassword,
                    "its password is empty: whoever has the file has the key, and keytool and Keychain do not open it",
                ));
            }
            contents(inspection, &opened);
        }
        Err(Pkcs12Error::PasswordNeeded) if inspection.password.is_none() => {
            let inside = told(&outline);
            inspection.item(Item::Store(outline));
            let file = inspection.file();
            inspection.find(
                Finding::new(
                    Code::Locked,
                    format!("without its password only this can be told: {inside}"),
                )
                .mend(format!("apns-certs inspect {file} --password-file FILE"))
                .mend(format!("openssl pkcs12 -in {file} -noout -info")),
            );
        }
        Err(error) => {
            inspection.item(Item::Store(outline));
            inspection.find(failure(&error, inspection.name));
        }
    }
}

/// What there is to say of what could be opened.
fn contents(inspection: &mut Inspection<'_>, opened: &Pkcs12) {
    inspection.item(Item::Store(opened.outline.clone()));
    let file = inspection.name.to_owned();
    let file = Word(&file);
    let (keys, certificates) = (opened.keys.len(), opened.certificates.len());
    match (keys, certificates) {
        (0, 0) => inspection.find(Finding::new(
            Code::NothingInside,
            "neither a key nor a certificate is in it: export it again, with the key selected",
        )),
        (_, 0) => inspection.find(
            Finding::new(
                Code::KeyOnly,
                "a private key without its certificate, as Keychain exports the key alone (PUSH.P12): put the portal's .cer to it",
            )
            .mend(format!(
                "apns-certs pem --p12 {file} --cert aps_developer_identity.cer"
            )),
        ),
        (0, _) => inspection.find(Finding::new(
            Code::CertificateOnly,
            "a certificate without its private key, with which nobody can log in: in Keychain unfold the certificate, select \
             it together with its key, and export both; if there is no key below it, it is on the machine that made the request",
        )),
        _ => {}
    }
    for certificate in &opened.certificates {
        inspection.certificate(&certificate.der);
    }
    for key in &opened.keys {
        inspection.key(ObjectKind::Pkcs8, key.der.secret_pkcs8_der(), false);
    }
}

/// What there is to say of how it is protected.
fn construction(inspection: &mut Inspection<'_>, outline: &Outline, lacks_certificate: bool) {
    let file = inspection.name.to_owned();
    let file = Word(&file);
    let to_pem = if lacks_certificate {
        format!("apns-certs pem --p12 {file} --cert aps_developer_identity.cer")
    } else {
        format!("apns-certs pem --p12 {file}")
    };
    let encryption = || {
        let parts = outline
            .parts
            .iter()
            .filter_map(|part| part.protection.as_ref());
        parts.chain(outline.bags().filter_map(|bag| bag.protection.as_ref()))
    };
    let rc2: Option<&Protection> = encryption().find(|protection| protection.name.contains("RC2"));
    if let Some(rc2) = rc2 {
        inspection.find(
            Finding::new(
                Code::LegacyEncryption,
                format!(
                    "encrypted with {}, which OpenSSL 3 reads with -legacy alone: write it anew",
                    rc2.name
                ),
            )
            .mend(to_pem.clone())
            .mend("apns-certs p12 --cert ck.pem --key ck.pem")
            .mend(format!(
                "openssl pkcs12 -legacy -in {file} -nodes -out all.pem"
            ))
            .mend(format!(
                "openssl pkcs12 -export -in all.pem -out {}",
                Word(std::path::Path::new(inspection.name).with_extension("modern.p12"))
            )),
        );
    }
    let aes = encryption().any(|protection| protection.name.contains("AES"));
    let sha2_mac = outline.mac.as_ref().is_some_and(|mac| {
        mac.name
            .to_ascii_lowercase()
            .replace('-', "")
            .contains("sha256")
    });
    if aes || sha2_mac {
        inspection.find(
            Finding::new(
                Code::ModernEncryption,
                "encrypted with AES or sealed with SHA-256: Java before 8u301, Keychain of macOS 14 and before, and OpenSSL before 1.0 \
                 do not open it; --compat writes what they read",
            )
            .mend(to_pem)
            .mend("apns-certs p12 --cert ck.pem --key ck.pem --compat"),
        );
    }
    let in_the_open = outline
        .parts
        .iter()
        .filter(|part| part.protection.is_none())
        .filter_map(|part| part.bags.as_ref())
        .flatten()
        .any(|bag| bag.kind == BagKind::Key && bag.protection.is_none());
    if in_the_open {
        inspection.find(Finding::new(
            Code::NotEncrypted,
            "the private key in it is not encrypted: whoever has the file has the key, whatever its password is",
        ));
    }
    if outline.mac.is_none() {
        inspection.find(Finding::new(
            Code::NoMac,
            "it has no integrity check (MAC): keytool and Keychain refuse such a store, openssl does not mind",
        ));
    }
    let few = outline
        .protections()
        .filter_map(|protection| protection.iterations)
        .min()
        .filter(|rounds| *rounds < ROUNDS_FEW);
    if let Some(rounds) = few {
        inspection.find(Finding::new(
            Code::FewRounds,
            format!("its password is hashed {rounds} times only (2048 and more are usual): a short one is soon guessed"),
        ));
    }
}

/// What is readable in a store that was not opened.
fn told(outline: &Outline) -> String {
    let encrypted = outline
        .parts
        .iter()
        .filter(|part| part.bags.is_none())
        .count();
    let count = |kind| outline.bags().filter(|bag| bag.kind == kind).count();
    let (keys, certificates) = (count(BagKind::Key), count(BagKind::Certificate));
    let mut told = Vec::new();
    match keys {
        0 => told.push("it holds no private key in the open".to_owned()),
        1 => told.push("it holds a private key".to_owned()),
        more => told.push(format!("it holds {more} private keys")),
    }
    match certificates {
        0 => {}
        1 => told.push("a certificate".to_owned()),
        more => told.push(format!("{more} certificates")),
    }
    match encrypted {
        0 if certificates == 0 => told.push("and no certificate".to_owned()),
        0 => {}
        1 => told.push(
            "and a part that is encrypted as a whole, as certificates usually are".to_owned(),
        ),
        more => told.push(format!("and {more} parts that are encrypted as a whole")),
    }
    told.join(", ")
}

/// What to say when a store or an encrypted key cannot be opened.
pub(super) fn failure(error: &Pkcs12Error, name: &str) -> Finding {
    let code = match error {
        Pkcs12Error::WrongPassword | Pkcs12Error::PasswordNeeded | Pkcs12Error::OtherPassword => {
            Code::WrongPassword
        }
        Pkcs12Error::TooCostly { .. } => Code::TooCostly,
        Pkcs12Error::Unsupported { .. } => Code::Unsupported,
        _ => Code::Damaged,
    };
    let finding = Finding::new(code, error.to_string());
    if code == Code::WrongPassword {
        return finding.mend(format!(
            "apns-certs inspect {} --password-file FILE",
            Word(name)
        ));
    }
    finding
}
