//! What upstream's answers mean. One table per kind of upstream, and nothing else.

use std::time::Duration;

use apns_proto::Status;

/// How long a binary upstream's status 8 is remembered. It may mean an app that is reinstalled tomorrow under the same token, where
/// HTTP/2 would say which of the two it is.
const BINARY_BAD_TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The judgement on one push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Upstream took it.
    Delivered,
    /// The token means nothing there. Whether that is believed is for the contract to say.
    BadToken {
        /// What a backend would be told.
        status: Status,
        /// How long it may be remembered.
        lifetime: Duration,
    },
    /// The notification is refused for what it is; another attempt would end alike.
    Refused {
        /// What a backend would be told.
        status: Status,
    },
    /// Certificate, topic or environment are wrong: the app's trouble, never the notification's.
    Misconfigured {
        /// What upstream said.
        status: Status,
    },
    /// Upstream could not, this time. Costs one attempt of the notification's budget.
    Retry {
        /// What upstream said.
        status: Status,
    },
}

impl Verdict {
    /// The verdict on the notification that a binary upstream's error packet names.
    pub fn of_binary(status: Status) -> Self {
        match status {
            // The one named was the last one taken [P-42].
            Status::SHUTDOWN => Self::Delivered,
            Status::INVALID_TOKEN => Self::BadToken {
                status,
                lifetime: BINARY_BAD_TOKEN_LIFETIME,
            },
            Status::MISSING_TOKEN
            | Status::MISSING_PAYLOAD
            | Status::INVALID_TOKEN_SIZE
            | Status::INVALID_PAYLOAD_SIZE => Self::Refused { status },
            Status::MISSING_TOPIC | Status::INVALID_TOPIC_SIZE => Self::Misconfigured { status },
            // 1, 128, 255, 0 and whatever nobody assigned: nothing that could be held against the notification [P-43] [P-46].
            _ => Self::Retry { status },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_binary_status_has_its_verdict() {
        let day = Duration::from_secs(86_400);
        for number in 0..=255 {
            let status = Status(number);
            let expected = match number {
                10 => Verdict::Delivered,
                8 => Verdict::BadToken {
                    status,
                    lifetime: day,
                },
                2 | 4 | 5 | 7 => Verdict::Refused { status },
                3 | 6 => Verdict::Misconfigured { status },
                _ => Verdict::Retry { status },
            };
            assert_eq!(Verdict::of_binary(status), expected);
        }
    }
}
