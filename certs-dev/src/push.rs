//! Provider push certificates that look like Apple's.

use std::fmt;
use std::str::FromStr;

use apns_net::credentials::Environments;
use rcgen::{CustomExtension, DistinguishedName, DnType, DnValue};
use serde::{Deserialize, Serialize};

use crate::der;
use crate::mint::{KeyKind, MintError, Validity};

/// The subject's user id, where Apple writes the topic [P-60].
const USER_ID: [u64; 7] = [0, 9, 2342, 19_200_300, 100, 1, 1];
/// The arc of Apple's push extensions [P-62] [P-63].
const PUSH_EXTENSIONS: [u64; 7] = [1, 2, 840, 113_635, 100, 6, 3];

const SANDBOX: u64 = 1;
const PRODUCTION: u64 = 2;
const TOPICS: u64 = 6;

/// What a push certificate is for: decides its common name [P-61], environments [P-62] and topics [P-60] [P-63].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum Kind {
    /// `Apple Development IOS Push Services`: the sandbox.
    Development,
    /// `Apple Production IOS Push Services`: production.
    Production,
    /// `Apple Development Mac Push Services`: the sandbox.
    DevelopmentMac,
    /// `Apple Production Mac Push Services`: production.
    ProductionMac,
    /// `Apple Push Services`, since December 2015: both, for the app, its VoIP and its complication topic.
    Universal,
    /// `VoIP Services`: both environments, topic `<bundle>.voip`.
    Voip,
    /// `WatchKit Services`: both environments, topic `<bundle>.complication` (our choice; Apple's text names the
    /// topics it serves, not its UID), VoIP listed beside it.
    WatchKit,
    /// `Website Push ID`: production (our choice; Apple knows no sandbox for them).
    Website,
    /// `Pass Type ID`: production, the only one passes are updated from.
    Pass,
    /// `APSP:`: device management, production. Its topic is `com.apple.mgmt.External.<uuid>`, made up for its holder: no
    /// app's bundle id.
    Mdm,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Development,
        Self::Production,
        Self::DevelopmentMac,
        Self::ProductionMac,
        Self::Universal,
        Self::Voip,
        Self::WatchKit,
        Self::Website,
        Self::Pass,
        Self::Mdm,
    ];

    /// The word used on command lines and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
            Self::DevelopmentMac => "development-mac",
            Self::ProductionMac => "production-mac",
            Self::Universal => "universal",
            Self::Voip => "voip",
            Self::WatchKit => "watchkit",
            Self::Website => "web",
            Self::Pass => "pass",
            Self::Mdm => "mdm",
        }
    }

    /// The name under which the portal lets one download such a certificate, without its `.cer`. Apple's, as of 2011 for
    /// development, later ones for the others; those of the Mac, of passes and of device management are our choice.
    pub const fn file_stem(self) -> &'static str {
        match self {
            Self::Development => "aps_developer_identity",
            Self::Production => "aps_production",
            Self::DevelopmentMac => "aps_mac_development",
            Self::ProductionMac => "aps_mac_production",
            Self::Universal => "aps",
            Self::Voip => "voip_services",
            Self::WatchKit => "watchkit_services",
            Self::Website => "website_aps_production",
            Self::Pass => "pass",
            Self::Mdm => "mdm",
        }
    }

    /// Apple's spelling, up to the colon [P-61].
    const fn common_name(self) -> &'static str {
        match self {
            Self::Development => "Apple Development IOS Push Services",
            Self::Production => "Apple Production IOS Push Services",
            Self::DevelopmentMac => "Apple Development Mac Push Services",
            Self::ProductionMac => "Apple Production Mac Push Services",
            Self::Universal => "Apple Push Services",
            Self::Voip => "VoIP Services",
            Self::WatchKit => "WatchKit Services",
            Self::Website => "Website Push ID",
            Self::Pass => "Pass Type ID",
            Self::Mdm => "APSP",
        }
    }

    /// Where it may be used [P-62].
    pub fn environments(self) -> Environments {
        Environments {
            sandbox: self.marks().contains(&SANDBOX),
            production: self.marks().contains(&PRODUCTION),
        }
    }

    /// The marks it carries, by the last number of their OID.
    const fn marks(self) -> &'static [u64] {
        match self {
            Self::Development | Self::DevelopmentMac => &[SANDBOX],
            Self::Production | Self::ProductionMac | Self::Website | Self::Pass | Self::Mdm => {
                &[PRODUCTION]
            }
            Self::Universal | Self::Voip | Self::WatchKit => &[SANDBOX, PRODUCTION],
        }
    }

    /// What is appended to the bundle id for the topic of its UID.
    const fn topic_suffix(self) -> &'static str {
        match self {
            Self::Voip => ".voip",
            Self::WatchKit => ".complication",
            _ => "",
        }
    }

    /// The topics it lists, as suffix to the bundle id and kind.
    const fn topics(self) -> &'static [(&'static str, &'static str)] {
        const APP: (&str, &str) = ("", "app");
        const VOIP: (&str, &str) = (".voip", "voip");
        const COMPLICATION: (&str, &str) = (".complication", "complication");
        match self {
            Self::Universal => &[APP, VOIP, COMPLICATION],
            Self::Voip => &[VOIP],
            Self::WatchKit => &[COMPLICATION, VOIP],
            _ => &[],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = KindError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or_else(|| KindError(word.to_owned()))
    }
}

impl TryFrom<String> for Kind {
    type Error = KindError;

    fn try_from(word: String) -> Result<Self, Self::Error> {
        word.parse()
    }
}

impl From<Kind> for &'static str {
    fn from(kind: Kind) -> Self {
        kind.as_str()
    }
}

/// A word that names no kind of push certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no kind of push certificate is called {0:?}: there are {all}", all = Kind::ALL.map(Kind::as_str).join(", "))]
pub struct KindError(String);

/// What a push certificate is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushCertificate {
    /// What it is for.
    pub kind: Kind,
    /// The app's bundle id (or the website's or pass type's identifier), without any suffix: the topic, but for the
    /// kinds that say otherwise.
    pub topic: String,
    /// Apple's ten characters for the developer team.
    pub team: String,
    /// The company's name.
    pub organization: String,
    /// The kind of its key.
    pub key: KeyKind,
    /// From when to when it is valid.
    pub validity: Validity,
}

/// The team of certificates that nobody said a team for.
pub const DEFAULT_TEAM: &str = "DEVTEAM001";
/// The company of certificates that nobody said a company for.
pub const DEFAULT_ORGANIZATION: &str = "Example Ltd";

impl PushCertificate {
    /// A certificate for a year with an RSA key, as the portal issues them.
    pub fn new(kind: Kind, topic: impl Into<String>) -> Self {
        Self {
            kind,
            topic: topic.into(),
            team: DEFAULT_TEAM.to_owned(),
            organization: DEFAULT_ORGANIZATION.to_owned(),
            key: KeyKind::Rsa2048,
            validity: Validity::year(),
        }
    }

    /// What its UID will say: the topic of its holder [P-60].
    pub fn user_id(&self) -> String {
        format!("{}{}", self.topic, self.kind.topic_suffix())
    }

    /// Its common name [P-61].
    pub fn common_name(&self) -> String {
        let kind = self.kind.common_name();
        match self.kind {
            Kind::Mdm => {
                let uuid = self.topic.rsplit('.').next().unwrap_or(&self.topic);
                format!("{kind}:{uuid}")
            }
            _ => format!("{kind}: {}", self.topic),
        }
    }

    /// The subject, in Apple's order.
    pub(crate) fn subject(&self) -> Result<DistinguishedName, MintError> {
        check_topic(&self.topic)?;
        let mut name = DistinguishedName::new();
        name.push(DnType::CustomDnType(USER_ID.to_vec()), self.user_id());
        name.push(DnType::CommonName, self.common_name());
        name.push(DnType::OrganizationalUnitName, self.team.as_str());
        name.push(DnType::OrganizationName, self.organization.as_str());
        name.push(DnType::CountryName, country()?);
        Ok(name)
    }

    /// Environments and topics, none of them critical.
    pub(crate) fn extensions(&self) -> Vec<CustomExtension> {
        let mut extensions: Vec<_> = self
            .kind
            .marks()
            .iter()
            .map(|mark| extension(*mark, der::null()))
            .collect();
        // Topic, its kinds, topic, its kinds: alternating, not paired [P-63].
        let topics: Vec<_> = self
            .kind
            .topics()
            .iter()
            .flat_map(|(suffix, kind)| {
                let topic = format!("{}{suffix}", self.topic);
                [der::utf8(&topic), der::sequence(&[der::utf8(kind)])]
            })
            .collect();
        if !topics.is_empty() {
            extensions.push(extension(TOPICS, der::sequence(&topics)));
        }
        extensions
    }
}

fn extension(last: u64, content: Vec<u8>) -> CustomExtension {
    let mut oid = PUSH_EXTENSIONS.to_vec();
    oid.push(last);
    CustomExtension::from_oid_content(&oid, content)
}

/// A country is a PrintableString by its definition; strict parsers look.
pub(crate) fn country() -> Result<DnValue, MintError> {
    Ok(DnValue::PrintableString("US".try_into()?))
}

/// Refuses what the portal refuses: push needs an explicit App ID.
///
/// # Errors
/// The text is not a bundle id, or has a wildcard.
pub fn check_topic(topic: &str) -> Result<(), MintError> {
    let labels_are_sound = topic.split('.').all(|label| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    });
    if labels_are_sound && topic.len() <= 155 {
        Ok(())
    } else {
        Err(MintError::Topic(topic.to_owned()))
    }
}
