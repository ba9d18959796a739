//! What is wrong with a server.

/// One bug; some were those of published mocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// uniqush's simulator: status 0 to every good notification.
    ConfirmsEverything,
    /// PushSharp's test server: 01 for 08.
    WrongCommand,
    /// What java-apns' stub warns of: the six bytes in two writes.
    SplitPacket,
    /// Pushy 0.4's mock: all five items, or it is none.
    DemandsAllItems,
    /// Goes on with what comes behind a refused notification.
    ReadsOn,
    /// mockapn: hangs up without a packet.
    ClosesWithoutPacket,
    /// grocer's server: never an error.
    NeverRefuses,
    /// java-apns' older stub: status 1, whatever it is.
    Status1,
    /// Closes with unread bytes in the socket: the kernel's RST overtakes the packet.
    ClosesAtOnce,
    /// grocer's server: every frame is read as a command 1.
    IgnoresCommand,
    /// Speaks TLS 1.3, with session tickets.
    SendsTickets,
    /// Has a certificate for nobody who asks for a name.
    KnowsNoName,
    /// The feedback list stays when it has been read.
    ListsAgain,
    /// The length in a tuple is little-endian.
    LengthBackwards,
    /// The feedback list is gone as soon as somebody asks for it.
    ClearsAtConnect,
    /// When the reader has closed everything on the feedback list is gone, what came meanwhile too.
    ClearsAll,
    /// The connection stays open behind the feedback list.
    NeverCloses,
    /// The feedback list is cut into records of 1,000 bytes, wherever that is.
    SplitsTuples,
    /// For a phone that is offline everything is kept, not only the newest.
    KeepsAll,
    /// What was written to a phone is done with.
    SettlesWhenSent,
    /// Any base token is as good as the one that was given out.
    TakesAnyBaseToken,
    /// A phone of another team is a phone like any other.
    MixesTeams,
}

impl Bug {
    /// The chapter whose ports it needs.
    pub(crate) fn chapter(self) -> Chapter {
        match self {
            Self::ListsAgain
            | Self::LengthBackwards
            | Self::ClearsAtConnect
            | Self::ClearsAll
            | Self::NeverCloses
            | Self::SplitsTuples => Chapter::Feedback,
            Self::KeepsAll | Self::SettlesWhenSent | Self::TakesAnyBaseToken | Self::MixesTeams => {
                Chapter::Courier
            }
            _ => Chapter::Notifications,
        }
    }
}

/// Which part of a server is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chapter {
    Notifications,
    Feedback,
    Courier,
}

impl Chapter {
    /// The cases that are about it.
    pub(crate) fn clauses(self) -> &'static str {
        match self {
            Self::Notifications => "P-01..P-47",
            Self::Feedback => "P-50..P-56",
            Self::Courier => "C-01..C-18",
        }
    }
}
