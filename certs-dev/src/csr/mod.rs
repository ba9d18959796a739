//! Certificate signing requests: [`create`] makes one as Keychain does, [`read`] judges one as the portal does.
//!
//! A request proves that whoever made it has the private key: it is signed with it. What is asked for beside the key (a
//! name, extensions) is shown and not heeded, as at the portal: that decides what a certificate says.

mod error;

use std::borrow::Cow;
use std::fmt;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, PublicKeyData,
    SubjectPublicKeyInfo,
};
use serde::Serialize;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::der_parser::asn1_rs::FromDer;
use x509_parser::error::X509Error;
use x509_parser::pem::Pem;
use x509_parser::x509::AttributeTypeAndValue;

use crate::mint::{KeyKind, MintError};
use crate::public_key::{self, PublicKeyKind};
use crate::push::country;

pub use error::{CsrError, Instead};

/// The subject attribute Keychain writes the address in.
const EMAIL_ADDRESS: [u64; 7] = [1, 2, 840, 113_549, 1, 9, 1];

/// A signing request with the private key it was made with.
#[derive(Clone)]
pub struct NewRequest {
    /// The request, for the portal.
    pub request_pem: String,
    /// The private key, PKCS#8. A secret, and useless without the certificate to come.
    pub key_pem: String,
}

impl fmt::Debug for NewRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewRequest")
            .field("request_pem", &self.request_pem)
            .finish_non_exhaustive()
    }
}

/// Makes a key and a request for it with the subject Keychain writes: address, common name, country.
///
/// # Errors
/// The address is not ASCII, or this machine cannot generate keys.
pub fn create(email: &str, name: &str, key: KeyKind) -> Result<NewRequest, MintError> {
    request(email, name, &key.generate()?)
}

/// Makes a request for a key that is there already, to renew its certificate.
///
/// # Errors
/// The address is not ASCII, or the key is not an unencrypted one in PEM of a kind that is certified.
pub fn create_for(email: &str, name: &str, key_pem: &str) -> Result<NewRequest, MintError> {
    request(
        email,
        name,
        &KeyPair::from_pem(key_pem).map_err(MintError::Key)?,
    )
}

fn request(email: &str, name: &str, key: &KeyPair) -> Result<NewRequest, MintError> {
    let address = email.try_into().map_err(|_| MintError::Email)?;
    let mut subject = DistinguishedName::new();
    subject.push(
        DnType::CustomDnType(EMAIL_ADDRESS.to_vec()),
        DnValue::Ia5String(address),
    );
    subject.push(DnType::CommonName, name);
    subject.push(DnType::CountryName, country()?);
    let mut params = CertificateParams::default();
    params.distinguished_name = subject;
    Ok(NewRequest {
        request_pem: params.serialize_request(key)?.pem()?,
        key_pem: key.serialize_pem(),
    })
}

/// What a signing request says, its signature checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningRequest {
    /// The subject, as OpenSSL prints it on one line.
    pub subject: String,
    /// The subject's common name.
    pub common_name: Option<String>,
    /// The subject's email address.
    pub email: Option<String>,
    /// The kind of the key to be certified.
    pub key: PublicKeyKind,
    /// What the request is signed with, in OpenSSL's words: `sha256WithRSAEncryption`.
    pub signature: String,
    public_key: SubjectPublicKeyInfo,
}

impl SigningRequest {
    /// The key to be certified, as DER (SubjectPublicKeyInfo).
    pub fn public_key_der(&self) -> Vec<u8> {
        self.public_key.subject_public_key_info()
    }

    pub(crate) const fn public_key(&self) -> &SubjectPublicKeyInfo {
        &self.public_key
    }
}

/// What is worth telling of a request, for JSON.
impl Serialize for SigningRequest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;

        let mut request = serializer.serialize_struct("SigningRequest", 5)?;
        request.serialize_field("subject", &self.subject)?;
        request.serialize_field("common_name", &self.common_name)?;
        request.serialize_field("email", &self.email)?;
        request.serialize_field("key", &self.key.to_string())?;
        request.serialize_field("signature", &self.signature)?;
        request.end()
    }
}

/// Reads a request in PEM (`CERTIFICATE REQUEST`, or `NEW CERTIFICATE REQUEST` as Java and Windows write) or DER, and
/// verifies that it was signed with the key it asks a certificate for. Signed over SHA-1 is good enough: a Keychain of 2011
/// did, and what is signed is nobody's word but the holder's own.
///
/// # Errors
/// It is not a request, is damaged, its signature is wrong, or its key or signature is of a kind not certified.
pub fn read(bytes: &[u8]) -> Result<SigningRequest, CsrError> {
    let der = der(bytes)?;
    let Ok((rest, request)) = X509CertificationRequest::from_der(&der) else {
        return Err(match error::not_a_request(&der) {
            CsrError::NoRequest if der.first() == Some(&SEQUENCE) => CsrError::Damaged,
            other => other,
        });
    };
    if !rest.is_empty() {
        return Err(CsrError::Damaged);
    }
    let info = &request.certification_request_info;
    // First, since the signature of a weak key is not even looked at.
    let key = PublicKeyKind::of(&info.subject_pki);
    match key {
        _ if key.has_bad_length() => return Err(CsrError::KeyLength(key.to_string())),
        PublicKeyKind::Rsa(_) | PublicKeyKind::P256 | PublicKeyKind::P384 => {}
        _ => return Err(CsrError::Key(key.to_string())),
    }
    let signature = public_key::name(&request.signature_algorithm.algorithm);
    match request.verify_signature() {
        Ok(()) => {}
        Err(X509Error::SignatureUnsupportedAlgorithm) => {
            return Err(CsrError::Signature(signature));
        }
        Err(_) => return Err(CsrError::BadSignature),
    }
    let public_key = SubjectPublicKeyInfo::from_der(info.subject_pki.raw)
        .map_err(|_| CsrError::Key(key.to_string()))?;
    Ok(SigningRequest {
        subject: info.subject.to_string(),
        common_name: first(info.subject.iter_common_name()),
        email: first(info.subject.iter_email()),
        key,
        signature,
        public_key,
    })
}

const SEQUENCE: u8 = 0x30;

/// The request itself, out of its PEM if it has one.
fn der(bytes: &[u8]) -> Result<Cow<'_, [u8]>, CsrError> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    if !bytes.windows(BEGIN.len()).any(|window| window == BEGIN) {
        return Ok(Cow::Borrowed(bytes));
    }
    for section in Pem::iter_from_buffer(bytes) {
        match section {
            Ok(section) if REQUEST_LABELS.contains(&section.label.as_str()) => {
                return Ok(Cow::Owned(section.contents));
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    let labelled = REQUEST_LABELS.iter().any(|label| {
        let begin = format!("-----BEGIN {label}-----");
        bytes
            .windows(begin.len())
            .any(|window| window == begin.as_bytes())
    });
    Err(if labelled {
        CsrError::Damaged
    } else {
        error::not_a_request(bytes)
    })
}

const REQUEST_LABELS: [&str; 2] = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];

/// The first of the attributes that is text.
fn first<'a>(attributes: impl Iterator<Item = &'a AttributeTypeAndValue<'a>>) -> Option<String> {
    attributes
        .filter_map(|attribute| attribute.as_str().ok())
        .next()
        .map(str::to_owned)
}
