//! How a fault has a face speak and end, on the wire.

use std::io;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use apns_net::linger::{Linger, linger};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;
use tracing::debug;

use crate::faults::{Action, STALL_MAX};

/// How what is said is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// In TLS records of so many bytes, so long apart.
    Sliced {
        bytes: NonZeroUsize,
        pause: Duration,
    },
    /// No more than so many bytes of it.
    Limited { bytes: usize },
    /// Whole; the close comes so much later.
    SlowClose { wait: Duration },
}

impl Manner {
    /// The manner of a fault that changes only how something is said.
    pub(crate) fn of(action: &Action) -> Option<Self> {
        match *action {
            Action::Slicer { bytes, pause, .. } => Some(Self::Sliced { bytes, pause }),
            Action::LimitData { bytes, .. } => Some(Self::Limited { bytes }),
            Action::SlowClose { wait, .. } => Some(Self::SlowClose { wait }),
            Action::Bandwidth { bytes_per_second } => Some(Self::paced(bytes_per_second)),
            _ => None,
        }
    }

    /// About ten records a second.
    fn paced(bytes_per_second: NonZeroU32) -> Self {
        let bytes = (bytes_per_second.get() / 10).max(1);
        Self::Sliced {
            bytes: NonZeroUsize::new(bytes as usize).unwrap_or(NonZeroUsize::MIN),
            pause: pace(bytes as usize, bytes_per_second),
        }
    }

    /// Says `words`, and whether it was all of them; whoever called closes. A peer that does not read, and a fault that would take for
    /// ever, fail.
    pub(crate) async fn say(
        self,
        stream: &mut TlsStream<TcpStream>,
        words: &[u8],
    ) -> io::Result<bool> {
        timeout(STALL_MAX, self.say_all(stream, words)).await??;
        Ok(!matches!(self, Self::Limited { bytes } if bytes < words.len()))
    }

    async fn say_all(self, stream: &mut TlsStream<TcpStream>, words: &[u8]) -> io::Result<()> {
        match self {
            Self::Sliced { bytes, pause } => {
                let mut slices = words.chunks(bytes.get()).peekable();
                while let Some(slice) = slices.next() {
                    stream.write_all(slice).await?;
                    stream.flush().await?;
                    if slices.peek().is_some() {
                        sleep(pause).await;
                    }
                }
            }
            Self::Limited { bytes } => {
                stream
                    .write_all(words.get(..bytes).unwrap_or(words))
                    .await?;
                stream.flush().await?;
            }
            Self::SlowClose { wait } => {
                stream.write_all(words).await?;
                stream.flush().await?;
                sleep(wait).await;
            }
        }
        Ok(())
    }
}

/// How long so many bytes take.
pub(crate) fn pace(len: usize, bytes_per_second: NonZeroU32) -> Duration {
    let nanos = len as u128 * 1_000_000_000 / u128::from(bytes_per_second.get());
    let nanos = u64::try_from(nanos).map_or(Duration::MAX, Duration::from_nanos);
    nanos.min(STALL_MAX)
}

/// How a connection breaks, with nothing said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    /// It falls silent, and closes so much later.
    Timeout { after: Duration },
    /// It is reset.
    Reset,
    /// Its peer can write on, for nobody.
    HalfClose,
    /// It closes.
    Close,
}

impl Break {
    /// The break of a fault that breaks the connection.
    pub(crate) const fn of(action: &Action) -> Option<Self> {
        match *action {
            Action::Timeout { after, .. } => Some(Self::Timeout { after }),
            Action::ResetPeer { .. } => Some(Self::Reset),
            Action::HalfClose { .. } => Some(Self::HalfClose),
            Action::Close { .. } => Some(Self::Close),
            _ => None,
        }
    }

    /// Breaks it; the stream is to be dropped then.
    pub(crate) async fn apply(self, stream: &mut TlsStream<TcpStream>) {
        let patient = Linger {
            idle: STALL_MAX,
            total: STALL_MAX,
        };
        let lingering = match self {
            Self::Timeout { after } => {
                sleep(after).await;
                Linger::default()
            }
            Self::Reset => {
                // What is dropped now is closed with RST.
                if let Err(error) = stream.get_ref().0.set_zero_linger() {
                    debug!(%error, "the connection was gone before its reset");
                }
                return;
            }
            Self::HalfClose => patient,
            Self::Close => Linger::default(),
        };
        let lingered = linger(stream, lingering).await;
        debug!(how = ?self, len = lingered.dropped_len, end = ?lingered.end, "broke a connection");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(bytes_per_second: u32) -> NonZeroU32 {
        NonZeroU32::new(bytes_per_second).unwrap()
    }

    #[test]
    fn bytes_take_as_long_as_the_rate_says_and_never_longer_than_a_stall() {
        assert_eq!(pace(500, rate(1_000)), Duration::from_millis(500));
        assert_eq!(pace(usize::MAX, rate(1)), STALL_MAX);
        let record = |rate| match Manner::paced(rate) {
            Manner::Sliced { bytes, pause } => (bytes.get(), pause),
            other => panic!("{other:?}"),
        };
        assert_eq!(record(rate(1_000)), (100, Duration::from_millis(100)));
        assert_eq!(record(rate(5)), (1, Duration::from_millis(200)));
    }
}
