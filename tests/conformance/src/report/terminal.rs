//! The report for people: one line per case as it ends, the transcript under what failed, and the sum.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Color, Style};

use crate::case::Case;
use crate::clause::Clause;
use crate::suite::{Finding, Summary, Verdict};

/// A run told line by line.
pub struct Terminal {
    to: Box<dyn Write + Send>,
    colour: bool,
    /// The line of progress under the others, which a terminal alone can have.
    progress: bool,
    total: usize,
    done: usize,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal")
            .field("done", &self.done)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

impl Terminal {
    /// On stdout, of `total` cases.
    #[must_use]
    pub fn stdout(total: usize) -> Self {
        Self::on(Box::new(io::stdout()), io::stdout().is_terminal(), total)
    }

    /// On stderr, where a report for machines has stdout.
    #[must_use]
    pub fn stderr(total: usize) -> Self {
        Self::on(Box::new(io::stderr()), io::stderr().is_terminal(), total)
    }

    /// Where nobody reads it.
    #[must_use]
    pub fn nowhere(total: usize) -> Self {
        Self::on(Box::new(io::sink()), false, total)
    }

    fn on(to: Box<dyn Write + Send>, is_terminal: bool, total: usize) -> Self {
        Self {
            to,
            colour: is_terminal && std::env::var_os("NO_COLOR").is_none(),
            progress: is_terminal,
            total,
            done: 0,
        }
    }

    /// A line of its own.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn say(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.to, "{line}")?;
        self.to.flush()
    }

    /// One more case is over.
    ///
    /// # Errors
    ///
    /// When that cannot be written.
    pub fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        self.done += 1;
        if self.progress {
            write!(self.to, "\r\x1b[K")?;
        }
        let (colour, word) = match finding.verdict {
            Verdict::Passed => (AnsiColor::Green, "ok"),
            Verdict::Failed { .. } => (AnsiColor::Red, "FAILED"),
            Verdict::Noted { .. } => (AnsiColor::Yellow, "note"),
            Verdict::Skipped { .. } => (AnsiColor::BrightBlack, "skipped"),
        };
        let clauses = cited(finding.clauses);
        let word = self.styled(colour, &format!("{word:<7}"));
        writeln!(self.to, "{word} {clauses} {}", finding.title)?;
        match &finding.verdict {
            Verdict::Passed => {}
            Verdict::Skipped { option } => writeln!(self.to, "        needs {option}")?,
            Verdict::Failed { why, transcript } | Verdict::Noted { why, transcript } => {
                writeln!(
                    self.to,
                    "        {} ({}): {why}",
                    finding.name, finding.basis
                )?;
                for line in transcript {
                    writeln!(self.to, "          {line}")?;
                }
            }
        }
        if self.progress && self.done < self.total {
            write!(self.to, "{}/{}", self.done, self.total)?;
        }
        self.to.flush()
    }

    /// The end.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        let counts = summary.counts();
        writeln!(
            self.to,
            "\n{} passed, {} failed, {} otherwise than we chose, {} skipped; repeat with --seed {}",
            counts.passed, counts.failed, counts.noted, counts.skipped, summary.seed
        )?;
        self.to.flush()
    }

    fn styled(&self, colour: AnsiColor, text: &str) -> String {
        if self.colour {
            let style = Style::new().fg_color(Some(Color::Ansi(colour)));
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}

/// Lists cases without running them.
pub(super) fn list<T>(cases: &[&'static Case<T>], mut to: impl Write) -> io::Result<()> {
    for case in cases {
        let needs = case.needs.iter().map(|need| need.option());
        let needs = needs.collect::<Vec<_>>().join(", ");
        writeln!(
            to,
            "{:<45} {} {} ({}{}{needs})",
            case.name,
            cited(case.clauses),
            case.title,
            case.basis,
            if needs.is_empty() { "" } else { "; needs " }
        )?;
    }
    to.flush()
}

fn cited(clauses: &[Clause]) -> String {
    clauses.iter().map(|clause| format!("[{clause}]")).collect()
}
