//! `apns-conformance`: see [`apns_conformance::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    apns_conformance::cli::main()
}
