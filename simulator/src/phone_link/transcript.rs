//! What is said on a phone's courier connection, for whoever wants to read along.

use std::sync::Arc;

use apns_proto::courier::Message;
use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The phone's name.
    pub phone: Arc<str>,
    /// Who says it.
    pub from: Side,
    /// What it means.
    pub message: Message,
    /// Its frame.
    pub frame: Bytes,
}

/// The two ends of a courier connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The phone.
    Phone,
    /// APNs.
    Apns,
}

/// Keeps what the phone says until it is written.
pub(super) struct Transcript<'a> {
    phone: &'a Arc<str>,
    reader: Option<&'a mpsc::Sender<Line>>,
    unwritten: Vec<Line>,
}

impl<'a> Transcript<'a> {
    pub(super) const fn new(phone: &'a Arc<str>, reader: Option<&'a mpsc::Sender<Line>>) -> Self {
        Self {
            phone,
            reader,
            unwritten: Vec::new(),
        }
    }

    /// The phone is about to write a message.
    pub(super) fn says(&mut self, message: Message, frame: &[u8]) {
        if self.reader.is_some() {
            self.unwritten.push(Line {
                phone: self.phone.clone(),
                from: Side::Phone,
                message,
                frame: Bytes::copy_from_slice(frame),
            });
        }
    }

    /// Everything it said is written.
    pub(super) async fn written(&mut self, stop: &CancellationToken) {
        for line in std::mem::take(&mut self.unwritten) {
            self.tell(line, stop).await;
        }
    }

    /// The phone has read a message.
    pub(super) async fn hears(&self, message: &Message, stop: &CancellationToken) {
        if self.reader.is_none() {
            return;
        }
        let mut frame = BytesMut::new();
        if message.clone().encode(&mut frame).is_ok() {
            let line = Line {
                phone: self.phone.clone(),
                from: Side::Apns,
                message: message.clone(),
                frame: frame.freeze(),
            };
            self.tell(line, stop).await;
        }
    }

    async fn tell(&self, line: Line, stop: &CancellationToken) {
        if let Some(reader) = self.reader {
            // A reader that went away wants no more, and a phone that stops waits for none.
            stop.run_until_cancelled(reader.send(line)).await;
        }
    }
}
