//! What verdicts are counted as.

use apns_proto::Status;

use super::{Class, Misconfiguration, Retry, Verdict, When};

/// A verdict without what is particular about it. The words are those of `docs/verdicts.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Upstream took it.
    Delivered,
    /// The app is gone from the phone.
    Unregistered,
    /// It is refused, for its token or for what it is, with what a backend would be told.
    Rejected(Status),
    /// It is to be sent again, charged to a budget or to none.
    Again(Option<Class>),
    /// The configuration is wrong.
    Hold(Misconfiguration),
}

impl Kind {
    /// Those that the tables have; there are no others.
    pub fn all() -> Vec<Self> {
        let rejected = [
            Status::PROCESSING_ERROR,
            Status::MISSING_TOKEN,
            Status::MISSING_PAYLOAD,
            Status::INVALID_TOKEN_SIZE,
            Status::INVALID_PAYLOAD_SIZE,
            Status::INVALID_TOKEN,
        ];
        let again = Class::ALL.map(Some).into_iter().chain([None]);
        [Self::Delivered, Self::Unregistered]
            .into_iter()
            .chain(rejected.map(Self::Rejected))
            .chain(again.map(Self::Again))
            .chain(Misconfiguration::ALL.map(Self::Hold))
            .collect()
    }

    /// The word for it.
    pub const fn verdict(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Unregistered => "unregistered",
            Self::Rejected(_) => "rejected",
            Self::Again(_) => "again",
            Self::Hold(_) => "hold",
        }
    }

    /// Which of them: the status, the class, or what is wrong; empty where there is but one.
    pub fn detail(self) -> String {
        match self {
            Self::Delivered | Self::Unregistered => String::new(),
            Self::Rejected(status) => status.0.to_string(),
            Self::Again(Some(class)) => format!("{class:?}").to_lowercase(),
            Self::Again(None) => "uncharged".to_owned(),
            Self::Hold(why) => format!("{why:?}").to_lowercase(),
        }
    }
}

impl From<Verdict> for Kind {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Delivered => Self::Delivered,
            Verdict::Unregistered { .. } => Self::Unregistered,
            Verdict::BadToken { status, .. } | Verdict::Refused { status, .. } => {
                Self::Rejected(status)
            }
            Verdict::Misconfigured(why) => Self::Hold(why),
            Verdict::Retry(Retry { when, .. }) => Self::Again(match when {
                When::BackOff(class) => Some(class),
                When::AtOnce | When::After(_) => None,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::verdict::{Answer, Auth, Outcome, Reason};

    #[test]
    fn every_verdict_of_the_tables_is_one_of_the_kinds_and_no_two_look_alike() {
        let all: HashSet<_> = Kind::all().into_iter().collect();
        for status in 0..=255 {
            let kind = Kind::from(Verdict::of_binary(Status(status)));
            assert!(all.contains(&kind), "{status}: {kind:?}");
        }
        let reasons = Reason::ALL.iter().map(|(_, reason)| Some(reason.clone()));
        for reason in reasons.chain([None]) {
            for status in 100..700 {
                let outcome = Outcome::Answered(Answer {
                    reason: reason.clone(),
                    ..Answer::new(status, b"")
                });
                for auth in [Auth::Certificate, Auth::Token, Auth::FreshToken] {
                    let kind = Kind::from(Verdict::of_http2(&outcome, auth));
                    assert!(all.contains(&kind), "{outcome}: {kind:?}");
                }
            }
        }
        let labels = all.iter().map(|kind| (kind.verdict(), kind.detail()));
        assert_eq!(labels.collect::<HashSet<_>>().len(), all.len());
    }
}
