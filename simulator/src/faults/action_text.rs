//! Actions from and to text.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use apns_proto::{Identifier, Status};

use super::text::RuleText;
use super::{Action, RuleError, STALL_MAX};
use crate::provider_api::Reason;

const REFUSED_STREAM: u32 = 7;
/// What refuses unless a rule says otherwise.
const INVALID_TOKEN: u64 = 8;
const TEXT_LEN_MAX: usize = 1_000;

impl RuleText {
    fn millis(&self, key: &'static str, value: Option<u64>) -> Result<Duration, RuleError> {
        let delay = Duration::from_millis(value.unwrap_or(0));
        if delay > STALL_MAX {
            return Err(RuleError::Range {
                key,
                range: "at most 600000, ten minutes",
            });
        }
        Ok(delay)
    }

    fn ms(&self) -> Result<Duration, RuleError> {
        self.millis("ms", self.ms)
    }

    /// The status of a refusal; 8, unless it says otherwise.
    fn status(&self) -> Result<Status, RuleError> {
        let status = u8::try_from(self.status.unwrap_or(INVALID_TOKEN));
        status.map(Status).map_err(|_| RuleError::Range {
            key: "status",
            range: "from 0 to 255",
        })
    }

    pub(super) fn action(&self) -> Result<Action, RuleError> {
        let taken = self.taken.unwrap_or(false);
        Ok(match self.action.as_str() {
            "latency" => Action::Latency {
                delay: self.ms()?,
                jitter: self.millis("jitter_ms", self.jitter_ms)?,
            },
            "bandwidth" => Action::Bandwidth {
                bytes_per_second: self.rate()?,
            },
            "timeout" => Action::Timeout {
                after: if self.ms.is_some() {
                    self.ms()?
                } else {
                    STALL_MAX
                },
                taken,
            },
            "reset_peer" => Action::ResetPeer { taken },
            "half_close" => Action::HalfClose { taken },
            "close" => Action::Close { taken },
            "slicer" => Action::Slicer {
                bytes: NonZeroUsize::new(self.len(1)?).ok_or(RuleError::Range {
                    key: "bytes",
                    range: "at least 1",
                })?,
                pause: self.ms()?,
                status: self.status()?,
            },
            "limit_data" => Action::LimitData {
                bytes: self.len(0)?,
                status: self.status()?,
            },
            "slow_close" => Action::SlowClose {
                wait: self.ms()?,
                status: self.status()?,
            },
            "swallow" => Action::Swallow { delay: self.ms()? },
            "status" => Action::Status {
                status: self.status()?,
            },
            "wrong_identifier" => Action::WrongIdentifier {
                status: self.status()?,
                identifier: match self.identifier {
                    Some(_) => Some(Identifier::from_u32(word(
                        "identifier",
                        self.identifier,
                        0,
                    )?)),
                    None => None,
                },
            },
            "zero_identifier" => Action::ZeroIdentifier {
                status: self.status()?,
            },
            "no_packet" => Action::NoPacket,
            "shutdown" => Action::Shutdown { taken },
            "reason" => self.reason()?,
            "rst_stream" => Action::RstStream {
                error_code: word("error_code", self.error_code, REFUSED_STREAM)?,
                taken,
            },
            "goaway" => Action::Goaway {
                last_stream_id: match self.last_stream_id {
                    Some(0..=0x7fff_ffff) => Some(word("last_stream_id", self.last_stream_id, 0)?),
                    Some(_) => {
                        return Err(RuleError::Range {
                            key: "last_stream_id",
                            range: "at most 2147483647",
                        });
                    }
                    None => None,
                },
                error_code: word("error_code", self.error_code, 0)?,
                debug: self.text("debug", self.debug.as_ref())?,
                taken,
            },
            "max_streams" => Action::MaxStreams {
                streams: word("streams", self.streams, 0)?,
            },
            "certificate_expired" => Action::CertificateExpired,
            "certificate_revoked" => Action::CertificateRevoked,
            _ => {
                return Err(RuleError::UnknownAction {
                    action: self.action.clone(),
                });
            }
        })
    }

    fn rate(&self) -> Result<NonZeroU32, RuleError> {
        let rate = self.bytes_per_second.unwrap_or(0);
        let rate = u32::try_from(rate).ok().and_then(NonZeroU32::new);
        rate.ok_or(RuleError::Range {
            key: "bytes_per_second",
            range: "from 1 to 4294967295",
        })
    }

    fn len(&self, default: u64) -> Result<usize, RuleError> {
        let len = usize::try_from(self.bytes.unwrap_or(default));
        len.map_err(|_| RuleError::Range {
            key: "bytes",
            range: "a number of bytes",
        })
    }

    fn text(&self, key: &'static str, text: Option<&String>) -> Result<Arc<str>, RuleError> {
        let text = text.map_or("", String::as_str);
        if text.len() > TEXT_LEN_MAX {
            return Err(RuleError::Range {
                key,
                range: "at most 1000 bytes long",
            });
        }
        Ok(text.into())
    }

    fn reason(&self) -> Result<Action, RuleError> {
        let reason = self.text("reason", self.reason.as_ref())?;
        let known = Reason::named(&reason).map_or(400, |reason| reason.status().into());
        let range = || RuleError::Range {
            key: "status",
            range: "from 200 to 599 for the action `reason`",
        };
        let status = u16::try_from(self.status.unwrap_or(known)).map_err(|_| range())?;
        if !(200..600).contains(&status) {
            return Err(range());
        }
        Ok(Action::Reason { status, reason })
    }

    /// Writes down what the action was given.
    pub(super) fn with(&mut self, action: Action) {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).ok();
        self.taken = action.taken().then_some(true);
        match action {
            Action::Latency { delay, jitter } => {
                self.ms = millis(delay);
                self.jitter_ms = millis(jitter).filter(|jitter| *jitter > 0);
            }
            Action::Bandwidth { bytes_per_second } => {
                self.bytes_per_second = Some(bytes_per_second.get().into());
            }
            Action::Timeout { after, .. } => self.ms = millis(after),
            Action::Slicer {
                bytes,
                pause,
                status,
            } => {
                self.bytes = Some(bytes.get() as u64);
                self.ms = millis(pause);
                self.status = Some(status.0.into());
            }
            Action::LimitData { bytes, status } => {
                self.bytes = Some(bytes as u64);
                self.status = Some(status.0.into());
            }
            Action::SlowClose { wait, status } => {
                self.ms = millis(wait);
                self.status = Some(status.0.into());
            }
            Action::Swallow { delay } => self.ms = millis(delay),
            Action::Status { status } | Action::ZeroIdentifier { status } => {
                self.status = Some(status.0.into());
            }
            Action::WrongIdentifier { status, identifier } => {
                self.status = Some(status.0.into());
                self.identifier = identifier.map(|identifier| identifier.to_u32().into());
            }
            Action::Reason { status, reason } => {
                self.status = Some(status.into());
                self.reason = Some(reason.to_string());
            }
            Action::RstStream { error_code, .. } => self.error_code = Some(error_code.into()),
            Action::Goaway {
                last_stream_id,
                error_code,
                debug,
                ..
            } => {
                self.last_stream_id = last_stream_id.map(Into::into);
                self.error_code = Some(error_code.into());
                self.debug = Some(debug.to_string());
            }
            Action::MaxStreams { streams } => self.streams = Some(streams.into()),
            Action::ResetPeer { .. }
            | Action::HalfClose { .. }
            | Action::Close { .. }
            | Action::Shutdown { .. }
            | Action::NoPacket
            | Action::CertificateExpired
            | Action::CertificateRevoked => {}
        }
    }
}

fn word(key: &'static str, value: Option<u64>, default: u32) -> Result<u32, RuleError> {
    u32::try_from(value.unwrap_or_else(|| default.into())).map_err(|_| RuleError::Range {
        key,
        range: "at most 4294967295",
    })
}
