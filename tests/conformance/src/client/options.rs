//! What a user says about the client.

use std::time::Duration;

use clap::Args;

use crate::cli::{RunOptions, seconds};

/// The options of `apns-conformance client`.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The client, as a command for `sh`. What it is to do stands in its environment: see tests/conformance/README.md.
    #[arg(long, value_name = "COMMAND", required_unless_present = "list")]
    pub command: Option<String>,
    /// The client does not read feedback: leave those cases out.
    #[arg(long)]
    pub no_feedback: bool,
    /// Seconds of silence after what was expected, within which anything more would have come.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    pub quiet: Duration,

    /// Which cases, and how they are reported.
    #[command(flatten)]
    pub run: RunOptions,
}
