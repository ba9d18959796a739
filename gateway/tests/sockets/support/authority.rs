//! Certificates, minted anew for every test.

use std::time::SystemTime;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};

/// How long a certificate is good for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Validity {
    /// Longer than anybody tests.
    Long,
    /// Until some time ago.
    Ended,
    /// Until then.
    Until(SystemTime),
}

impl Validity {
    fn limit(self, params: &mut CertificateParams) {
        match self {
            Self::Long => {}
            Self::Ended => params.not_after = date_time_ymd(2021, 3, 31),
            Self::Until(end) => params.not_after = end.into(),
        }
    }
}

/// A CA, and what it issues.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "Test CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        Self {
            pem: params.self_signed(&key).unwrap().pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Certificate and key of a server on loopback, in one PEM text.
    pub(crate) fn server(&self) -> String {
        self.server_called(&["127.0.0.1", "localhost"], Validity::Long)
    }

    /// The same for a server of other names, or of another time.
    pub(crate) fn server_called(&self, names: &[&str], validity: Validity) -> String {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        validity.limit(&mut params);
        self.issue(&params)
    }

    /// Certificate and key of a provider, for both environments.
    pub(crate) fn push(&self, topic: &str) -> String {
        self.push_valid(topic, Validity::Long)
    }

    /// The same of another time.
    pub(crate) fn push_valid(&self, topic: &str, validity: Validity) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let user_id = vec![0, 9, 2342, 19_200_300, 100, 1, 1];
        params
            .distinguished_name
            .push(DnType::CustomDnType(user_id), topic);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let mark = |last| {
            let oid = [1, 2, 840, 113_635, 100, 6, 3, last];
            CustomExtension::from_oid_content(&oid, vec![0x05, 0x00])
        };
        params.custom_extensions = vec![mark(1), mark(2)];
        validity.limit(&mut params);
        self.issue(&params)
    }

    fn issue(&self, params: &CertificateParams) -> String {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        certificate.pem() + &key.serialize_pem()
    }
}
