//! What a certificate is for, by its names and marks.

use apns_net::credentials::CertificateInfo;
use serde::Serialize;
use x509_parser::certificate::X509Certificate;

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A provider shows it to APNs.
    Push,
    /// It issues others.
    Ca,
    /// A server shows it.
    Server,
    /// It signs apps, for development or the store.
    Signing,
    /// A device or another client shows it.
    Client,
    /// None of these.
    Other,
}

impl Role {
    pub(super) fn of(certificate: &X509Certificate<'_>, info: &CertificateInfo) -> Self {
        // Xcode's: its subject's UID is the developer, not a bundle id.
        const SIGNING: [&str; 9] = [
            "iPhone Developer",
            "iPhone Distribution",
            "Apple Development",
            "Apple Distribution",
            "Mac Developer",
            "Mac App Distribution",
            "3rd Party Mac Developer Application",
            "3rd Party Mac Developer Installer",
            "Developer ID Application",
        ];
        let prefix = info.common_name.split(':').next().unwrap_or_default();
        let purposes = certificate.extended_key_usage().ok().flatten();
        let purposes = purposes.as_ref().map(|extension| extension.value);
        if SIGNING.contains(&prefix) || purposes.is_some_and(|p| p.code_signing) {
            Self::Signing
        } else if info.is_push() {
            Self::Push
        } else if certificate.is_ca() {
            Self::Ca
        } else if purposes.is_some_and(|p| p.server_auth) {
            Self::Server
        } else if purposes.is_some_and(|p| p.client_auth) {
            Self::Client
        } else {
            Self::Other
        }
    }
}

/// What a push certificate is called, and the portal's word for its kind, by the beginning of its common name [P-61].
pub(super) fn push_kind(info: &CertificateInfo) -> (&'static str, &'static str) {
    const KINDS: [(&str, &str, &str); 9] = [
        (
            "Apple Development IOS Push Services",
            "push certificate for development (iOS)",
            "development",
        ),
        (
            "Apple Production IOS Push Services",
            "push certificate for production (iOS)",
            "production",
        ),
        (
            "Apple Development Mac Push Services",
            "push certificate for development (macOS)",
            "development",
        ),
        (
            "Apple Production Mac Push Services",
            "push certificate for production (macOS)",
            "production",
        ),
        (
            "Apple Push Services",
            "push certificate for both environments",
            "universal",
        ),
        ("VoIP Services", "VoIP push certificate", "voip"),
        (
            "WatchKit Services",
            "watchOS complication certificate",
            "universal",
        ),
        ("Website Push ID", "website push certificate", "web"),
        ("Pass Type ID", "pass certificate (Wallet)", "pass"),
    ];
    let prefix = info.common_name.split(':').next().unwrap_or_default();
    if let Some((_, what, kind)) = KINDS.iter().find(|(start, _, _)| *start == prefix) {
        return (what, kind);
    }
    let topic = info.topic.as_deref().unwrap_or_default();
    if topic.starts_with("com.apple.mgmt.") {
        ("device management push certificate (MDM)", "mdm")
    } else {
        ("push certificate", "universal")
    }
}
