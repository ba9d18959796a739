//! Files that are something else: what they are, and where the right one is.

use super::finding::{Code, Finding};
use super::kind::{Content, ObjectKind};
use crate::files::Unreadable;
use crate::shell::Word;

/// What to say of a file that was not read.
pub(super) fn unreadable(error: &Unreadable, file: Word<&str>) -> Finding {
    match error {
        Unreadable::Io(error) => Finding::new(
            Code::Unreadable,
            format!("{error}: check the name, and that you may read it"),
        ),
        Unreadable::Folder => Finding::new(
            Code::Folder,
            "a folder cannot be inspected: name the files in it",
        )
        .mend(format!("apns-certs inspect {}/*", file)),
        Unreadable::NotRegular => Finding::new(
            Code::NotRegular,
            "a pipe or device may never end and is not read: save it as a file first",
        ),
        Unreadable::TooLarge { len } => Finding::new(
            Code::TooLarge,
            format!(
                "{len} bytes are more than any certificate, key or store has, and were not read: is it the file you mean?"
            ),
        ),
    }
}

/// What is neither PEM nor ASN.1, and what to say of it.
pub(super) fn content(content: &Content<'_>, file: Word<&str>) -> (&'static str, Finding) {
    match content {
            Content::Empty => (
                "empty",
                Finding::new(
                    Code::Empty,
                    "there is nothing in it: the command that wrote it failed, or the disk was full; write it again",
                ),
            ),
            Content::AlmostPem => (
                "almost PEM",
                Finding::new(
                    Code::BeginLine,
                    "its BEGIN lines are not PEM's: each must be exactly five hyphens, BEGIN, the label, five hyphens \
                     (\"-----BEGIN CERTIFICATE-----\"), which word processors turn into dashes; copy it again as plain text",
                ),
            ),
            Content::Utf16 => (
                "UTF-16 text",
                Finding::new(
                    Code::Utf16,
                    "text of two bytes a character, as PowerShell's > and Windows editors write it: no program reads PEM so",
                )
                .mend(format!("iconv -f UTF-16 -t UTF-8 {file} > utf8.pem")),
            ),
            Content::WebPage => (
                "a web page",
                Finding::new(
                    Code::WebPage,
                    "a web page was saved in its place, often a login or error page: sign in and download the file again",
                ),
            ),
            Content::JavaKeystore => (
                "a Java keystore",
                Finding::new(
                    Code::JavaKeystore,
                    "only Java reads it: convert it to PKCS#12, then inspect that",
                )
                .mend(format!(
                    "keytool -importkeystore -srckeystore {file} -destkeystore push.p12 -deststoretype PKCS12"
                )),
            ),
            Content::DeviceToken => (
                "a device token",
                Finding::new(
                    Code::DeviceToken,
                    "a device token names a phone to push to; it is neither a certificate nor a key",
                ),
            ),
            _ => (
                "nothing known here",
                Finding::new(
                    Code::Unknown,
                    "neither PEM, DER, PKCS#12 nor anything else of the certificate flow: is it the file you mean, and was it \
                     copied as a binary file?",
                ),
            ),
        }
}

/// What to say of ASN.1 that push has no use for.
pub(super) fn object(kind: ObjectKind, file: Word<&str>) -> Finding {
    match kind {
            ObjectKind::PublicKey => Finding::new(
                Code::PublicKey,
                "the public half of a key, which proves nothing: the private key is where the signing request was made",
            ),
            ObjectKind::Pkcs7 => Finding::new(
                Code::Pkcs7,
                "PKCS#7 may hold certificates, and no keys; push clients do not read it: take the certificates out",
            )
            .mend(format!("openssl pkcs7 -inform der -in {file} -print_certs -out certificates.pem")),
            ObjectKind::ProvisioningProfile => Finding::new(
                Code::ProvisioningProfile,
                "a provisioning profile is for building the app, not for pushing; the certificate is on the portal's \
                 Certificates page. Whether the app may receive pushes is its aps-environment:",
            )
            .mend(format!("openssl smime -inform der -verify -noverify -in {file}")),
            ObjectKind::RevocationList => Finding::new(
                Code::RevocationList,
                "a list of revoked certificates: neither APNs nor push clients take it",
            ),
            _ => Finding::new(
                Code::Unknown,
                "ASN.1, but nothing of the certificate flow: is it the file you mean?",
            ),
        }
}
