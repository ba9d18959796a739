//! Why the portal refuses, and what to do.

use super::{Identifier, IdentifierKind, Issued};
use crate::mint::MintError;
use crate::push::Kind;

/// How many of what there is a message lists.
const LISTED_MAX: usize = 10;

/// Why the portal refuses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PortalError {
    /// The App ID was never created.
    #[error("there is no App ID {id}{}: create it with `apns-certs app-id create {id}`", listed(known.iter().map(Identifier::to_string)))]
    UnknownAppId {
        /// The one asked for.
        id: Identifier,
        /// Those there are.
        known: Vec<Identifier>,
    },
    /// A wildcard App ID has no push.
    #[error(
        "push cannot be enabled for {0}: APNs delivers to one app, and a wildcard stands for many (Apple's portal showed \
         its row greyed out); create an App ID for the app itself, such as `apns-certs app-id create {example}`",
        example = explicit(.0)
    )]
    Wildcard(Identifier),
    /// Push was not enabled for the App ID.
    #[error("push is not enabled for {0}: enable it with `apns-certs app-id enable-push {0}`")]
    PushNotEnabled(Identifier),
    /// A certificate of that kind is issued for another kind of identifier.
    #[error("{id} cannot have a certificate of kind {kind}: {}", fitting(id, *wanted))]
    Misfit {
        /// The identifier.
        id: Identifier,
        /// The kind ordered.
        kind: Kind,
        /// The identifiers it is issued for.
        wanted: IdentifierKind,
    },
    /// An order without an identifier.
    #[error("a certificate of kind {0} is issued for an App ID: name it with --app-id")]
    NoAppId(Kind),
    /// No certificate of that number or fingerprint.
    #[error("the portal has issued no certificate {wanted}{}", listed(issued.iter().map(described)))]
    NotIssued {
        /// The one asked for.
        wanted: String,
        /// Those there are.
        issued: Vec<Issued>,
    },
    /// The CA cannot sign.
    #[error("cannot issue the certificate")]
    Mint(#[from] MintError),
}

fn listed(known: impl ExactSizeIterator<Item = String>) -> String {
    let (count, mut text) = (known.len(), String::from(" (there is none)"));
    if count > 0 {
        let names: Vec<_> = known.take(LISTED_MAX).collect();
        let more = if count > LISTED_MAX { ", …" } else { "" };
        text = format!(" (there are: {}{more})", names.join(", "));
    }
    text
}

fn described(issued: &Issued) -> String {
    let Issued {
        serial,
        kind,
        app_id,
        ..
    } = issued;
    format!("{serial} {kind} {app_id}")
}

/// An App ID that the wildcard stands for.
fn explicit(id: &Identifier) -> String {
    let prefix = id.as_str().trim_end_matches(['*', '.']);
    let prefix = if prefix.is_empty() {
        "com.example"
    } else {
        prefix
    };
    format!("{prefix}.App")
}

fn fitting(id: &Identifier, wanted: IdentifierKind) -> &'static str {
    match wanted {
        IdentifierKind::Website => "it is issued for website push ids, which begin with \"web.\"",
        IdentifierKind::Pass => "it is issued for pass type ids, which begin with \"pass.\"",
        IdentifierKind::Management => {
            "its topic is com.apple.mgmt.External.<uuid>; leave --app-id out to have one made up"
        }
        IdentifierKind::App | IdentifierKind::Wildcard => match id.kind() {
            IdentifierKind::Website => "this is a website push id: order --kind web",
            IdentifierKind::Pass => "this is a pass type id: order --kind pass",
            _ => "this is a device management topic: order --kind mdm",
        },
    }
}
