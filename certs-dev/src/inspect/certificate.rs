//! Certificates: what they say, who would take them, what is wrong with them.

use std::time::SystemTime;

use apns_net::credentials::{CertificateInfo, Environments, Pin};
use rustls::pki_types::CertificateDer;
use serde::Serialize;
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::{FromDer, Oid};
use x509_parser::der_parser::oid;
use x509_parser::oid_registry::{OidEntry, OidRegistry};
use x509_parser::x509::X509Name;

use super::finding::Finding;
use super::judge::Case;
use super::role::{Role, push_kind};
use super::verdict::Verdict;
use super::words::Validity;
use crate::public_key::{self, PublicKeyKind};

/// The subject's user id [P-60].
const USER_ID: Oid<'static> = oid!(0.9.2342.19200300.100.1.1);

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// What it is, in words.
    pub what: &'static str,
    /// What it is for.
    pub role: Role,
    /// Its holder, most specific part first.
    pub subject: String,
    /// The topic it stands for: the subject's UID [P-60].
    pub topic: Option<String>,
    /// All topics it lists [P-63]; empty where there is no list.
    pub topics: Vec<String>,
    /// Where it may be used [P-62].
    pub environments: Environments,
    /// Apple's team id.
    pub team: Option<String>,
    /// Its number with its issuer, in hexadecimal.
    pub serial: String,
    /// From when to when it is valid.
    pub validity: Validity,
    /// The kind and length of its key: "RSA 2048".
    pub key: String,
    /// What it is signed with, in OpenSSL's words.
    pub signature: String,
    /// Whose issuer is who.
    pub issuer: Issuer,
    /// Its fingerprint, as apns-gateway's configuration names it.
    pub pin: Pin,
    /// Whether today's APNs would take it.
    pub apns: Verdict,
    /// Whether apns-gateway would take it.
    pub gateway: Verdict,
}

/// Who issued a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Issuer {
    /// Whose it is.
    pub who: Who,
    /// Its common name, or its whole name where it has none.
    pub name: String,
}

/// Whose an issuer is, by its name; whether it really signed takes its certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// It calls itself Apple's [P-65].
    Apple,
    /// A CA of ours, for development.
    StandIn,
    /// The certificate itself.
    Itself,
    /// Anybody else.
    Unknown,
}

/// A certificate, with what it is compared by.
pub(super) struct Examined {
    pub(super) facts: Certificate,
    pub(super) findings: Vec<Finding>,
    /// The bits of its public key.
    pub(super) public: Vec<u8>,
}

/// Looks at a certificate; the reason when it is damaged.
pub(super) fn examine(der: &[u8], name: &str, now: SystemTime) -> Result<Examined, String> {
    let (_, certificate) = X509Certificate::from_der(der)
        .map_err(|_| "its structure is not that of X.509".to_owned())?;
    let info = CertificateInfo::parse(&CertificateDer::from(der))
        .map_err(|_| "its structure is not that of X.509".to_owned())?;
    let role = Role::of(&certificate, &info);
    let kind = PublicKeyKind::of(certificate.public_key());
    let issuer = Issuer::of(&certificate);
    let validity = Validity::of(&info, now);
    let signature = public_key::name(&certificate.signature_algorithm.algorithm);
    let case = Case {
        name,
        info: &info,
        role,
        key: &kind,
        issuer: &issuer,
        validity: &validity,
        signature: &signature,
        shown_by_clients: certificate
            .extended_key_usage()
            .ok()
            .flatten()
            .is_none_or(|purposes| purposes.value.client_auth || purposes.value.any),
    };
    let findings = case.findings();
    let (apns, gateway) = (case.apns(), case.gateway());
    Ok(Examined {
        findings,
        public: certificate.public_key().subject_public_key.data.to_vec(),
        facts: Certificate {
            what: what(role, &info),
            role,
            subject: distinguished(certificate.subject()),
            serial: certificate.raw_serial_as_string(),
            key: kind.to_string(),
            signature,
            issuer,
            validity,
            apns,
            gateway,
            topic: info.topic.filter(|_| role == Role::Push),
            topics: info.topics,
            environments: info.environments,
            team: info
                .team
                .filter(|_| matches!(role, Role::Push | Role::Signing)),
            pin: info.pin,
        },
    })
}

fn what(role: Role, info: &CertificateInfo) -> &'static str {
    match role {
        Role::Push => push_kind(info).0,
        Role::Ca => "CA certificate",
        Role::Server => "server certificate",
        Role::Signing => "certificate for signing apps",
        Role::Client => "client or device certificate",
        Role::Other => "certificate",
    }
}

impl Issuer {
    fn of(certificate: &X509Certificate<'_>) -> Self {
        let issuer = certificate.issuer();
        let organization = issuer
            .iter_organization()
            .find_map(|name| name.as_str().ok())
            .unwrap_or_default();
        let who = if certificate.subject().as_raw() == issuer.as_raw() {
            Who::Itself
        } else if organization.contains("development stand-in") {
            Who::StandIn
        } else if matches!(organization, "Apple Inc." | "Apple Computer, Inc.") {
            Who::Apple
        } else {
            Who::Unknown
        };
        Self {
            who,
            name: issuer
                .iter_common_name()
                .find_map(|name| name.as_str().ok())
                .map_or_else(|| distinguished(issuer), str::to_owned),
        }
    }
}

fn distinguished(name: &X509Name<'_>) -> String {
    use std::sync::OnceLock;

    static NAMES: OnceLock<OidRegistry<'static>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let mut names = OidRegistry::default().with_all_crypto().with_x509();
        names.insert(USER_ID, OidEntry::new("UID", "user id"));
        names
    });
    name.to_string_with_registry(names)
        .unwrap_or_else(|_| "a name that cannot be read".to_owned())
}
