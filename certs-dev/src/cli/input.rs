//! Reading the files named on the command line, bounded.

use std::path::Path;

use apns_certs::files::{self, Unreadable};

use super::failure::{Code, Failure};

/// Reads a whole file. Neither a pipe, which might never end, nor what is too large to be meant is touched.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    files::read(path).map_err(|error| {
        let path = path.display();
        let line = match error {
            Unreadable::Io(error) => format!("cannot read {path}: {error}"),
            other => format!("{path} {other}: is it the file you mean?"),
        };
        Failure::new(Code::Failure, line)
    })
}

/// Reads a file that is text, such as PEM.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read(path)?).map_err(|_| {
        let path = path.display();
        Failure::new(
            Code::Failure,
            format_args!("{path} is no text: expected PEM (\"-----BEGIN …\")"),
        )
    })
}
