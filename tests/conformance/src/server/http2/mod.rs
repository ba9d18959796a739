//! Chapter 7: the HTTP/2 provider API.

mod answers;
mod client;
mod connection;
mod frames;
mod headers;
mod login;
mod request;
mod token;

pub(super) use self::token::ProviderKey;
use super::{Trial, case};
use crate::case::{Basis, Case, Need, Profile, Run};
use crate::clause::Clause;

/// The cases.
pub(super) const CASES: &[&[Case<Trial>]] = &[
    connection::CASES,
    request::CASES,
    headers::CASES,
    login::CASES,
    answers::CASES,
];

/// What cases with provider tokens cannot do without.
const WITH_KEY: &[Need] = &[Need::Http2, Need::GoodToken, Need::ProviderKey];

/// A case of this chapter: a bridge has no such port, and a push wants a token.
const fn push(
    name: &'static str,
    title: &'static str,
    clauses: &'static [Clause],
    basis: Basis,
    run: Run<Trial>,
) -> Case<Trial> {
    case(name, title, clauses, basis, run)
        .only(&[Profile::Apple])
        .needs(&[Need::Http2, Need::GoodToken])
}
