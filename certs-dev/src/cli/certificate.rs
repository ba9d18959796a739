//! `apns-certs certificate` and `apns-certs revoke`: what became of the certificates issued.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use apns_certs::portal::{Issued, Serial, Status};
use apns_certs::portal_dir;
use apns_net::credentials::{Pin, certificates_from_pem_file};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::arguments::{Format, OutFolder, StateFolder};
use super::failure::{Code, Failure};
use super::output::{self, File, Word};

/// Lists the certificates issued, and hands them out again.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists every certificate issued, oldest first.
    List(List),
    /// Writes a certificate once more.
    Download(Download),
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    state: StateFolder,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
struct Download {
    /// The certificate's serial number, as the list shows it.
    serial: Serial,
    #[command(flatten)]
    state: StateFolder,
    #[command(flatten)]
    out: OutFolder,
    #[command(flatten)]
    format: Format,
}

/// Revokes a certificate: the portal marks it, and its App ID can have another.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The certificate's serial number, as `apns-certs certificate list` shows it, or a file with the certificate.
    #[arg(value_name = "SERIAL|FILE")]
    certificate: String,
    #[command(flatten)]
    state: StateFolder,
    #[command(flatten)]
    format: Format,
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.action {
        Action::List(List { state, format }) => {
            let now = SystemTime::now();
            let portal = state.look()?;
            let rows = portal.certificates().iter();
            let certificates = rows.map(|issued| Row::new(issued, now)).collect();
            output::print(&Listed { certificates }, format.json)
        }
        Action::Download(download) => {
            let folder = download.state.path()?;
            let (issued, der) = portal_dir::certificate(&folder, &download.serial)?;
            let name = format!("{}.cer", issued.kind.file_stem());
            let [certificate] = download.out.write([File::public(name, &der)])?;
            let row = Row::new(&issued, SystemTime::now());
            output::print(&Downloaded { certificate, row }, download.format.json)
        }
    }
}

pub(crate) fn revoke(arguments: Revoke) -> Result<(), Failure> {
    let Revoke {
        certificate,
        state,
        format,
    } = arguments;
    let now = SystemTime::now();
    let named = Named::read(&certificate)?;
    let issued = state.open()?.change(|portal| {
        let serial = match named {
            Named::Serial(serial) => serial,
            Named::Pin(pin) => portal.certificate_by_pin(&pin)?.serial,
        };
        portal.revoke(&serial, now)
    })?;
    output::print(&Revoked(Row::new(&issued, now)), format.json)
}

/// How a certificate is named on the command line.
enum Named {
    Serial(Serial),
    Pin(Pin),
}

impl Named {
    fn read(text: &str) -> Result<Self, Failure> {
        if let Ok(serial) = text.parse() {
            return Ok(Self::Serial(serial));
        }
        let path = Path::new(text);
        if !path.is_file() {
            return Err(Failure::new(
                Code::Failure,
                format_args!(
                    "{text} is neither a file nor a serial number: `apns-certs certificate list` shows what was issued"
                ),
            ));
        }
        let certificates = certificates_from_pem_file(path)
            .map_err(|error| Failure::chain(Code::Failure, &error))?;
        // There is at least one: the reader says so.
        Ok(Self::Pin(Pin::of(&certificates[0])))
    }
}

/// A certificate as the list shows it.
#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    issued: Issued,
    status: Status,
}

impl Row {
    fn new(issued: &Issued, now: SystemTime) -> Self {
        Self {
            status: issued.status(now),
            issued: issued.clone(),
        }
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Listed {
    certificates: Vec<Row>,
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ISSUE: &str = "apns-certs issue --csr Push.certSigningRequest --app-id com.example.App --kind development";
        let Some(newest) = self.certificates.last() else {
            return write!(f, "No certificate has been issued.\n\nNext: {ISSUE}");
        };
        let head = ["SERIAL", "KIND", "APP ID", "STATUS", "VALID UNTIL"].map(str::to_owned);
        let rows = self.certificates.iter().map(|Row { issued, status }| {
            [
                issued.serial.to_string(),
                issued.kind.to_string(),
                issued.app_id.to_string(),
                status.to_string(),
                output::day(issued.not_after),
            ]
        });
        output::table(f, &std::iter::once(head).chain(rows).collect::<Vec<_>>())?;
        let serial = newest.issued.serial;
        write!(
            f,
            "\nNext: apns-certs certificate download {serial}, or apns-certs revoke {serial}"
        )
    }
}

#[derive(Serialize)]
struct Downloaded {
    certificate: PathBuf,
    #[serde(flatten)]
    row: Row,
}

impl fmt::Display for Downloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        output::fields(
            f,
            &[
                ("certificate", &self.certificate.display()),
                ("common name", &self.row.issued.common_name),
                ("status", &self.row.status),
            ],
        )?;
        write!(f, "\nNext: apns-certs inspect {}", Word(&self.certificate))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Revoked(Row);

impl fmt::Display for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { issued, status } = &self.0;
        output::fields(
            f,
            &[
                (
                    "certificate",
                    &format_args!("{} ({})", issued.serial, issued.common_name),
                ),
                ("status", status),
            ],
        )?;
        write!(
            f,
            "
Next: issue another for a new key, since the old one may be in other hands:

  apns-certs csr --email dev@example.com --name \"Example Push\"
  apns-certs issue --csr Push.certSigningRequest --app-id {} --kind {}",
            issued.app_id, issued.kind
        )
    }
}
