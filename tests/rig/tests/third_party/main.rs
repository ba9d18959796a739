//! Clients that are not ours and cannot be changed: PHP, Java and npm `apn@1.7.8`, against simulator and gateway; and the walk of
//! docs/certificates.md, which ends with them.
//!
//! Needs php, java, keytool, openssl, node, and `npm ci --ignore-scripts --prefix examples/clients/node`. What is missing is a failure,
//! not a skip.

mod examples;
mod node_apn;
mod ran;
mod walk;
