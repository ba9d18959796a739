//! The inbox: what was sent, and what became of it; and sending.

mod curl;
mod frame;
mod view;
pub(super) mod wait;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::view::{PushDetails, PushView};
use super::ask::{Asked, In, Nothing, Raw, within};
use super::problem::Problem;
use crate::apns_file::{ApnsFile, ApnsFileError};
use crate::deliver::DeliverError;
use crate::inbox::{Filter, Push};
use crate::shared::Shared;

const LIMIT: u16 = 100;
const LIMIT_MAX: u16 = 1_000;

/// Which page of a list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// At most so many; 100 if nothing is said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
    /// Only pushes with a smaller id: where the page before ended.
    before: Option<u64>,
}

/// A page of the inbox
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PushList {
    /// Newest first.
    pushes: Vec<PushView>,
    /// `before` for the page of older ones; none where this is the last page.
    next: Option<u64>,
    /// How many were ever sent.
    total: u64,
    /// How many of these have made room for newer ones.
    dropped: u64,
    /// How many events were forgotten before anybody looked; pushes among them are counted nowhere.
    missed_events: u64,
    /// The newest event: `since` of a request for what comes later.
    newest: u64,
}

/// Which phone a file is delivered to.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct To {
    /// The phone's name. It may be left out where only one has the app.
    phone: Option<String>,
}

/// An `.apns` file: a payload that says which app it is for
#[derive(ToSchema)]
#[schema(as = ApnsFile)]
#[expect(dead_code, reason = "only its schema is used")]
struct FileSchema {
    /// The app.
    #[schema(rename = "Simulator Target Bundle")]
    bundle: String,
    #[schema(value_type = Object)]
    aps: serde_json::Value,
}

/// Lists what was sent, newest first
#[utoipa::path(
    get, path = "/v1/pushes", tag = "pushes", params(Filter, Paging), responses((status = 200, body = PushList))
)]
pub(super) async fn list(asked: Asked<Filter, Paging>) -> Result<Json<PushList>, Problem> {
    let (filter, Paging { limit, before }) = (asked.query, asked.more);
    let limit = usize::from(within("limit", limit.unwrap_or(LIMIT), 1..=LIMIT_MAX)?);
    Ok(asked.project.inbox(|inbox| {
        let mut matching = inbox
            .pushes()
            .rev()
            .filter(|push| before.is_none_or(|before| push.id < before) && filter.matches(push));
        let pushes: Vec<_> = matching.by_ref().take(limit).map(PushView::of).collect();
        let more = matching.next().is_some();
        Json(PushList {
            next: pushes.last().filter(|_| more).map(PushView::id),
            pushes,
            total: inbox.total(),
            dropped: inbox.dropped(),
            missed_events: inbox.missed_events(),
            newest: inbox.seen(),
        })
    }))
}

/// Shows a push with its frame, and how to send it over HTTP/2
#[utoipa::path(
    get, path = "/v1/pushes/{id}", tag = "pushes", params(("id" = u64, Path, description = "The push")),
    responses((status = 200, body = PushDetails))
)]
pub(super) async fn show(asked: Asked, In(id): In<u64>) -> Result<Json<PushDetails>, Problem> {
    find(&asked.project, id, |push| Json(PushDetails::of(push)))
}

/// Gives a push as an `.apns` file
#[utoipa::path(
    get, path = "/v1/pushes/{id}/apns", tag = "pushes", params(("id" = u64, Path, description = "The push")),
    responses((status = 200, description = "As `xcrun simctl push` takes it", content_type = "application/json"))
)]
pub(super) async fn file(asked: Asked, In(id): In<u64>) -> Result<Response, Problem> {
    let file = find(&asked.project, id, |push| {
        ApnsFile::of(&push.request.topic, &push.payload)
    })?;
    let text = file
        .map_err(|error| {
            Problem::conflict("no_file", format!("there is no file of this push: {error}"))
        })?
        .text();
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"push-{id}.apns\""),
        ),
    ];
    Ok((headers, text).into_response())
}

/// Delivers an `.apns` file as APNs would
#[utoipa::path(
    post, path = "/v1/pushes", tag = "pushes", params(To),
    request_body = FileSchema,
    responses((status = 201, body = PushView))
)]
pub(super) async fn send(
    asked: Asked<To, Nothing>,
    Raw(body): Raw,
) -> Result<(StatusCode, Json<PushView>), Problem> {
    let file = ApnsFile::parse(&body)?;
    let id = asked.project.deliver(&file, asked.query.phone.as_deref())?;
    let view = find(&asked.project, id, PushView::of)?;
    Ok((StatusCode::CREATED, Json(view)))
}

fn find<T>(project: &Shared, id: u64, look: impl FnOnce(&Push) -> T) -> Result<T, Problem> {
    project.inbox(|inbox| {
        inbox.push(id).map(look).ok_or_else(|| {
            let mut ids = inbox.pushes().map(|push| push.id);
            let range = match (ids.next(), ids.next_back()) {
                (Some(first), last) => format!(
                    "the inbox has {} from {first} to {}",
                    inbox.pushes().len(),
                    last.unwrap_or(first)
                ),
                (None, _) => "the inbox is empty".to_owned(),
            };
            Problem::missing("no_such_push", format!("there is no push {id}: {range}"))
        })
    })
}

impl From<ApnsFileError> for Problem {
    fn from(error: ApnsFileError) -> Self {
        Self::bad("bad_file", error)
    }
}

impl From<DeliverError> for Problem {
    fn from(error: DeliverError) -> Self {
        match error {
            DeliverError::NoToken { .. } => Self::missing("no_such_app", error),
            DeliverError::Several { .. } => Self::conflict("which_phone", error),
            DeliverError::Busy { .. } => Self::with_status(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                format!("{error}: try again"),
            ),
        }
    }
}
