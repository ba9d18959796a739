//! `apns-certs server`: a certificate for a listener, and how to make clients trust its CA.

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::arguments::{Format, NewKey, OutFolder, StateFolder, server_name};
use super::failure::Failure;
use super::output::{self, File};
use super::trust::Trust;

/// Issues a server certificate under the portal's CA, and says how to make a backend trust that CA.
///
/// Writes server.pem and server.key for the listener (the gateway, the simulator, a TLS terminator), and ca.pem for
/// whoever connects to it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// A DNS name or IP address that clients connect to; may be given several times.
    #[arg(long = "name", value_name = "HOST", required = true, value_parser = server_name)]
    names: Vec<String>,
    #[command(flatten)]
    key: NewKey,
    #[command(flatten)]
    state: StateFolder,
    #[command(flatten)]
    out: OutFolder,
    #[command(flatten)]
    format: Format,
}

const EXAMPLES: &str = "Examples:
  apns-certs server --name gateway.push.apple.com --name feedback.push.apple.com --out gateway
  apns-certs server --name push.example.test --name 10.0.0.7";

const CERTIFICATE: &str = "server.pem";
const KEY: &str = "server.key";
const CA: &str = "ca.pem";

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments {
        names,
        key,
        state,
        out,
        format,
    } = arguments;
    out.expect_free(&[CERTIFICATE, KEY])?;
    let dir = state.open()?;
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let minted = dir.ca().server_with_key(&names, key.kind())?;
    let [key, certificate, ca] = out.write([
        File::secret(KEY, &minted.key_pem),
        File::public(CERTIFICATE, &minted.cert_pem),
        File::public(CA, dir.ca().cert_pem()),
    ])?;
    let trust = Trust::new(&ca);
    let report = Report {
        certificate,
        key,
        ca,
        names: names.join(", "),
        trust,
    };
    output::print(&report, format.json)
}

#[derive(Serialize)]
struct Report {
    certificate: PathBuf,
    key: PathBuf,
    ca: PathBuf,
    #[serde(skip)]
    names: String,
    trust: Trust,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        output::fields(
            f,
            &[
                ("server certificate", &self.certificate.display()),
                ("its private key", &self.key.display()),
                ("for", &self.names),
                ("CA to trust", &self.ca.display()),
            ],
        )?;
        write!(
            f,
            "
Next: let the listener show the certificate, and have the backend trust the CA, in one of these ways:

{}",
            self.trust
        )
    }
}
