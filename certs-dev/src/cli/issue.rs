//! `apns-certs issue`: the portal's answer to a signing request.

use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

use apns_certs::Kind;
use apns_certs::csr;
use apns_certs::portal::{AppId, Identifier, Issued, Order, Status};
use clap::Args;
use serde::Serialize;

use super::arguments::{Format, Holder, OutFolder, StateFolder, kind};
use super::failure::{Code, Failure};
use super::input;
use super::output::{self, File, Word};

/// Issues a push certificate for a signing request, and writes it as the portal's download: DER, valid for a year.
///
/// The file is called as Apple's: aps_developer_identity.cer (development), aps_production.cer, aps.cer (universal: both
/// environments), voip_services.cer, website_aps_production.cer, pass.cer, mdm.cer.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The signing request: PEM or DER, signed over SHA-256, or over SHA-1 as a Keychain of 2011 did.
    #[arg(long, value_name = "FILE")]
    csr: PathBuf,
    /// The identifier it is for: an App ID with push enabled, a website push id or a pass type id. For mdm, the topic
    /// of the certificate to be renewed; a new one is made up without it.
    #[arg(long, value_name = "APP-ID")]
    app_id: Option<Identifier>,
    /// What it is for.
    #[arg(long, value_name = "KIND", value_parser = kind())]
    kind: Kind,
    #[command(flatten)]
    holder: Holder,
    #[command(flatten)]
    state: StateFolder,
    #[command(flatten)]
    out: OutFolder,
    #[command(flatten)]
    format: Format,
}

const EXAMPLES: &str = "Example:
  apns-certs issue --csr Push.certSigningRequest --app-id com.example.App --kind development

The key in the request must be RSA of 2048 to 8192 bits, P-256 or P-384. What else the request asks for is not heeded.";

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments {
        csr,
        app_id,
        kind,
        holder,
        state,
        out,
        format,
    } = arguments;
    let request = csr::read(&input::read(&csr)?)
        .map_err(|error| Failure::new(Code::Failure, format_args!("{}: {error}", csr.display())))?;
    let order = Order {
        kind,
        app_id,
        team: holder.team,
        organization: holder.organization,
    };
    let name = format!("{}.cer", kind.file_stem());
    out.expect_free(&[&name])?;
    let now = SystemTime::now();
    let mut dir = state.open()?;
    let (issued, der) = dir.issue(&request, &order, now)?;
    let [certificate] = out.write([File::public(name, &der)])?;
    let report = Report {
        certificate,
        status: issued.status(now),
        push: dir.portal().app_id(&issued.app_id, now),
        key: csr.with_extension("key"),
        issued,
    };
    output::print(&report, format.json)
}

#[derive(Serialize)]
struct Report {
    certificate: PathBuf,
    #[serde(flatten)]
    issued: Issued,
    status: Status,
    /// How the App ID stands now. Nobody registers a device management topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    push: Option<AppId>,
    /// Where the private key would be if it was made beside the request.
    #[serde(skip)]
    key: PathBuf,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Issued {
            serial,
            common_name,
            topic,
            key,
            pin,
            not_after,
            ..
        } = &self.issued;
        output::fields(
            f,
            &[
                ("certificate", &self.certificate.display()),
                ("common name", common_name),
                ("topic", topic),
                ("key", key),
                ("serial", serial),
                ("SHA-256", pin),
                ("valid until", &output::day(*not_after)),
            ],
        )?;
        if let Some(AppId {
            id,
            development,
            production,
            ..
        }) = &self.push
        {
            writeln!(
                f,
                "\n{id}: development push {development}, production push {production}"
            )?;
        }
        let (certificate, key) = (Word(&self.certificate), Word(&self.key));
        write!(
            f,
            "
Next: put the certificate together with its private key, in the form your backend wants:

  apns-certs pem --cert {certificate} --key {key}    (PHP, Ruby, Python, node)
  apns-certs p12 --cert {certificate} --key {key}    (Java, .NET, Keychain)"
        )
    }
}
