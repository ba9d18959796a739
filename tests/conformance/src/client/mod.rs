//! The suite that acts as a server and judges a client, by what arrives on the wire.

mod certificates;
mod command;
mod feedback;
mod frames;
mod options;
mod papers;
mod rejections;
mod sending;
mod server;
mod trial;

use std::sync::Arc;
use std::time::Duration;

pub use self::options::Options;
use self::papers::Papers;
pub use self::trial::Trial;
use crate::case::{Case, Need};
use crate::cli::Failure;
use crate::suite::{Subject, Summary};
use crate::transcript::Transcript;

/// Every case, by chapter.
pub const CHAPTERS: &[&[&[Case<Trial>]]] = &[&[
    sending::CASES,
    rejections::CASES,
    feedback::CASES,
    certificates::CASES,
]];

/// The client, and what every case needs for it.
#[derive(Debug)]
pub(crate) struct Client {
    command: String,
    papers: Papers,
    reads_feedback: bool,
    quiet: Duration,
    timeout: Duration,
}

impl Subject for Client {
    type Trial = Trial;

    fn has(&self, need: Need) -> bool {
        need != Need::FeedbackReader || self.reads_feedback
    }

    fn trial(self: &Arc<Self>, transcript: Transcript, seed: u64) -> Trial {
        Trial::new(Arc::clone(self), transcript, seed)
    }
}

/// Runs the suite.
///
/// # Errors
///
/// When certificates cannot be made, or a report cannot be written.
pub async fn run(options: &Options) -> Result<Summary, Failure> {
    let plan = options.run.plan();
    let command = options.command.clone().unwrap_or_default();
    let client = Arc::new(Client {
        command: command.clone(),
        papers: Papers::mint().map_err(|error| Failure::new(1, error))?,
        reads_feedback: !options.no_feedback,
        quiet: options.quiet,
        timeout: options.run.timeout,
    });
    let cases = plan.select(CHAPTERS);
    options
        .run
        .run("client", command, &plan, &client, &cases)
        .await
}
