//! `apns-certs dev`: everything ready-made.

use std::fmt;
use std::path::PathBuf;

use apns_certs::dev::{self, DevError, DevOptions, DevSet, Formats};
use clap::Args;
use serde::Serialize;

use super::arguments::{Format, server_name, topic};
use super::failure::{Code, Failure};
use super::output::{self, Word};

/// Writes everything ready-made into a folder: CA, server certificate, provider push certificate, and that one in every form.
///
/// README.txt in the folder says what each file is for. The password of the .p12 files is "secret".
///
/// A set that is already there is used again while it fits; otherwise it is minted anew, under the same CA if that is
/// still good. Private keys are readable by you alone.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The folder; created if it does not exist.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The app's bundle id, which becomes the push certificate's topic.
    #[arg(long, value_name = "BUNDLE-ID", default_value = "com.example.Mail", value_parser = topic)]
    topic: String,
    /// A further DNS name or IP address for the server certificate; may be given several times. localhost, 127.0.0.1,
    /// ::1 and Apple's push hosts are always in it.
    #[arg(long = "name", value_name = "HOST", value_parser = server_name)]
    names: Vec<String>,
    #[command(flatten)]
    format: Format,
}

const EXAMPLES: &str = "Examples:
  apns-certs dev --out certs
  apns-certs dev --out certs --topic com.example.Shop --name push.example.test --name 10.0.0.7

Exit status: 0 done, 1 failure, 2 wrong usage, 74 the folder cannot be written.";

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let mut options = DevOptions {
        topic: arguments.topic,
        ..DevOptions::default()
    };
    options.server_names.extend(arguments.names);
    let set = dev::load_or_write(&arguments.out, &options)?;
    let formats = dev::write_formats(&set)?;
    output::print(&Report { set, formats }, arguments.format.json)
}

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    set: DevSet,
    formats: Formats,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { set, formats } = self;
        let state = if set.minted {
            "minted"
        } else {
            "already there"
        };
        writeln!(f, "Development certificates for {}, {state}:\n", set.topic)?;
        for (what, path) in [
            ("CA to trust", &set.ca),
            ("server certificate", &set.server),
            ("its key", &set.server_key),
            ("push certificate", &set.provider),
            ("its key", &set.provider_key),
            ("both in one file", &set.provider_combined),
            ("the same for PHP", &formats.combined),
            ("for Java, .NET, node", &formats.store),
            ("for old Keychain", &formats.compat_store),
            ("what else is there", &set.readme),
        ] {
            writeln!(f, "  {what:<20}  {}", path.display())?;
        }
        write!(
            f,
            "
Next: have a listener show the server certificate and trust the CA, then connect as a backend would:

  openssl s_client -connect 127.0.0.1:2195 -CAfile {} -cert {} -key {}",
            Word(&set.ca),
            Word(&set.provider),
            Word(&set.provider_key),
        )
    }
}

impl From<DevError> for Failure {
    fn from(error: DevError) -> Self {
        let code = match &error {
            DevError::Folder { .. }
            | DevError::Read { .. }
            | DevError::Write { .. }
            | DevError::Foreign { .. } => Code::Disk,
            _ => Code::Failure,
        };
        Self::chain(code, &error)
    }
}
