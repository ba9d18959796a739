//! What to do next, when all is said.

use super::file::{Inspected, Part, PartKind};
use super::finding::{Code, Finding, Severity};
use super::report::Next;
use crate::shell::Word;

pub(super) fn next(files: &[Inspected], together: &[Finding]) -> Next {
    let findings = || {
        let each = files.iter().flat_map(|file| &file.report.findings);
        each.chain(together)
    };
    let errors: Vec<_> = findings()
        .filter(|finding| finding.severity == Severity::Error)
        .collect();
    if !errors.is_empty() {
        let command = errors.iter().find_map(|error| error.commands.first());
        return next_is(
            if errors.len() == 1 {
                "mend the error above, then inspect again"
            } else {
                "mend the errors above, the first one first, then inspect again"
            },
            command.cloned(),
        );
    }
    if let Some(locked) = findings().find(|finding| finding.code == Code::Locked) {
        return next_is(
            "look inside, with the password",
            locked.commands.first().cloned(),
        );
    }
    complete(files)
        .or_else(|| incomplete(files))
        .unwrap_or_else(|| {
            let warning = findings().find(|finding| finding.severity == Severity::Warning);
            warning.map_or_else(
                || next_is("nothing: all is well", None),
                |warning| {
                    next_is(
                        "see to the warning above",
                        warning.commands.first().cloned(),
                    )
                },
            )
        })
}

fn next_is(what: impl Into<String>, commands: impl IntoIterator<Item = String>) -> Next {
    Next {
        what: what.into(),
        commands: commands.into_iter().collect(),
    }
}

/// A certificate with its key: ready for use.
fn complete(files: &[Inspected]) -> Option<Next> {
    for of_certificate in files {
        for leaf in certificates(of_certificate) {
            let of_key = |file: &&Inspected| {
                let mut parts = file.parts.iter();
                parts.any(|part| part.kind == PartKind::Key && part.public == leaf.public)
            };
            let same = Some(of_certificate).filter(of_key);
            let Some(of_key) = same.or_else(|| files.iter().find(of_key)) else {
                continue;
            };
            let (certificate, key) = (Word(&of_certificate.report.name), Word(&of_key.report.name));
            if same.is_none() && of_key.is_store() {
                return Some(next_is(
                    "put key and certificate into what your backend reads: PEM (PHP, Python, Ruby), then PKCS#12 (Java, .NET)",
                    [
                        format!("apns-certs pem --cert {certificate} --p12 {key}"),
                        format!("apns-certs p12 --cert {certificate} --key push_noenc.pem"),
                    ],
                ));
            }
            if same.is_none() {
                return Some(next_is(
                    "put key and certificate into what your backend reads: PEM (PHP, Python, Ruby) or PKCS#12 (Java, .NET)",
                    [
                        format!("apns-certs pem --cert {certificate} --key {key}"),
                        format!("apns-certs p12 --cert {certificate} --key {key}"),
                    ],
                ));
            }
            return Some(if of_certificate.is_store() {
                next_is(
                    "give it to your backend (Java, .NET), or make PEM of it (PHP, Python, Ruby)",
                    [format!("apns-certs pem --p12 {certificate}")],
                )
            } else {
                next_is(
                    "give it to your backend, or connect with it as a backend would",
                    [format!(
                        "openssl s_client -connect 127.0.0.1:2195 -cert {certificate} -key {certificate}"
                    )],
                )
            });
        }
    }
    None
}

/// One half of a pair, or something that comes before it.
fn incomplete(files: &[Inspected]) -> Option<Next> {
    let first = |kind: PartKind| {
        files
            .iter()
            .find(|file| file.parts.iter().any(|part| part.kind == kind))
            .map(|file| (Word(&file.report.name), file.is_store()))
    };
    if let Some((request, _)) = first(PartKind::Request) {
        return Some(next_is(
            "have the portal issue a certificate for the signing request",
            [format!(
                "apns-certs issue --csr {request} --app-id com.example.App --kind development"
            )],
        ));
    }
    if let Some((certificate, _)) = first(PartKind::Leaf) {
        return Some(next_is(
            "see whether your private key belongs to it",
            [format!("apns-certs inspect {certificate} PUSH.P12")],
        ));
    }
    let (key, is_store) = first(PartKind::Key)?;
    let option = if is_store { "--p12" } else { "--key" };
    Some(next_is(
        "put the portal's certificate to it",
        [format!(
            "apns-certs pem {option} {key} --cert aps_developer_identity.cer"
        )],
    ))
}

fn certificates(file: &Inspected) -> impl Iterator<Item = &Part> {
    file.parts.iter().filter(|part| part.kind == PartKind::Leaf)
}
