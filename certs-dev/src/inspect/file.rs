//! One file: what is in it, piece by piece.

use std::time::SystemTime;

use apns_net::credentials::decrypt_key;

use super::finding::{Code, Finding};
use super::kind::{self, Content, Object, ObjectKind};
use super::pem::Section;
use super::report::{EncryptedKey, FileReport, Item};
use super::role::Role;
use super::source::Source;
use super::{certificate, foreign, key, name, pair, pkcs12, writing};
use crate::csr;
use crate::shell::Word;

/// Something that has a public key, by which it is matched with others.
pub(super) struct Part {
    pub(super) kind: PartKind,
    /// The bits of the public key.
    pub(super) public: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PartKind {
    /// A certificate that stands for somebody.
    Leaf,
    /// A CA's.
    Ca,
    Key,
    Request,
}

/// A file, with what of it is matched with others.
pub(super) struct Inspected {
    pub(super) report: FileReport,
    pub(super) parts: Vec<Part>,
}

impl Inspected {
    /// Whether it is a PKCS#12 store.
    pub(super) fn is_store(&self) -> bool {
        matches!(self.report.items.first(), Some(Item::Store(_)))
    }
}

pub(super) fn inspect(source: &Source, password: Option<&str>, now: SystemTime) -> Inspected {
    let mut inspection = Inspection {
        name: &source.name,
        password,
        now,
        items: Vec::new(),
        findings: Vec::new(),
        parts: Vec::new(),
    };
    let what = match &source.bytes {
        Ok(bytes) => inspection.content(kind::recognise(bytes)),
        Err(error) => {
            inspection.find(foreign::unreadable(error, inspection.file()));
            error.to_string()
        }
    };
    Inspected {
        report: FileReport {
            name: source.name.clone(),
            what,
            items: inspection.items,
            findings: inspection.findings,
        },
        parts: inspection.parts,
    }
}

/// What is found on the way through a file.
pub(super) struct Inspection<'a> {
    pub(super) name: &'a str,
    pub(super) password: Option<&'a str>,
    now: SystemTime,
    items: Vec<Item>,
    findings: Vec<Finding>,
    parts: Vec<Part>,
}

impl Inspection<'_> {
    pub(super) fn find(&mut self, finding: Finding) {
        // Every key of a chain may have the same to say; once is enough.
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    pub(super) fn item(&mut self, item: Item) {
        self.items.push(item);
    }

    pub(super) const fn file(&self) -> Word<&str> {
        Word(self.name)
    }

    /// Takes it apart; says what it is.
    fn content(&mut self, content: Content<'_>) -> String {
        if let Some(finding) = name::misleading(self.name, &content) {
            self.find(finding);
        }
        match content {
            Content::Pem(text) => {
                for finding in writing::text(&text, self.file()) {
                    self.find(finding);
                }
                for section in text.sections {
                    self.section(section);
                }
                for finding in pair::order(&self.parts) {
                    self.find(finding);
                }
                self.described("PEM")
            }
            Content::Asn1(object) => {
                let kind = object.kind;
                self.object(&object);
                if self.items.is_empty() {
                    kind.name().to_owned()
                } else {
                    self.described("DER")
                }
            }
            Content::BareBase64(object) => {
                self.find(
                    Finding::new(
                        Code::BareBase64,
                        "base64 without its BEGIN and END lines, which no program reads: decode it",
                    )
                    .mend(format!("base64 -d {} > decoded.der", self.file())),
                );
                self.object(&object);
                format!("base64 of {}", object.kind.name())
            }
            other => {
                let (what, finding) = foreign::content(&other, self.file());
                self.find(finding);
                what.to_owned()
            }
        }
    }

    fn section(&mut self, section: Section) {
        let Section {
            label,
            line,
            oddity,
            encrypted,
            contents,
        } = section;
        if let Some(oddity) = oddity {
            self.find(writing::oddity(oddity, line, self.file()));
        }
        let contents = match contents {
            Ok(contents) => contents,
            Err(fault) => return self.find(writing::fault(fault, &label, line)),
        };
        if encrypted {
            self.item(Item::EncryptedKey(EncryptedKey {
                form: "OpenSSL's older form (Proc-Type: 4,ENCRYPTED)",
            }));
            return self.encrypted_key();
        }
        let Some(expected) = labelled(&label) else {
            if let Some(finding) = writing::other_section(&label, line) {
                self.find(finding);
            }
            return;
        };
        match kind::object(&contents) {
            // What is missing may be what it would be recognised by.
            Some(object) if object.kind == expected || object.kind == ObjectKind::Unknown => {
                self.object(&Object {
                    kind: expected,
                    ..object
                });
            }
            Some(object) => {
                self.find(Finding::new(
                    Code::Label,
                    format!(
                        "the section in line {line} is labelled {label} and holds {}: programs go by the label; export it again",
                        object.kind.name()
                    ),
                ));
                self.object(&object);
            }
            None => self.find(damaged(
                expected,
                &format!("the section in line {line} is not ASN.1"),
            )),
        }
    }

    /// Looks at an ASN.1 object.
    pub(super) fn object(&mut self, object: &Object<'_>) {
        if object.trailing > 0 {
            self.find(Finding::new(
                Code::TrailingBytes,
                format!(
                    "{} bytes follow the end of {}: some programs refuse it; export it again",
                    object.trailing,
                    object.kind.name()
                ),
            ));
        }
        if object.missing > 0 {
            return self.find(Finding::new(
                Code::Truncated,
                format!(
                    "{} is cut short, {} bytes are missing: download or copy it again, as a binary file",
                    object.kind.name(),
                    object.missing
                ),
            ));
        }
        match object.kind {
            ObjectKind::Certificate => self.certificate(&object.der),
            ObjectKind::Pkcs8 | ObjectKind::Pkcs1 | ObjectKind::Sec1 => {
                self.key(object.kind, &object.der, false);
            }
            ObjectKind::EncryptedKey => self.encrypted_pkcs8(&object.der),
            ObjectKind::Request => self.request(&object.der),
            ObjectKind::Pkcs12 => pkcs12::inspect(self, &object.der),
            other => self.find(foreign::object(other, self.file())),
        }
    }

    /// Looks at a certificate.
    pub(super) fn certificate(&mut self, der: &[u8]) {
        match certificate::examine(der, self.name, self.now) {
            Ok(examined) => {
                let kind = match examined.facts.role {
                    Role::Ca => PartKind::Ca,
                    _ => PartKind::Leaf,
                };
                self.parts.push(Part {
                    kind,
                    public: examined.public,
                });
                examined.findings.into_iter().for_each(|f| self.find(f));
                self.item(Item::Certificate(Box::new(examined.facts)));
            }
            Err(reason) => self.find(damaged(ObjectKind::Certificate, &reason)),
        }
    }

    /// Looks at a private key.
    pub(super) fn key(&mut self, kind: ObjectKind, der: &[u8], encrypted: bool) {
        let Some(examined) = key::examine(kind, der, encrypted, self.name) else {
            return self.find(damaged(
                kind,
                "its structure is not that of a key of its kind",
            ));
        };
        if let Some(public) = examined.public.filter(|_| !examined.signs_tokens) {
            self.parts.push(Part {
                kind: PartKind::Key,
                public,
            });
        }
        examined.findings.into_iter().for_each(|f| self.find(f));
        self.item(Item::Key(Box::new(examined.facts)));
    }

    fn encrypted_pkcs8(&mut self, der: &[u8]) {
        self.encrypted_key();
        let unopened = Item::EncryptedKey(EncryptedKey { form: "PKCS#8" });
        let Some(password) = self.password else {
            return self.item(unopened);
        };
        match decrypt_key(der, password) {
            Ok(key) => self.key(ObjectKind::Pkcs8, key.secret_pkcs8_der(), true),
            Err(error) => {
                self.item(unopened);
                let finding = pkcs12::failure(&error, self.name);
                self.find(finding);
            }
        }
    }

    /// What to say of an encrypted key: it asks for a passphrase where nobody is there to type it.
    fn encrypted_key(&mut self) {
        let finding = if name::says_unencrypted(self.name) {
            Finding::new(
                Code::NotNoenc,
                "its name says that it is not encrypted, and it is: `openssl pkcs12 -nocerts` without -nodes encrypts what it \
                 writes, under a new passphrase",
            )
            .mend("apns-certs pem --p12 PUSH.P12 --cert aps_developer_identity.cer --force")
            .mend(format!("openssl pkcs12 -in PUSH.P12 -nocerts -nodes -out {}", self.file()))
        } else {
            Finding::new(
                Code::EncryptedKey,
                "the private key is encrypted: apns-gateway does not read it, nor does a daemon without its passphrase",
            )
        };
        let finding = finding.mend(format!(
            "openssl pkey -in {} -out unencrypted.pem",
            self.file()
        ));
        self.find(finding);
    }

    fn request(&mut self, der: &[u8]) {
        match csr::read(der) {
            Ok(request) => {
                if let Ok(public) = spki_bits(&request.public_key_der()) {
                    self.parts.push(Part {
                        kind: PartKind::Request,
                        public,
                    });
                }
                self.item(Item::Request(Box::new(request)));
                let finding = if name::says_certificate(self.name) {
                    Finding::new(
                        Code::RequestNotCertificate,
                        "its name is that of a certificate, and it is a signing request, which no program takes for one \
                         (`openssl pkcs12 -export` neither as -in nor as -certfile): give it to the portal and use the .cer that \
                         comes back",
                    )
                } else {
                    Finding::new(
                        Code::Request,
                        "the portal makes a certificate of it; until then it is none, and `openssl pkcs12 -export -certfile` \
                         refuses it",
                    )
                };
                let issue = format!(
                    "apns-certs issue --csr {} --app-id com.example.App --kind development",
                    self.file()
                );
                self.find(finding.mend(issue));
            }
            Err(error) => self.find(Finding::new(Code::RequestRefused, error.to_string())),
        }
    }

    /// What the file is, by what was found in it.
    fn described(&self, format: &str) -> String {
        match self.items.as_slice() {
            [] => format!("{format} with nothing of use"),
            [store @ Item::Store(_)] => store.name(),
            [one] => format!("{} ({format})", one.name()),
            [store @ Item::Store(_), rest @ ..] => {
                let alone = if rest.len() == 1 { " alone" } else { "" };
                format!("{} with {}{alone}", store.name(), listed(rest))
            }
            several => format!("{format} with {}", listed(several)),
        }
    }
}

fn listed(items: &[Item]) -> String {
    match items {
        [] => String::new(),
        [one] => one.name(),
        [first, last] => format!("{} and {}", first.name(), last.name()),
        [first, .., last] => format!(
            "{}, {} more and {}",
            first.name(),
            items.len() - 2,
            last.name()
        ),
    }
}

fn damaged(kind: ObjectKind, reason: &str) -> Finding {
    Finding::new(
        Code::Damaged,
        format!(
            "{} that cannot be read ({reason}): download or export it again",
            kind.name()
        ),
    )
}

/// What a PEM label promises.
fn labelled(label: &str) -> Option<ObjectKind> {
    Some(match label {
        "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => ObjectKind::Certificate,
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => ObjectKind::Request,
        "PRIVATE KEY" => ObjectKind::Pkcs8,
        "RSA PRIVATE KEY" => ObjectKind::Pkcs1,
        "EC PRIVATE KEY" => ObjectKind::Sec1,
        "ENCRYPTED PRIVATE KEY" => ObjectKind::EncryptedKey,
        "PUBLIC KEY" => ObjectKind::PublicKey,
        "PKCS7" | "CMS" => ObjectKind::Pkcs7,
        "X509 CRL" => ObjectKind::RevocationList,
        "PKCS12" => ObjectKind::Pkcs12,
        _ => return None,
    })
}

/// The bits of a public key out of its structure.
fn spki_bits(der: &[u8]) -> Result<Vec<u8>, ()> {
    use x509_parser::der_parser::asn1_rs::FromDer;

    let (_, spki) = x509_parser::x509::SubjectPublicKeyInfo::from_der(der).map_err(drop)?;
    Ok(spki.subject_public_key.data.to_vec())
}
