//! `apns-certs client`: key and push certificate in one go.

use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

use apns_certs::portal::{Identifier, Issued, Order};
use apns_certs::{Kind, Minted, csr};
use clap::Args;
use serde::Serialize;

use super::arguments::{Format, Holder, NewKey, OutFolder, StateFolder, kind};
use super::failure::{Code, Failure};
use super::output::{self, File, Word};

/// Makes a key and has the portal issue a push certificate for it: csr, app-id and issue in one go.
///
/// The App ID is created, and push enabled for it, if need be. Writes client.pem, client.key, and both in one file,
/// client-combined.pem, as PHP, Ruby and Python want it; and ca.pem, to be trusted.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The identifier the certificate is for. Only mdm needs none.
    #[arg(long, value_name = "APP-ID")]
    app_id: Option<Identifier>,
    /// What the certificate is for.
    #[arg(long, value_name = "KIND", value_parser = kind(), default_value = "universal")]
    kind: Kind,
    #[command(flatten)]
    holder: Holder,
    #[command(flatten)]
    new_key: NewKey,
    #[command(flatten)]
    state: StateFolder,
    #[command(flatten)]
    out: OutFolder,
    #[command(flatten)]
    format: Format,
}

const CERTIFICATE: &str = "client.pem";
const KEY: &str = "client.key";
const COMBINED: &str = "client-combined.pem";
const CA: &str = "ca.pem";

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments {
        app_id,
        kind,
        holder,
        new_key,
        state,
        out,
        format,
    } = arguments;
    out.expect_free(&[CERTIFICATE, KEY, COMBINED])?;
    let mut dir = state.open()?;
    if let Some(id) = app_id.as_ref().filter(|_| kind != Kind::Mdm) {
        dir.change(|portal| {
            portal.create_app_id(id.clone());
            portal.enable_push(id)
        })?;
    }
    let made = csr::create("nobody@example.com", kind.as_str(), new_key.kind())?;
    let request = csr::read(made.request_pem.as_bytes())
        .map_err(|error| Failure::chain(Code::Failure, &error))?;
    let order = Order {
        kind,
        app_id,
        team: holder.team,
        organization: holder.organization,
    };
    let (issued, der) = dir.issue(&request, &order, SystemTime::now())?;
    let minted = Minted::from_der(der, made.key_pem);
    let [private_key, certificate, combined, ca] = out.write([
        File::secret(KEY, &minted.key_pem),
        File::public(CERTIFICATE, &minted.cert_pem),
        File::secret(COMBINED, &minted.combined_pem()),
        File::public(CA, dir.ca().cert_pem()),
    ])?;
    let report = Report {
        certificate,
        private_key,
        combined,
        ca,
        issued,
    };
    output::print(&report, format.json)
}

#[derive(Serialize)]
struct Report {
    certificate: PathBuf,
    private_key: PathBuf,
    combined: PathBuf,
    ca: PathBuf,
    #[serde(flatten)]
    issued: Issued,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Issued {
            serial,
            common_name,
            topic,
            ..
        } = &self.issued;
        output::fields(
            f,
            &[
                ("push certificate", &self.certificate.display()),
                ("its private key", &self.private_key.display()),
                ("both in one file", &self.combined.display()),
                ("CA to trust", &self.ca.display()),
                ("common name", common_name),
                ("topic", topic),
                ("serial", serial),
            ],
        )?;
        write!(
            f,
            "
Next: connect as a backend would:

  openssl s_client -connect 127.0.0.1:2195 -CAfile {} -cert {} -key {}",
            Word(&self.ca),
            Word(&self.certificate),
            Word(&self.private_key)
        )
    }
}
