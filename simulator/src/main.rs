//! `apns-simulator`: see `apns_simulator::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    apns_simulator::cli::main()
}
