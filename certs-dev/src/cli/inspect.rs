//! `apns-certs inspect`: what a file is, and what is wrong with it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use apns_certs::inspect::{Severity, Source, inspect};
use clap::Args;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime, Time};

use super::arguments::Format;
use super::failure::Failure;
use super::output;
use super::password::PasswordOptions;

/// Tells what any certificate, key, request or store is, who would take it, what is wrong and which command mends it.
///
/// Goes by what is in a file, never by its name: PEM, DER, PKCS#12 of any age, .p8, signing requests, and what is often
/// taken for one of them. Name a certificate and a key together to see whether they are a pair. Writes nothing, prints
/// no secret.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The files.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Judge as of this moment instead of now: 2027-01-31 or 2027-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<SystemTime>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    password: PasswordOptions,
}

const EXAMPLES: &str = "Examples:
  apns-certs inspect aps_developer_identity.cer
  apns-certs inspect aps_developer_identity.cer PUSH.P12 --password-file password.txt
  apns-certs inspect ck.pem --at 2027-01-31

Exit status: 0 nothing is wrong (notes and warnings apart), 1 something is, 2 wrong usage.";

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let password = arguments.password.given()?;
    let sources: Vec<_> = arguments
        .files
        .iter()
        .map(|file| Source::read(file))
        .collect();
    let now = arguments.at.unwrap_or_else(SystemTime::now);
    let report = inspect(&sources, password.as_deref(), now);
    output::print(&report, arguments.format.json)?;
    Ok(ExitCode::from(u8::from(
        report.severity() == Severity::Error,
    )))
}

/// A day, which begins at midnight UTC, or a moment after RFC 3339.
fn moment(text: &str) -> Result<SystemTime, &'static str> {
    let day = Date::parse(text, format_description!("[year]-[month]-[day]"));
    let moment = match day {
        Ok(day) => Ok(day.with_time(Time::MIDNIGHT).assume_utc()),
        Err(_) => OffsetDateTime::parse(text, &Rfc3339),
    };
    moment
        .map(SystemTime::from)
        .map_err(|_| "expected a day (2027-01-31) or a moment (2027-01-31T12:00:00Z)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_day_or_a_time_with_its_offset() {
        let day = moment("2027-01-31").unwrap();
        assert_eq!(moment("2027-01-31T00:00:00Z").unwrap(), day);
        assert_eq!(moment("2027-01-31T02:00:00+02:00").unwrap(), day);
        for text in ["", "yesterday", "2027-02-30", "2027-01-31T12:00:00"] {
            assert!(moment(text).is_err(), "{text:?}");
        }
    }
}
