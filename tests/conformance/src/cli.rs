//! The command line, and how a run ends the process.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::case::{Case, Profile};
use crate::clause::Clauses;
use crate::report::{self, Terminal};
use crate::suite::{Plan, Subject, Summary};
use crate::{client, server};

/// Holds a server or a client of Apple's legacy push protocol against the protocol, clause by clause.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Exit codes: 0 the subject does what it should, 1 it does not, 2 usage, 69 the subject cannot be reached."
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Acts as a client and tests a server.
    Server(Box<server::Options>),
    /// Acts as a server and tests a client.
    Client(Box<client::Options>),
}

/// What every suite is run with.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Which cases, and how")]
pub struct RunOptions {
    /// Only cases of these clauses: P-12, P-12..P-20, or several with commas between.
    #[arg(long, value_name = "CLAUSES")]
    pub only: Option<Clauses>,
    /// What kind of server it is about.
    #[arg(long, value_enum, default_value_t)]
    pub profile: Profile,
    /// Fail where the subject does otherwise than docs/protocol.md chose to, where Apple never said.
    #[arg(long, conflicts_with = "lenient")]
    pub strict: bool,
    /// Only note where it does (the default).
    #[arg(long)]
    pub lenient: bool,
    /// Fail where a case was skipped because something was not given.
    #[arg(long)]
    pub require_all: bool,
    /// Repeats a run: where everything random comes from.
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Cases under way at the same time.
    #[arg(long, value_name = "NUMBER", default_value_t = 8)]
    pub jobs: usize,
    /// Seconds within which everything expected must have come.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "5")]
    pub timeout: Duration,
    /// Seconds that no case may exceed.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "120")]
    pub case_timeout: Duration,
    /// Write the report as JSON too: a file, or - for stdout.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    pub json: Option<PathBuf>,
    /// Write the report as JUnit XML too: a file, or - for stdout.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Print nothing, for runs whose report goes into a file.
    #[arg(long)]
    pub silent: bool,
    /// List the cases instead of running them; with --json for scripts.
    #[arg(long)]
    pub list: bool,
}

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(|| "not a time that can be waited for".to_owned())
}

impl RunOptions {
    /// What they say about the cases.
    #[must_use]
    pub fn plan(&self) -> Plan {
        Plan {
            only: self.only.clone(),
            profile: self.profile,
            strict: self.strict,
            jobs: self.jobs,
            seed: self.seed.unwrap_or_else(|| fastrand::u64(..)),
            case_timeout: self.case_timeout,
        }
    }

    /// Runs a suite against `subject` and reports as asked.
    pub(crate) async fn run<S: Subject>(
        &self,
        suite: &'static str,
        name: String,
        plan: &Plan,
        subject: &std::sync::Arc<S>,
        cases: &[&'static Case<S::Trial>],
    ) -> Result<Summary, Failure> {
        let machine_has_stdout = [&self.json, &self.junit]
            .into_iter()
            .flatten()
            .any(|path| path.as_os_str() == "-");
        let mut terminal = if self.silent {
            Terminal::nowhere(cases.len())
        } else if machine_has_stdout {
            Terminal::stderr(cases.len())
        } else {
            Terminal::stdout(cases.len())
        };
        // A terminal that is gone does not end the run: the reports in files are still wanted.
        let found = plan.run(subject, cases, |finding| {
            let _ = terminal.finding(finding);
        });
        let summary = Summary {
            suite,
            subject: name,
            profile: plan.profile,
            strict: plan.strict,
            seed: plan.seed,
            cases: found.await,
        };
        let _ = terminal.summary(&summary);
        if let Some(path) = &self.json {
            report::json(&summary, path).map_err(Failure::report)?;
        }
        if let Some(path) = &self.junit {
            report::junit(&summary, path).map_err(Failure::report)?;
        }
        Ok(summary)
    }

    /// Whether a run that ended so is a success.
    #[must_use]
    pub fn is_success(&self, summary: &Summary) -> bool {
        let counts = summary.counts();
        counts.failed == 0 && (counts.skipped == 0 || !self.require_all)
    }
}

/// Does what the process was asked to do.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(arguments)),
        Err(error) => Err(Failure::new(1, error)),
    };
    match done {
        Ok(success) => ExitCode::from(u8::from(!success)),
        Err(failure) => {
            eprintln!("apns-conformance: {}", failure.line);
            ExitCode::from(failure.code)
        }
    }
}

impl Command {
    fn options(&self) -> &RunOptions {
        match self {
            Self::Server(options) => &options.run,
            Self::Client(options) => &options.run,
        }
    }
}

/// Does what `arguments` say; says whether the subject does what it should.
///
/// # Errors
///
/// When that could not be found out.
pub async fn run(arguments: Arguments) -> Result<bool, Failure> {
    let options = arguments.command.options().clone();
    if options.list {
        let plan = options.plan();
        let (json, stdout) = (options.json.is_some(), io::stdout().lock());
        match arguments.command {
            Command::Server(_) => report::list(&plan.select(server::CHAPTERS), json, stdout),
            Command::Client(_) => report::list(&plan.select(client::CHAPTERS), json, stdout),
        }
        .map_err(Failure::report)?;
        return Ok(true);
    }
    Ok(options.is_success(&summary(arguments).await?))
}

/// Runs the suite that `arguments` name, and returns what it found.
///
/// # Errors
///
/// When that could not be found out.
pub async fn summary(arguments: Arguments) -> Result<Summary, Failure> {
    match arguments.command {
        Command::Server(options) => server::run(&options).await,
        Command::Client(options) => client::run(&options).await,
    }
}

/// Ends the process with one line on stderr.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    line: String,
}

impl Failure {
    /// The subject cannot be reached.
    pub(crate) const UNREACHABLE: u8 = 69;
    /// What was given cannot be used.
    pub(crate) const USAGE: u8 = 2;

    pub(crate) fn new(code: u8, line: impl fmt::Display) -> Self {
        Self {
            code,
            line: line.to_string(),
        }
    }

    /// A file that cannot be used.
    pub(crate) fn usage(error: &dyn std::error::Error) -> Self {
        match error.source() {
            Some(source) => Self::new(Self::USAGE, format!("{error}: {source}")),
            None => Self::new(Self::USAGE, error),
        }
    }

    fn report(error: io::Error) -> Self {
        Self::new(1, format!("the report cannot be written: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl std::error::Error for Failure {}
