//! Why APNs refuses a request, in its own words.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// Of a word nobody knows, this many characters are kept.
const UNKNOWN_LEN_MAX: usize = 64;

macro_rules! reasons {
    ($($status:literal: $($name:ident)+;)+) => {
        /// A reason of the provider API. One nobody knows survives and prints.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "Apple's names say what they mean; the table beside this says what follows")]
        pub enum Reason {
            $($($name,)+)+
            Unknown(Box<str>),
        }

        impl Reason {
            /// Every known one, by the status it comes with.
            pub const ALL: &'static [(u16, Self)] = &[$($(($status, Self::$name),)+)+];

            /// The word.
            pub fn as_str(&self) -> &str {
                match self {
                    $($(Self::$name => stringify!($name),)+)+
                    Self::Unknown(word) => word,
                }
            }
        }
    };
}

reasons! {
    400: BadCollapseId BadDeviceToken BadExpirationDate BadMessageId BadPriority BadTopic DeviceTokenNotForTopic DuplicateHeaders
        IdleTimeout InvalidPushType MissingDeviceToken MissingTopic PayloadEmpty TopicDisallowed;
    403: BadCertificate BadCertificateEnvironment BadEnvironmentKeyIdInToken ExpiredProviderToken Forbidden InvalidProviderToken
        MissingProviderToken UnrelatedKeyIdInToken;
    404: BadPath;
    405: MethodNotAllowed;
    410: ExpiredToken Unregistered;
    413: PayloadTooLarge;
    429: TooManyProviderTokenUpdates TooManyRequests;
    500: InternalServerError;
    503: ServiceUnavailable Shutdown;
}

impl FromStr for Reason {
    type Err = Infallible;

    /// What is unknown is cut, and made fit for a line of a log.
    fn from_str(word: &str) -> Result<Self, Infallible> {
        // Both spellings are in use.
        if word == "BadEnvironmentKeyInToken" {
            return Ok(Self::BadEnvironmentKeyIdInToken);
        }
        let known = Self::ALL.iter().find(|(_, known)| known.as_str() == word);
        Ok(known.map_or_else(
            || {
                let printable = |char: char| if char.is_control() { '?' } else { char };
                Self::Unknown(word.chars().take(UNKNOWN_LEN_MAX).map(printable).collect())
            },
            |(_, known)| known.clone(),
        ))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_word_is_its_reason_and_prints_as_it_came() {
        for (_, reason) in Reason::ALL {
            assert_eq!(reason.as_str().parse().as_ref(), Ok(reason));
            assert!(!matches!(reason, Reason::Unknown(_)));
        }
        assert_eq!(Reason::BadDeviceToken.to_string(), "BadDeviceToken");
    }

    #[test]
    fn both_spellings_of_a_key_of_the_other_environment_are_one_reason() {
        for word in ["BadEnvironmentKeyIdInToken", "BadEnvironmentKeyInToken"] {
            assert_eq!(word.parse(), Ok(Reason::BadEnvironmentKeyIdInToken));
        }
    }

    #[test]
    fn an_unknown_word_survives_cut_and_without_control_characters() {
        let Ok(reason) = "NewIn2027".parse::<Reason>();
        assert_eq!(reason.to_string(), "NewIn2027");
        let Ok(reason) = format!("a\n\u{1b}[31m{}", "ü".repeat(100)).parse::<Reason>();
        assert_eq!(reason.to_string(), format!("a??[31m{}", "ü".repeat(57)));
        let Ok(reason) = "baddevicetoken".parse::<Reason>();
        assert_ne!(reason, Reason::BadDeviceToken, "case counts");
    }
}
