//! `apns-gateway`: see `apns_gateway::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    apns_gateway::cli::main()
}
