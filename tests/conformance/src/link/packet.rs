//! Reading error packets [P-31] without judging them: that is for cases.

use super::{Ending, Heard, Link};
use crate::case::Failed;

/// Six bytes that may be an error packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    /// `08`, if it is one.
    pub(crate) command: u8,
    /// Why the notification was refused.
    pub(crate) status: u8,
    /// Which.
    pub(crate) identifier: u32,
    /// How many TLS records the six bytes were spread over.
    pub(crate) records: usize,
}

/// What came instead of silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Six bytes.
    Packet(Packet),
    /// The end, and no packet before it.
    End(Ending),
    /// Nothing, for as long as was waited.
    Nothing,
}

impl Link {
    /// The next six bytes, within the time that everything expected has.
    pub(crate) async fn answer(&mut self) -> Result<Answer, Failed> {
        self.answer_within(self.timeout).await
    }

    /// The next six bytes, if they come within `time`.
    pub(crate) async fn answer_within(
        &mut self,
        time: std::time::Duration,
    ) -> Result<Answer, Failed> {
        let mut records = usize::from(!self.unread.is_empty());
        loop {
            if let Some((packet, rest)) = self.unread.split_first_chunk::<6>() {
                let [command, status, a, b, c, d] = *packet;
                self.unread = rest.to_vec();
                return Ok(Answer::Packet(Packet {
                    command,
                    status,
                    identifier: u32::from_be_bytes([a, b, c, d]),
                    records,
                }));
            }
            match self.hear_within(time).await? {
                Heard::Record(bytes) => {
                    self.unread.extend(bytes);
                    records += 1;
                }
                Heard::End(ending) if self.unread.is_empty() => return Ok(Answer::End(ending)),
                Heard::Nothing if self.unread.is_empty() => return Ok(Answer::Nothing),
                end => {
                    let len = self.unread.len();
                    return Err(Failed(match end {
                        Heard::End(ending) => {
                            format!("{len} bytes of an error packet, then the end ({ending})")
                        }
                        _ => format!("{len} bytes of an error packet, then nothing"),
                    }));
                }
            }
        }
    }

    /// The first answer that is not a confirmation: whether those may be sent is a matter of [P-30] alone.
    pub(crate) async fn refusal(&mut self) -> Result<Answer, Failed> {
        loop {
            match self.answer().await? {
                Answer::Packet(Packet { status: 0, .. }) => {}
                answer => return Ok(answer),
            }
        }
    }
}

impl std::fmt::Display for Packet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            command,
            status,
            identifier,
            ..
        } = self;
        write!(f, "{command:02x} {status:02x} {identifier:08x}")
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Packet(packet) => write!(f, "the server answered {packet}"),
            Self::End(Ending::CloseNotify | Ending::Fin) => {
                f.write_str("the server closed the connection without an error packet")
            }
            Self::End(ending) => {
                write!(f, "the connection ended ({ending}) without an error packet")
            }
            Self::Nothing => f.write_str("the server did not answer"),
        }
    }
}
