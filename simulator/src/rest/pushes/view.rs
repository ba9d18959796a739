//! Pushes as JSON.

use apns_net::credentials::Environment;
use apns_proto::{Identifier, Token};
use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::phones::payload;
use super::super::time;
use super::{curl, frame};
use crate::event::Sent;
use crate::inbox::{EnvironmentName, Face, Fate, Mismatch, Miss, Outcome, Push};
use crate::provider_api::PushType;

/// A push
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Push)]
pub(in crate::rest) struct PushView {
    id: u64,
    /// When it came.
    at: String,
    topic: String,
    #[schema(value_type = EnvironmentName)]
    environment: Environment,
    /// In hex, as far as it could be read.
    token: Option<String>,
    /// The phone that has the token.
    phone: Option<String>,
    face: Face,
    /// The layout of the frame it came in: 0, 1 or 2.
    command: Option<u8>,
    /// The provider's own number for it.
    identifier: Option<u32>,
    /// What it is called over HTTP/2.
    apns_id: Option<String>,
    push_type: Option<&'static str>,
    collapse_id: Option<String>,
    /// Until when it may be stored: seconds since 1970, 0 for not at all.
    expiry: Option<i32>,
    priority: Option<u8>,
    /// As JSON, or as text where it is none.
    payload: Value,
    outcome: Outcome,
    /// Why.
    why: Option<String>,
    /// The status it was refused with, that of the error packet or HTTP's; none where there was no error packet.
    status: Option<u16>,
    /// The reason it was refused with over HTTP/2.
    reason: Option<String>,
    /// The fault that decided it: its rule's name, or `magic token`.
    fault: Option<String>,
    /// The clause of docs/protocol.md behind a refusal.
    clause: Option<&'static str>,
    /// When the outcome was known.
    settled_at: Option<String>,
}

/// A push with its bytes
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::rest) struct PushDetails {
    #[serde(flatten)]
    push: PushView,
    /// The frame as it was on the wire; of a push that came otherwise the same one as command 2, none where its token could not be read.
    frame_hex: Option<String>,
    /// The same push for today's APNs, on a command line; none where there was no token or no text to be read.
    curl: Option<String>,
}

/// The push that comes nearest
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NearestMiss)]
pub(in crate::rest) struct MissView {
    push: PushView,
    /// What keeps it from matching.
    why: Vec<Mismatch>,
}

impl PushView {
    pub(super) fn of(push: &Push) -> Self {
        let Push { request, .. } = push;
        let view = Self {
            id: push.id,
            at: time::text(push.at),
            topic: request.topic.to_string(),
            environment: request.environment,
            token: request.token.as_ref().map(Token::to_hex),
            phone: push.phone.as_deref().map(str::to_owned),
            face: push.face(),
            command: None,
            identifier: None,
            apns_id: None,
            push_type: None,
            collapse_id: None,
            expiry: push.expiry.map(|expiry| expiry.0),
            priority: push.priority.map(|priority| priority.0),
            payload: payload(&push.payload),
            outcome: push.fate.outcome(),
            why: push.fate.why(),
            status: push.status(),
            reason: push.reason(),
            fault: push.fault().map(str::to_owned),
            clause: match push.fate {
                Fate::Refused { .. } => Some("H-30"),
                Fate::Rejected { clause, .. } => Some(clause),
                _ => None,
            },
            settled_at: push.settled_at.map(time::text),
        };
        match &request.sent {
            Sent::Frame {
                command,
                identifier,
                ..
            } => Self {
                command: Some(command.0),
                identifier: identifier.map(Identifier::to_u32),
                ..view
            },
            Sent::Post(post) => Self {
                apns_id: Some(post.id.to_string()),
                push_type: post.push_type.map(PushType::name),
                collapse_id: post.collapse_id.as_deref().map(str::to_owned),
                ..view
            },
            Sent::File { .. } => view,
        }
    }

    pub(super) const fn id(&self) -> u64 {
        self.id
    }
}

impl PushDetails {
    pub(super) fn of(push: &Push) -> Self {
        Self {
            push: PushView::of(push),
            frame_hex: frame::bytes(push).map(|frame| HEXLOWER.encode(&frame)),
            curl: curl::command(push),
        }
    }
}

impl MissView {
    pub(super) fn of(miss: Miss<'_>) -> Self {
        Self {
            push: PushView::of(miss.push),
            why: miss.why,
        }
    }
}
