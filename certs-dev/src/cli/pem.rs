//! `apns-certs pem`: the files that PHP, Ruby and Python want.

use std::fmt;
use std::path::{Path, PathBuf};

use apns_certs::{pem, pkcs8};
use apns_net::credentials::{
    CredentialsError, Identity, Origin, certificates_from_pem_file, pkcs12,
    private_key_from_pem_file,
};
use clap::Args;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Serialize;

use super::arguments::{Format, OutFolder};
use super::failure::{Code, Failure};
use super::input;
use super::output::{self, File, Word};
use super::p12::stem;
use super::password::PasswordOptions;

/// Turns a certificate and its key, from whatever files they are in, into PEM.
///
/// Writes three files. <name>.pem, named after the certificate's file, is the certificate: for clients that want
/// certificate and key apart (node-apn `cert`, curl --cert). push_noenc.pem is the private key, really unencrypted: its
/// counterpart (node-apn `key`, curl --key). ck.pem is both in one file: PHP's `local_cert`, ApnsPHP, Houston, PyAPNs.
/// The last two are readable by their owner alone.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[group(id = "source", required = true, multiple = false, args = ["key", "p12"])]
pub(crate) struct Arguments {
    /// The certificate: the portal's .cer, or PEM. Not needed when the .p12 holds it.
    #[arg(long, value_name = "FILE", required_unless_present = "p12")]
    cert: Option<PathBuf>,
    /// The private key. If it is encrypted, its password is needed.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// A .p12 with the private key, such as PUSH.P12, of any age. If it is protected, its password is needed.
    #[arg(long, value_name = "FILE")]
    p12: Option<PathBuf>,
    #[command(flatten)]
    password: PasswordOptions,
    #[command(flatten)]
    out: OutFolder,
    #[command(flatten)]
    format: Format,
}

const EXAMPLES: &str = "Examples:
  apns-certs pem --cert aps_developer_identity.cer --key Push.key
  apns-certs pem --cert aps_developer_identity.cer --p12 PUSH.P12 --password-file password.txt
  apns-certs pem --p12 aps_developer_identity.p12 --empty-password

With OpenSSL (-nodes, or the key stays encrypted; -legacy for a .p12 of Keychain's):
  openssl x509 -inform der -in aps_developer_identity.cer -out aps_developer_identity.pem
  openssl pkcs12 -in PUSH.P12 -nocerts -nodes -legacy -out push_noenc.pem
  cat aps_developer_identity.pem push_noenc.pem > ck.pem";

const KEY: &str = "push_noenc.pem";
const BOTH: &str = "ck.pem";

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments {
        cert,
        key,
        p12,
        password,
        out,
        format,
    } = arguments;
    let source = Source::of(cert, key, p12);
    let (certificates, key) = source.read(&password)?;
    let certificates: String = certificates
        .iter()
        .map(|one| pem::encode("CERTIFICATE", one))
        .collect();
    let key = pem::encode("PRIVATE KEY", pkcs8::convert(&key)?.secret_pkcs8_der());
    let both = format!("{certificates}{key}");
    let [certificate, key, both] = out.write([
        File::public(source.certificate_name(), &certificates),
        File::secret(KEY, &key),
        File::secret(BOTH, &both),
    ])?;
    let report = Report {
        certificate,
        key,
        both,
    };
    output::print(&report, format.json)
}

/// Where certificate and key come from.
enum Source {
    Files { cert: PathBuf, key: PathBuf },
    StoreAndCertificate { cert: PathBuf, p12: PathBuf },
    Store { p12: PathBuf },
}

/// Certificates, leaf first, and the leaf's key.
type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Source {
    /// What clap lets through is one of the three.
    fn of(cert: Option<PathBuf>, key: Option<PathBuf>, p12: Option<PathBuf>) -> Self {
        match (cert, key, p12) {
            (Some(cert), Some(key), _) => Self::Files { cert, key },
            (Some(cert), None, Some(p12)) => Self::StoreAndCertificate { cert, p12 },
            (None, _, Some(p12)) => Self::Store { p12 },
            (_, _, None) => unreachable!("clap demands --p12, or --key and --cert"),
        }
    }

    fn read(&self, password: &PasswordOptions) -> Result<Pair, Failure> {
        match self {
            Self::Files { cert, key: file } => {
                let certificates = certificates_from_pem_file(cert)?;
                let key = match private_key_from_pem_file(file, password.given()?.as_deref()) {
                    Err(CredentialsError::EncryptedKey { .. }) => {
                        let password = password.needed(file)?;
                        private_key_from_pem_file(file, Some(&password))?
                    }
                    read => read?,
                };
                let origins = (Origin::File(cert.clone()), Origin::File(file.clone()));
                Identity::from_parts(certificates.clone(), key.clone_key(), origins)?;
                Ok((certificates, key))
            }
            Self::StoreAndCertificate { cert, p12 } => {
                let certificates = certificates_from_pem_file(cert)?;
                let store = open(p12, password)?;
                let origins = (Origin::File(cert.clone()), Origin::File(p12.clone()));
                let mut refused = CredentialsError::NoKey {
                    origin: origins.1.clone(),
                };
                for key in store.keys {
                    let key = PrivateKeyDer::from(key.der);
                    match Identity::from_parts(
                        certificates.clone(),
                        key.clone_key(),
                        origins.clone(),
                    ) {
                        Ok(_) => return Ok((certificates, key)),
                        Err(error) => refused = error,
                    }
                }
                Err(refused.into())
            }
            Self::Store { p12 } => Ok(open(p12, password)?.pair(&Origin::File(p12.clone()))?),
        }
    }

    /// The name of the certificate's file; never one of the two others.
    fn certificate_name(&self) -> String {
        let (Self::Files { cert: file, .. }
        | Self::StoreAndCertificate { cert: file, .. }
        | Self::Store { p12: file }) = self;
        match format!("{}.pem", stem(file)) {
            name if name == KEY || name == BOTH => "certificate.pem".to_owned(),
            name => name,
        }
    }
}

/// Opens a store with the password that was given, else with the empty one, else with one that is asked for.
fn open(path: &Path, password: &PasswordOptions) -> Result<pkcs12::Pkcs12, Failure> {
    let bytes = input::read(path)?;
    let given = password.given()?;
    let opened = match pkcs12::open(&bytes, given.as_deref().unwrap_or_default()) {
        Err(pkcs12::Pkcs12Error::PasswordNeeded) if given.is_none() => {
            pkcs12::open(&bytes, &password.needed(path)?)
        }
        opened => opened,
    };
    opened.map_err(|error| {
        Failure::new(
            Code::Failure,
            format_args!("cannot open {}: {error}", path.display()),
        )
    })
}

#[derive(Serialize)]
struct Report {
    certificate: PathBuf,
    key: PathBuf,
    both: PathBuf,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "certificate  {certificate}
private key  {key}  (not encrypted: keep it secret)
both         {both}  (holds the key: keep it secret)

Next: give PHP's `local_cert` {both}, or clients that want two files {certificate} and {key}; check them with

  apns-certs inspect {word}",
            certificate = self.certificate.display(),
            key = self.key.display(),
            both = self.both.display(),
            word = Word(&self.both),
        )
    }
}
