//! Clients that are not ours and cannot be changed: PHP, Java, npm `apn@1.7.8` and PyPI `pushjack==1.6.0`, against simulator and gateway; and the walk of
//! docs/certificates.md, which ends with them.
//!
//! Needs php, java, keytool, openssl, node, `npm ci --ignore-scripts --prefix examples/clients/node`, and pushjack in
//! `tests/rig/clients/pushjack/venv` (see `.ci/run`). What is missing is a failure,
//! not a skip.

mod bridge;
mod examples;
mod node_apn;
mod ran;
mod walk;
