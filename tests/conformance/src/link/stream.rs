//! A connection that another protocol takes over.

use tokio::io::{AsyncRead, AsyncWrite};

use super::Link;
use crate::transcript::Transcript;

impl Link {
    /// The protocol that ALPN chose; none where it chose nothing.
    pub(crate) fn protocol(&self) -> Option<&[u8]> {
        self.stream.get_ref().1.alpn_protocol()
    }

    /// Its bytes for whoever takes it over; who then also writes its transcript, under its number.
    pub(crate) fn into_stream(
        self,
    ) -> (impl AsyncRead + AsyncWrite + Send + Unpin, Transcript, u32) {
        (self.stream, self.transcript, self.number)
    }
}
