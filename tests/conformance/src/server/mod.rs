//! The suite that acts as a client and tests a server: one table of cases per chapter of docs/protocol.md.

mod answers;
mod certificates;
mod connection;
mod courier;
mod feedback;
mod forged;
mod http2;
mod notifications;
mod options;
mod papers;
mod target;
mod trial;

use std::sync::Arc;

pub(crate) use self::forged::topic;
pub use self::options::Options;
use self::target::Target;
pub use self::trial::Trial;
use crate::case::{Basis, Case, Run};
use crate::clause::Clause;
use crate::cli::Failure;
pub use crate::observer::Environment;
use crate::suite::Summary;

/// Every case, by chapter.
pub const CHAPTERS: &[&[&[Case<Trial>]]] = &[
    &[connection::CASES],
    notifications::CASES,
    answers::CASES,
    &[feedback::CASES],
    &[certificates::CASES],
    courier::CASES,
    http2::CASES,
];

/// A case of this suite, for its tables.
const fn case(
    name: &'static str,
    title: &'static str,
    clauses: &'static [Clause],
    basis: Basis,
    run: Run<Trial>,
) -> Case<Trial> {
    Case::new(name, title, clauses, basis, run)
}

/// Runs the suite.
///
/// # Errors
///
/// When the server cannot be reached, or what was given cannot be used.
pub async fn run(options: &Options) -> Result<Summary, Failure> {
    let plan = options.run.plan();
    let target = Arc::new(Target::reach(options).await?);
    let cases = plan.select(CHAPTERS);
    options
        .run
        .run("server", options.name(), &plan, &target, &cases)
        .await
}
