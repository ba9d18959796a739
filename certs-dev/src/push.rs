//! Provider push certificates that look like Apple's.

use rcgen::{CustomExtension, DistinguishedName, DnType, DnValue};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

impl Kind {
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
        }
    }

    /// The marks it carries, by the last number of their OID.
    const fn environments(self) -> &'static [u64] {
        match self {
            Self::Development | Self::DevelopmentMac => &[SANDBOX],
            Self::Production | Self::ProductionMac | Self::Website | Self::Pass => &[PRODUCTION],
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

impl PushCertificate {
    /// A certificate for a year with an RSA key, as the portal issues them.
    pub fn new(kind: Kind, topic: impl Into<String>) -> Self {
        Self {
            kind,
            topic: topic.into(),
            team: "DEVTEAM001".to_owned(),
            organization: "Example Ltd".to_owned(),
            key: KeyKind::Rsa2048,
            validity: Validity::year(),
        }
    }

    /// What its UID will say: the topic of its holder [P-60].
    pub fn user_id(&self) -> String {
        format!("{}{}", self.topic, self.kind.topic_suffix())
    }

    /// The subject, in Apple's order.
    pub(crate) fn subject(&self) -> Result<DistinguishedName, MintError> {
        check_topic(&self.topic)?;
        let mut name = DistinguishedName::new();
        name.push(DnType::CustomDnType(USER_ID.to_vec()), self.user_id());
        name.push(
            DnType::CommonName,
            format!("{}: {}", self.kind.common_name(), self.topic),
        );
        name.push(DnType::OrganizationalUnitName, self.team.as_str());
        name.push(DnType::OrganizationName, self.organization.as_str());
        name.push(DnType::CountryName, country()?);
        Ok(name)
    }

    /// Environments and topics, none of them critical.
    pub(crate) fn extensions(&self) -> Vec<CustomExtension> {
        let mut extensions: Vec<_> = self
            .kind
            .environments()
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
