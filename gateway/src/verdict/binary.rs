//! The table of the binary protocol.

use std::time::Duration;

use apns_proto::Status;

use super::{Class, Fault, Misconfiguration, Place, Retry, Verdict, When};

/// How long a binary upstream's status 8 is remembered. It may mean an app that is reinstalled tomorrow under the same token, where
/// HTTP/2 would say which of the two it is.
const BAD_TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

impl Verdict {
    /// The verdict on the notification that a binary upstream's error packet names.
    pub fn of_binary(status: Status) -> Self {
        match status {
            // The one named was the last one taken [P-42].
            Status::SHUTDOWN => Self::Delivered,
            Status::INVALID_TOKEN => Self::BadToken {
                status,
                lifetime: BAD_TOKEN_LIFETIME,
            },
            Status::MISSING_TOKEN
            | Status::MISSING_PAYLOAD
            | Status::INVALID_TOKEN_SIZE
            | Status::INVALID_PAYLOAD_SIZE => Self::Refused {
                status,
                fault: Fault::Backend,
            },
            Status::MISSING_TOPIC | Status::INVALID_TOPIC_SIZE => {
                Self::Misconfigured(Misconfiguration::Topic)
            }
            // 1, 128, 255, 0 and whatever nobody assigned: nothing that could be held against the notification [P-43] [P-46].
            _ => Self::Retry(Retry {
                when: When::BackOff(Class::Failed),
                place: Place::NewConnection,
            }),
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
                2 | 4 | 5 | 7 => Verdict::Refused {
                    status,
                    fault: Fault::Backend,
                },
                3 | 6 => Verdict::Misconfigured(Misconfiguration::Topic),
                _ => Verdict::Retry(Retry {
                    when: When::BackOff(Class::Failed),
                    place: Place::NewConnection,
                }),
            };
            assert_eq!(Verdict::of_binary(status), expected);
        }
    }
}
