//! Apple's two services, and which of them a certificate may use [P-05] [P-62].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One of Apple's two separate services; a token of one means nothing to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// `gateway.sandbox.push.apple.com`: apps signed for development.
    Sandbox,
    /// `gateway.push.apple.com`: apps from the store, ad hoc and TestFlight.
    Production,
}

impl Environment {
    /// The word used in configuration, logs and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Production => "production",
        }
    }

    /// Whose host a name is, of either provider protocol, of the feedback service or of a courier [P-01]; `None` for names that
    /// are not Apple's. The name is as TLS has it: without a port, in any case.
    pub fn of_host(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let host = name.strip_suffix(".push.apple.com")?;
        let sandbox = host.ends_with(".sandbox") || host == "api.development";
        Some(if sandbox {
            Self::Sandbox
        } else {
            Self::Production
        })
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Environment {
    type Err = EnvironmentError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "sandbox" => Ok(Self::Sandbox),
            "production" => Ok(Self::Production),
            _ => Err(EnvironmentError(word.to_owned())),
        }
    }
}

/// A word that names neither environment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown environment {0:?}: expected \"sandbox\" or \"production\"")]
pub struct EnvironmentError(String);

/// The environments a certificate may be used in: neither, one or both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Environments {
    /// Carries 1.2.840.113635.100.6.3.1.
    pub sandbox: bool,
    /// Carries 1.2.840.113635.100.6.3.2.
    pub production: bool,
}

impl Environments {
    /// Whether a certificate with these marks may be used in `environment` [P-05].
    pub const fn permits(self, environment: Environment) -> bool {
        match environment {
            Environment::Sandbox => self.sandbox,
            Environment::Production => self.production,
        }
    }

    /// Whether the certificate carries no environment at all: it is not one of Apple's push certificates.
    pub const fn is_empty(self) -> bool {
        !self.sandbox && !self.production
    }
}

impl fmt::Display for Environments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match (self.sandbox, self.production) {
            (true, true) => "sandbox and production",
            (true, false) => "sandbox",
            (false, true) => "production",
            (false, false) => "no environment",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_prints_parses_and_serializes_as_the_same_word() {
        for (environment, word) in [
            (Environment::Sandbox, "sandbox"),
            (Environment::Production, "production"),
        ] {
            assert_eq!(environment.to_string(), word);
            assert_eq!(word.parse(), Ok(environment));
            assert_eq!(serde_json::to_value(environment).unwrap(), word);
            let read: Environment = serde_json::from_value(word.into()).unwrap();
            assert_eq!(read, environment);
        }
    }

    #[test]
    fn an_unknown_word_is_refused_with_the_words_that_exist() {
        let error = "Development".parse::<Environment>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown environment \"Development\": expected \"sandbox\" or \"production\""
        );
    }

    #[test]
    fn the_names_of_apples_hosts_say_whose_they_are() {
        use Environment::{Production, Sandbox};
        for (name, environment) in [
            ("gateway.push.apple.com", Some(Production)),
            ("Feedback.Push.Apple.com", Some(Production)),
            ("7-courier.push.apple.com", Some(Production)),
            ("api.push.apple.com", Some(Production)),
            ("gateway.sandbox.push.apple.com", Some(Sandbox)),
            ("3-courier.sandbox.push.apple.com", Some(Sandbox)),
            ("api.sandbox.push.apple.com", Some(Sandbox)),
            ("api.development.push.apple.com", Some(Sandbox)),
            ("localhost", None),
            ("push.apple.com", None),
            ("gateway.push.apple.com.example.net", None),
        ] {
            assert_eq!(Environment::of_host(name), environment, "{name}");
        }
    }

    #[test]
    fn a_certificate_is_permitted_only_where_its_marks_say() {
        use Environment::{Production, Sandbox};
        let sandbox = Environments {
            sandbox: true,
            production: false,
        };
        assert!(sandbox.permits(Sandbox) && !sandbox.permits(Production));
        let production = Environments {
            sandbox: false,
            production: true,
        };
        assert!(!production.permits(Sandbox) && production.permits(Production));
        assert!(Environments::default().is_empty());
        assert!(!Environments::default().permits(Sandbox));
    }
}
