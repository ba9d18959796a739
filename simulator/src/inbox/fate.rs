//! What became of a push.

use std::sync::Arc;

use apns_proto::Status;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::event::{Dropped, Request};
use crate::faults::Action;
use crate::provider_api::Reason;

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// On its way to a phone that is online.
    OnItsWay,
    /// Kept for a phone that is offline.
    Stored,
    /// The phone acknowledged it.
    Delivered,
    /// Accepted, and given up.
    Dropped(Dropped),
    /// A later push took its place in the store.
    Overwritten {
        /// The later one.
        by: u64,
    },
    /// Accepted in silence; the app is gone from the phone.
    AppGone,
    /// Refused over HTTP/2.
    Refused {
        /// What was answered.
        reason: Reason,
        /// More about it in words.
        why: String,
    },
    /// A fault that was asked for decided it.
    Injected {
        /// The rule's name, or [`magic::NAME`](crate::faults::magic::NAME).
        fault: Arc<str>,
        /// What the rule calls what it did.
        action: &'static str,
        /// Dropped, lost or rejected.
        outcome: Outcome,
        /// What was answered: the status of the error packet, or HTTP's.
        status: Option<u16>,
        /// What was answered over HTTP/2.
        reason: Option<Arc<str>>,
    },
    /// Refused.
    Rejected {
        /// What was answered; `None` is a bare close.
        status: Option<Status>,
        /// The clause of `docs/protocol.md` behind it.
        clause: &'static str,
        /// The reason in words.
        why: String,
    },
}

/// The one word for a [`Fate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// On its way to a phone that is online.
    OnItsWay,
    /// Kept for a phone that is offline.
    Stored,
    /// The phone acknowledged it.
    Delivered,
    /// Accepted, and given up.
    Dropped,
    /// A later push took its place in the store.
    Overwritten,
    /// Accepted in silence; the app is gone from the phone.
    AppGone,
    /// A fault broke the connection before it was taken.
    Lost,
    /// Refused.
    Rejected,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::OnItsWay => "on_its_way",
            Self::Stored => "stored",
            Self::Delivered => "delivered",
            Self::Dropped => "dropped",
            Self::Overwritten => "overwritten",
            Self::AppGone => "app_gone",
            Self::Lost => "lost",
            Self::Rejected => "rejected",
        })
    }
}

impl Fate {
    /// What a fault makes of a push. `None`: it leaves that to the world, whose own event follows.
    pub(super) fn injected(fault: Arc<str>, action: &Action, request: &Request) -> Option<Self> {
        let (outcome, status, reason) = match action {
            Action::Latency { .. }
            | Action::Bandwidth { .. }
            | Action::MaxStreams { .. }
            | Action::CertificateExpired
            | Action::CertificateRevoked => return None,
            action if action.taken() => return None,
            Action::Swallow { .. } => (Outcome::Dropped, None, None),
            Action::Status { status }
            | Action::Slicer { status, .. }
            | Action::LimitData { status, .. }
            | Action::SlowClose { status, .. } => {
                // Without an identifier there is no packet [P-39].
                let packet = request.sent.identifier().map(|_| status.0.into());
                (Outcome::Rejected, packet, None)
            }
            Action::WrongIdentifier { status, .. } | Action::ZeroIdentifier { status } => {
                (Outcome::Rejected, Some(status.0.into()), None)
            }
            Action::NoPacket => (Outcome::Rejected, None, None),
            Action::Reason { status, reason } => {
                (Outcome::Rejected, Some(*status), Some(reason.clone()))
            }
            // It names the one before.
            Action::Shutdown { .. } => (Outcome::Lost, Some(Status::SHUTDOWN.0.into()), None),
            Action::Timeout { .. }
            | Action::ResetPeer { .. }
            | Action::HalfClose { .. }
            | Action::Close { .. }
            | Action::RstStream { .. }
            | Action::Goaway { .. } => (Outcome::Lost, None, None),
        };
        Some(Self::Injected {
            fault,
            action: action.name(),
            outcome,
            status,
            reason,
        })
    }

    /// The one word for it.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::OnItsWay => Outcome::OnItsWay,
            Self::Stored => Outcome::Stored,
            Self::Delivered => Outcome::Delivered,
            Self::Dropped(_) => Outcome::Dropped,
            Self::Overwritten { .. } => Outcome::Overwritten,
            Self::AppGone => Outcome::AppGone,
            Self::Injected { outcome, .. } => *outcome,
            Self::Refused { .. } | Self::Rejected { .. } => Outcome::Rejected,
        }
    }

    /// Why, where there is more to say than the word.
    #[must_use]
    pub fn why(&self) -> Option<String> {
        match self {
            Self::OnItsWay | Self::Stored | Self::Delivered => None,
            Self::Dropped(why) => Some(why.to_string()),
            Self::Overwritten { by } => Some(format!("push {by} came for the same app")),
            Self::AppGone => Some("the app is not on the phone".to_owned()),
            Self::Injected { fault, action, .. } => Some(format!("injected {action}: {fault}")),
            Self::Refused { why, .. } | Self::Rejected { why, .. } => Some(why.clone()),
        }
    }
}
