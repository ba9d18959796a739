//! Everything that happens, as it happens: server-sent events.
//!
//! A stream is a position in the world's bounded ring of events, and asks for the next page when its reader has taken the last one. So nothing
//! is queued for a slow reader: it is told how many events it missed, and is hung up on once it takes nothing at all.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use apns_net::credentials::Environment;
use apns_proto::Token;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{Event as Frame, KeepAlive, Sse};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::ask::{Asked, Nothing};
use super::problem::Problem;
use super::{Desk, time};
use crate::event::{Event, Page};
use crate::inbox::EnvironmentName;
use crate::project::Project;
use crate::shared::Shared;

/// Events read at a time.
const PAGE_LEN: usize = 256;
/// Between two comments on a stream on which nothing happens.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Where a stream begins.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct From {
    /// After this event; 0 is before the first there is. With the next one if nothing is said. The header `Last-Event-ID`, which an `EventSource`
    /// sends when it comes back, goes before it.
    since: Option<u64>,
}

/// Something that happened
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
struct EventView {
    /// Its place among all events, from 1, without gaps.
    seq: u64,
    at: String,
    /// In one word, which is also the SSE event's name.
    #[serde(rename = "type")]
    kind: &'static str,
    /// In one sentence, tokens shortened.
    text: String,
    /// The push it is about.
    push: Option<u64>,
    phone: Option<String>,
    topic: Option<String>,
    #[schema(value_type = Option<EnvironmentName>)]
    environment: Option<Environment>,
    /// In hex.
    token: Option<String>,
}

/// Streams what happens, as server-sent events
///
/// Each has the event's number as `id`, its type as `event` and the event as JSON in `data`. Events that were forgotten before they could be sent are
/// counted in an event of type `missed`: `{"missed": 17}`.
#[utoipa::path(
    get, path = "/v1/events", tag = "events",
    params(From, ("Last-Event-ID" = Option<String>, Header, description = "The last event received")),
    responses((status = 200, body = EventView, content_type = "text/event-stream"))
)]
pub(super) async fn stream(
    State(desk): State<Arc<Desk>>,
    asked: Asked<From, Nothing>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let project = asked.project;
    let after = match (headers.get("last-event-id"), asked.query.since) {
        (Some(id), _) => id
            .to_str()
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| {
                Problem::bad(
                    "bad_header",
                    "the header Last-Event-ID is not the number of an event",
                )
            })?,
        (None, Some(since)) => since,
        (None, None) => project.with(|world, _| world.newest_event()),
    };
    let reader = Reader {
        changes: project.changes(),
        owner: asked.owner,
        project,
        after,
        frames: VecDeque::new(),
        stop: desk.stop.clone(),
    };
    let frames = stream::unfold(reader, async |mut reader| {
        let frame = reader.next().await?;
        Some((Ok::<_, Infallible>(frame), reader))
    });
    Ok(Sse::new(frames).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// One reader's place in the events.
struct Reader {
    owner: Arc<Project>,
    project: Arc<Shared>,
    changes: watch::Receiver<()>,
    after: u64,
    /// Of the page that is being sent.
    frames: VecDeque<Frame>,
    stop: CancellationToken,
}

impl Reader {
    /// `None`: the API or the simulator stops.
    async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Some(frame);
            }
            self.changes.mark_unchanged();
            let page = self
                .project
                .with(|world, _| world.events(self.after, PAGE_LEN));
            self.take(page);
            if self.frames.is_empty() {
                tokio::select! {
                    changed = self.changes.changed() => changed.ok()?,
                    () = self.project.stop().cancelled() => self.go_on()?,
                    () = self.stop.cancelled() => return None,
                }
            }
        }
    }

    /// After a reset, in the new world, whose events are numbered on. `None`: the simulator stops.
    fn go_on(&mut self) -> Option<()> {
        let now = self.owner.shared();
        if Arc::ptr_eq(&now, &self.project) {
            return None;
        }
        self.project = now;
        Some(())
    }

    fn take(&mut self, page: Page) {
        if page.missed > 0 {
            let missed = serde_json::json!({ "missed": page.missed });
            let id = self.after.saturating_add(page.missed);
            self.frames.push_back(frame(id, "missed", &missed));
        }
        for event in &page.events {
            let view = EventView::of(event);
            self.frames.push_back(frame(event.seq, view.kind, &view));
            self.after = event.seq;
        }
    }
}

fn frame(id: u64, kind: &str, data: &impl Serialize) -> Frame {
    let data = serde_json::to_string(data).expect("its keys are strings");
    Frame::default().id(id.to_string()).event(kind).data(data)
}

impl EventView {
    fn of(event: &Event) -> Self {
        let parts = event.what.parts();
        Self {
            seq: event.seq,
            at: time::text(event.at),
            kind: parts.kind,
            text: event.what.to_string(),
            push: parts.push,
            phone: parts.phone.map(str::to_owned),
            topic: parts.topic.map(str::to_owned),
            environment: parts.environment,
            token: parts.token.map(Token::to_hex),
        }
    }
}
