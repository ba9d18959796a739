//! What a run is told as: lines for people, JSON and JUnit XML for machines.

mod json;
mod junit;
mod terminal;

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

pub use self::terminal::Terminal;
use crate::case::Case;
use crate::suite::Summary;

/// Writes the JSON report to `path`, or to stdout where that is `-`.
///
/// # Errors
///
/// When it cannot be written.
pub fn json(summary: &Summary, path: &Path) -> io::Result<()> {
    json::write(summary, sink(path)?)
}

/// Writes the JUnit report to `path`, or to stdout where that is `-`.
///
/// # Errors
///
/// When it cannot be written.
pub fn junit(summary: &Summary, path: &Path) -> io::Result<()> {
    junit::write(summary, sink(path)?)
}

/// Lists `cases` without running them: as lines, or as JSON.
///
/// # Errors
///
/// When that cannot be written.
pub fn list<T>(cases: &[&'static Case<T>], as_json: bool, to: impl Write) -> io::Result<()> {
    if as_json {
        json::list(cases, to)
    } else {
        terminal::list(cases, to)
    }
}

fn sink(path: &Path) -> io::Result<Box<dyn Write>> {
    if path.as_os_str() == "-" {
        Ok(Box::new(io::stdout().lock()))
    } else {
        Ok(Box::new(io::BufWriter::new(File::create(path)?)))
    }
}
