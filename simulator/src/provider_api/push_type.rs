//! What a push is meant to do on the phone: `apns-push-type` [H-16].

use std::fmt;

/// The push types APNs knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "Apple's words for them say it")]
pub enum PushType {
    Alert,
    Background,
    Complication,
    Controls,
    FileProvider,
    LiveActivity,
    Location,
    Mdm,
    PushToTalk,
    Voip,
    Widgets,
}

impl PushType {
    const ALL: [Self; 11] = [
        Self::Alert,
        Self::Background,
        Self::Complication,
        Self::Controls,
        Self::FileProvider,
        Self::LiveActivity,
        Self::Location,
        Self::Mdm,
        Self::PushToTalk,
        Self::Voip,
        Self::Widgets,
    ];

    /// As it is written in the header.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Background => "background",
            Self::Complication => "complication",
            Self::Controls => "controls",
            Self::FileProvider => "fileprovider",
            Self::LiveActivity => "liveactivity",
            Self::Location => "location",
            Self::Mdm => "mdm",
            Self::PushToTalk => "pushtotalk",
            Self::Voip => "voip",
            Self::Widgets => "widgets",
        }
    }

    /// The type of that name, if there is one.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|known| known.name().as_bytes() == name)
    }

    /// What its topic has behind the bundle id [H-18].
    pub(super) const fn topic_suffix(self) -> Option<&'static str> {
        Some(match self {
            Self::Alert | Self::Background | Self::Mdm => return None,
            Self::Complication => ".complication",
            Self::Controls => ".push-type.controls",
            Self::FileProvider => ".pushkit.fileprovider",
            Self::LiveActivity => ".push-type.liveactivity",
            Self::Location => ".location-query",
            Self::PushToTalk => ".voip-ptt",
            Self::Voip => VOIP_SUFFIX,
            Self::Widgets => ".push-type.widgets",
        })
    }

    /// Whether a certificate for the bundle id alone may push to the topic with this type's suffix.
    pub(super) const fn comes_with_the_app(self) -> bool {
        matches!(
            self,
            Self::Controls
                | Self::FileProvider
                | Self::LiveActivity
                | Self::PushToTalk
                | Self::Widgets
        )
    }
}

/// Ends the topic of a VoIP push.
pub(crate) const VOIP_SUFFIX: &str = ".voip";

impl fmt::Display for PushType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
