//! Whether a set found in a folder can be used.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use apns_net::credentials::{CertificateInfo, Identity};
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::FromDer;
use x509_parser::extensions::GeneralName;

use super::{DevOptions, DevSet};
use crate::ca::Ca;

/// A set that expires within this time is replaced now, not in the middle of someone's work.
const REMAINING_MIN: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Why a set cannot be used: for the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfit(String);

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn unfit(why: impl fmt::Display) -> Unfit {
    Unfit(why.to_string())
}

/// The set's CA, if it can go on signing.
pub(super) fn ca(set: &DevSet) -> Result<Ca, Unfit> {
    present(&set.ca)?;
    present(&set.ca_key)?;
    let ca = set.load_ca().map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let cause = cause.unwrap_or_else(|| error.to_string());
        unfit(format!("{} cannot be used ({cause})", set.ca.display()))
    })?;
    let certificate = CertificateInfo::parse(ca.certificate_der()).map_err(unfit)?;
    still_valid(&certificate, &set.ca)?;
    Ok(ca)
}

/// Whether server and provider certificate are complete, this CA's, valid and what the options ask for.
pub(super) fn leaves(set: &DevSet, ca: &Ca, options: &DevOptions) -> Result<(), Unfit> {
    let server = pair(&set.server, &set.server_key, ca)?;
    let wanted: BTreeSet<_> = options
        .server_names
        .iter()
        .map(|name| name.to_ascii_lowercase())
        .collect();
    let named = server_names(&server);
    if let Some(missing) = wanted.difference(&named).next() {
        return Err(unfit(format!(
            "{} is not for the name {missing}",
            set.server.display()
        )));
    }

    let provider = pair(&set.provider, &set.provider_key, ca)?;
    if provider.certificate().topic.as_deref() != Some(options.topic.as_str()) {
        return Err(unfit(format!(
            "{} is not for the topic {}",
            set.provider.display(),
            options.topic
        )));
    }
    present(&set.provider_combined)?;
    let combined =
        Identity::from_pem_files(&set.provider_combined, &set.provider_combined).map_err(unfit)?;
    if combined.certificate().pin != provider.certificate().pin {
        return Err(unfit(format!(
            "{} holds another certificate than {}",
            set.provider_combined.display(),
            set.provider.display()
        )));
    }
    present(&set.readme)
}

fn present(path: &Path) -> Result<(), Unfit> {
    if path.exists() {
        Ok(())
    } else {
        Err(unfit(format!("there is no {}", path.display())))
    }
}

fn pair(certificate: &Path, key: &Path, ca: &Ca) -> Result<Identity, Unfit> {
    present(certificate)?;
    present(key)?;
    let identity = Identity::from_pem_files(certificate, key).map_err(unfit)?;
    still_valid(identity.certificate(), certificate)?;
    let signed = X509Certificate::from_der(&identity.chain()[0])
        .is_ok_and(|(_, certificate)| ca.signed(&certificate));
    if signed {
        Ok(identity)
    } else {
        Err(unfit(format!(
            "{} was signed by another CA",
            certificate.display()
        )))
    }
}

fn still_valid(certificate: &CertificateInfo, path: &Path) -> Result<(), Unfit> {
    let now = SystemTime::now();
    if certificate.valid_at(now) && certificate.valid_at(now + REMAINING_MIN) {
        Ok(())
    } else {
        Err(unfit(format!(
            "{} has expired or will within {} days",
            path.display(),
            REMAINING_MIN.as_secs() / (24 * 60 * 60)
        )))
    }
}

/// The names a server certificate is for, in the form they were asked for.
fn server_names(server: &Identity) -> BTreeSet<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(&server.chain()[0]) else {
        return BTreeSet::new();
    };
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return BTreeSet::new();
    };
    names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            GeneralName::IPAddress(octets) => ip_address(octets).map(|ip| ip.to_string()),
            _ => None,
        })
        .collect()
}

fn ip_address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(octets) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(octets).ok().map(Into::into)
}
