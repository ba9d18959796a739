//! Chapter 6: the courier. The suite is the phone.

mod connection;
mod delivery;
mod phone;
mod registration;

use super::{Trial, case};
use crate::case::{Basis, Case, Lane, Need, Profile, Run};
use crate::clause::Clause;

/// The cases.
pub(super) const CASES: &[&[Case<Trial>]] =
    &[connection::CASES, registration::CASES, delivery::CASES];

/// What every case of this chapter wants.
const PHONE: &[Need] = &[Need::Courier, Need::DeviceCertificate];

/// A case of this chapter: a bridge has no phones, and there is one certificate, so one phone.
const fn as_phone(
    name: &'static str,
    title: &'static str,
    clauses: &'static [Clause],
    basis: Basis,
    run: Run<Trial>,
) -> Case<Trial> {
    case(name, title, clauses, basis, run)
        .only(&[Profile::Apple])
        .needs(PHONE)
        .lanes(&[Lane::Phone])
}
