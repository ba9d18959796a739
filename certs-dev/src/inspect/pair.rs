//! Which keys and certificates belong together, in one file and across all that were named.

use super::file::{Inspected, Part, PartKind};
use super::finding::{Code, Finding};

/// Compares everything with everything; what concerns one file is added to its findings, the rest is returned.
pub(super) fn compare(files: &mut [Inspected]) -> Vec<Finding> {
    let mut together = Vec::new();
    for of_key in 0..files.len() {
        let mut within = Vec::new();
        for key in parts(&files[of_key], PartKind::Key) {
            let mut matched = false;
            for (of_other, other) in files.iter().enumerate() {
                for part in other.parts.iter().filter(|part| part.public == key.public) {
                    let what = match part.kind {
                        PartKind::Leaf | PartKind::Ca => {
                            matched = true;
                            "certificate"
                        }
                        PartKind::Request => "signing request",
                        PartKind::Key => continue,
                    };
                    if of_other == of_key {
                        within.push(Finding::new(
                            Code::Pair,
                            format!("the private key belongs to the {what}"),
                        ));
                    } else {
                        together.push(Finding::new(
                            Code::Pair,
                            format!(
                                "the private key in {} belongs to the {what} in {}",
                                files[of_key].report.name, other.report.name
                            ),
                        ));
                    }
                }
            }
            if matched {
                continue;
            }
            for (of_other, other) in files.iter().enumerate() {
                if parts(other, PartKind::Leaf).all(|leaf| has_key(files, leaf)) {
                    continue;
                }
                if of_other == of_key {
                    within.push(mismatch("the private key and the certificate"));
                } else if parts(&files[of_key], PartKind::Leaf).next().is_none() {
                    together.push(mismatch(&format!(
                        "the private key in {} and the certificate in {}",
                        files[of_key].report.name, other.report.name
                    )));
                }
            }
        }
        for finding in within {
            let findings = &mut files[of_key].report.findings;
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    for of_certificate in 0..files.len() {
        for leaf in parts(&files[of_certificate], PartKind::Leaf) {
            for (of_request, other) in files.iter().enumerate() {
                let made_for = of_request != of_certificate
                    && parts(other, PartKind::Request).any(|request| request.public == leaf.public);
                if made_for {
                    together.push(Finding::new(
                        Code::Pair,
                        format!(
                            "the certificate in {} was issued for the signing request in {}",
                            files[of_certificate].report.name, other.report.name
                        ),
                    ));
                }
            }
        }
    }
    together
}

/// What there is to say of the order in a file of PEM: whether the certificate of its key comes first, and before the key.
pub(super) fn order(parts: &[Part]) -> Vec<Finding> {
    let position = |kind| parts.iter().position(|part| part.kind == kind);
    let keys = parts.iter().filter(|part| part.kind == PartKind::Key);
    let several = keys.count() > 1;
    let (Some(key), Some(leaf)) = (position(PartKind::Key), position(PartKind::Leaf)) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let public = &parts[key].public;
    let is_certificate = |part: &Part| matches!(part.kind, PartKind::Leaf | PartKind::Ca);
    let mut certificates = parts.iter().filter(|part| is_certificate(part));
    let first_fits = certificates
        .next()
        .is_some_and(|first| first.public == *public);
    let later_fits = certificates.any(|part| part.public == *public);
    if several {
        findings.push(Finding::new(
                Code::SeveralKeys,
                "it holds more than one private key, and programs take the first: leave only the one that belongs to the first \
                 certificate",
            ));
    }
    if !first_fits && later_fits {
        findings.push(Finding::new(
                Code::LeafNotFirst,
                "the key belongs to a certificate that is not the first, and programs show the first: put the key's \
                 certificate first, those of its issuers behind it",
            ));
    }
    if key < leaf {
        findings.push(Finding::new(
                Code::KeyFirst,
                "the key comes before the certificate: OpenSSL (and so PHP and Python) and apns-gateway read both orders",
            ));
    }
    findings
}

fn parts(file: &Inspected, kind: PartKind) -> impl Iterator<Item = &Part> {
    file.parts.iter().filter(move |part| part.kind == kind)
}

/// Whether the key of a certificate is in any of the files.
fn has_key(files: &[Inspected], certificate: &Part) -> bool {
    files
        .iter()
        .flat_map(|file| parts(file, PartKind::Key))
        .any(|key| key.public == certificate.public)
}

fn mismatch(which: &str) -> Finding {
    Finding::new(
        Code::KeyMismatch,
        format!(
            "{which} belong to different pairs: find the key that the certificate's signing request was made with, or have the \
             portal issue a certificate for this key"
        ),
    )
    .mend("apns-certs csr --key KEY --email you@example.com --name \"Example Push\"")
}
