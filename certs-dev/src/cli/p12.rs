//! `apns-certs p12`: what Keychain's export does.

use std::fmt;
use std::path::{Path, PathBuf};

use apns_certs::pkcs12::{self, Contents, Profile};
use apns_net::credentials::{Identity, certificates_from_pem_file, private_key_from_pem_file};
use clap::Args;
use rustls::pki_types::CertificateDer;
use serde::Serialize;

use super::arguments::{Format, OutFolder};
use super::failure::Failure;
use super::output::{self, File, Word};
use super::password::PasswordOptions;

/// Packs a private key, with its certificate or alone, into a .p12 file (PKCS#12, also called .pfx).
///
/// Java, .NET, Windows, node and Keychain take a .p12; PHP, Ruby and Python want PEM: `apns-certs pem`. With the
/// certificate it is named after the certificate's file (aps_developer_identity.cer gives aps_developer_identity.p12);
/// without, it is PUSH.P12, which is what Keychain's export of the key alone gives.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The private key, not encrypted: what the signing request was made with.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Its certificate: the portal's .cer, or PEM. Further certificates in it are taken for its chain.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The certificates of its issuers.
    #[arg(long, value_name = "FILE", requires = "cert")]
    chain: Option<PathBuf>,
    /// The name inside: Java's alias, the name in Keychain [default: the certificate's common name].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Protect it so that old programs can read it too: Keychain of macOS 14 and before, Java before 8u301, PHP and node
    /// with OpenSSL before 1.0. Triple DES and SHA-1 instead of AES-256 and SHA-256.
    #[arg(long)]
    compat: bool,
    /// Another name for the file.
    #[arg(long, value_name = "NAME")]
    file: Option<String>,
    #[command(flatten)]
    password: PasswordOptions,
    #[command(flatten)]
    out: OutFolder,
    #[command(flatten)]
    format: Format,
}

const EXAMPLES: &str = "Examples:
  apns-certs p12 --key Push.key --cert aps_developer_identity.cer --password-file password.txt
  apns-certs p12 --key Push.key --empty-password

With OpenSSL:
  openssl x509 -inform der -in aps_developer_identity.cer -out aps_developer_identity.pem
  openssl pkcs12 -export -inkey Push.key -in aps_developer_identity.pem \\
    -name aps_developer_identity -out aps_developer_identity.p12";

/// What Keychain's export of a key alone is called in every tutorial.
const KEY_ONLY: &str = "PUSH.P12";

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments {
        key: key_file,
        cert,
        chain,
        name,
        compat,
        file,
        password,
        out,
        format,
    } = arguments;
    let key = private_key_from_pem_file(&key_file, None)?;
    let (certificates, friendly_name) = match &cert {
        Some(cert) => {
            let identity = Identity::from_pem_files(cert, &key_file)?;
            let common_name = identity.certificate().common_name.clone();
            let mut certificates: Vec<CertificateDer<'static>> = identity.chain().to_vec();
            if let Some(chain) = chain {
                certificates.extend(certificates_from_pem_file(chain)?);
            }
            (certificates, name.or(Some(common_name)))
        }
        None => (Vec::new(), name),
    };
    let contents = Contents {
        key: &key,
        certificates: &certificates,
        friendly_name: friendly_name.as_deref().filter(|name| !name.is_empty()),
    };
    let profile = if compat {
        Profile::Compat
    } else {
        Profile::Modern
    };
    let store = pkcs12::write(&contents, &password.chosen()?, profile)?;
    let file = file.unwrap_or_else(|| match &cert {
        Some(cert) => format!("{}.p12", stem(cert)),
        None => KEY_ONLY.to_owned(),
    });
    // Salts are random: the same once more is another file, so it is only replaced when that is asked for.
    let [store] = out.write([File::secret(file, &store)])?;
    let report = Report {
        store,
        friendly_name: contents.friendly_name.map(ToOwned::to_owned),
        certificates: certificates.len(),
        profile: if compat { "compat" } else { "modern" },
        key: key_file,
    };
    output::print(&report, format.json)
}

/// The name of a file without its ending.
pub(super) fn stem(path: &Path) -> String {
    path.file_stem()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

#[derive(Serialize)]
struct Report {
    store: PathBuf,
    friendly_name: Option<String>,
    certificates: usize,
    profile: &'static str,
    #[serde(skip)]
    key: PathBuf,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            store,
            friendly_name,
            certificates,
            profile,
            key,
        } = self;
        writeln!(f, "key store  {}  (keep it secret)", store.display())?;
        match certificates {
            0 => writeln!(f, "holds      the private key alone")?,
            1 => writeln!(f, "holds      the private key and its certificate")?,
            more => writeln!(
                f,
                "holds      the private key, its certificate and {} of its issuers",
                more - 1
            )?,
        }
        if let Some(name) = friendly_name {
            writeln!(f, "name       {name}")?;
        }
        let protection = match *profile {
            "compat" => "triple DES and SHA-1, for old programs",
            _ => "AES-256 and SHA-256",
        };
        writeln!(f, "protected  with {protection}\n")?;
        if *certificates == 0 {
            write!(
                f,
                "Next: add the certificate once the portal has issued it:

  apns-certs p12 --key {} --cert aps_developer_identity.cer",
                Word(key)
            )
        } else {
            let store = Word(store);
            write!(
                f,
                "Next: give it to your backend, and check it with what reads it there:

  apns-certs inspect {store}
  keytool -list -storetype PKCS12 -keystore {store}
  openssl pkcs12 -info -noout -in {store}"
            )
        }
    }
}
