//! The doctor: what any file of the certificate flow is, who would take it, what is wrong with it and which command
//! mends it.
//!
//! ```
//! use std::time::SystemTime;
//!
//! use apns_certs::inspect::{Source, inspect};
//!
//! let page = Source::new("aps_development.cer", "<!DOCTYPE html><title>Sign in</title>");
//! let report = inspect(&[page], None, SystemTime::now());
//! assert_eq!(report.files[0].what, "a web page");
//! assert_eq!(report.files[0].findings[0].code.as_str(), "web-page");
//! ```
//!
//! [`inspect`] is pure: bytes and a moment in, a [`Report`] out. It recognises by content, never by name; never fails;
//! and never repeats a secret, nor a line of a file that may hold one.
//!
//! ```text
//! kind      what is it? PEM, DER, something else             pem, name, foreign, writing
//! file      one file, piece by piece                          certificate with role and judge, key, pkcs12
//! pair      which keys and certificates belong together
//! advice    what next
//! ```

mod advice;
mod certificate;
mod file;
mod finding;
mod foreign;
mod judge;
mod key;
mod kind;
mod name;
mod pair;
mod pem;
mod pkcs12;
mod report;
mod role;
mod source;
mod verdict;
mod words;
mod writing;

use std::time::SystemTime;

pub use certificate::{Certificate, Issuer, Who};
pub use finding::{Code, Finding, Severity};
pub use key::Key;
pub use report::{EncryptedKey, FileReport, Item, Next, Report};
pub use role::Role;
pub use source::Source;
pub use verdict::{Answer, Verdict};
pub use words::{State, Validity};

/// Inspects files, each by itself and all of them together, as of `now`. The password is tried on every store and
/// encrypted key; `None` is not the empty one.
pub fn inspect(sources: &[Source], password: Option<&str>, now: SystemTime) -> Report {
    let mut files: Vec<_> = sources
        .iter()
        .map(|source| file::inspect(source, password, now))
        .collect();
    let findings = pair::compare(&mut files);
    let next = advice::next(&files, &findings);
    Report {
        files: files.into_iter().map(|file| file.report).collect(),
        findings,
        next,
    }
}
