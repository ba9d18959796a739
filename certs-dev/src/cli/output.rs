//! What a verb leaves behind: files, and a report on stdout.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use apns_certs::files::{self, Access};
pub(crate) use apns_certs::shell::Word;
use serde::Serialize;
use time::OffsetDateTime;

use super::arguments::OutFolder;
use super::failure::{Code, Failure};

/// A file to write.
pub(crate) struct File<'a> {
    name: String,
    bytes: &'a [u8],
    access: Access,
}

impl<'a> File<'a> {
    /// A file for everyone: a certificate, a signing request.
    pub(crate) fn public(name: impl Into<String>, bytes: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.as_ref(),
            access: Access::Public,
        }
    }

    /// A file for its owner alone: whatever holds a private key.
    pub(crate) fn secret(name: impl Into<String>, bytes: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.as_ref(),
            access: Access::Secret,
        }
    }
}

impl OutFolder {
    /// Where a file of that name goes, as one would type it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        if self.folder == Path::new(".") {
            PathBuf::from(name)
        } else {
            self.folder.join(name)
        }
    }

    /// Refuses names that are taken, before something is made that nobody would get.
    pub(crate) fn expect_free(&self, names: &[&str]) -> Result<(), Failure> {
        let mut paths = names.iter().map(|name| self.path(name));
        match paths.find(|path| !self.force && path.symlink_metadata().is_ok()) {
            Some(taken) => Err(Self::taken(&taken)),
            None => Ok(()),
        }
    }

    fn taken(path: &Path) -> Failure {
        Failure::new(
            Code::Disk,
            format_args!(
                "{} is there already: choose another folder with --out, or replace it with --force",
                path.display()
            ),
        )
    }

    /// Writes the files, each whole or not at all, and gives their paths in the same order. None is written when a name is taken by
    /// a file that holds something else, unless that is to be replaced.
    pub(crate) fn write<const N: usize>(
        &self,
        files: [File<'_>; N],
    ) -> Result<[PathBuf; N], Failure> {
        let cannot = |what: &str, path: &Path, error: io::Error| {
            let path = path.display();
            Failure::new(Code::Disk, format_args!("cannot {what} {path}: {error}"))
        };
        fs::create_dir_all(&self.folder)
            .map_err(|error| cannot("create the folder", &self.folder, error))?;
        if !self.force {
            for file in &files {
                self.refuse_other(file)?;
            }
        }
        for file in &files {
            let path = self.path(&file.name);
            files::write(&path, file.bytes, file.access)
                .map_err(|error| cannot("write", &path, error))?;
        }
        Ok(files.map(|file| self.path(&file.name)))
    }

    /// The same bytes again are no harm; another key or certificate under the name is somebody's.
    fn refuse_other(&self, file: &File<'_>) -> Result<(), Failure> {
        let path = self.path(&file.name);
        let same = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            // Nothing else is opened: a pipe would never end.
            Ok(there) if there.is_file() && there.len() == file.bytes.len() as u64 => {
                fs::read(&path).is_ok_and(|bytes| bytes == file.bytes)
            }
            _ => false,
        };
        if same {
            Ok(())
        } else {
            Err(Self::taken(&path))
        }
    }
}

/// Prints what was done: as JSON for programs, else as text for people, whose last line says what comes next.
pub(crate) fn print(report: &(impl Serialize + fmt::Display), json: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = if json {
        serde_json::to_writer(&mut out, report)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
    } else {
        writeln!(out, "{report}")
    };
    written.map_err(|error| {
        Failure::new(
            Code::Failure,
            format_args!("cannot write to stdout: {error}"),
        )
    })
}

/// Lines of a label and a value each, the values below each other.
pub(crate) fn fields(
    f: &mut fmt::Formatter<'_>,
    fields: &[(&str, &dyn fmt::Display)],
) -> fmt::Result {
    let labels = fields.iter().map(|(label, _)| label.len());
    let width = labels.max().unwrap_or_default();
    for (label, value) in fields {
        writeln!(f, "{label:width$}  {value}")?;
    }
    Ok(())
}

/// Rows of cells below each other, the first row their names.
pub(crate) fn table<const N: usize>(
    f: &mut fmt::Formatter<'_>,
    rows: &[[String; N]],
) -> fmt::Result {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max();
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or_default());
    for row in rows {
        let cells = row.iter().zip(widths);
        let line: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        writeln!(f, "{}", line.join("  ").trim_end())?;
    }
    Ok(())
}

/// The day of a time, in UTC: 2027-11-24.
pub(crate) fn day(time: SystemTime) -> String {
    OffsetDateTime::from(time).date().to_string()
}
