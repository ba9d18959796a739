//! Reading the files named on the command line, bounded.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::failure::{Code, Failure};

/// No certificate, key or archive of them comes near this.
const FILE_LEN_MAX: u64 = 1024 * 1024;

/// Reads a whole file. Neither a pipe, which might never end, nor what is too large to be meant is touched.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: io::Error| {
        let path = path.display();
        Failure::new(Code::Failure, format_args!("cannot read {path}: {error}"))
    };
    let metadata = path.metadata().map_err(unreadable)?;
    let refused = |what: &str| {
        let path = path.display();
        Failure::new(
            Code::Failure,
            format_args!("{path} is {what}: is it the file you mean?"),
        )
    };
    if metadata.is_dir() {
        return Err(refused("a folder"));
    }
    if !metadata.is_file() {
        return Err(refused("no regular file"));
    }
    if metadata.len() > FILE_LEN_MAX {
        return Err(refused("larger than any certificate, key or archive"));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_LEN_MAX)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Ok(bytes)
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
