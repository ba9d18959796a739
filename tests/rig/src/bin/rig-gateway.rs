//! `apns-gateway` as a binary of this package, so that its tests can start real processes.

use std::process::ExitCode;

fn main() -> ExitCode {
    apns_gateway::cli::main()
}
