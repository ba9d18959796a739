//! `apns-certs inspect`: files of every vintage, minted here or by the real `openssl`, each finding by its code.
#![expect(
    clippy::unwrap_used,
    reason = "in a test, a panic that names its place is the best report"
)]

mod certificates;
mod command;
mod foreign;
mod hostile;
mod keys;
mod pairs;
mod stores;
mod support;
mod writing;
