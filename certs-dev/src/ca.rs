//! The development CA and what it signs.

use std::fmt;
use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::FromDer;

use crate::csr::SigningRequest;
use crate::mint::{KeyKind, MintError, Minted, Validity};
use crate::push::{PushCertificate, country};

/// The organization of every CA minted here: nobody is to take it for Apple.
const ORGANIZATION: &str = "Not Apple Inc. (development stand-in)";

/// A certification authority that only programs told to will trust. Its subject reads like the one that issued Apple's
/// push certificates, because clients look for "Apple" in it [P-65].
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    certificate_der: CertificateDer<'static>,
    cert_pem: String,
}

impl Ca {
    /// Mints a CA with an RSA key, for ten years: node 0.x cannot verify an ECDSA chain.
    ///
    /// # Errors
    /// This machine cannot generate keys.
    pub fn new() -> Result<Self, MintError> {
        Self::with_key(KeyKind::Rsa2048)
    }

    /// Mints a CA with a key of that kind, for ten years.
    ///
    /// # Errors
    /// This machine cannot generate keys.
    pub fn with_key(key: KeyKind) -> Result<Self, MintError> {
        let mut subject = DistinguishedName::new();
        subject.push(
            DnType::CommonName,
            "Apple Worldwide Developer Relations Certification Authority (development stand-in)",
        );
        subject.push(
            DnType::OrganizationalUnitName,
            "Apple Worldwide Developer Relations (development stand-in)",
        );
        subject.push(DnType::OrganizationName, ORGANIZATION);
        subject.push(DnType::CountryName, country()?);

        let mut params = CertificateParams::default();
        params.distinguished_name = subject;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Validity::days(3650).apply(&mut params);

        let key = key.generate()?;
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            certificate_der: certificate.der().clone(),
            cert_pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        })
    }

    /// Takes up a CA that was minted before.
    ///
    /// # Errors
    /// A text cannot be read, the certificate is not a CA's, or the key is not its own.
    pub fn from_pem(cert_pem: &str, key_pem: &str) -> Result<Self, MintError> {
        let Ok(certificate_der) = CertificateDer::from_pem_slice(cert_pem.as_bytes()) else {
            return Err(MintError::CaUnreadable);
        };
        let Ok((_, certificate)) = X509Certificate::from_der(&certificate_der) else {
            return Err(MintError::CaUnreadable);
        };
        if !certificate.is_ca() {
            return Err(MintError::NotACa);
        }
        let key = KeyPair::from_pem(key_pem).map_err(|_| MintError::CaUnreadable)?;
        if certificate.public_key().raw != key.subject_public_key_info() {
            return Err(MintError::CaKeyMismatch);
        }
        Ok(Self {
            issuer: Issuer::from_ca_cert_der(&certificate_der, key)?,
            cert_pem: cert_pem.to_owned(),
            certificate_der: certificate_der.clone(),
        })
    }

    /// The CA's certificate, for whoever is to trust it.
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The CA's certificate as DER.
    pub const fn certificate_der(&self) -> &CertificateDer<'static> {
        &self.certificate_der
    }

    /// The CA's private key, PKCS#8. A secret.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// Mints a server certificate with an RSA key, for a year.
    ///
    /// # Errors
    /// There is no name, or one is neither a DNS name nor an IP address.
    pub fn server(&self, names: &[&str]) -> Result<Minted, MintError> {
        self.server_with_key(names, KeyKind::Rsa2048)
    }

    /// Mints a server certificate with a key of that kind, for a year.
    ///
    /// # Errors
    /// There is no name, or one is neither a DNS name nor an IP address.
    pub fn server_with_key(&self, names: &[&str], key: KeyKind) -> Result<Minted, MintError> {
        let first = *names.first().ok_or(MintError::NoName)?;
        let mut params = leaf(ExtendedKeyUsagePurpose::ServerAuth);
        // For the RSA key exchange of old clients, behind a TLS terminator that still speaks it.
        params.key_usages.push(KeyUsagePurpose::KeyEncipherment);
        params.distinguished_name.push(DnType::CommonName, first);
        params.subject_alt_names = names
            .iter()
            .map(|name| subject_alt_name(name))
            .collect::<Result<_, _>>()?;
        Validity::year().apply(&mut params);
        self.mint(&params, key)
    }

    /// Mints a provider's push certificate.
    ///
    /// # Errors
    /// The bundle id is not one a push certificate is issued for.
    pub fn push(&self, push: &PushCertificate) -> Result<Minted, MintError> {
        self.mint(&push_params(push)?, push.key)
    }

    /// Certifies somebody's key, of which only the public half is here.
    pub(crate) fn certify(
        &self,
        push: &PushCertificate,
        request: &SigningRequest,
        serial: &[u8],
    ) -> Result<CertificateDer<'static>, MintError> {
        let mut params = push_params(push)?;
        params.serial_number = Some(SerialNumber::from_slice(serial));
        let certificate = params.signed_by(request.public_key(), &self.issuer)?;
        Ok(certificate.der().clone())
    }

    /// Mints a device certificate, as activation gives a phone, with a P-256 key, for a year [C-01]. The name is its
    /// common name; Apple's look like a UUID.
    ///
    /// # Errors
    /// This machine cannot generate keys.
    pub fn device(&self, name: &str) -> Result<Minted, MintError> {
        self.mint_device(name, None)
    }

    /// The same for a phone that a developer team has to itself: the team is its organization. The simulator puts it into the
    /// team's project.
    ///
    /// # Errors
    /// This machine cannot generate keys.
    pub fn device_of_team(&self, name: &str, team: &str) -> Result<Minted, MintError> {
        self.mint_device(name, Some(team))
    }

    fn mint_device(&self, name: &str, team: Option<&str>) -> Result<Minted, MintError> {
        let mut params = leaf(ExtendedKeyUsagePurpose::ClientAuth);
        let subject = &mut params.distinguished_name;
        subject.push(DnType::CommonName, name);
        subject.push(
            DnType::OrganizationalUnitName,
            "iPhone (development stand-in)",
        );
        if let Some(team) = team {
            subject.push(DnType::OrganizationName, team);
        }
        Validity::year().apply(&mut params);
        self.mint(&params, KeyKind::P256)
    }

    /// Whether it was minted here: its subject says so.
    pub(crate) fn is_stand_in(&self) -> bool {
        X509Certificate::from_der(&self.certificate_der).is_ok_and(|(_, ca)| {
            let mut names = ca.subject().iter_organization();
            names.any(|name| name.as_str() == Ok(ORGANIZATION))
        })
    }

    /// Whether this CA signed the certificate.
    pub(crate) fn signed(&self, certificate: &X509Certificate<'_>) -> bool {
        let Ok((_, ca)) = X509Certificate::from_der(&self.certificate_der) else {
            return false;
        };
        certificate.verify_signature(Some(ca.public_key())).is_ok()
    }

    fn mint(&self, params: &CertificateParams, key: KeyKind) -> Result<Minted, MintError> {
        let key = key.generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Minted::new(&certificate, &key))
    }
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ca")
            .field("cert_pem", &self.cert_pem)
            .finish_non_exhaustive()
    }
}

/// What every certificate below the CA has.
fn leaf(purpose: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    params.use_authority_key_identifier_extension = true;
    params
}

fn push_params(push: &PushCertificate) -> Result<CertificateParams, MintError> {
    let mut params = leaf(ExtendedKeyUsagePurpose::ClientAuth);
    params.distinguished_name = push.subject()?;
    params.custom_extensions = push.extensions();
    push.validity.apply(&mut params);
    Ok(params)
}

/// Refuses what a server certificate cannot be for.
///
/// # Errors
/// The text is neither a DNS name nor an IP address.
pub fn check_server_name(name: &str) -> Result<(), MintError> {
    subject_alt_name(name).map(drop)
}

fn subject_alt_name(name: &str) -> Result<SanType, MintError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    // The same rules by which a client will judge the name it connects to; a leading "*." is for certificates only.
    let host = name.strip_prefix("*.").unwrap_or(name);
    let refused = || MintError::Name(name.to_owned());
    rustls::pki_types::DnsName::try_from(host).map_err(|_| refused())?;
    Ok(SanType::DnsName(name.try_into().map_err(|_| refused())?))
}
