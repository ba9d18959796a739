//! `apns-certs device`: a phone's certificate.

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::arguments::{Format, OutFolder, StateFolder};
use super::failure::Failure;
use super::output::{self, File, Word};

/// Issues a device certificate, as activation gives a phone: it is what the courier port asks for.
///
/// Writes device.pem and device.key (P-256), and ca.pem, to be trusted.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The device's name, the certificate's common name. Apple's look like a UUID.
    #[arg(long, value_name = "NAME")]
    name: String,
    #[command(flatten)]
    state: StateFolder,
    #[command(flatten)]
    out: OutFolder,
    #[command(flatten)]
    format: Format,
}

const CERTIFICATE: &str = "device.pem";
const KEY: &str = "device.key";
const CA: &str = "ca.pem";

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments {
        name,
        state,
        out,
        format,
    } = arguments;
    out.expect_free(&[CERTIFICATE, KEY])?;
    let dir = state.open()?;
    let minted = dir.ca().device(&name)?;
    let [key, certificate, ca] = out.write([
        File::secret(KEY, &minted.key_pem),
        File::public(CERTIFICATE, &minted.cert_pem),
        File::public(CA, dir.ca().cert_pem()),
    ])?;
    output::print(
        &Report {
            certificate,
            key,
            ca,
            name,
        },
        format.json,
    )
}

#[derive(Serialize)]
struct Report {
    certificate: PathBuf,
    key: PathBuf,
    ca: PathBuf,
    name: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        output::fields(
            f,
            &[
                ("device certificate", &self.certificate.display()),
                ("its private key", &self.key.display()),
                ("for", &self.name),
                ("CA to trust", &self.ca.display()),
            ],
        )?;
        write!(
            f,
            "
Next: connect to a courier as this phone:

  apns-simulator phone --courier 127.0.0.1:5223 --certificate {} --key {} --ca {} --app com.example.App",
            Word(&self.certificate),
            Word(&self.key),
            Word(&self.ca)
        )
    }
}
