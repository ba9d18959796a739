//! `apns-certs csr`: what Keychain's "Request a Certificate From a Certificate Authority" does.

use std::fmt;
use std::path::PathBuf;

use apns_certs::csr;
use clap::Args;
use serde::Serialize;

use super::arguments::{Format, NewKey, OutFolder};
use super::failure::Failure;
use super::input;
use super::output::{self, File, Word};

/// Makes a private key and a certificate signing request for it.
///
/// Writes Push.certSigningRequest, for the portal, and Push.key, the private key, which stays with you: the certificate
/// to come is useless without it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Your email address.
    #[arg(long, value_name = "ADDRESS")]
    email: String,
    /// Your name, or the key's: the request's common name.
    #[arg(long, value_name = "NAME")]
    name: String,
    #[command(flatten)]
    new_key: NewKey,
    /// Use this private key (PEM) instead of making one: to renew a certificate.
    #[arg(long, value_name = "FILE", conflicts_with = "p256")]
    key: Option<PathBuf>,
    #[command(flatten)]
    out: OutFolder,
    #[command(flatten)]
    format: Format,
}

const EXAMPLES: &str = "Example:
  apns-certs csr --email dev@example.com --name \"Example Push\"

With OpenSSL:
  openssl req -new -newkey rsa:2048 -nodes -keyout Push.key -out Push.certSigningRequest \\
    -subj \"/emailAddress=dev@example.com/CN=Example Push/C=US\"";

const REQUEST: &str = "Push.certSigningRequest";
const KEY: &str = "Push.key";

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments {
        email,
        name,
        new_key,
        key,
        out,
        format,
    } = arguments;
    let (request, key) = if let Some(key) = key {
        let made = csr::create_for(&email, &name, &input::read_text(&key)?)?;
        let [request] = out.write([File::public(REQUEST, &made.request_pem)])?;
        (request, key)
    } else {
        let made = csr::create(&email, &name, new_key.kind())?;
        let [key, request] = out.write([
            File::secret(KEY, &made.key_pem),
            File::public(REQUEST, &made.request_pem),
        ])?;
        (request, key)
    };
    output::print(&Report { request, key }, format.json)
}

#[derive(Serialize)]
struct Report {
    request: PathBuf,
    key: PathBuf,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "signing request  {request}
its private key  {key}  (keep it secret, and keep it: the certificate is useless without it)

Next: create an App ID and have the portal issue a certificate:

  apns-certs app-id create com.example.App
  apns-certs app-id enable-push com.example.App
  apns-certs issue --csr {word} --app-id com.example.App --kind development",
            request = self.request.display(),
            key = self.key.display(),
            word = Word(&self.request),
        )
    }
}
