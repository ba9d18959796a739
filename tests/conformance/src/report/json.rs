//! The report for scripts.

use std::io::{self, Write};

use serde::Serialize;

use crate::case::{Basis, Case, Lane, Need, Profile};
use crate::clause::Clause;
use crate::suite::{Counts, Summary};

/// What stands in the file: the summary, and its counts in front.
#[derive(Serialize)]
struct Report<'a> {
    version: &'static str,
    counts: Counts,
    #[serde(flatten)]
    summary: &'a Summary,
}

pub(super) fn write(summary: &Summary, to: impl Write) -> io::Result<()> {
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        counts: summary.counts(),
        summary,
    };
    pretty(&report, to)
}

#[derive(Serialize)]
struct Listed {
    name: &'static str,
    title: &'static str,
    clauses: &'static [Clause],
    basis: Basis,
    profiles: &'static [Profile],
    needs: &'static [Need],
    lanes: &'static [Lane],
}

pub(super) fn list<T>(cases: &[&'static Case<T>], to: impl Write) -> io::Result<()> {
    let listed: Vec<_> = cases
        .iter()
        .map(|case| Listed {
            name: case.name,
            title: case.title,
            clauses: case.clauses,
            basis: case.basis,
            profiles: case.profiles,
            needs: case.needs,
            lanes: case.lanes,
        })
        .collect();
    pretty(&listed, to)
}

fn pretty(value: &impl Serialize, mut to: impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut to, value)?;
    writeln!(to)?;
    to.flush()
}
