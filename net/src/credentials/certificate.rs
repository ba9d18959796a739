//! What a provider or device certificate says about its holder.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::{Any, FromDer, Oid, Tag};
use x509_parser::der_parser::oid;
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Name;

use super::error::{CredentialsError, Origin};
use super::{Environment, Environments};

/// The subject's user id: in a push certificate the bundle id, and so the topic [P-60].
const USER_ID: Oid<'static> = oid!(0.9.2342.19200300.100.1.1);
/// Apple's mark of a certificate for the sandbox [P-62].
const SANDBOX: Oid<'static> = oid!(1.2.840.113635.100.6.3.1);
/// Apple's mark of a certificate for production [P-62].
const PRODUCTION: Oid<'static> = oid!(1.2.840.113635.100.6.3.2);
/// Apple's list of the topics a universal certificate may name [P-63].
const TOPICS: Oid<'static> = oid!(1.2.840.113635.100.6.3.6);

/// What is worth knowing of a peer's certificate, taken from its DER once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateInfo {
    /// The subject's common name; empty where there is none.
    pub common_name: String,
    /// The subject's UID: the bundle id [P-60]. `None` in certificates that are not for push.
    pub topic: Option<String>,
    /// The topics listed in 1.2.840.113635.100.6.3.6, in their order [P-63]; empty where there is no list.
    pub topics: Vec<String>,
    /// Where the certificate may be used [P-62].
    pub environments: Environments,
    /// The subject's organizational unit: Apple's team id.
    pub team: Option<String>,
    /// The subject's organization: in a provider's certificate the company.
    pub organization: Option<String>,
    /// The first instant of validity [P-64].
    pub not_before: SystemTime,
    /// The last instant of validity [P-64].
    pub not_after: SystemTime,
    /// The fingerprint by which a configuration names this certificate.
    pub pin: Pin,
}

impl CertificateInfo {
    /// Reads a certificate. Extensions that cannot be read count as absent: whether such a certificate is let in is
    /// the policy's decision, and a certificate without a topic or an environment is let in nowhere.
    ///
    /// # Errors
    /// The bytes are not one whole X.509 certificate.
    pub fn parse(der: &CertificateDer<'_>) -> Result<Self, CredentialsError> {
        let unreadable = |reason: String| CredentialsError::Certificate {
            origin: Origin::Memory,
            reason,
        };
        let (rest, certificate) =
            X509Certificate::from_der(der).map_err(|error| unreadable(error.to_string()))?;
        if !rest.is_empty() {
            return Err(unreadable(format!("{} bytes follow it", rest.len())));
        }
        let subject = certificate.subject();
        let has = |oid: &Oid<'_>| certificate.extensions().iter().any(|e| e.oid == *oid);
        Ok(Self {
            common_name: subject
                .iter_common_name()
                .next()
                .and_then(|name| name.as_str().ok())
                .unwrap_or_default()
                .to_owned(),
            topic: attribute(subject, &USER_ID),
            topics: certificate
                .extensions()
                .iter()
                .find(|e| e.oid == TOPICS)
                .map(|e| topics(e.value))
                .unwrap_or_default(),
            environments: Environments {
                sandbox: has(&SANDBOX),
                production: has(&PRODUCTION),
            },
            team: subject
                .iter_organizational_unit()
                .next()
                .and_then(|unit| unit.as_str().ok())
                .map(ToOwned::to_owned),
            organization: subject
                .iter_organization()
                .next()
                .and_then(|organization| organization.as_str().ok())
                .map(ToOwned::to_owned),
            not_before: system_time(certificate.validity().not_before),
            not_after: system_time(certificate.validity().not_after),
            pin: Pin::of(der),
        })
    }

    /// Whether this is a VoIP services certificate [P-61], which may carry payloads of 4096 bytes [P-21].
    pub fn is_voip(&self) -> bool {
        let voip_topic = self
            .topic
            .as_deref()
            .is_some_and(|topic| topic.ends_with(".voip"));
        voip_topic || self.common_name.starts_with("VoIP Services:")
    }

    /// Whether `now` lies within the validity, both ends included [P-64].
    pub fn valid_at(&self, now: SystemTime) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// Whether the certificate is one of Apple's for providers: it names a topic or an environment.
    pub fn is_push(&self) -> bool {
        self.topic.is_some() || !self.topics.is_empty() || !self.environments.is_empty()
    }

    /// Whether the certificate may be used in `environment` [P-05].
    pub fn permits(&self, environment: Environment) -> bool {
        self.environments.permits(environment)
    }
}

/// Whether the certificate names itself as its issuer.
pub(crate) fn is_self_issued(der: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(der)
        .is_ok_and(|(_, certificate)| certificate.subject() == certificate.issuer())
}

/// The first subject attribute of that kind, if it is text and not empty.
fn attribute(name: &X509Name<'_>, oid: &Oid<'_>) -> Option<String> {
    let value = name.iter_by_oid(oid).next()?.as_str().ok()?;
    (!value.is_empty()).then(|| value.to_owned())
}

/// The topics of the list: UTF-8 strings alternating with the sequences that say what kind each is.
fn topics(value: &[u8]) -> Vec<String> {
    let Ok((_, list)) = Any::from_der(value) else {
        return Vec::new();
    };
    let mut rest = list.data;
    let mut topics = Vec::new();
    while let Ok((behind, item)) = Any::from_der(rest) {
        if item.tag() == Tag::Utf8String
            && let Ok(topic) = std::str::from_utf8(item.data)
        {
            topics.push(topic.to_owned());
        }
        rest = behind;
    }
    topics
}

fn system_time(time: ASN1Time) -> SystemTime {
    let seconds = Duration::from_secs(time.timestamp().unsigned_abs());
    if time.timestamp() < 0 {
        SystemTime::UNIX_EPOCH - seconds
    } else {
        SystemTime::UNIX_EPOCH + seconds
    }
}

/// The SHA-256 of a certificate's DER: names exactly one certificate, whoever issued it and however old it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pin([u8; 32]);

impl Pin {
    /// The pin of a certificate.
    pub fn of(der: &CertificateDer<'_>) -> Self {
        let mut pin = [0; 32];
        pin.copy_from_slice(digest::digest(&digest::SHA256, der).as_ref());
        Self(pin)
    }

    /// The digest.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Pin {
    fn from(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

impl FromStr for Pin {
    type Err = PinError;

    /// Hexadecimal in either case, plain or with colons, as `openssl x509 -noout -fingerprint -sha256` prints it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.trim().replace(':', "");
        let bytes = HEXLOWER_PERMISSIVE
            .decode(digits.as_bytes())
            .map_err(|_| PinError)?;
        let digest = <[u8; 32]>::try_from(bytes).map_err(|_| PinError)?;
        Ok(Self(digest))
    }
}

impl TryFrom<String> for Pin {
    type Error = PinError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Pin> for String {
    fn from(pin: Pin) -> Self {
        pin.to_string()
    }
}

/// Text that is not a SHA-256 fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a SHA-256 fingerprint: expected 64 hexadecimal digits, with or without colons, as printed by \
     `openssl x509 -in FILE -noout -fingerprint -sha256`"
)]
pub struct PinError;
