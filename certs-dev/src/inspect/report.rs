//! The report: for programs as it is, for people as text.

use std::fmt;

use apns_net::credentials::pkcs12::{Outline, Protection};
use serde::Serialize;

use super::certificate::{Certificate, Who};
use super::finding::{Finding, Severity};
use super::key::Key;
use super::words::{date, printable};
use crate::csr::SigningRequest;

/// What was found in all files.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// One for each source, in their order.
    pub files: Vec<FileReport>,
    /// What concerns several files.
    pub findings: Vec<Finding>,
    /// What to do next.
    pub next: Next,
}

/// What was found in one file.
#[derive(Clone, Debug, Serialize)]
pub struct FileReport {
    /// The name it was given under.
    pub name: String,
    /// What it is, in words.
    pub what: String,
    /// What is in it, in its order.
    pub items: Vec<Item>,
    /// What there is to say about it.
    pub findings: Vec<Finding>,
}

/// One thing in a file.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "item", rename_all = "kebab-case")]
pub enum Item {
    /// A certificate.
    Certificate(Box<Certificate>),
    /// A private key that could be looked at.
    Key(Box<Key>),
    /// A private key that is encrypted, under a password that was not given.
    EncryptedKey(EncryptedKey),
    /// A signing request as it should be.
    Request(Box<SigningRequest>),
    /// A PKCS#12 store. What is in it follows, if it could be opened.
    Store(Outline),
}

/// A private key that could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EncryptedKey {
    /// How it is written: "PKCS#8", or OpenSSL's older form.
    pub form: &'static str,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Next {
    /// In words, as a clause.
    pub what: String,
    /// What to type.
    pub commands: Vec<String>,
}

impl Report {
    /// Every finding, those about single files first.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        let files = self.files.iter().flat_map(|file| &file.findings);
        files.chain(&self.findings)
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.findings()
            .map(|finding| finding.severity)
            .max()
            .unwrap_or(Severity::Ok)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            writeln!(f, "{file}")?;
        }
        if !self.findings.is_empty() {
            writeln!(f, "together")?;
            write_findings(f, &self.findings)?;
            writeln!(f)?;
        }
        write!(f, "Next: {}", printable(&self.next.what))?;
        for command in &self.next.commands {
            write!(f, "\n  {}", printable(command))?;
        }
        Ok(())
    }
}

impl fmt::Display for FileReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", printable(&self.name), self.what)?;
        for item in &self.items {
            writeln!(f)?;
            for (name, value) in item.fields() {
                writeln!(f, "  {name:<13} {}", printable(&value))?;
            }
        }
        if !self.findings.is_empty() {
            writeln!(f)?;
        }
        write_findings(f, &self.findings)
    }
}

/// Worst first.
fn write_findings(f: &mut fmt::Formatter<'_>, findings: &[Finding]) -> fmt::Result {
    let mut findings: Vec<_> = findings.iter().collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    for finding in findings {
        let Finding {
            severity,
            code,
            message,
            commands,
        } = finding;
        writeln!(f, "  {severity:<8} {} [{code}]", printable(message))?;
        for command in commands {
            writeln!(f, "             {}", printable(command))?;
        }
    }
    Ok(())
}

impl Item {
    /// What it is, with its article.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Certificate(certificate) => with_article(certificate.what),
            Self::Key(_) => "a private key".to_owned(),
            Self::EncryptedKey(_) => "an encrypted private key".to_owned(),
            Self::Request(_) => "a certificate signing request".to_owned(),
            Self::Store(_) => "a PKCS#12 store".to_owned(),
        }
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Certificate(certificate) => certificate_fields(certificate),
            Self::Key(key) => {
                let encrypted = if key.encrypted { ", encrypted" } else { "" };
                let mut fields = vec![(
                    "private key",
                    format!("{}, {}{encrypted}", key.kind, key.form),
                )];
                fields.extend(key.key_id.clone().map(|id| ("key id", id)));
                fields.push(("APNs", key.apns.to_string()));
                fields.push(("apns-gateway", key.gateway.to_string()));
                fields
            }
            Self::EncryptedKey(key) => vec![("private key", format!("encrypted, {}", key.form))],
            Self::Request(request) => vec![
                ("request for", request.subject.clone()),
                ("key", request.key.to_string()),
                ("signature", format!("{}, verified", request.signature)),
            ],
            Self::Store(outline) => store_fields(outline),
        }
    }
}

fn with_article(what: &str) -> String {
    let article = if what.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {what}")
}

fn certificate_fields(certificate: &Certificate) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("certificate", certificate.what.to_owned()),
        ("subject", certificate.subject.clone()),
    ];
    fields.extend(certificate.topic.clone().map(|topic| ("topic", topic)));
    if !certificate.topics.is_empty() {
        fields.push(("all topics", certificate.topics.join(", ")));
    }
    if !certificate.environments.is_empty() {
        fields.push(("environment", certificate.environments.to_string()));
    }
    let validity = &certificate.validity;
    fields.push((
        "validity",
        format!(
            "{} ({} to {})",
            validity.words,
            date(&validity.not_before),
            date(&validity.not_after)
        ),
    ));
    fields.push(("key", certificate.key.clone()));
    fields.push(("signature", certificate.signature.clone()));
    let issuer = match certificate.issuer.who {
        Who::Apple => "Apple, by its name",
        Who::StandIn => "a development stand-in for Apple",
        Who::Itself => "itself",
        Who::Unknown => "not known here",
    };
    let name = &certificate.issuer.name;
    fields.push(("issuer", format!("{issuer}: {name}")));
    fields.push(("serial", certificate.serial.clone()));
    fields.push(("pin (SHA-256)", certificate.pin.to_string()));
    fields.push(("APNs", certificate.apns.to_string()));
    fields.push(("apns-gateway", certificate.gateway.to_string()));
    fields
}

fn store_fields(outline: &Outline) -> Vec<(&'static str, String)> {
    let protection = |protection: &Protection| match protection.iterations {
        Some(1) => format!("{}, 1 round", protection.name),
        Some(rounds) => format!("{}, {rounds} rounds", protection.name),
        None => format!("{}, not supported", protection.name),
    };
    let mut fields = Vec::new();
    for part in &outline.parts {
        if let Some(encryption) = &part.protection {
            fields.push(("encryption", protection(encryption)));
        }
    }
    for bag in outline.bags() {
        if let Some(encryption) = &bag.protection {
            fields.push(("key's own", protection(encryption)));
        }
    }
    let names = outline.bags().filter_map(|bag| bag.friendly_name.as_ref());
    for name in names {
        let field = ("called", name.clone());
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    let mac = outline
        .mac
        .as_ref()
        .map_or_else(|| "none".to_owned(), protection);
    fields.push(("integrity", mac));
    fields
}
