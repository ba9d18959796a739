//! `apns-bench`: what a notification costs the simulator and the gateway, what waits or idles there, and who waits for whom.
//!
//! ```text
//! main ──▶ plan (how much of everything) ──▶ simulator, gateway, … (what is measured) ──▶ load (senders, in this process)
//!   │                                                    ▲                                  │ TLS
//!   ▼                                                    │ stdin, stdout                    ▼
//! report (table, JSON, verdict) ◀── figures ─────────────┴────────────▶ subject (each in a process of its own)
//! ```
//!
//! Counted is the CPU time of the process of the role that is measured, user and system, all threads; its sender is not in it, nor is the simulator that
//! the gateway sends to. Where it is told how long something takes, that is by the clock on the wall. Every figure has fresh processes.

mod backlog;
mod fairness;
mod gateway;
mod load;
mod plan;
mod report;
mod simulator;
mod subject;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::plan::Plan;

/// Measures simulator and gateway: CPU time per notification, memory per idle phone and connection, a long backlog, and fairness beside one.
#[derive(Debug, Parser)]
#[command(
    about,
    after_help = "Exit codes: 0 ok, 1 something could not be measured, or with --check a ratio, a size or the time of a start is over its target, 2 usage."
)]
struct Arguments {
    #[command(subcommand)]
    subject: Option<Subject>,
    #[command(flatten)]
    plan: Plan,
    /// Print JSON instead of the table
    #[arg(long)]
    json: bool,
    /// Fail when a ratio, a size or the time of a start is over its target. Other times depend on the machine and never fail
    #[arg(long)]
    check: bool,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// What is measured; started by the bench itself
    #[command(hide = true, subcommand)]
    Subject(subject::Role),
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.subject {
        Some(Subject::Subject(role)) => role.serve().await.map(|()| true),
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
