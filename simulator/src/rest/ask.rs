//! Reading a request: its project, its parameters, its body; each with a sentence for what is wrong.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::Desk;
use super::problem::Problem;
use crate::project::Project;
use crate::shared::Shared;

/// The query parameter that chooses the project. A parameter, not a header: links and `EventSource` cannot set headers.
pub(super) const PROJECT: &str = "project";

/// Query parameters in two groups, and the project. Which names a group has, its documentation says; what is in neither is refused.
#[derive(Debug)]
pub(super) struct Asked<A = Nothing, B = Nothing> {
    /// The project: its world as it is now.
    pub(super) project: Arc<Shared>,
    /// What outlives a reset of it.
    pub(super) owner: Arc<Project>,
    /// The first group.
    pub(super) query: A,
    /// The second.
    pub(super) more: B,
}

/// No parameters.
#[derive(Debug, Deserialize)]
pub(super) struct Nothing {}

impl IntoParams for Nothing {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Vec::new()
    }
}

impl<A, B> FromRequestParts<Arc<Desk>> for Asked<A, B>
where
    A: IntoParams + DeserializeOwned,
    B: IntoParams + DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, desk: &Arc<Desk>) -> Result<Self, Problem> {
        let mut query = Query::parse(parts.uri.query().unwrap_or_default());
        let project = query.group(&[PROJECT.to_owned()]);
        let (first, second) = (names::<A>(), names::<B>());
        let owner = desk.project(value(&project))?;
        let asked = Self {
            project: owner.shared(),
            owner,
            query: read(&query.group(&first))?,
            more: read(&query.group(&second))?,
        };
        let mut known = [first, second].concat();
        known.push(PROJECT.to_owned());
        match query.0.first() {
            Some((name, _)) => Err(Problem::bad(
                "unknown_parameter",
                format!(
                    "there is no parameter {name} here, but {}",
                    known.join(", ")
                ),
            )),
            None => Ok(asked),
        }
    }
}

impl Desk {
    fn project(&self, name: Option<String>) -> Result<Arc<Project>, Problem> {
        let team = name.as_deref().filter(|name| *name != "default");
        self.projects.of(team).map_err(|error| {
            Problem::with_status(
                StatusCode::SERVICE_UNAVAILABLE,
                "no_room_for_project",
                error,
            )
        })
    }
}

/// A query's pairs as they were written, each with its name.
struct Query<'a>(Vec<(String, &'a str)>);

impl<'a> Query<'a> {
    fn parse(query: &'a str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let name = form_urlencoded::parse(pair.as_bytes()).next();
                    (name.map_or_else(String::new, |(name, _)| name.into()), pair)
                })
                .collect(),
        )
    }

    /// Takes out what has one of these names.
    fn group(&mut self, names: &[String]) -> String {
        let (group, rest) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|(name, _)| names.contains(name));
        self.0 = rest;
        group
            .iter()
            .map(|(_, pair): &(String, &str)| *pair)
            .collect::<Vec<_>>()
            .join("&")
    }
}

fn value(group: &str) -> Option<String> {
    form_urlencoded::parse(group.as_bytes())
        .last()
        .map(|(_, value)| value.into())
}

fn names<T: IntoParams>() -> Vec<String> {
    T::into_params(|| None)
        .into_iter()
        .map(|parameter| parameter.name)
        .collect()
}

fn read<T: DeserializeOwned>(group: &str) -> Result<T, Problem> {
    serde_urlencoded::from_str(group).map_err(|error| {
        Problem::bad(
            "bad_parameter",
            format!("a parameter cannot be read: {error}"),
        )
    })
}

/// A number in its range, or what is wrong with it.
pub(super) fn within<T: PartialOrd + Display>(
    name: &str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<T, Problem> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(Problem::bad(
        "bad_parameter",
        format!(
            "{name} is {value}; it can be {} to {}",
            range.start(),
            range.end()
        ),
    ))
}

/// A JSON body. Not decided by `content-type`: `curl -d` does not set it.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Raw(bytes) = Raw::from_request(request, state).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            let message = if bytes.is_empty() {
                "the body is empty; a JSON object is expected".to_owned()
            } else {
                format!("the body is not what is expected: {error}")
            };
            Problem::bad("bad_body", message)
        })
    }
}

/// A body as it comes.
#[derive(Debug)]
pub(super) struct Raw(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Bytes::from_request(request, state).await {
            Ok(bytes) => Ok(Self(bytes)),
            Err(rejection) => Err(Problem::with_status(
                rejection.status(),
                "bad_body",
                rejection.body_text(),
            )),
        }
    }
}

/// A part of the path, of which axum refuses what is not UTF-8.
#[derive(Debug)]
pub(super) struct In<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for In<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(parts)) => Ok(Self(parts)),
            Err(rejection) => Err(Problem::bad("bad_path", rejection.body_text())),
        }
    }
}
