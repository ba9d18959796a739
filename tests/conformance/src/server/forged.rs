//! A certificate that looks like the user's, from an issuer nobody knows.

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue, IsCa,
    Issuer, KeyPair,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::link::Login;

/// The topic of a push certificate: the UID of its subject [P-60].
const UID: &str = "0.9.2342.19200300.100.1.1";

/// Apple's extensions of push certificates begin so [P-62] [P-63].
const APPLE: &str = "1.2.840.113635.100.6.3.";

/// The UID of a certificate's subject.
pub(crate) fn topic(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let mut attributes = parsed.subject().iter_attributes();
    let uid = attributes.find(|attribute| attribute.attr_type().to_id_string() == UID)?;
    uid.as_str().ok().map(str::to_owned)
}

/// The same subject and the same extensions of Apple's, under a new key, from a new CA: with the name of the true one, or with a name that
/// nobody knows.
pub(super) fn forge(certificate: &CertificateDer<'_>, known_name: bool) -> Result<Login, String> {
    let (_, original) = X509Certificate::from_der(certificate).map_err(|e| e.to_string())?;
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name = name(original.issuer());
    if !known_name {
        ca.distinguished_name = DistinguishedName::new();
        ca.distinguished_name
            .push(DnType::CommonName, "A Certification Authority Nobody Knows");
    }
    let ca_key = KeyPair::generate().map_err(|e| e.to_string())?;
    let issuer = Issuer::new(ca, ca_key);

    let mut params = CertificateParams::default();
    params.distinguished_name = name(original.subject());
    for extension in original.extensions() {
        if extension.oid.to_id_string().starts_with(APPLE)
            && let Some(oid) = extension.oid.iter().map(Iterator::collect::<Vec<u64>>)
        {
            let content = extension.value.to_vec();
            params
                .custom_extensions
                .push(CustomExtension::from_oid_content(&oid, content));
        }
    }
    let key = KeyPair::generate().map_err(|e| e.to_string())?;
    let forged = params.signed_by(&key, &issuer).map_err(|e| e.to_string())?;
    Ok(Login::Certificate {
        chain: vec![forged.der().clone()],
        key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
    })
}

fn name(of: &x509_parser::x509::X509Name<'_>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for attribute in of.iter_attributes() {
        let oid = attribute
            .attr_type()
            .iter()
            .map(Iterator::collect::<Vec<u64>>);
        if let (Some(oid), Ok(value)) = (oid, attribute.as_str()) {
            name.push(DnType::from_oid(&oid), DnValue::from(value));
        }
    }
    name
}
