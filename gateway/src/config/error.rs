//! Why a configuration is refused, in one line.

use std::io;
use std::ops::Range;
use std::path::PathBuf;

use thiserror::Error;

/// Why a config was refused. One line: what, where, what to do.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read the config file {}, which --config names", path.display())]
    Read {
        /// The file asked for.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is no TOML, or has a key or value that is not known.
    #[error("{}{place}: {what}; every key is explained in gateway.example.toml", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// ` line 3, column 1`, or nothing.
        place: String,
        /// What is wrong there.
        what: String,
    },
    /// Its values do not fit together.
    #[error("{}: {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What does not fit, and what to do.
        what: String,
    },
    /// The values of a config built in code do not fit together.
    #[error("{0}")]
    Values(String),
}

/// ` line 3, column 1` of the byte an error begins at.
pub(super) fn place(text: &str, span: Option<Range<usize>>) -> String {
    let Some(before) = span.and_then(|span| text.get(..span.start)) else {
        return String::new();
    };
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
    format!(" line {line}, column {column}")
}

pub(super) fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
