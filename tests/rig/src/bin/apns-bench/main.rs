//! `apns-bench`: what a notification, a phone and a connection cost the simulator.
//!
//! ```text
//! main ──▶ plan (what is measured, how much of it) ──▶ load (senders and phones, in this process)
//!   │                                                    │ TLS
//!   ▼                                                    ▼
//! report (table, JSON, verdict)   ◀── stdin, stdout ──▶ subject (the simulator, in a process of its own)
//! ```
//!
//! Counted is the CPU time of the subject's process, user and system, all threads; its sender is not in it. Every figure has a fresh subject.

mod load;
mod plan;
mod report;
mod subject;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::plan::Plan;

/// Measures the simulator: CPU time per notification, memory per idle phone and connection.
#[derive(Debug, Parser)]
#[command(
    about,
    after_help = "Exit codes: 0 ok, 1 something could not be measured, or with --check a ratio or a size is over its target, 2 usage."
)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    plan: Plan,
    /// Print JSON instead of the table
    #[arg(long)]
    json: bool,
    /// Fail when a ratio or a size is over its target. Absolute times depend on the machine and never fail
    #[arg(long)]
    check: bool,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Role {
    /// What is measured; started by the bench itself
    #[command(hide = true)]
    Subject,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.role {
        Some(Role::Subject) => subject::serve().await.map(|()| true),
        None => measure(&arguments).await,
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("apns-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the targets that count are met.
async fn measure(arguments: &Arguments) -> anyhow::Result<bool> {
    let report = arguments.plan.run().await?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(!arguments.check || report.holds())
}
