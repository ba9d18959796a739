//! One request on its stream: read until it is whole, then answered.

use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, StreamId};
use http::Response;
use tokio::time::Instant;
use tracing::debug;

use super::answer::Answer;
use crate::provider_api::{ApnsId, Request, VOIP_PAYLOAD_LEN_MAX};

/// A request and the way back.
pub(super) struct Exchange {
    pub(super) request: Request,
    /// What the provider calls it; what APNs does, once it has been judged.
    pub(super) id: Option<ApnsId>,
    /// It must be whole by then [H-02].
    pub(super) until: Instant,
    respond: SendResponse<Bytes>,
    body: RecvStream,
    lost: bool,
}

impl Exchange {
    pub(super) fn new(
        request: http::Request<RecvStream>,
        respond: SendResponse<Bytes>,
        until: Instant,
    ) -> Self {
        let (head, body) = request.into_parts();
        let request = Request {
            method: head.method,
            uri: head.uri,
            headers: head.headers,
            body: Bytes::new(),
            verified: None,
        };
        Self {
            id: request.id(),
            request,
            until,
            respond,
            body,
            lost: false,
        }
    }

    pub(super) fn stream(&self) -> StreamId {
        self.respond.stream_id()
    }

    /// The provider took it back.
    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    /// Reads what has arrived of the body. Ready when that is all, or when it is longer than any may be: no more is read then.
    pub(super) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.request.body.len() <= VOIP_PAYLOAD_LEN_MAX {
            match ready!(self.body.poll_data(cx)) {
                None => break,
                Some(Err(error)) => {
                    debug!(stream = ?self.stream(), %error, "the provider took a request back");
                    self.lost = true;
                    break;
                }
                Some(Ok(part)) => {
                    // It is ours now: the provider may send as much again. Only a stream that is gone has nothing to release.
                    let _ = self.body.flow_control().release_capacity(part.len());
                    self.request.body = joined(std::mem::take(&mut self.request.body), part);
                }
            }
        }
        Poll::Ready(())
    }

    /// Answers. What is left of the request is of no interest any more.
    pub(super) fn reply(mut self, answer: &Answer) {
        let (response, body) = answer.response();
        if let Err(error) = self.send(response, body) {
            debug!(stream = ?self.stream(), %error, "the provider did not wait for the answer");
        }
    }

    fn send(&mut self, response: Response<()>, body: Bytes) -> Result<(), h2::Error> {
        let mut stream = self.respond.send_response(response, body.is_empty())?;
        if !body.is_empty() {
            stream.send_data(body, true)?;
        }
        Ok(())
    }

    /// Ends the stream without an answer.
    pub(super) fn reset(mut self, reason: Reason) {
        self.respond.send_reset(reason);
    }
}

/// A body mostly is a single part, which is not copied.
fn joined(front: Bytes, part: Bytes) -> Bytes {
    if front.is_empty() {
        return part;
    }
    let mut whole = BytesMut::from(front);
    whole.extend_from_slice(&part);
    whole.freeze()
}
