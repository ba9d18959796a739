//! Why a request is refused, in APNs' words.

use std::fmt;

/// The reasons of the provider API [H-30].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is explained by its meaning below")]
pub enum Reason {
    BadCollapseId,
    BadDeviceToken,
    BadExpirationDate,
    BadMessageId,
    BadPriority,
    BadTopic,
    DeviceTokenNotForTopic,
    DuplicateHeaders,
    IdleTimeout,
    InvalidPushType,
    MissingDeviceToken,
    MissingTopic,
    PayloadEmpty,
    TopicDisallowed,
    BadCertificate,
    BadCertificateEnvironment,
    BadEnvironmentKeyIdInToken,
    ExpiredProviderToken,
    Forbidden,
    InvalidProviderToken,
    MissingProviderToken,
    UnrelatedKeyIdInToken,
    BadPath,
    MethodNotAllowed,
    ExpiredToken,
    Unregistered,
    PayloadTooLarge,
    TooManyProviderTokenUpdates,
    TooManyRequests,
    InternalServerError,
    ServiceUnavailable,
    Shutdown,
}

impl Reason {
    /// Every reason, by status.
    pub const ALL: [Self; 32] = [
        Self::BadCollapseId,
        Self::BadDeviceToken,
        Self::BadExpirationDate,
        Self::BadMessageId,
        Self::BadPriority,
        Self::BadTopic,
        Self::DeviceTokenNotForTopic,
        Self::DuplicateHeaders,
        Self::IdleTimeout,
        Self::InvalidPushType,
        Self::MissingDeviceToken,
        Self::MissingTopic,
        Self::PayloadEmpty,
        Self::TopicDisallowed,
        Self::BadCertificate,
        Self::BadCertificateEnvironment,
        Self::BadEnvironmentKeyIdInToken,
        Self::ExpiredProviderToken,
        Self::Forbidden,
        Self::InvalidProviderToken,
        Self::MissingProviderToken,
        Self::UnrelatedKeyIdInToken,
        Self::BadPath,
        Self::MethodNotAllowed,
        Self::ExpiredToken,
        Self::Unregistered,
        Self::PayloadTooLarge,
        Self::TooManyProviderTokenUpdates,
        Self::TooManyRequests,
        Self::InternalServerError,
        Self::ServiceUnavailable,
        Self::Shutdown,
    ];

    /// The reason of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.to_string() == name)
    }

    /// The `:status` it comes with.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::BadCollapseId
            | Self::BadDeviceToken
            | Self::BadExpirationDate
            | Self::BadMessageId
            | Self::BadPriority
            | Self::BadTopic
            | Self::DeviceTokenNotForTopic
            | Self::DuplicateHeaders
            | Self::IdleTimeout
            | Self::InvalidPushType
            | Self::MissingDeviceToken
            | Self::MissingTopic
            | Self::PayloadEmpty
            | Self::TopicDisallowed => 400,
            Self::BadCertificate
            | Self::BadCertificateEnvironment
            | Self::BadEnvironmentKeyIdInToken
            | Self::ExpiredProviderToken
            | Self::Forbidden
            | Self::InvalidProviderToken
            | Self::MissingProviderToken
            | Self::UnrelatedKeyIdInToken => 403,
            Self::BadPath => 404,
            Self::MethodNotAllowed => 405,
            Self::ExpiredToken | Self::Unregistered => 410,
            Self::PayloadTooLarge => 413,
            Self::TooManyProviderTokenUpdates | Self::TooManyRequests => 429,
            Self::InternalServerError => 500,
            Self::ServiceUnavailable | Self::Shutdown => 503,
        }
    }

    /// What is wrong, for whoever has to find it.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::BadCollapseId => "apns-collapse-id has more than 64 bytes",
            Self::BadDeviceToken => {
                "the device token is malformed, or no phone of this environment has it"
            }
            Self::BadExpirationDate => "apns-expiration is not a number of seconds since 1970",
            Self::BadMessageId => "apns-id is not a UUID of the form 8-4-4-4-12",
            Self::BadPriority => "apns-priority is not 10, 5 or 1, or not 5 on a background push",
            Self::BadTopic => "apns-topic is no topic, or none for this push type",
            Self::DeviceTokenNotForTopic => "the device token belongs to another topic",
            Self::DuplicateHeaders => "a header of APNs is there twice",
            Self::IdleTimeout => "the connection was idle for too long",
            Self::InvalidPushType => "apns-push-type is none that APNs knows",
            Self::MissingDeviceToken => "the path ends before the device token",
            Self::MissingTopic => {
                "apns-topic is missing, and no certificate with a single topic stands in for it"
            }
            Self::PayloadEmpty => "the body is empty",
            Self::TopicDisallowed => "the certificate or the key may not push to this topic",
            Self::BadCertificate => "the client certificate is not a push certificate",
            Self::BadCertificateEnvironment => {
                "the client certificate is for the other environment"
            }
            Self::BadEnvironmentKeyIdInToken => {
                "the provider token's key is for the other environment"
            }
            Self::ExpiredProviderToken => "the provider token was issued more than an hour ago",
            Self::Forbidden => "the request is not allowed",
            Self::InvalidProviderToken => {
                "the provider token is malformed, its key unknown, its team another, or its signature wrong"
            }
            Self::MissingProviderToken => {
                "there is neither a client certificate nor an authorization header with a bearer token"
            }
            Self::UnrelatedKeyIdInToken => {
                "the provider token's key is of another team or scope than the first of this connection"
            }
            Self::BadPath => "the path is not /3/device/ and a device token",
            Self::MethodNotAllowed => "the method is not POST",
            Self::ExpiredToken => "the device token has expired",
            Self::Unregistered => "the app is gone from the phone",
            Self::PayloadTooLarge => "the body has more than 4096 bytes, or 5120 for voip",
            Self::TooManyProviderTokenUpdates => {
                "the provider token was changed twice within 20 minutes"
            }
            Self::TooManyRequests => "too many requests to one device token",
            Self::InternalServerError => "APNs failed",
            Self::ServiceUnavailable => "APNs is not available",
            Self::Shutdown => "APNs is shutting down",
        }
    }
}

/// The word in the answer.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_each_reason_once_and_in_order_of_status() {
        assert!(Reason::ALL.is_sorted());
        assert!(Reason::ALL.is_sorted_by_key(|reason| reason.status()));
        let mut all = Reason::ALL.to_vec();
        all.dedup();
        assert_eq!(all.len(), Reason::Shutdown as usize + 1);
        assert_eq!(Reason::BadDeviceToken.to_string(), "BadDeviceToken");
        assert_eq!(
            Reason::named("BadDeviceToken"),
            Some(Reason::BadDeviceToken)
        );
        assert_eq!(Reason::named("BadToken"), None);
    }

    #[test]
    fn the_table_in_the_documentation_is_this_list() {
        let document = include_str!("../../../docs/simulator.md");
        let documented: Vec<_> = document
            .lines()
            .filter_map(|line| {
                let mut cells = line.strip_prefix("| ")?.split(" | ").map(str::to_owned);
                let row = (cells.next()?, cells.next()?, cells.next()?);
                row.0.parse::<u16>().is_ok().then_some(row)
            })
            .collect();
        let expected: Vec<_> = Reason::ALL
            .into_iter()
            .map(|reason| {
                let (status, name) = (reason.status().to_string(), format!("`{reason}`"));
                (status, name, reason.meaning().to_owned())
            })
            .collect();
        assert_eq!(documented, expected);
    }
}
